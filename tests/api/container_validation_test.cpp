/// validate_and_complete: tables over Docker's texts, and what is filled in.
#include <catch2/catch.hpp>

#include <functional>

#include "api/container_json.hpp"
#include "tests/api/container_fixtures.hpp"

namespace gantry::api {
namespace {

using test::good_request;
using test::two_cpus;
using change = std::function<void(create_request&)>;

struct refused {
  const char* what;
  change make;
  errc code;
  std::string text;
};

error error_of(const change& make, api_version version = api_version_max, host_facts host = two_cpus()) {
  auto request = good_request();
  make(request);
  const auto made = validate_and_complete(request, host, version);
  return made.has_error() ? made.error() : error{errc::ok, 0, ""};
}

void check_table(const std::vector<refused>& table) {
  for (const auto& row : table) {
    INFO(row.what);
    const auto e = error_of(row.make);
    CHECK(e.code == row.code);
    CHECK(e.message == row.text);
  }
}

mount_request mount(std::string type, std::string source, std::string target) {
  mount_request m;
  m.type = std::move(type);
  m.source = std::move(source);
  m.target = std::move(target);
  return m;
}

constexpr auto bad = errc::invalid_parameter;
constexpr auto lacking = errc::not_implemented;

} // namespace

TEST_CASE("a plain request passes and gets Docker's defaults", "[api][container][create]") {
  auto r = good_request();
  const auto warnings = validate_and_complete(r, two_cpus(), api_version_max);
  REQUIRE(warnings.has_value());
  CHECK(warnings.value().empty());
  CHECK(r.host.network_mode == "bridge");
  CHECK(r.host.shm_size == 67108864);
  CHECK(r.host.ipc_mode == "private");
  CHECK(r.host.cgroupns_mode == "host");
  CHECK(r.host.runtime == "gantry");
  CHECK(r.host.oom_kill_disable == false);
  CHECK(r.host.restart.name == "no");
  CHECK(r.host.log.type == "json-file");
  CHECK(r.config.hostname.empty());
  auto host = two_cpus();
  host.cgroup_v2 = true;
  host.oom_kill_disable_supported = false;
  auto v2 = good_request();
  REQUIRE(validate_and_complete(v2, host, api_version_max).has_value());
  CHECK(v2.host.cgroupns_mode == "private");
  CHECK_FALSE(v2.host.oom_kill_disable.has_value());
}

TEST_CASE("a completed request passes again unchanged", "[api][container][create]") {
  auto r = good_request();
  r.host.memory = 64 << 20;
  r.host.privileged = true;
  REQUIRE(validate_and_complete(r, two_cpus(), api_version_max).has_value());
  CHECK(r.host.memory_swap == 128 << 20);
  CHECK(r.host.security_opt == string_list{"label=disable"});
  auto again = r;
  REQUIRE(validate_and_complete(again, two_cpus(), api_version_max).has_value());
  CHECK(again == r);
}

TEST_CASE("container names follow Docker's pattern", "[api][container][create]") {
  for (const char* good : {"ab", "/ab", "a1_.-", "0a", "A."}) CHECK(validate_container_name(good).has_value());
  for (const std::string wrong : {"", "a", "/a", "_ab", "-a", "a b", "ab/c", "//ab", "\xc3\xa4x", "ab\n"}) {
    const auto checked = validate_container_name(wrong);
    REQUIRE(checked.has_error());
    CHECK(checked.error() ==
          error{errc::invalid_parameter, 0,
                "Invalid container name (" + wrong + "), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"});
  }
}

TEST_CASE("config members are refused with Docker's texts", "[api][container][create]") {
  using namespace std::string_literals;
  check_table({
      {"name", [](auto& r) { r.name = "x"; }, bad,
       "Invalid container name (x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"},
      {"working dir", [](auto& r) { r.config.working_dir = "a/b"; }, bad,
       "the working directory 'a/b' is invalid, it needs to be an absolute path"},
      {"stop signal", [](auto& r) { r.config.stop_signal = "SIGFOO"; }, bad, "invalid signal: SIGFOO"},
      {"empty env", [](auto& r) { r.config.env = {""}; }, bad, "invalid environment variable: "},
      {"env without a name",
       [](auto& r) {
         r.config.env = {"A=1", "=x"};
       },
       bad, "invalid environment variable: =x"},
      {"health interval", [](auto& r) { r.config.healthcheck.emplace().interval_ns = 999999; }, bad,
       "Interval in Healthcheck cannot be less than 1ms"},
      {"health timeout", [](auto& r) { r.config.healthcheck.emplace().timeout_ns = -1; }, bad,
       "Timeout in Healthcheck cannot be less than 1ms"},
      {"health start", [](auto& r) { r.config.healthcheck.emplace().start_period_ns = 1; }, bad,
       "StartPeriod in Healthcheck cannot be less than 1ms"},
      {"health start interval", [](auto& r) { r.config.healthcheck.emplace().start_interval_ns = 1; }, bad,
       "StartInterval in Healthcheck cannot be less than 1ms"},
      {"health retries", [](auto& r) { r.config.healthcheck.emplace().retries = -1; }, bad,
       "Retries in Healthcheck cannot be negative"},
      {"a NUL in a word", [](auto& r) { r.config.cmd = string_list{"a\0b"s}; }, bad,
       "invalid Cmd: contains a NUL character"},
      {"a NUL in a bind", [](auto& r) { r.host.binds = {"/a\0:/b"s}; }, bad, "invalid Binds: contains a NUL character"},
      {"empty annotation", [](auto& r) { r.host.annotations[""] = "x"; }, bad,
       "invalid Annotations: the empty string is not permitted as an annotation key"},
  });
}

TEST_CASE("restart policies are checked, and those that restart are refused by name", "[api][container][create]") {
  const auto policy = [](std::string name, std::int64_t count) {
    return [=](create_request& r) { r.host.restart = {name, count}; };
  };
  const std::string only = "invalid restart policy: maximum retry count can only be used with 'on-failure'";
  check_table({
      {"count with always", policy("always", 1), bad, only},
      {"negative count with no", policy("no", -1), bad, only + " and cannot be negative"},
      {"negative count", policy("on-failure", -1), bad,
       "invalid restart policy: maximum retry count cannot be negative"},
      {"unknown", policy("sometimes", 0), bad,
       "invalid restart policy: unknown policy 'sometimes'; use one of 'no', 'always', 'on-failure', or "
       "'unless-stopped'"},
      {"auto-remove", [&](auto& r) { r.host.auto_remove = true, r.host.restart.name = "always"; }, bad,
       "can't create 'AutoRemove' container with restart policy"},
      {"always", policy("always", 0), lacking, "this version of Gantry does not support restart policies: always"},
      {"on-failure", policy("on-failure", 3), lacking,
       "this version of Gantry does not support restart policies: on-failure"},
  });
  CHECK(error_of(policy("no", 0)).code == errc::ok);
  CHECK(error_of([](auto& r) { r.host.auto_remove = true; }).code == errc::ok);
}

TEST_CASE("limits out of range are refused with Docker's texts", "[api][container][create]") {
  constexpr std::int64_t mb = 1 << 20;
  check_table({
      {"memory", [](auto& r) { r.host.memory = 6 * mb - 1; }, bad, "Minimum memory limit allowed is 6MB"},
      {"negative memory", [](auto& r) { r.host.memory = -1; }, bad, "Minimum memory limit allowed is 6MB"},
      {"swap below", [](auto& r) { r.host.memory = 8 * mb, r.host.memory_swap = 7 * mb; }, bad,
       "Minimum memoryswap limit should be larger than memory limit, see usage"},
      {"swap alone", [](auto& r) { r.host.memory_swap = 8 * mb; }, bad,
       "You should always set the Memory limit when using Memoryswap limit, see usage"},
      {"swappiness", [](auto& r) { r.host.memory_swappiness = 101; }, bad,
       "Invalid value: 101, valid memory swappiness range is 0-100"},
      {"reservation", [](auto& r) { r.host.memory_reservation = 1; }, bad, "Minimum memory reservation allowed is 6MB"},
      {"reservation above", [](auto& r) { r.host.memory = 8 * mb, r.host.memory_reservation = 9 * mb; }, bad,
       "Minimum memory limit can not be less than memory reservation limit, see usage"},
      {"nano and period", [](auto& r) { r.host.nano_cpus = 1000, r.host.cpu_period = 1000; }, bad,
       "Conflicting options: Nano CPUs and CPU Period cannot both be set"},
      {"nano and quota", [](auto& r) { r.host.nano_cpus = 1000, r.host.cpu_quota = 1000; }, bad,
       "Conflicting options: Nano CPUs and CPU Quota cannot both be set"},
      {"too many cpus", [](auto& r) { r.host.nano_cpus = 2'000'000'001; }, bad,
       "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"},
      {"negative cpus", [](auto& r) { r.host.nano_cpus = -1; }, bad,
       "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"},
      {"period low", [](auto& r) { r.host.cpu_period = 999; }, bad,
       "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"},
      {"period high", [](auto& r) { r.host.cpu_period = 1000001; }, bad,
       "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"},
      {"quota", [](auto& r) { r.host.cpu_quota = 999; }, bad, "CPU cfs quota can not be less than 1ms (i.e. 1000)"},
      {"shares", [](auto& r) { r.host.cpu_shares = -1; }, bad,
       "invalid CPU shares (-1): value must be a positive integer"},
      {"cpuset", [](auto& r) { r.host.cpuset_cpus = "0-2"; }, bad,
       "Requested CPUs are not available - requested 0-2, available: 0-1"},
      {"mems", [](auto& r) { r.host.cpuset_mems = "1"; }, bad,
       "Requested memory nodes are not available - requested 1, available: 0"},
      {"cpuset words", [](auto& r) { r.host.cpuset_cpus = "a"; }, bad,
       "Invalid value a for cpuset cpus: invalid format: a"},
      {"cpuset huge", [](auto& r) { r.host.cpuset_cpus = "0-8192"; }, bad,
       "Invalid value 0-8192 for cpuset cpus: invalid format: 0-8192"},
      {"cpuset turned", [](auto& r) { r.host.cpuset_cpus = "1-0"; }, bad,
       "Invalid value 1-0 for cpuset cpus: invalid format: 1-0"},
      {"weight low", [](auto& r) { r.host.blkio_weight = 9; }, bad, "Range of blkio weight is from 10 to 1000"},
      {"weight high", [](auto& r) { r.host.blkio_weight = 1001; }, bad, "Range of blkio weight is from 10 to 1000"},
      {"oom score", [](auto& r) { r.host.oom_score_adj = 1001; }, bad,
       "Invalid value 1001, range for oom score adj is [-1000, 1000]"},
      {"shm", [](auto& r) { r.host.shm_size = -1; }, bad, "SHM size can not be less than 0"},
      {"real time", [](auto& r) { r.host.cpu_realtime_period = 1; }, bad,
       "kernel does not support CPU real-time scheduler"},
      {"ulimit name",
       [](auto& r) {
         r.host.ulimits = {{"nofiles", 1, 1}};
       },
       bad, "invalid ulimit type: nofiles"},
      {"ulimit order",
       [](auto& r) {
         r.host.ulimits = {{"nofile", 2, 1}};
       },
       bad, "ulimit soft limit must be less than or equal to hard limit: 2 > 1"},
      {"ulimit unlimited",
       [](auto& r) {
         r.host.ulimits = {{"nofile", -1, 1}};
       },
       bad, "ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: 1"},
  });
}

TEST_CASE("limits at their edges pass", "[api][container][create]") {
  auto r = good_request();
  r.host.memory = 6 << 20;
  r.host.memory_swap = 6 << 20;
  r.host.nano_cpus = 2'000'000'000;
  r.host.cpuset_cpus = "0,1";
  r.host.cpu_shares = 1;
  r.host.oom_score_adj = -1000;
  r.host.blkio_weight = 10;
  r.host.memory_swappiness = -1;
  r.host.pids_limit = 0;
  r.host.ulimits = {{"nofile", 5, -1}, {"core", -1, -1}};
  const auto made = validate_and_complete(r, two_cpus(), api_version_max);
  REQUIRE(made.has_value());
  CHECK(r.host.cpu_shares == 2);
  CHECK_FALSE(r.host.memory_swappiness.has_value());
  CHECK_FALSE(r.host.pids_limit.has_value());
  CHECK(error_of([](auto& q) { q.host.memory = std::numeric_limits<std::int64_t>::max(); }).code == errc::ok);
}

TEST_CASE("what the kernel lacks is dropped with a warning", "[api][container][create]") {
  host_facts poor = two_cpus();
  poor.memory_swap_supported = poor.pids_supported = poor.cpuset_supported = poor.blkio_supported = false;
  poor.cpu_shares_supported = poor.cpu_cfs_supported = poor.swappiness_supported = false;
  poor.oom_kill_disable_supported = false;
  auto r = good_request();
  auto& h = r.host;
  h.memory = 8 << 20;
  h.pids_limit = 5;
  h.cpuset_cpus = "0";
  h.blkio_weight = 100;
  h.blkio_device_read_bps = {{"/dev/sda", 1}};
  h.blkio_device_write_iops = {{"/dev/sda", 1}};
  h.cpu_shares = 5;
  h.cpu_quota = 5000;
  h.memory_swappiness = 5;
  h.oom_kill_disable = true;
  const auto made = validate_and_complete(r, poor, api_version_max);
  REQUIRE(made.has_value());
  CHECK(made.value() ==
        string_list{
            "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited "
            "without swap.",
            "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory "
            "swappiness discarded.",
            "Your kernel does not support OomKillDisable. OomKillDisable discarded.",
            "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.",
            "Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.",
            "Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.",
            "Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.",
            "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.",
            "Your kernel does not support BPS Block I/O read limit or the cgroup is not mounted. Block I/O BPS read "
            "limit discarded.",
            "Your kernel does not support IOPS Block write limit or the cgroup is not mounted. Block I/O IOPS write "
            "limit discarded.",
        });
  CHECK(h.memory_swap == -1);
  CHECK(h.cpu_shares == 0);
  CHECK(h.blkio_device_read_bps.empty());
  host_facts none = two_cpus();
  none.memory_supported = false;
  auto m = good_request();
  m.host.memory = 8 << 20;
  REQUIRE(validate_and_complete(m, none, api_version_max).has_value());
  CHECK(m.host.memory == 0);
}

TEST_CASE("capabilities, security options, devices and modes are checked", "[api][container][create]") {
  check_table({
      {"cap add",
       [](auto& r) {
         r.host.cap_add = {"net_admin", "foo"};
       },
       bad, "invalid CapAdd: unknown capability: \"CAP_FOO\""},
      {"cap drop", [](auto& r) { r.host.cap_drop = {"CAP_ALL"}; }, bad,
       "invalid CapDrop: unknown capability: \"CAP_ALL\""},
      {"option 1", [](auto& r) { r.host.security_opt = {"foo"}; }, bad, "invalid --security-opt 1: \"foo\""},
      {"option 2", [](auto& r) { r.host.security_opt = {"foo=bar"}; }, bad, "invalid --security-opt 2: \"foo=bar\""},
      {"systempaths is the client's", [](auto& r) { r.host.security_opt = {"systempaths=unconfined"}; }, bad,
       "invalid --security-opt 2: \"systempaths=unconfined\""},
      {"no-new-privileges", [](auto& r) { r.host.security_opt = {"no-new-privileges=maybe"}; }, bad,
       "invalid --security-opt 2: \"no-new-privileges=maybe\""},
      {"writable cgroups", [](auto& r) { r.host.security_opt = {"writable-cgroups=true"}; }, lacking,
       "this version of Gantry does not support the security option: writable-cgroups"},
      {"ipc", [](auto& r) { r.host.ipc_mode = "x"; }, bad, "invalid IPC mode: x"},
      {"pid", [](auto& r) { r.host.pid_mode = "private"; }, bad, "invalid PID mode: private"},
      {"pid of nobody", [](auto& r) { r.host.pid_mode = "container:"; }, bad, "invalid PID mode: container:"},
      {"uts", [](auto& r) { r.host.uts_mode = "x"; }, bad, "invalid UTS mode: x"},
      {"uts and hostname", [](auto& r) { r.host.uts_mode = "host", r.config.hostname = "h"; }, bad,
       "conflicting options: hostname and the UTS mode"},
      {"userns", [](auto& r) { r.host.userns_mode = "auto"; }, bad, "invalid userns mode: auto"},
      {"cgroupns", [](auto& r) { r.host.cgroupns_mode = "x"; }, bad, "invalid cgroup namespace mode: x"},
      {"cgroup parent", [](auto& r) { r.host.cgroup_parent = "/a/../.."; }, bad, "invalid cgroup parent: /a/../.."},
      {"runtime", [](auto& r) { r.host.runtime = "kata"; }, bad, "unknown or invalid runtime name: kata"},
      {"device rule", [](auto& r) { r.host.device_cgroup_rules = {"c 1:3 rwx"}; }, bad,
       "invalid device cgroup rule format: 'c 1:3 rwx'"},
      {"device rule colon", [](auto& r) { r.host.device_cgroup_rules = {"c 1 :3 rw"}; }, bad,
       "invalid device cgroup rule format: 'c 1 :3 rw'"},
      {"device mode",
       [](auto& r) {
         r.host.devices = {{"/dev/fuse", "/dev/fuse", "rx"}};
       },
       bad, "invalid device mode: rx"},
      {"device request",
       [](auto& r) {
         r.host.device_requests = {{"nvidia", -1, {}, {{"gpu", "x"}, {"y"}}, {}}};
       },
       lacking,
       "this version of Gantry does not support device requests: could not select device driver \"nvidia\" with "
       "capabilities: [[gpu x] [y]]"},
      {"storage", [](auto& r) { r.host.storage_opt["size"] = "1G"; }, lacking,
       "this version of Gantry does not support storage options: size"},
      {"ipc of another", [](auto& r) { r.host.ipc_mode = "container:x"; }, lacking,
       "this version of Gantry does not support sharing another container's IPC namespace: container:x"},
      {"pid of another", [](auto& r) { r.host.pid_mode = "container:x"; }, lacking,
       "this version of Gantry does not support sharing another container's PID namespace: container:x"},
  });
  auto r = good_request();
  r.host.cap_add = {"all", "net_admin", "CAP_SYS_ADMIN"};
  r.host.cap_drop = {"Mknod"};
  r.host.security_opt = {"no-new-privileges",
                         "no-new-privileges:true",
                         "seccomp=unconfined",
                         "apparmor=docker-default",
                         "label=type:x",
                         "label:disable",
                         "disable",
                         "writable-cgroups=false"};
  r.host.device_cgroup_rules = {"c 13:* rwm", "a *:* r", "b 8:0 m"};
  r.host.devices = {{"/dev/fuse", "/dev/fuse", "rwm"}};
  r.host.ipc_mode = "shareable";
  r.host.pid_mode = r.host.uts_mode = r.host.userns_mode = r.host.cgroupns_mode = "host";
  CHECK(validate_and_complete(r, two_cpus(), api_version_max).has_value());
}

TEST_CASE("networks: conflicts, shapes, and what is not there yet", "[api][container][create]") {
  const std::string lacks = "this version of Gantry does not support ";
  const auto shared = [](create_request& r) { r.host.network_mode = "container:x"; };
  check_table({
      {"nobody", [](auto& r) { r.host.network_mode = "container:"; }, bad,
       "invalid net mode: invalid container format container:<name|id>"},
      {"shared", shared, lacking, lacks + "sharing another container's network: container:x"},
      {"shared hostname", [&](auto& r) { shared(r), r.config.hostname = "h"; }, bad,
       "conflicting options: hostname and the network mode"},
      {"shared dns", [&](auto& r) { shared(r), r.host.dns = {"1.1.1.1"}; }, bad,
       "conflicting options: dns and the network mode"},
      {"shared hosts", [&](auto& r) { shared(r), r.host.extra_hosts = {"a:1.1.1.1"}; }, bad,
       "conflicting options: custom host-to-IP mapping and the network mode"},
      {"shared publish", [&](auto& r) { shared(r), r.host.publish_all_ports = true; }, bad,
       "conflicting options: port publishing and the container type network mode"},
      {"shared expose", [&](auto& r) { shared(r), r.config.exposed_ports = {"80/tcp"}; }, bad,
       "conflicting options: port exposing and the container type network mode"},
      {"shared links", [&](auto& r) { shared(r), r.host.links = {"a:b"}; }, bad,
       "conflicting options: container type network can't be used with links. This would result in undefined "
       "behavior"},
      {"host links", [](auto& r) { r.host.network_mode = "host", r.host.links = {"a:b"}; }, bad,
       "conflicting options: host type networking can't be used with links. This would result in undefined behavior"},
      {"links", [](auto& r) { r.host.links = {"a:b"}; }, lacking, lacks + "links: a:b"},
      {"user network", [](auto& r) { r.host.network_mode = "mynet"; }, lacking, lacks + "user-defined networks: mynet"},
      {"user endpoint", [](auto& r) { r.endpoints["mynet"]; }, lacking, lacks + "user-defined networks: mynet"},
      {"ports",
       [](auto& r) {
         r.host.port_bindings["80/tcp"] = {{"", "8080"}};
       },
       lacking, lacks + "published ports: 80/tcp"},
      {"publish all", [](auto& r) { r.host.publish_all_ports = true; }, lacking,
       lacks + "published ports: PublishAllPorts"},
      {"port", [](auto& r) { r.host.port_bindings["http"]; }, bad, "invalid port specification: \"http\""},
      {"protocol", [](auto& r) { r.host.port_bindings["80/foo"]; }, bad, "invalid port specification: \"80/foo\""},
      {"host port",
       [](auto& r) {
         r.host.port_bindings["80/tcp"] = {{"", "70000"}};
       },
       bad, "invalid port specification: \"70000\""},
      {"static address", [](auto& r) { r.endpoints["bridge"].ipv4_address = "172.17.0.9"; }, bad,
       "invalid config for network bridge: invalid endpoint settings:\nuser specified IP address is supported on user "
       "defined networks only"},
      {"alias", [](auto& r) { r.endpoints["default"].aliases = {"db"}; }, bad,
       "invalid config for network bridge: invalid endpoint settings:\nnetwork-scoped alias is supported only for "
       "containers in user defined networks"},
      {"none and another", [](auto& r) { r.host.network_mode = "none", r.endpoints["bridge"]; }, bad,
       "container cannot be connected to multiple networks with one of the networks in private (none) mode"},
      {"host and another", [](auto& r) { r.host.network_mode = "host", r.endpoints["bridge"]; }, bad,
       "container sharing network namespace with another container or host cannot be connected to any other network"},
      {"add-host", [](auto& r) { r.host.extra_hosts = {"a=1.2.3.4"}; }, bad, "bad format for add-host: \"a=1.2.3.4\""},
      {"add-host ip", [](auto& r) { r.host.extra_hosts = {"a:1.2.3"}; }, bad,
       "invalid IP address in add-host: \"1.2.3\""},
      {"sysctl of an interface", [](auto& r) { r.host.sysctls["net.ipv4.conf.eth0.forwarding"] = "1"; }, bad,
       "interface specific sysctl setting \"net.ipv4.conf.eth0.forwarding\" must be supplied using driver option "
       "'com.docker.network.endpoint.sysctls'"},
  });
  auto r = good_request();
  r.host.network_mode = "host";
  r.host.port_bindings["80/tcp"] = {{"", "80"}};
  r.host.extra_hosts = {"a:1.2.3.4", "b:::1", "c:host-gateway"};
  const auto made = validate_and_complete(r, two_cpus(), api_version_max);
  REQUIRE(made.has_value());
  CHECK(made.value() == string_list{"Published ports are discarded when using host network mode"});
}

TEST_CASE("the default network has one name after the check", "[api][container][create]") {
  auto r = good_request();
  r.host.network_mode = "default";
  r.endpoints["default"].mac_address = "02:42:ac:11:00:02";
  REQUIRE(validate_and_complete(r, two_cpus(), api_version_max).has_value());
  CHECK(r.host.network_mode == "bridge");
  REQUIRE(r.endpoints.size() == 1);
  CHECK(r.endpoints.at("bridge").mac_address == "02:42:ac:11:00:02");
}

TEST_CASE("binds and mounts are refused with Docker's texts", "[api][container][create]") {
  const auto bind = [](std::string text) { return [=](create_request& r) { r.host.binds = {text}; }; };
  const auto with = [](mount_request m) { return [=](create_request& r) { r.host.mounts = {m}; }; };
  const std::string lacks = "this version of Gantry does not support ";
  const std::string config = "invalid mount config for type ";
  auto read_only_anonymous = mount("volume", "", "/x");
  read_only_anonymous.read_only = true;
  auto propagated = mount("bind", "/a", "/x");
  propagated.bind.emplace().propagation = "sideways";
  auto odd_tmpfs = mount("tmpfs", "", "/x");
  odd_tmpfs.tmpfs.emplace().options = {{"suid"}};
  auto long_tmpfs = mount("tmpfs", "", "/x");
  long_tmpfs.tmpfs.emplace().options = {{"exec", "a", "b"}};
  auto mixed = mount("bind", "/a", "/x");
  mixed.volume.emplace();
  auto escaping = mount("volume", "vol", "/x");
  escaping.volume.emplace().subpath = "a/../../b";
  check_table({
      {"empty", bind(""), bad, "invalid volume specification: ''"},
      {"no source", bind(":/x"), bad, "invalid volume specification: ':/x'"},
      {"four parts", bind("/a:/b:ro:z"), bad, "invalid volume specification: '/a:/b:ro:z'"},
      {"destination and mode", bind("/a:ro"), bad, "invalid volume specification: '/a:ro'"},
      {"mode", bind("/a:/b:rx"), bad, "invalid mode: rx"},
      {"two accesses", bind("/a:/b:ro,rw"), bad, "invalid mode: ro,rw"},
      {"empty word", bind("/a:/b:ro,"), bad, "invalid mode: ro,"},
      {"relative", bind("/a:b/c"), bad,
       "invalid volume specification: '/a:b/c': " + config +
           "\"bind\": invalid mount path: 'b/c' mount path must be absolute"},
      {"root", bind("/a:/b/.."), bad,
       "invalid volume specification: '/a:/b/..': " + config +
           "\"bind\": invalid specification: destination can't be '/'"},
      {"twice",
       [](auto& r) {
         r.host.binds = {"/a:/x", "/b:/x/"};
       },
       bad, "Duplicate mount point: /x"},
      {"bind and tmpfs", [](auto& r) { r.host.binds = {"/a:/x"}, r.host.tmpfs["/x"]; }, bad,
       "Duplicate mount point: /x"},
      {"bind and mount", [](auto& r) { r.host.binds = {"/a:/x"}, r.host.mounts = {mount("tmpfs", "", "/x")}; }, bad,
       "Duplicate mount point: /x"},
      {"short volume", bind("v:/x"), bad,
       "create v: volume name is too short, names should be at least two alphanumeric characters"},
      {"relative source", bind("./a:/x"), bad,
       "create ./a: \"./a\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" "
       "are allowed. If you intended to pass a host directory, use absolute path"},
      {"named volume", bind("vol:/x"), lacking, lacks + "named volumes: vol"},
      {"anonymous volume", bind("/x"), lacking, lacks + "anonymous volumes"},
      {"volumes from", [](auto& r) { r.host.volumes_from = {"c1"}; }, lacking,
       lacks + "volumes of other containers: c1"},
      {"no target", with(mount("bind", "/a", "")), bad, config + "\"bind\": field Target must not be empty"},
      {"no source", with(mount("bind", "", "/x")), bad, config + "\"bind\": field Source must not be empty"},
      {"missing source", with(mount("bind", "/missing", "/x")), bad,
       config + "\"bind\": bind source path does not exist: /missing"},
      {"relative source", with(mount("bind", "a", "/x")), bad,
       config + "\"bind\": invalid mount path: 'a' mount path must be absolute"},
      {"root target", with(mount("tmpfs", "", "//")), bad,
       config + "\"tmpfs\": invalid specification: destination can't be '/'"},
      {"propagation", with(propagated), bad, config + "\"bind\": invalid propagation mode: sideways"},
      {"tmpfs source", with(mount("tmpfs", "/a", "/x")), bad, config + "\"tmpfs\": field Source must not be specified"},
      {"tmpfs option", with(odd_tmpfs), bad, config + "\"tmpfs\": invalid option: suid"},
      {"tmpfs words", with(long_tmpfs), bad, config + "\"tmpfs\": invalid option array length"},
      {"type", with(mount("npipe", "/a", "/x")), bad, config + "\"npipe\": mount type unknown"},
      {"mixed options", with(mixed), bad, "VolumeOptions must not be specified on mount type \"bind\""},
      {"escaping subpath", with(escaping), bad,
       config + "\"volume\": subpath must be a relative path within the volume"},
      {"read-only anonymous", with(read_only_anonymous), bad,
       config + "\"volume\": must not set ReadOnly mode when using anonymous volumes"},
      {"volume", with(mount("volume", "vol", "/x")), lacking, lacks + "named volumes: vol"},
      {"image", with(mount("image", "alpine", "/x")), lacking, lacks + "mounts of images: alpine"},
      {"tmpfs root", [](auto& r) { r.host.tmpfs["/"]; }, bad, "invalid specification: destination can't be '/'"},
      {"tmpfs relative", [](auto& r) { r.host.tmpfs["run"]; }, bad,
       "invalid mount path: 'run' mount path must be absolute"},
  });
  auto created = mount("bind", "/missing", "/x");
  created.bind.emplace().create_mountpoint = true;
  CHECK(error_of(with(created)).code == errc::ok);
  CHECK(error_of(with(mount("bind", "/there", "/x"))).code == errc::ok);
  for (const char* text : {"/a:/b", "/a:/b:ro", "/a:/b:rw,z,rslave", "/a:/b:Z,cached", "/a:/b:nocopy", "/missing:/b"})
    CHECK(error_of(bind(text)).code == errc::ok);
}

TEST_CASE("counts just over their limits are refused", "[api][container][create]") {
  const auto mounts = [](std::size_t n) {
    return [=](create_request& r) {
      for (std::size_t i = 0; i < n; ++i) r.host.tmpfs["/t" + std::to_string(i)];
    };
  };
  CHECK(error_of(mounts(4096)).code == errc::ok);
  CHECK(error_of(mounts(4097)).message == "too many mounts: 4097, at most 4096");
  const auto ulimits = [](std::size_t n) {
    return [=](create_request& r) { r.host.ulimits.assign(n, {"nofile", 1, 1}); };
  };
  CHECK(error_of(ulimits(64)).code == errc::ok);
  CHECK(error_of(ulimits(65)).message == "too many ulimits: 65, at most 64");
  const auto devices = [](std::size_t n) {
    return [=](create_request& r) { r.host.device_cgroup_rules.assign(n, "c 1:3 r"); };
  };
  CHECK(error_of(devices(1024)).code == errc::ok);
  CHECK(error_of(devices(1025)).message == "too many devices: 1025, at most 1024");
  const auto groups = [](std::size_t n) { return [=](create_request& r) { r.host.group_add.assign(n, "1"); }; };
  CHECK(error_of(groups(65536)).code == errc::ok);
  CHECK(error_of(groups(65537)).message == "too many groups: 65537, at most 65536");
}

TEST_CASE("log drivers and their options", "[api][container][create]") {
  const auto log = [](std::string type, string_map options) {
    return [=](create_request& r) { r.host.log = {type, options}; };
  };
  check_table({
      {"unknown driver", log("foo", {}), bad, "logger: no log driver named 'foo' is registered"},
      {"later driver", log("local", {}), lacking, "this version of Gantry does not support the log driver: local"},
      {"option", log("json-file", {{"max-sizes", "1"}}), bad, "unknown log opt 'max-sizes' for json-file log driver"},
      {"mode", log("", {{"mode", "fast"}}), bad, "logger: logging mode not supported: fast"},
      {"buffer", log("", {{"max-buffer-size", "1m"}}), bad,
       "logger: max-buffer-size option is only supported with 'mode=non-blocking'"},
      {"buffer size", log("", {{"mode", "non-blocking"}, {"max-buffer-size", "lots"}}), bad,
       "error parsing option max-buffer-size: invalid size: 'lots'"},
  });
  CHECK(error_of(log("none", {{"whatever", "1"}})).code == errc::ok);
  CHECK(error_of(log("json-file",
                     {{"max-size", "1m"}, {"max-file", "3"}, {"mode", "non-blocking"}, {"max-buffer-size", "4.5MiB"}}))
            .code == errc::ok);
  auto host = two_cpus();
  host.default_log_options = {{"max-size", "10m"}, {"max-file", "2"}};
  auto r = good_request();
  r.host.log.options["max-file"] = "9";
  REQUIRE(validate_and_complete(r, host, api_version_max).has_value());
  CHECK(r.host.log.options == string_map{{"max-file", "9"}, {"max-size", "10m"}});
  auto none = good_request();
  none.host.log.type = "none";
  REQUIRE(validate_and_complete(none, host, api_version_max).has_value());
  CHECK(none.host.log.options.empty());
}

TEST_CASE("older API versions mean what they meant", "[api][container][create]") {
  const auto complete = [](create_request r, int minor) {
    const auto made = validate_and_complete(r, two_cpus(), {1, minor});
    INFO(minor);
    REQUIRE(made.has_value());
    return r;
  };
  auto r = good_request();
  r.host.auto_remove = true;
  r.host.annotations["a"] = "b";
  r.host.console_rows = 24;
  r.endpoints["bridge"].gw_priority = 5;
  CHECK_FALSE(complete(r, 24).host.auto_remove);
  CHECK(complete(r, 25).host.auto_remove);
  CHECK(complete(r, 39).host.ipc_mode == "shareable");
  CHECK(complete(r, 40).host.ipc_mode == "private");
  CHECK(complete(r, 41).host.console_rows == 0);
  CHECK(complete(r, 42).host.console_rows == 24);
  CHECK(complete(r, 42).host.annotations.empty());
  CHECK(complete(r, 43).host.annotations.size() == 1);
  CHECK(complete(r, 47).endpoints.at("bridge").gw_priority == 0);
  CHECK(complete(r, 48).endpoints.at("bridge").gw_priority == 5);

  auto bound = good_request();
  bound.host.mounts = {mount("bind", "/a", "/x")};
  bound.host.mounts[0].read_only = true;
  CHECK(complete(bound, 43).host.mounts[0].bind.value().read_only_non_recursive);
  CHECK_FALSE(complete(bound, 44).host.mounts[0].bind.has_value());

  const auto two = [](create_request& q) { q.endpoints["a"], q.endpoints["b"]; };
  CHECK(error_of(two, {1, 43}).message == "Container cannot be created with multiple network endpoints: a, b");
  const auto mixed = [](create_request& q) {
    q.host.mounts = {mount("bind", "/a", "/x")};
    q.host.mounts[0].volume.emplace();
  };
  CHECK(error_of(mixed, {1, 41}).code == errc::ok);
  const auto image = [](create_request& q) { q.host.mounts = {mount("image", "a", "/x")}; };
  CHECK(error_of(image, {1, 47}).message == "Mount type \"Image\" needs API v1.48 or newer");
  const auto sysctl = [](create_request& q) { q.host.sysctls["net.ipv4.conf.eth1.forwarding"] = "1"; };
  CHECK(error_of(sysctl, {1, 47}).message ==
        "unable to determine network endpoint for sysctl net.ipv4.conf.eth1.forwarding, use driver option "
        "'com.docker.network.endpoint.sysctls' to set per-interface sysctls");
}

TEST_CASE("a MAC address of the whole container moves to its endpoint", "[api][container][create]") {
  auto r = good_request();
  r.config.mac_address = "02:42:ac:11:00:09";
  auto newer = r;
  const auto made = validate_and_complete(newer, two_cpus(), {1, 44});
  REQUIRE(made.has_value());
  REQUIRE(made.value().size() == 1);
  CHECK(made.value()[0].starts_with("The container-wide MacAddress field is now deprecated."));
  CHECK(newer.config.mac_address.empty());
  CHECK(newer.endpoints.at("bridge").mac_address == "02:42:ac:11:00:09");
  auto older = r;
  REQUIRE(validate_and_complete(older, two_cpus(), {1, 43}).has_value());
  CHECK(older.config.mac_address == "02:42:ac:11:00:09");
  const auto host_mode = [](create_request& q) {
    q.config.mac_address = "02:42:ac:11:00:09";
    q.host.network_mode = "host";
  };
  CHECK(error_of(host_mode, {1, 43}).message == "conflicting options: mac-address and the network mode");
  const auto other = [](create_request& q) {
    q.config.mac_address = "02:42:ac:11:00:09";
    q.endpoints["bridge"].mac_address = "02:42:ac:11:00:08";
  };
  CHECK(error_of(other).message == "the container-wide MAC address must match the endpoint-specific MAC address for "
                                   "the main network, or be left empty");
}

TEST_CASE("daemon ulimits stand under the request's", "[api][container][create]") {
  auto host = two_cpus();
  host.default_ulimits = {{"nofile", 10, 20}, {"nproc", 1, 2}};
  auto r = good_request();
  r.host.ulimits = {{"nofile", 1, 1}};
  REQUIRE(validate_and_complete(r, host, api_version_max).has_value());
  CHECK(r.host.ulimits == std::vector<ulimit>{{"nofile", 1, 1}, {"nproc", 1, 2}});
}

TEST_CASE("a health check of the request is kept with a warning", "[api][container][create]") {
  auto r = good_request();
  r.config.healthcheck.emplace().test = string_list{"CMD", "true"};
  const auto made = validate_and_complete(r, two_cpus(), api_version_max);
  REQUIRE(made.has_value());
  CHECK(made.value().size() == 1);
  r.config.healthcheck->test = string_list{"NONE"};
  CHECK(validate_and_complete(r, two_cpus(), api_version_max).value().empty());
}

} // namespace gantry::api
