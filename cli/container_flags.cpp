/// Which flags `run` and `create` take, and the checks that happen while they are read.
#include "cli/container_flags.hpp"

#include <algorithm>
#include <cctype>

#include "api/duration.hpp"
#include "cli/values.hpp"

namespace gantry::cli {
namespace {

error bad(std::string message) { return error{errc::invalid_parameter, 0, std::move(message)}; }

void bytes(flag_set& flags, std::int64_t& into, std::string name, char shorthand, std::string help,
           bool minus_one = false) {
  flags.add({std::move(name), shorthand, "bytes", std::move(help), "", "",
             [&into, minus_one](const std::string& text) -> result<> {
               if (minus_one && text == "-1") {
                 into = -1;
                 return {};
               }
               GANTRY_TRY(value, parse_bytes(text));
               into = value;
               return {};
             }});
}

void duration(flag_set& flags, std::optional<std::int64_t>& into, std::string name, std::string help) {
  flags.add({std::move(name), 0, "duration", std::move(help), "", "0s", [&into](const std::string& text) -> result<> {
               const auto value = api::parse_go_duration(text);
               if (!value) return bad("time: invalid duration \"" + text + "\"");
               into = *value;
               return {};
             }});
}

/// A list whose members are checked one by one.
template <class Check>
void checked_list(flag_set& flags, string_list& into, std::string name, char shorthand, std::string help,
                  std::string value_name, Check check) {
  flags.add({std::move(name), shorthand, std::move(value_name), std::move(help), "", "",
             [&into, check](const std::string& text) -> result<> {
               GANTRY_TRY(value, check(text));
               into.push_back(std::move(value));
               return {};
             }});
}

void pairs(flag_set& flags, std::vector<std::pair<std::string, std::string>>& into, std::string name, std::string help,
           std::string no_pair) {
  flags.add({std::move(name), 0, "map", std::move(help), "", "", [&into, no_pair](const std::string& text) -> result<> {
               auto pair = split_pair(text);
               if (!pair || pair->first.empty()) {
                 std::string message = no_pair;
                 if (const auto at = message.find('%'); at != std::string::npos) message.replace(at, 1, text);
                 return bad(message);
               }
               into.push_back(std::move(*pair));
               return {};
             }});
}

/// What a number behind "/dev/sda:" means.
enum device_value { rate_in_bytes, rate, weight };

result<boost::json::object> parse_device_value(const std::string& text, device_value kind) {
  const auto colon = text.find(':');
  if (colon == std::string::npos || colon == 0) return bad("bad format: " + text);
  if (!text.starts_with("/dev/")) return bad("bad format for device path: " + text);
  const std::string number = text.substr(colon + 1), path = text.substr(0, colon);
  if (kind == rate_in_bytes) {
    const auto parsed = parse_bytes(number);
    if (parsed.has_error())
      return bad("invalid rate for device: " + text +
                 ". The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is "
                 "optional and can be kb, mb, or gb");
    return boost::json::object{{"Path", path}, {"Rate", *parsed}};
  }
  const auto parsed = parse_integer(number);
  if (kind == weight) {
    if (!parsed || (*parsed > 0 && (*parsed < 10 || *parsed > 1000)) || *parsed < 0)
      return bad("invalid weight for device: " + text);
    return boost::json::object{{"Path", path}, {"Weight", *parsed}};
  }
  if (!parsed || *parsed < 0)
    return bad("invalid rate for device: " + text +
               ". The correct format is <device-path>:<number>. Number must be a positive integer");
  return boost::json::object{{"Path", path}, {"Rate", *parsed}};
}

void device_values(flag_set& flags, boost::json::array& into, std::string name, std::string help, device_value kind) {
  flags.add({std::move(name), 0, "list", std::move(help), "", "", [&into, kind](const std::string& text) -> result<> {
               GANTRY_TRY(value, parse_device_value(text, kind));
               into.push_back(std::move(value));
               return {};
             }});
}

result<std::string> check_env(const std::string& text) {
  if (text.empty() || text[0] == '=') return bad("invalid environment variable: " + text);
  return text;
}

result<std::string> check_label(const std::string& text) {
  if (text.empty() || text[0] == '=') return bad("invalid label '" + text + "': empty name");
  return text;
}

result<std::string> check_attach(const std::string& text) {
  std::string lower = text;
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (lower != "stdin" && lower != "stdout" && lower != "stderr")
    return bad("valid streams are STDIN, STDOUT and STDERR");
  return lower;
}

result<std::string> check_address(const std::string& text) {
  if (!is_ip_address(text)) return bad("IP address is not correctly formatted: " + text);
  return text;
}

/// "host:address"; "host=address" is its other spelling.
result<std::string> check_extra_host(const std::string& text) {
  auto separator = text.find('=');
  if (separator == std::string::npos) separator = text.find(':');
  if (separator == std::string::npos || separator == 0) return bad("bad format for add-host: \"" + text + "\"");
  const std::string host = text.substr(0, separator);
  std::string address = text.substr(separator + 1);
  if (address.size() > 2 && address.front() == '[' && address.back() == ']')
    address = address.substr(1, address.size() - 2);
  if (address != "host-gateway" && !is_ip_address(address))
    return bad("invalid IP address in add-host: \"" + address + "\"");
  return host + ":" + address;
}

result<std::string> check_dns_search(const std::string& text) {
  if (text == ".") return text;
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  });
  if (!plain) return bad(text + " is not a valid domain");
  return text;
}

