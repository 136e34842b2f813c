/// The spec compiler as a table of what Docker promises: each behaviour's number stands in the test's name.
#include <catch2/catch.hpp>

#include <algorithm>
#include <limits>

#include "actors/spec_compiler.hpp"
#include "actors/spec_files.hpp"
#include "runtime/capability_names.hpp"

using namespace gantry;
using namespace gantry::actors;
using runtime::pb::Namespaces;
using runtime::pb::Spec;

namespace {

/// A request as `docker run busybox true` makes it, to be changed by a test.
struct request {
  api::container_definition definition;
  host_facts facts;
  spec_inputs inputs{.definition = definition, .host = facts};

  request() {
    definition.id = std::string(64, 'c');
    definition.path = "true";
    definition.lower_dirs = {"/layers/top", "/layers/base"};
    definition.upper_dir = "/c/upper";
    definition.work_dir = "/c/work";
    definition.hosts_path = "/run/c/hosts";
    definition.hostname_path = "/run/c/hostname";
    definition.resolv_conf_path = "/run/c/resolv.conf";
    definition.host.network_mode = "none";
    facts.cpus = 4;
    facts.hostname = "the-host";
    facts.etc_hosts = "127.0.0.1 localhost the-host\n";
    facts.resolv_conf = "nameserver 10.0.0.2\nsearch example.org\n";
    inputs.cgroup_path = "/gantry/c";
    inputs.compile_seccomp = [](std::string_view, std::uint64_t) -> result<std::string> {
      return std::string("filter");
    };
    inputs.lookup_device = [](const std::string& path) -> result<std::vector<host_device>> {
      if (path == "/dev/fuse") return std::vector<host_device>{{"/dev/fuse", 'c', 10, 229, 0660, 0, 7}};
      if (path == "/dev/snd")
        return std::vector<host_device>{{"/dev/snd/a", 'c', 116, 1, 0660, 0, 0},
                                        {"/dev/snd/x/b", 'c', 116, 2, 0660, 0, 0}};
      if (path == "/dev") return std::vector<host_device>{{"/dev/sda", 'b', 8, 0, 0660, 0, 6}};
      return error{errc::not_found, ENOENT, "no"};
    };
  }
  request(const request&) = delete;

  Spec spec() {
    auto made = compile_spec(inputs);
    if (made.has_error()) FAIL(made.error().message);
    return *made;
  }
  error failure() {
    auto made = compile_spec(inputs);
    REQUIRE(made.has_error());
    return made.error();
  }
};

const runtime::pb::Mount* find_mount(const Spec& spec, const std::string& destination) {
  for (const auto& m : spec.mounts())
    if (m.destination() == destination) return &m;
  return nullptr;
}

std::string options_of(const Spec& spec, const std::string& destination) {
  const auto* m = find_mount(spec, destination);
  if (m == nullptr) return "absent";
  std::string out;
  for (const auto& o : m->options()) out += (out.empty() ? "" : ",") + o;
  return out;
}

std::string file_of(const Spec& spec, const std::string& path) {
  for (const auto& f : spec.files())
    if (f.host_path() == path) return f.content();
  return "absent";
}

std::vector<std::string> env_of(const Spec& spec) { return {spec.process().env().begin(), spec.process().env().end()}; }

constexpr std::uint64_t bit(std::string_view name) {
  return std::uint64_t{1} << runtime::capability_number(name).value();
}

} // namespace

