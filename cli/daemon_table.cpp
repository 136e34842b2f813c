/// The rows, in the order of dockerd's documentation.
#include "cli/daemon_table.hpp"

#include "cli/values.hpp"

namespace gantry::cli {
namespace {

namespace json = boost::json;
using actors::engine_config;
using enum option_kind;

error bad(std::string message) { return error{errc::invalid_parameter, 0, std::move(message)}; }

// Shapes were checked before an apply function sees a value, so these may take them at their word.
template <auto Member>
result<> set_text(engine_config& c, const json::value& v) {
  c.*Member = std::string(v.as_string());
  return {};
}
template <auto Member>
result<> set_bool(engine_config& c, const json::value& v) {
  c.*Member = v.as_bool();
  return {};
}
template <auto Member>
result<> set_integer(engine_config& c, const json::value& v) {
  c.*Member = v.as_int64();
  return {};
}
template <auto Member>
result<> set_list(engine_config& c, const json::value& v) {
  (c.*Member).clear();
  for (const auto& item : v.as_array()) (c.*Member).emplace_back(item.as_string());
  return {};
}

result<> set_log_level(engine_config& c, const json::value& v) {
  const std::string text(v.as_string());
  if (!text.empty() && !log::parse_level(text, c.log_level)) return bad("invalid logging level: " + text);
  return {};
}

result<> set_log_format(engine_config& c, const json::value& v) {
  const std::string text(v.as_string());
  if (text == "json")
    c.log_format = log::format::json;
  else if (text == "text" || text.empty())
    c.log_format = log::format::text;
  else
    return bad("invalid log format: " + text);
  return {};
}

result<> set_log_options(engine_config& c, const json::value& v) {
  c.log_options.clear();
  for (const auto& [key, value] : v.as_object()) c.log_options.emplace(key, value.as_string());
  return {};
}

result<> set_ulimits(engine_config& c, const json::value& v) {
  c.default_ulimits.clear();
  for (const auto& [name, limit] : v.as_object()) {
    const auto& fields = limit.as_object();
    const auto number = [&](const char* key) {
      const auto* found = fields.if_contains(key);
      return found != nullptr ? found->as_int64() : 0;
    };
    c.default_ulimits.push_back({std::string(name), number("Soft"), number("Hard")});
  }
  return {};
}

result<> set_shm_size(engine_config& c, const json::value& v) {
  if (v.as_int64() <= 0) return bad("default shm size must be greater than 0");
  c.default_shm_size = v.as_int64();
  return {};
}

result<> set_cgroupns_mode(engine_config& c, const json::value& v) {
  const std::string mode(v.as_string());
  if (!mode.empty() && mode != "host" && mode != "private")
    return bad("default cgroup namespace mode (" + mode + ") is invalid. use \"host\" or \"private\"");
  c.default_cgroupns_mode = mode;
  return {};
}

result<> set_ipc_mode(engine_config& c, const json::value& v) {
  const std::string mode(v.as_string());
  if (mode != "private" && mode != "shareable")
    return bad("IPC mode \"" + mode + "\" is not supported as default value");
  c.default_ipc_mode = mode;
  return {};
}

result<> set_reactor(engine_config& c, const json::value& v) {
  const std::string name(v.as_string());
  if (name == "auto")
    c.reactor = io::backend::automatic;
  else if (name == "io_uring")
    c.reactor = io::backend::io_uring;
  else if (name == "epoll")
    c.reactor = io::backend::epoll;
  else
    return bad("must be auto, io_uring or epoll");
  return {};
}

result<> set_workers(engine_config& c, const json::value& v) {
  if (v.as_int64() < 0 || v.as_int64() > 1024) return bad("must be from 0 to 1024");
  c.workers = static_cast<unsigned>(v.as_int64());
  return {};
}

constexpr const char* yes = "";
constexpr const char* by_parser = ""; // effective, but not a field of engine_config: daemon_options.cpp sees to it
constexpr const char* tls = "TLS is not built in yet";
constexpr const char* network = "bridge networks and published ports are not built in yet";
constexpr const char* registry = "pulling and pushing images is not built in yet";
constexpr const char* swarm = "gantry has no swarm mode";
constexpr const char* plugin = "plugins are not built in yet";
constexpr const char* no_containerd = "gantry works without containerd";
constexpr const char* builder = "building images is not built in yet";
constexpr const char* runtime = "other OCI runtimes are not built in yet";
constexpr const char* storage = "gantry has one storage driver, overlayfs";
constexpr const char* userns = "user namespaces are not built in yet";
constexpr const char* ignored = "dockerd ignores it too";

const daemon_option rows[] = {
    {"config-file", 0, "", text, false, by_parser, "Daemon configuration file", nullptr},
    {"validate", 0, "", boolean, false, by_parser, "Validate daemon configuration and exit", nullptr},
    {"version", 'v', "", boolean, false, by_parser, "Print version information and quit", nullptr},
    {"help", 'h', "", boolean, false, by_parser, "Print usage", nullptr},
    {"debug", 'D', "debug", boolean, true, yes, "Enable debug mode", set_bool<&engine_config::debug>},
    {"log-level", 'l', "log-level", text, false, yes,
     "Set the logging level (\"debug\"|\"info\"|\"warn\"|\"error\"|\"fatal\")", set_log_level},
    {"log-format", 0, "log-format", text, false, yes, "Set the logging format (\"text\"|\"json\")", set_log_format},
    {"raw-logs", 0, "raw-logs", boolean, false, "gantry's log has no colours", "Full timestamps without ANSI coloring",
     nullptr},
    {"host", 'H', "hosts", list, false, yes, "Daemon socket(s) to connect to", set_list<&engine_config::hosts>},
    {"group", 'G', "group", text, false, yes, "Group for the unix socket", set_text<&engine_config::group>},
    {"pidfile", 'p', "pidfile", text, false, yes, "Path to use for daemon PID file", set_text<&engine_config::pidfile>},
    {"data-root", 0, "data-root", text, false, yes, "Root directory of persistent state",
     set_text<&engine_config::data_root>},
    {"exec-root", 0, "exec-root", text, false, yes, "Root directory for execution state files",
     set_text<&engine_config::run_root>},
    {"tls", 0, "tls", boolean, false, by_parser, "Use TLS; implied by --tlsverify (not built in yet)", nullptr},
    {"tlsverify", 0, "tlsverify", boolean, false, by_parser, "Use TLS and verify the remote (not built in yet)",
     nullptr},
    {"tlscacert", 0, "tlscacert", text, false, tls, "Trust certs signed only by this CA", nullptr},
    {"tlscert", 0, "tlscert", text, false, tls, "Path to TLS certificate file", nullptr},
    {"tlskey", 0, "tlskey", text, false, tls, "Path to TLS key file", nullptr},
    {"authorization-plugin", 0, "authorization-plugins", list, true, by_parser, "Authorization plugins to load",
     nullptr},
    {"experimental", 0, "experimental", boolean, false, yes, "Enable experimental features",
     set_bool<&engine_config::experimental>},
    {"metrics-addr", 0, "metrics-addr", text, false, "metrics are not built in yet",
     "Set default address and port to serve the metrics api on", nullptr},
    {"feature", 0, "features", switches, true, "gantry has no feature switches", "Enable feature in the daemon",
     nullptr},
    {"label", 0, "labels", list, true, yes, "Set key=value labels to the daemon", set_list<&engine_config::labels>},
    {"", 0, "min-api-version", text, false, yes, "", set_text<&engine_config::api_version_min>},
    {"containerd", 0, "containerd", text, false, no_containerd, "containerd grpc address", nullptr},
    {"containerd-namespace", 0, "containerd-namespace", text, false, no_containerd, "Containerd namespace to use",
     nullptr},
    {"containerd-plugins-namespace", 0, "", text, false, no_containerd, "Containerd namespace to use for plugins",
     nullptr},
    {"cri-containerd", 0, "cri-containerd", boolean, false, no_containerd, "start containerd with cri", nullptr},
    {"add-runtime", 0, "runtimes", runtimes, true, runtime, "Register an additional OCI compatible runtime", nullptr},
    {"default-runtime", 0, "default-runtime", text, true, yes, "Default OCI runtime for containers",
     set_text<&engine_config::default_runtime>},
    {"exec-opt", 0, "exec-opts", list, false, "gantry writes cgroups itself, as the cgroupfs driver does",
     "Runtime execution options", nullptr},
    {"cgroup-parent", 0, "cgroup-parent", text, false, yes, "Set parent cgroup for all containers",
     set_text<&engine_config::cgroup_parent>},
    {"default-cgroupns-mode", 0, "default-cgroupns-mode", text, true, yes,
     "Default mode for containers cgroup namespace (\"host\" | \"private\")", set_cgroupns_mode},
    {"default-ipc-mode", 0, "default-ipc-mode", text, true, yes,
     "Default mode for containers ipc (\"shareable\" | \"private\")", set_ipc_mode},
    {"default-shm-size", 0, "default-shm-size", bytes, true, yes, "Default shm size for containers", set_shm_size},
    {"default-ulimit", 0, "default-ulimits", ulimits, false, yes, "Default ulimits for containers", set_ulimits},
    {"init", 0, "init", boolean, false, yes, "Run an init in the container to forward signals and reap processes",
     set_bool<&engine_config::init>},
    {"init-path", 0, "init-path", text, false, yes, "Path to the docker-init binary",
     set_text<&engine_config::init_path>},
    {"no-new-privileges", 0, "no-new-privileges", boolean, false, yes,
     "Set no-new-privileges by default for new containers", set_bool<&engine_config::no_new_privileges>},
    {"seccomp-profile", 0, "seccomp-profile", text, false, yes,
     "Path to seccomp profile. Set to \"unconfined\" to disable the default seccomp profile",
     set_text<&engine_config::seccomp_profile>},
    {"selinux-enabled", 0, "selinux-enabled", boolean, false, "SELinux labels are not built in yet",
     "Enable selinux support", nullptr},
    {"userns-remap", 0, "userns-remap", text, false, userns, "User/Group setting for user namespaces", nullptr},
    {"rootless", 0, "rootless", boolean, false, "rootless mode is not built in yet", "Enable rootless mode", nullptr},
    {"cpu-rt-period", 0, "cpu-rt-period", integer, false, "real-time groups of the parent cgroup are left alone",
     "Limit the CPU real-time period in microseconds for the parent cgroup", nullptr},
    {"cpu-rt-runtime", 0, "cpu-rt-runtime", integer, false, "real-time groups of the parent cgroup are left alone",
     "Limit the CPU real-time runtime in microseconds for the parent cgroup", nullptr},
    {"cdi-spec-dir", 0, "cdi-spec-dirs", list, false, "devices by CDI are not built in yet",
     "CDI specification directories to use", nullptr},
    {"node-generic-resource", 0, "node-generic-resources", list, false, swarm, "Advertise user-defined resource",
     nullptr},
    {"live-restore", 0, "live-restore", boolean, true, yes, "Enable live restore of containers when daemon is stopped",
     set_bool<&engine_config::live_restore>},
    {"shutdown-timeout", 0, "shutdown-timeout", integer, true, yes, "Set the default shutdown timeout",
     set_integer<&engine_config::shutdown_timeout_s>},
    {"restart", 'r', "", boolean, false, "restart policies at boot are not built in yet", "", nullptr},
    {"storage-driver", 's', "storage-driver", text, false, storage, "Storage driver to use", nullptr},
    {"storage-opt", 0, "storage-opts", list, false, storage, "Storage driver options", nullptr},
    {"registry-mirror", 0, "registry-mirrors", list, true, yes, "Preferred registry mirror",
     set_list<&engine_config::registry_mirrors>},
    {"insecure-registry", 0, "insecure-registries", list, true, yes, "Enable insecure registry communication",
     set_list<&engine_config::insecure_registries>},
    {"max-concurrent-downloads", 0, "max-concurrent-downloads", integer, true, registry,
     "Set the max concurrent downloads", nullptr},
    {"max-concurrent-uploads", 0, "max-concurrent-uploads", integer, true, registry, "Set the max concurrent uploads",
     nullptr},
    {"max-download-attempts", 0, "max-download-attempts", integer, true, registry,
     "Set the max download attempts for each pull", nullptr},
    {"http-proxy", 0, "http-proxy", text, false, yes, "HTTP proxy URL to use for outgoing traffic",
     set_text<&engine_config::http_proxy>},
    {"https-proxy", 0, "https-proxy", text, false, yes, "HTTPS proxy URL to use for outgoing traffic",
     set_text<&engine_config::https_proxy>},
    {"no-proxy", 0, "no-proxy", text, false, yes,
     "Comma-separated list of hosts or IP addresses for which the proxy "
     "is skipped",
     set_text<&engine_config::no_proxy>},
    {"", 0, "builder", object, false, builder, "", nullptr},
    {"log-driver", 0, "log-driver", text, false, yes, "Default driver for container logs",
     set_text<&engine_config::log_driver>},
    {"log-opt", 0, "log-opts", pairs, false, yes, "Default log driver options for containers", set_log_options},
    {"bridge", 'b', "bridge", text, false, network, "Attach containers to a network bridge", nullptr},
    {"bip", 0, "bip", text, false, network, "IPv4 address for the default bridge", nullptr},
    {"bip6", 0, "bip6", text, false, network, "IPv6 address for the default bridge", nullptr},
    {"fixed-cidr", 0, "fixed-cidr", text, false, network, "IPv4 subnet for the default bridge network", nullptr},
    {"fixed-cidr-v6", 0, "fixed-cidr-v6", text, false, network, "IPv6 subnet for the default bridge network", nullptr},
    {"default-gateway", 0, "default-gateway", text, false, network,
     "Default gateway IPv4 address for the default "
     "bridge network",
     nullptr},
    {"default-gateway-v6", 0, "default-gateway-v6", text, false, network,
     "Default gateway IPv6 address for the "
     "default bridge network",
     nullptr},
    {"ipv6", 0, "ipv6", boolean, false, network, "Enable IPv6 networking for the default bridge network", nullptr},
    {"mtu", 0, "mtu", integer, false, network, "Set the MTU for the default \"bridge\" network", nullptr},
    {"icc", 0, "icc", boolean, false, network, "Enable inter-container communication for the default bridge network",
     nullptr},
    {"ip", 0, "ip", text, false, network, "Host IP for port publishing from the default bridge network", nullptr},
    {"ip-forward", 0, "ip-forward", boolean, false, network, "Enable IP forwarding in system configuration", nullptr},
    {"ip-forward-no-drop", 0, "ip-forward-no-drop", boolean, false, network,
     "Do not set the filter-FORWARD policy to DROP when enabling IP forwarding", nullptr},
    {"ip-masq", 0, "ip-masq", boolean, false, network, "Enable IP masquerading for the default bridge network",
     nullptr},
    {"iptables", 0, "iptables", boolean, false, network, "Enable addition of iptables rules", nullptr},
    {"ip6tables", 0, "ip6tables", boolean, false, network, "Enable addition of ip6tables rules", nullptr},
    {"allow-direct-routing", 0, "allow-direct-routing", boolean, false, network,
     "Allow remote access to published ports on container IP addresses", nullptr},
    {"userland-proxy", 0, "userland-proxy", boolean, false, network, "Use userland proxy for loopback traffic",
     nullptr},
    {"userland-proxy-path", 0, "userland-proxy-path", text, false, network, "Path to the userland proxy binary",
     nullptr},
    {"default-address-pool", 0, "default-address-pools", pools, false, network,
     "Default address pools for node specific local networks", nullptr},
    {"default-network-opt", 0, "default-network-opts", net_options, false, network, "Default network options", nullptr},
    {"dns", 0, "dns", list, false, yes, "DNS server to use", set_list<&engine_config::dns>},
    {"dns-opt", 0, "dns-opts", list, false, yes, "DNS options to use", set_list<&engine_config::dns_options>},
    {"dns-search", 0, "dns-search", list, false, yes, "DNS search domains to use",
     set_list<&engine_config::dns_search>},
    {"host-gateway-ip", 0, "host-gateway-ips", list, false, network,
     "IP addresses that the special 'host-gateway' string in --add-host resolves to", nullptr},
    {"network-control-plane-mtu", 0, "network-control-plane-mtu", integer, false, swarm, "Network Control plane MTU",
     nullptr},
    {"network-diagnostic-port", 0, "network-diagnostic-port", integer, true, swarm, "", nullptr},
    {"swarm-default-advertise-addr", 0, "swarm-default-advertise-addr", text, false, swarm,
     "Set default address or interface for swarm advertised address", nullptr},
    {"api-cors-header", 0, "api-cors-header", text, false, by_parser, "", nullptr},
    {"allow-nondistributable-artifacts", 0, "allow-nondistributable-artifacts", list, false, ignored, "", nullptr},
    {"", 0, "deprecated-key-path", text, false, ignored, "", nullptr},
    {"default-stop-timeout", 0, "default-stop-timeout", integer, true, "containers stop after 10 seconds by default",
     "", nullptr},
    {"firewall-backend", 0, "firewall-backend", text, false, network, "", nullptr},
    {"bridge-accept-fwmark", 0, "bridge-accept-fwmark", text, false, network, "", nullptr},
    {"nri-opts", 0, "nri-opts", object, true, plugin, "", nullptr},

    // gantry's own
    {"reactor", 0, "reactor", text, false, yes, "gantry: how to wait for I/O (\"auto\"|\"io_uring\"|\"epoll\")",
     set_reactor},
    {"workers", 0, "workers", integer, false, yes, "gantry: worker threads; 0 is one for each processor", set_workers},
    {"shim", 0, "shim", text, false, yes, "gantry: path of gantry-shim", set_text<&engine_config::shim_path>},
    {"default-bridge-name", 0, "default-bridge-name", text, false, network,
     "gantry: name of the default bridge, instead of docker0", nullptr},
};

} // namespace

std::span<const daemon_option> daemon_option_table() noexcept { return rows; }

const daemon_option* find_daemon_option(std::string_view key) noexcept {
  for (const auto& row : rows)
    if (key == row.key && !key.empty()) return &row;
  return nullptr;
}

} // namespace gantry::cli