void add_process_flags(flag_set& flags, container_flags& c) {
  checked_list(flags, c.env, "env", 'e', "Set environment variables", "list", check_env);
  flags.list(c.env_files, "env-file", 0, "Read in a file of environment variables");
  checked_list(flags, c.labels, "label", 'l', "Set meta data on a container", "list", check_label);
  flags.list(c.label_files, "label-file", 0, "Read in a line delimited file of labels");
  flags.list(c.group_add, "group-add", 0, "Add additional groups to join");
  flags.text(c.user, "user", 'u', "Username or UID (format: <name|uid>[:<group|gid>])");
  flags.text(c.working_dir, "workdir", 'w', "Working directory inside the container");
  flags.text(c.hostname, "hostname", 'h', "Container host name");
  flags.text(c.domainname, "domainname", 0, "Container NIS domain name");
  flags.text(c.stop_signal, "stop-signal", 0, "Signal to stop the container");
  flags.integer(c.stop_timeout_s, "stop-timeout", 0, "Timeout (in seconds) to stop a container");
  flags.add({"entrypoint", 0, "string", "Overwrite the default ENTRYPOINT of the image", "", "",
             [&c](const std::string& text) -> result<> {
               c.entrypoint = text;
               return {};
             }});
  flags.boolean(c.interactive, "interactive", 'i', "Keep STDIN open even if not attached");
  flags.boolean(c.tty, "tty", 't', "Allocate a pseudo-TTY");
  flags.boolean(c.init, "init", 0, "Run an init inside the container that forwards signals and reaps processes");
  checked_list(flags, c.attach, "attach", 'a', "Attach to STDIN, STDOUT or STDERR", "list", check_attach);
  flags.text(c.health_command, "health-cmd", 0, "Command to run to check health");
  duration(flags, c.health_interval_ns, "health-interval", "Time between running the check (ms|s|m|h)");
  duration(flags, c.health_timeout_ns, "health-timeout", "Maximum time to allow one check to run (ms|s|m|h)");
  duration(flags, c.health_start_period_ns, "health-start-period",
           "Start period for the container to initialize before starting health-retries countdown (ms|s|m|h)");
  duration(flags, c.health_start_interval_ns, "health-start-interval",
           "Time between running the check during the start period (ms|s|m|h)");
  flags.integer(c.health_retries, "health-retries", 0, "Consecutive failures needed to report unhealthy");
  flags.boolean(c.no_healthcheck, "no-healthcheck", 0, "Disable any container-specified HEALTHCHECK");
}

void add_file_flags(flag_set& flags, container_flags& c) {
  flags.list(c.volumes, "volume", 'v', "Bind mount a volume");
  flags.list(c.tmpfs, "tmpfs", 0, "Mount a tmpfs directory");
  flags.list(c.volumes_from, "volumes-from", 0, "Mount volumes from the specified container(s)");
  flags.add({"mount", 0, "mount", "Attach a filesystem mount to the container", "", "",
             [&c](const std::string& text) -> result<> {
               GANTRY_TRY(mount, parse_mount(text));
               c.mounts.push_back(std::move(mount));
               return {};
             }});
  flags.text(c.volume_driver, "volume-driver", 0, "Optional volume driver for the container");
  flags.boolean(c.read_only, "read-only", 0, "Mount the container's root filesystem as read only");
  flags.list(c.storage_options, "storage-opt", 0, "Storage driver options for the container");
}