TEST_CASE("the plainest request has Docker's defaults (107, 111, 113, 114, 117)", "[actors][spec_compiler]") {
  request r;
  const Spec s = r.spec();
  CHECK(s.process().args_size() == 1);
  CHECK(env_of(s) == std::vector<std::string>{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                              "HOSTNAME=cccccccccccc"});
  CHECK(s.process().cwd() == "/");
  CHECK(s.process().capabilities().bounding() == 0xa80425fbu);
  CHECK(s.process().capabilities().effective() == 0xa80425fbu);
  CHECK(s.process().capabilities().inheritable() == 0);
  CHECK(s.process().capabilities().ambient() == 0);
  CHECK_FALSE(s.process().no_new_privileges());
  CHECK(s.seccomp().program() == "filter");
  CHECK(s.hostname() == "cccccccccccc");
  CHECK(s.masked_paths_size() == 12);
  CHECK(s.readonly_paths_size() == 5);
  CHECK(options_of(s, "/proc") == "nosuid,noexec,nodev");
  CHECK(options_of(s, "/dev") == "nosuid,strictatime,mode=755,size=65536k");
  CHECK(options_of(s, "/dev/pts") == "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5");
  CHECK(options_of(s, "/sys") == "nosuid,noexec,nodev,ro");
  CHECK(options_of(s, "/sys/fs/cgroup") == "ro,nosuid,noexec,nodev");
  CHECK(options_of(s, "/dev/mqueue") == "nosuid,noexec,nodev");
  CHECK(options_of(s, "/dev/shm") == "nosuid,noexec,nodev,mode=1777,size=67108864");
  CHECK(s.sysctl().at("net.ipv4.ip_unprivileged_port_start") == "0");
  CHECK(s.sysctl().at("net.ipv4.ping_group_range") == "0 2147483647");
  CHECK(s.namespaces().cgroup().mode() == Namespaces::HOST); // v1
  CHECK(s.root().lower_dirs(0) == "/layers/top");
  CHECK_FALSE(s.root().volatile_upper());
  CHECK(s.cgroup().path() == "/gantry/c");
  CHECK_FALSE(s.cgroup().resources().has_memory_limit_bytes());
}

TEST_CASE("environment: Docker's, then the request's by name, and a bare name removes (56, 107)",
          "[actors][spec_compiler]") {
  request r;
  r.definition.config.tty = true;
  r.definition.config.hostname = "box";
  r.definition.config.env = {"A=1", "PATH=/bin", "TERM", "A=2", "B="};
  CHECK(env_of(r.spec()) == std::vector<std::string>{"PATH=/bin", "HOSTNAME=box", "A=1", "A=2", "B="});
}

TEST_CASE("capabilities are added and dropped in any spelling (60)", "[actors][spec_compiler]") {
  struct row {
    api::string_list add, drop;
    std::uint64_t want;
  };
  const std::uint64_t standard = 0xa80425fb;
  const row rows[] = {
      {{}, {}, standard},
      {{"net_admin"}, {}, standard | bit("NET_ADMIN")},
      {{"CAP_SYS_TIME"}, {"cap_chown"}, (standard | bit("SYS_TIME")) & ~bit("CHOWN")},
      {{"ALL"}, {}, runtime::capabilities_all},
      {{"all"}, {"SYS_ADMIN"}, runtime::capabilities_all & ~bit("SYS_ADMIN")},
      {{}, {"ALL"}, 0},
      {{"KILL"}, {"All"}, bit("KILL")},
      {{"KILL"}, {"KILL"}, standard},
  };
  for (const auto& x : rows) {
    api::host_config h;
    h.cap_add = x.add;
    h.cap_drop = x.drop;
    CAPTURE(x.add, x.drop);
    REQUIRE(resolve_capabilities(h).has_value());
    CHECK(*resolve_capabilities(h) == x.want);
  }
  api::host_config bad;
  bad.cap_add = {"flying"};
  CHECK(resolve_capabilities(bad).error().message == "invalid CapAdd: unknown capability: \"CAP_FLYING\"");
  bad.cap_add.clear();
  bad.cap_drop = {"CAP_"};
  CHECK(resolve_capabilities(bad).error().message == "invalid CapDrop: unknown capability: \"CAP_\"");
}

TEST_CASE("security options in all their forms (61, 122)", "[actors][spec_compiler]") {
  request r;
  std::string seen;
  r.inputs.compile_seccomp = [&](std::string_view profile, std::uint64_t) -> result<std::string> {
    seen = profile;
    return std::string("f");
  };
  SECTION("no-new-privileges") {
    for (const auto& [text, want] : {std::pair{"no-new-privileges", true},
                                     {"no-new-privileges=true", true},
                                     {"no-new-privileges:true", true},
                                     {"no-new-privileges=0", false}}) {
      r.definition.host.security_opt = {text};
      CAPTURE(text);
      CHECK(r.spec().process().no_new_privileges() == want);
    }
    r.inputs.no_new_privileges = true;
    r.definition.host.security_opt = {};
    CHECK(r.spec().process().no_new_privileges());
    r.definition.host.security_opt = {"no-new-privileges=false"};
    CHECK_FALSE(r.spec().process().no_new_privileges());
  }
  SECTION("seccomp") {
    r.definition.host.security_opt = {"seccomp=unconfined"};
    CHECK(r.spec().seccomp().program().empty());
    r.definition.host.security_opt = {"seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\"}"};
    r.spec();
    CHECK(seen == "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}");
    r.inputs.seccomp_profile = "unconfined";
    r.definition.host.security_opt = {"seccomp=builtin"};
    r.spec();
    CHECK(seen.find("SCMP_ACT_ERRNO") != std::string::npos);
    r.definition.host.security_opt = {};
    CHECK(r.spec().seccomp().program().empty());
  }
  SECTION("what is not one") {
    for (const auto& [text, want] :
         {std::pair{"flying", "invalid --security-opt 1: \"flying\""},
          {"a=b", "invalid --security-opt 2: \"a=b\""},
          {"no-new-privileges=maybe", "invalid --security-opt 2: \"no-new-privileges=maybe\""}}) {
      r.definition.host.security_opt = {text};
      CHECK(r.failure().message == want);
      CHECK(r.failure().code == errc::invalid_parameter);
    }
  }
  SECTION("others are accepted") {
    r.definition.host.security_opt = {"label=disable", "label:type:x", "apparmor=unconfined", "disable"};
    r.spec();
    r.definition.host.security_opt = {"writable-cgroups=true"};
    CHECK(options_of(r.spec(), "/sys/fs/cgroup") == "rw,nosuid,noexec,nodev");
  }
}

TEST_CASE("a privileged container has everything (115)", "[actors][spec_compiler]") {
  request r;
  r.definition.host.privileged = true;
  r.definition.host.cap_drop = {"ALL"};
  const Spec s = r.spec();
  CHECK(s.process().capabilities().bounding() == runtime::capabilities_all);
  CHECK(s.masked_paths_size() == 0);
  CHECK(s.readonly_paths_size() == 0);
  CHECK(s.seccomp().program().empty());
  CHECK(options_of(s, "/sys") == "nosuid,noexec,nodev,rw");
  CHECK(options_of(s, "/sys/fs/cgroup") == "rw,nosuid,noexec,nodev");
  REQUIRE(s.devices_size() == 1);
  CHECK(s.devices(0).path() == "/dev/sda");
  REQUIRE(s.cgroup().resources().devices_size() == 1);
  CHECK(s.cgroup().resources().devices(0).type() == "a");
  r.definition.host.security_opt = {"seccomp=builtin"};
  CHECK(r.spec().seccomp().program() == "filter");
}

TEST_CASE("masked and read-only paths: absent is default, empty is none (52)", "[actors][spec_compiler]") {
  request r;
  r.facts.thermal_throttle_paths = {"/sys/devices/system/cpu/cpu0/thermal_throttle"};
  CHECK(r.spec().masked_paths_size() == 13);
  r.definition.host.masked_paths = api::string_list{};
  r.definition.host.readonly_paths = api::string_list{"/proc/sys"};
  CHECK(r.spec().masked_paths_size() == 0);
  CHECK(r.spec().readonly_paths_size() == 1);
}

TEST_CASE("-v in its forms (182, 183, 184, 187)", "[actors][spec_compiler]") {
  request r;
  const auto options = [&](const std::string& bind) {
    r.definition.host.binds = {bind};
    return options_of(r.spec(), "/in");
  };
  CHECK(options("/out:/in") == "rbind,rprivate");
  CHECK(options("/out:/in:ro") == "rbind,ro,rro,rprivate");
  CHECK(options("/out:/in:z,rslave") == "rbind,rslave");
  CHECK(options("/out:/in:rw,Z,shared,nocopy,cached") == "rbind,shared");
  CHECK(options("/out/../x//:/in/.:ro") == "rbind,ro,rro,rprivate");
  const Spec s = r.spec();
  CHECK(find_mount(s, "/in")->source() == "/x");
  CHECK(find_mount(s, "/in")->create_source());

  struct row {
    const char *bind, *message;
  };
  const row rows[] = {
      {"/a:/b:/c:/d", "invalid volume specification: '/a:/b:/c:/d'"},
      {":/b", "invalid volume specification: ':/b'"},
      {"/foo:rw", "invalid volume specification: '/foo:rw'"},
      {"/a:/b:fast", "invalid mode: fast"},
      {"/a:/b:ro,rw", "invalid mode: ro,rw"},
      {"/a:/", "invalid volume specification: '/a:/': invalid mount config for type \"bind\": invalid specification: "
               "destination can't be '/'"},
      {"/a:b", "invalid volume specification: '/a:b': invalid mount config for type \"bind\": invalid mount path: 'b' "
               "mount path must be absolute"},
      {"x:/b", "create x: volume name is too short, names should be at least two alphanumeric characters"},
      {"../x:/b",
       "create ../x: \"../x\" includes invalid characters for a local volume name, only "
       "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"},
  };
  for (const auto& x : rows) {
    r.definition.host.binds = {x.bind};
    CHECK(r.failure().message == x.message);
  }
}