void add_network_flags(flag_set& flags, container_flags& c) {
  flags.list(c.networks, "network", 0, "Connect a container to a network", "network");
  flags.list(c.networks, "net", 0, "", "network");
  flags.list(c.network_aliases, "network-alias", 0, "Add network-scoped alias for the container");
  flags.list(c.network_aliases, "net-alias", 0, "");
  flags.list(c.publish, "publish", 'p', "Publish a container's port(s) to the host");
  flags.boolean(c.publish_all, "publish-all", 'P', "Publish all exposed ports to random ports");
  flags.list(c.expose, "expose", 0, "Expose a port or a range of ports");
  flags.list(c.links, "link", 0, "Add link to another container");
  checked_list(flags, c.dns, "dns", 0, "Set custom DNS servers", "list", check_address);
  flags.list(c.dns_options, "dns-option", 0, "Set DNS options");
  flags.list(c.dns_options, "dns-opt", 0, "");
  checked_list(flags, c.dns_search, "dns-search", 0, "Set custom DNS search domains", "list", check_dns_search);
  checked_list(flags, c.extra_hosts, "add-host", 0, "Add a custom host-to-IP mapping (host:ip)", "list",
               check_extra_host);
  flags.text(c.ipv4, "ip", 0, "IPv4 address (e.g., 172.30.100.104)");
  flags.text(c.ipv6, "ip6", 0, "IPv6 address (e.g., 2001:db8::33)");
  flags.text(c.mac_address, "mac-address", 0, "Container MAC address (e.g., 92:d0:c6:0a:29:33)");
}

void add_limit_flags(flag_set& flags, container_flags& c) {
  bytes(flags, c.memory, "memory", 'm', "Memory limit");
  bytes(flags, c.memory_reservation, "memory-reservation", 0, "Memory soft limit");
  bytes(flags, c.memory_swap, "memory-swap", 0, "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
        true);
  bytes(flags, c.shm_size, "shm-size", 0, "Size of /dev/shm");
  flags.integer(c.memory_swappiness, "memory-swappiness", 0, "Tune container memory swappiness (0 to 100)");
  flags.add({"cpus", 0, "decimal", "Number of CPUs", "", "", [&c](const std::string& text) -> result<> {
               GANTRY_TRY(value, parse_cpus(text));
               c.nano_cpus = value;
               return {};
             }});
  flags.integer(c.cpu_shares, "cpu-shares", 'c', "CPU shares (relative weight)");
  flags.integer(c.cpu_period, "cpu-period", 0, "Limit CPU CFS (Completely Fair Scheduler) period");
  flags.integer(c.cpu_quota, "cpu-quota", 0, "Limit CPU CFS (Completely Fair Scheduler) quota");
  flags.integer(c.cpu_rt_period, "cpu-rt-period", 0, "Limit CPU real-time period in microseconds");
  flags.integer(c.cpu_rt_runtime, "cpu-rt-runtime", 0, "Limit CPU real-time runtime in microseconds");
  flags.text(c.cpuset_cpus, "cpuset-cpus", 0, "CPUs in which to allow execution (0-3, 0,1)");
  flags.text(c.cpuset_mems, "cpuset-mems", 0, "MEMs in which to allow execution (0-3, 0,1)");
  flags.integer(c.pids_limit, "pids-limit", 0, "Tune container pids limit (set -1 for unlimited)");
  flags.integer(c.blkio_weight, "blkio-weight", 0, "Block IO (relative weight), between 10 and 1000, or 0 to disable");
  flags.integer(c.oom_score_adj, "oom-score-adj", 0, "Tune host's OOM preferences (-1000 to 1000)");
  flags.boolean(c.oom_kill_disable, "oom-kill-disable", 0, "Disable OOM Killer");
  flags.text(c.cgroup_parent, "cgroup-parent", 0, "Optional parent cgroup for the container");
  flags.add({"ulimit", 0, "ulimit", "Ulimit options", "", "", [&c](const std::string& text) -> result<> {
               GANTRY_TRY(limit, parse_ulimit(text));
               std::erase_if(c.ulimits, [&](const api::ulimit& u) { return u.name == limit.name; });
               c.ulimits.push_back(std::move(limit));
               return {};
             }});
  flags.list(c.devices, "device", 0, "Add a host device to the container");
  flags.list(c.device_cgroup_rules, "device-cgroup-rule", 0, "Add a rule to the cgroup allowed devices list");
  device_values(flags, c.device_read_bps, "device-read-bps", "Limit read rate (bytes per second) from a device",
                rate_in_bytes);
  device_values(flags, c.device_write_bps, "device-write-bps", "Limit write rate (bytes per second) to a device",
                rate_in_bytes);
  device_values(flags, c.device_read_iops, "device-read-iops", "Limit read rate (IO per second) from a device", rate);
  device_values(flags, c.device_write_iops, "device-write-iops", "Limit write rate (IO per second) to a device", rate);
  device_values(flags, c.blkio_weight_devices, "blkio-weight-device", "Block IO weight (relative device weight)",
                weight);
  flags.add({"gpus", 0, "gpu-request", "GPU devices to add to the container ('all' to pass all GPUs)", "", "",
             [&c](const std::string& text) -> result<> {
               const auto count = text == "all" ? std::optional<std::int64_t>(-1) : parse_integer(text);
               if (!count)
                 return bad("invalid count (" + text + "): value must be either \"all\" or an integer: invalid syntax");
               c.gpus.push_back(boost::json::object{{"Count", *count}, {"Capabilities", boost::json::array{{"gpu"}}}});
               return {};
             }});
}

void add_rights_flags(flag_set& flags, container_flags& c) {
  flags.list(c.cap_add, "cap-add", 0, "Add Linux capabilities");
  flags.list(c.cap_drop, "cap-drop", 0, "Drop Linux capabilities");
  flags.list(c.security_options, "security-opt", 0, "Security Options");
  flags.boolean(c.privileged, "privileged", 0, "Give extended privileges to this container");
  flags.text(c.pid_mode, "pid", 0, "PID namespace to use");
  flags.text(c.ipc_mode, "ipc", 0, "IPC mode to use");
  flags.text(c.uts_mode, "uts", 0, "UTS namespace to use");
  flags.text(c.userns_mode, "userns", 0, "User namespace to use");
  flags.text(c.cgroupns_mode, "cgroupns", 0, "Cgroup namespace to use (host|private)");
  flags.text(c.runtime, "runtime", 0, "Runtime to use for this container");
  flags.text(c.isolation, "isolation", 0, "Container isolation technology");
  pairs(flags, c.sysctls, "sysctl", "Sysctl options", "sysctl '%' is not allowed");
  pairs(flags, c.annotations, "annotation", "Add an annotation to the container (passed through to the OCI runtime)",
        "invalid annotation: %");
}

} // namespace

void add_container_flags(flag_set& flags, container_flags& c) {
  add_process_flags(flags, c);
  add_file_flags(flags, c);
  add_network_flags(flags, c);
  add_limit_flags(flags, c);
  add_rights_flags(flags, c);
  flags.boolean(c.remove_on_exit, "rm", 0,
                "Automatically remove the container and its associated anonymous volumes when it exits");
  flags.text(c.restart, "restart", 0, "Restart policy to apply when a container exits");
  flags.text(c.log_driver, "log-driver", 0, "Logging driver for the container");
  flags.list(c.log_options, "log-opt", 0, "Log driver options");
}

void add_create_flags(flag_set& flags, create_options& o) {
  flags.text(o.name, "name", 0, "Assign a name to the container");
  flags.text(o.platform, "platform", 0, "Set platform if server is multi-platform capable");
  flags.text(o.cidfile, "cidfile", 0, "Write the container ID to the file");
  flags.text(o.pull, "pull", 0, "Pull image before running (\"always\", \"missing\", \"never\")");
  flags.boolean(o.quiet, "quiet", 'q', "Suppress the pull output");
  flags.add({"disable-content-trust", 0, "", "", "true", "", [](const std::string&) -> result<> { return {}; }});
}

} // namespace gantry::cli