TEST_CASE("HostConfig.Mounts: bind and tmpfs (184, 186, 191)", "[actors][spec_compiler]") {
  request r;
  api::mount_request m;
  m.type = "bind";
  m.source = "/out";
  m.target = "/in";
  const auto options = [&] {
    r.definition.host.mounts = {m};
    return options_of(r.spec(), "/in");
  };
  const auto message = [&] {
    r.definition.host.mounts = {m};
    return r.failure().message;
  };
  SECTION("bind") {
    CHECK(options() == "rbind,rprivate");
    CHECK_FALSE(find_mount(r.spec(), "/in")->create_source());
    CHECK(required_bind_sources(r.definition.host) == std::vector<std::string>{"/out"});
    CHECK(missing_bind_source("/out").message ==
          "invalid mount config for type \"bind\": bind source path does not exist: /out");
    m.read_only = true;
    m.bind.emplace();
    m.bind->read_only_non_recursive = true;
    CHECK(options() == "rbind,ro,rprivate");
    m.bind->read_only_non_recursive = false;
    m.bind->non_recursive = true;
    m.bind->propagation = "rslave";
    m.bind->create_mountpoint = true;
    CHECK(options() == "bind,ro,rslave");
    CHECK(required_bind_sources(r.definition.host).empty());
    m.bind->propagation = "sideways";
    CHECK(message() == "invalid mount config for type \"bind\": invalid propagation mode: sideways");
    m.bind.reset();
    m.source = "";
    CHECK(message() == "invalid mount config for type \"bind\": field Source must not be empty");
    m.source = "relative";
    CHECK(message() ==
          "invalid mount config for type \"bind\": invalid mount path: 'relative' mount path must be absolute");
    m.target = "";
    CHECK(message() == "invalid mount config for type \"bind\": field Target must not be empty");
  }
  SECTION("tmpfs") {
    m.type = "tmpfs";
    CHECK(message() == "invalid mount config for type \"tmpfs\": field Source must not be specified");
    m.source = "";
    CHECK(options() == "noexec,nosuid,nodev,rprivate");
    m.read_only = true;
    m.tmpfs.emplace();
    m.tmpfs->mode = 01770;
    m.tmpfs->size_bytes = 64 << 20;
    m.tmpfs->options = {{"exec"}};
    CHECK(options() == "noexec,nosuid,nodev,rprivate,ro,mode=1770,size=64m,exec");
    m.tmpfs->size_bytes = 1000;
    CHECK(options() == "noexec,nosuid,nodev,rprivate,ro,mode=1770,size=1000,exec");
    m.tmpfs->options = {{"uid", "3"}};
    CHECK(message() == "invalid mount config for type \"tmpfs\": invalid option: uid=3");
  }
  SECTION("unknown") {
    m.type = "carpet";
    CHECK(message() == "invalid mount config for type \"carpet\": mount type unknown");
  }
}

TEST_CASE("Tmpfs map: options come after the base ones (191)", "[actors][spec_compiler]") {
  request r;
  r.definition.host.tmpfs = {{"/run", ""}, {"/x/y", "rw,exec,size=64m,uid=7"}};
  CHECK(options_of(r.spec(), "/run") == "noexec,nosuid,nodev,rprivate");
  CHECK(options_of(r.spec(), "/x/y") == "noexec,nosuid,nodev,rprivate,rw,exec,size=64m,uid=7");
  r.definition.host.tmpfs = {{"/run", "color=red"}};
  CHECK(r.failure().message == "invalid tmpfs option [\"color=red\"]");
  r.definition.host.tmpfs = {{"run", ""}};
  CHECK(r.failure().message == "invalid mount path: 'run' mount path must be absolute");
}

TEST_CASE("the same destination twice is refused, an image volume gives way (185)", "[actors][spec_compiler]") {
  request r;
  r.definition.host.binds = {"/a:/x", "/b:/x/"};
  CHECK(r.failure().message == "Duplicate mount point: /x");
  r.definition.host.binds = {"/a:/x"};
  r.definition.host.tmpfs = {{"/x", ""}};
  CHECK(r.failure().message == "Duplicate mount point: /x");
  r.definition.host.tmpfs.clear();
  r.definition.config.volumes = {"/x"};
  CHECK(find_mount(r.spec(), "/x")->source() == "/a");
}

TEST_CASE("volumes take their host path from the definition", "[actors][spec_compiler]") {
  request r;
  r.definition.host.binds = {"data:/x:ro"};
  CHECK(r.failure().code == errc::not_implemented);
  api::mount_point known;
  known.type = "volume";
  known.name = "data";
  known.destination = "/x";
  known.source = "/volumes/data/_data";
  r.definition.mounts = {known};
  const Spec s = r.spec();
  CHECK(find_mount(s, "/x")->source() == "/volumes/data/_data");
  CHECK(options_of(s, "/x") == "rbind,ro,rro,rprivate");

  const auto shown = resolve_mounts(r.definition.config, r.definition.host);
  REQUIRE(shown.has_value());
  REQUIRE(shown->size() == 1);
  CHECK(shown->front().name == "data");
  CHECK(shown->front().mode == "ro");
  CHECK_FALSE(shown->front().rw);
}

TEST_CASE("user mounts replace Docker's and come by depth (114, 193)", "[actors][spec_compiler]") {
  request r;
  r.definition.host.binds = {"/a:/x/y/z", "/b:/x", "/s:/dev/shm", "/h:/etc/hosts"};
  const Spec s = r.spec();
  CHECK(find_mount(s, "/dev/shm")->type() == "bind");
  CHECK(find_mount(s, "/etc/hosts")->source() == "/h");
  CHECK(find_mount(s, "/etc/hostname")->source() == "/run/c/hostname");
  std::vector<std::string> order;
  for (const auto& m : s.mounts()) order.push_back(m.destination());
  const auto at = [&](const std::string& d) { return std::find(order.begin(), order.end(), d) - order.begin(); };
  CHECK(std::count(order.begin(), order.end(), "/etc/hosts") == 1);
  CHECK(at("/x") < at("/x/y/z"));
  CHECK(at("/dev") < at("/dev/shm"));

  r.definition.host.binds = {"/dev:/dev"};
  const Spec own = r.spec();
  CHECK(find_mount(own, "/dev")->type() == "bind");
  CHECK(find_mount(own, "/dev/pts") == nullptr);
  CHECK(find_mount(own, "/dev/shm") == nullptr);
}

TEST_CASE("a read-only root keeps its own mounts writable and the generated files not (125)",
          "[actors][spec_compiler]") {
  request r;
  r.definition.host.readonly_rootfs = true;
  const Spec s = r.spec();
  CHECK(s.root().readonly());
  CHECK(options_of(s, "/etc/hosts") == "bind,rprivate,ro");
  CHECK(options_of(s, "/dev") == "nosuid,strictatime,mode=755,size=65536k");
}

TEST_CASE("namespaces by mode (51, 123)", "[actors][spec_compiler]") {
  request r;
  auto& h = r.definition.host;
  SECTION("host") {
    h.pid_mode = h.ipc_mode = h.uts_mode = h.network_mode = "host";
    h.cgroupns_mode = "private";
    const Spec s = r.spec();
    CHECK(s.namespaces().pid().mode() == Namespaces::HOST);
    CHECK(s.namespaces().ipc().mode() == Namespaces::HOST);
    CHECK(s.namespaces().uts().mode() == Namespaces::HOST);
    CHECK(s.namespaces().network().mode() == Namespaces::HOST);
    CHECK(s.namespaces().cgroup().mode() == Namespaces::PRIVATE);
    CHECK(s.hostname().empty());
    CHECK(s.sysctl().empty());
    CHECK(find_mount(s, "/dev/shm")->source() == "/dev/shm");
    CHECK(file_of(s, "/run/c/hosts") == r.facts.etc_hosts);
    CHECK(file_of(s, "/run/c/resolv.conf") == r.facts.resolv_conf);
    CHECK(env_of(s)[1] == "HOSTNAME=the-host");
  }
  SECTION("of another container") {
    h.network_mode = "container:abc";
    CHECK(r.failure().code == errc::conflict);
    r.inputs.network_namespace_path = "/proc/7/ns/net";
    const Spec s = r.spec();
    CHECK(s.namespaces().network().path() == "/proc/7/ns/net");
    CHECK(s.files_size() == 0);
    CHECK(find_mount(s, "/etc/hosts") != nullptr);
    CHECK(s.sysctl().empty());
  }
  SECTION("ipc") {
    h.ipc_mode = "none";
    CHECK(find_mount(r.spec(), "/dev/shm") == nullptr);
    h.ipc_mode = "shareable";
    r.inputs.shared_shm_path = "/run/c/shm";
    CHECK(find_mount(r.spec(), "/dev/shm")->source() == "/run/c/shm");
    h.ipc_mode = "odd";
    CHECK(r.failure().message == "invalid IPC mode: odd");
  }
  SECTION("cgroup v2 has its own namespace by default") {
    r.facts.cgroup_v2 = true;
    CHECK(r.spec().namespaces().cgroup().mode() == Namespaces::PRIVATE);
  }
}

TEST_CASE("limits (51, 58, 59, 120)", "[actors][spec_compiler]") {
  request r;
  auto& h = r.definition.host;
  h.memory = 64 << 20;
  h.nano_cpus = 1'500'000'000;
  h.pids_limit = 100;
  h.cpu_shares = 512;
  h.cpuset_cpus = "0-1";
  h.blkio_weight = 300;
  const auto res = r.spec().cgroup().resources();
  CHECK(res.memory_limit_bytes() == 64 << 20);
  CHECK(res.memory_swap_limit_bytes() == 128 << 20);
  CHECK(res.cpu_period_us() == 100000);
  CHECK(res.cpu_quota_us() == 150000);
  CHECK(res.pids_limit() == 100);
  CHECK(res.cpu_shares() == 512);
  CHECK(res.cpuset_cpus() == "0-1");
  CHECK(res.blkio_weight() == 300);
  h.memory_swap = -1;
  h.pids_limit = 0;
  CHECK(r.spec().cgroup().resources().memory_swap_limit_bytes() == -1);
  CHECK_FALSE(r.spec().cgroup().resources().has_pids_limit());
  r.facts.swap_limit = false;
  CHECK_FALSE(r.spec().cgroup().resources().has_memory_swap_limit_bytes());
  r.facts.cgroup_v2 = true;
  h.oom_kill_disable = true;
  CHECK_FALSE(r.spec().cgroup().resources().oom_kill_disable());
}

TEST_CASE("what create refuses, in Docker's words (55, 56, 57, 59, 132)", "[actors][spec_compiler]") {
  struct row {
    void (*change)(api::container_config&, api::host_config&);
    const char* message;
  };
  const row rows[] = {
      {[](auto&, auto& h) { h.memory = 1 << 20; }, "Minimum memory limit allowed is 6MB"},
      {[](auto&, auto& h) { h.memory = 64 << 20, h.memory_swap = 32 << 20; },
       "Minimum memoryswap limit should be larger than memory limit, see usage"},
      {[](auto&, auto& h) { h.memory_swap = 32 << 20; },
       "You should always set the Memory limit when using Memoryswap limit, see usage"},
      {[](auto&, auto& h) { h.nano_cpus = 5'000'000'000; },
       "range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available"},
      {[](auto&, auto& h) { h.nano_cpus = 1, h.cpu_period = 1000; },
       "Conflicting options: Nano CPUs and CPU Period cannot both be set"},
      {[](auto&, auto& h) { h.cpu_period = 999; },
       "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"},
      {[](auto&, auto& h) { h.cpu_quota = 999; }, "CPU cfs quota can not be less than 1ms (i.e. 1000)"},
      {[](auto&, auto& h) { h.cpuset_cpus = "0-9"; },
       "Requested CPUs are not available - requested 0-9, available: 0-3"},
      {[](auto&, auto& h) { h.cpuset_cpus = "many"; }, "Invalid value many for cpuset cpus"},
      {[](auto&, auto& h) { h.blkio_weight = 9; }, "Range of blkio weight is from 10 to 1000"},
      {[](auto&, auto& h) { h.oom_score_adj = 1001; }, "Invalid value 1001, range for oom score adj is [-1000, 1000]"},
      {[](auto& c, auto&) { c.env = {"=x"}; }, "invalid environment variable: =x"},
      {[](auto& c, auto&) { c.working_dir = "x"; },
       "the working directory 'x' is invalid, it needs to be an absolute path"},
      {[](auto&, auto& h) { h.extra_hosts = {"nothing"}; }, "bad format for add-host: \"nothing\""},
      {[](auto&, auto& h) { h.extra_hosts = {"a:b"}; }, "invalid IP address in add-host: \"b\""},
      {[](auto&, auto& h) {
         h.ulimits = {{"wings", 1, 1}};
       },
       "invalid ulimit type: wings"},
      {[](auto&, auto& h) {
         h.ulimits = {{"nofile", 2, 1}};
       },
       "ulimit soft limit must be less than or equal to hard limit: 2 > 1"},
      {[](auto&, auto& h) { h.device_cgroup_rules = {"c 1:x rwm"}; }, "invalid device cgroup rule format: 'c 1:x rwm'"},
  };
  host_facts facts;
  facts.cpus = 4;
  for (const auto& x : rows) {
    api::container_config c;
    api::host_config h;
    x.change(c, h);
    const auto checked = check_host_config(c, h, facts);
    CAPTURE(x.message);
    REQUIRE(checked.has_error());
    CHECK(checked.error().message == x.message);
    CHECK(checked.error().code == errc::invalid_parameter);
  }
  CHECK(check_host_config({}, {}, facts)->empty());
}

TEST_CASE("devices, rules, ulimits and sysctls (116, 117, 118)", "[actors][spec_compiler]") {
  request r;
  auto& h = r.definition.host;
  h.devices = {{"/dev/fuse", "", ""}, {"/dev/snd", "/dev/sound", "r"}};
  h.device_cgroup_rules = {"b 8:* rw"};
  h.ulimits = {{"nofile", 100, 200}, {"core", -1, -1}};
  r.inputs.default_ulimits = {{"nofile", 1, 1}, {"nproc", 5, 6}};
  h.sysctls = {{"net.ipv4.ip_forward", "1"}, {"net.ipv4.ping_group_range", "1 0"}, {"kernel.shmmax", "1"}};
  const Spec s = r.spec();
  REQUIRE(s.devices_size() == 3);
  CHECK(s.devices(0).path() == "/dev/fuse");
  CHECK(s.devices(0).minor() == 229);
  CHECK(s.devices(0).gid() == 7);
  CHECK(s.devices(1).path() == "/dev/sound/a");
  CHECK(s.devices(2).path() == "/dev/sound/x/b");
  const auto& rules = s.cgroup().resources().devices();
  REQUIRE(rules.size() == 4);
  CHECK(rules[0].access() == "rwm");
  CHECK(rules[1].access() == "r");
  CHECK(rules[3].type() == "b");
  CHECK_FALSE(rules[3].has_minor());
  REQUIRE(s.process().rlimits_size() == 3);
  CHECK(s.process().rlimits(0).hard() == 200);
  CHECK(s.process().rlimits(1).soft() == std::numeric_limits<std::uint64_t>::max());
  CHECK(s.process().rlimits(2).type() == "nproc");
  CHECK(s.sysctl().at("net.ipv4.ping_group_range") == "1 0");
  CHECK(s.sysctl().at("kernel.shmmax") == "1");

  h.blkio_device_write_bps = {{"/dev/fuse", 1000}};
  h.blkio_weight_device = {{"/dev/fuse", 20}};
  const auto limited = r.spec().cgroup().resources();
  REQUIRE(limited.blkio_devices_size() == 2);
  CHECK(limited.blkio_devices(0).value() == 20);
  CHECK(limited.blkio_devices(1).kind() == runtime::pb::BlkioDevice::WRITE_BPS);
  CHECK(limited.blkio_devices(1).minor() == 229);
  h.blkio_device_write_bps = {{"/dev/none", 1000}};
  CHECK(r.failure().message == "error gathering device information for `/dev/none`: no such device");
  h.blkio_device_write_bps.clear();
  h.blkio_weight_device.clear();

  h.devices = {{"/dev/none", "", ""}};
  CHECK(r.failure().message ==
        "error gathering device information while adding custom device \"/dev/none\": no such file or directory");
  h.devices.clear();
  h.sysctls = {{"kernel.panic", "1"}};
  CHECK(r.failure().message == "sysctl \"kernel.panic\" is not in a separate kernel namespace");
  h.sysctls = {{"net.ipv4.ip_forward", "1"}};
  h.network_mode = "host";
  CHECK(r.failure().message == "sysctl \"net.ipv4.ip_forward\" not allowed in host network namespace");
  h.sysctls.clear();
  h.device_requests = {{"nvidia", 1, {}, {{"gpu"}}, {}}};
  CHECK(r.failure().message == "could not select device driver \"nvidia\" with capabilities: [[gpu]]");
}

TEST_CASE("/etc/hosts, /etc/hostname and /etc/resolv.conf (129 to 136)", "[actors][spec_compiler]") {
  request r;
  auto& h = r.definition.host;
  SECTION("hosts") {
    h.extra_hosts = {"db:10.1.2.3", "six:[fe80::1]", "seven:fe80::2"};
    const auto text = file_of(r.spec(), "/run/c/hosts");
    CHECK(text.starts_with("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n"));
    CHECK(text.ends_with("10.1.2.3\tdb\nfe80::1\tsix\nfe80::2\tseven\n"));
    h.extra_hosts = {"gw:host-gateway"};
    CHECK(r.failure().message == "unable to derive the IP value for host-gateway");
    r.inputs.host_gateway_addresses = {"172.17.0.1"};
    CHECK(file_of(r.spec(), "/run/c/hosts").ends_with("172.17.0.1\tgw\n"));
  }
  SECTION("hostname") {
    r.definition.config.hostname = "box";
    r.definition.config.domainname = "example.org";
    CHECK(file_of(r.spec(), "/run/c/hostname") == "box\n");
    CHECK(r.spec().domainname() == "example.org");
  }
  SECTION("resolv.conf") {
    const auto servers = [&] { return parse_resolv_conf(file_of(r.spec(), "/run/c/resolv.conf")); };
    CHECK(servers().nameservers == api::string_list{"10.0.0.2"});
    CHECK(servers().search == api::string_list{"example.org"});
    r.facts.resolv_conf = "# x\nnameserver 127.0.0.1\nnameserver ::1\nnameserver fe80::1%eth0\noptions ndots:2 edns0\n";
    CHECK(servers().nameservers == api::string_list{"8.8.8.8", "8.8.4.4"});
    CHECK(servers().options == api::string_list{"ndots:2", "edns0"});
    r.inputs.dns = {"9.9.9.9"};
    r.inputs.dns_search = {"daemon.org"};
    CHECK(servers().nameservers == api::string_list{"9.9.9.9"});
    h.dns = {"1.1.1.1", "::1"};
    h.dns_search = {"."};
    h.dns_options = {"timeout:1"};
    CHECK(servers().nameservers == api::string_list{"1.1.1.1", "::1"});
    CHECK(servers().search.empty());
    CHECK(servers().options == api::string_list{"timeout:1"});
    CHECK(file_of(r.spec(), "/run/c/resolv.conf").ends_with("# Overrides: [nameservers search options]\n"));
  }
}

TEST_CASE("--init, terminal size, user, groups, volatile upper (121)", "[actors][spec_compiler]") {
  request r;
  auto& d = r.definition;
  d.host.init = true;
  CHECK(r.failure().message == "exec: \"docker-init\": executable file not found in $PATH");
  r.inputs.init_path = "/usr/bin/tini-static";
  d.config.tty = d.config.open_stdin = true;
  d.host.console_rows = 24;
  d.host.console_columns = 80;
  d.config.user = "ada:staff";
  d.host.group_add = {"audio"};
  d.host.auto_remove = true;
  d.config.working_dir = "/srv/./x/";
  d.args = {"-c", "echo"};
  const Spec s = r.spec();
  CHECK(s.process().init_path() == "/usr/bin/tini-static");
  CHECK(s.process().args_size() == 3);
  CHECK(s.process().terminal());
  CHECK(s.process().open_stdin());
  CHECK(s.process().console_rows() == 24);
  CHECK(s.process().console_columns() == 80);
  CHECK(s.process().user().spec() == "ada:staff");
  CHECK(s.process().user().additional_groups(0) == "audio");
  CHECK(s.process().cwd() == "/srv/x");
  CHECK(s.root().volatile_upper());
  d.host.pid_mode = "host";
  CHECK(r.spec().process().init_path().empty());
  d.host.pid_mode = "";
  d.host.init.reset();
  CHECK(r.spec().process().init_path().empty());
  r.inputs.init_default = true;
  CHECK(r.spec().process().init_path() == "/usr/bin/tini-static");
}
