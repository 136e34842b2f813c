/// Inspect: one golden document, and the members that depend on state and version.
#include <catch2/catch.hpp>

#include <boost/json.hpp>

#include "api/container_json.hpp"
#include "tests/api/container_fixtures.hpp"

namespace gantry::api {
namespace {

namespace json = boost::json;
using test::some_time;

json::object inspected(const container_view& view, api_version version = api_version_max) {
  return json::parse(render_inspect(view, version)).as_object();
}

std::shared_ptr<container_definition> golden_definition() {
  auto d = std::make_shared<container_definition>();
  d->id = std::string(64, 'c');
  d->created = some_time;
  d->path = "/bin/sh";
  d->args = {"-c", "echo <hi>"};
  d->image_id = "sha256:" + std::string(64, 'b');
  d->image_name = "alpine";
  d->config.hostname = "cccccccccccc";
  d->config.attach_stdout = true;
  d->config.env = {"PATH=/bin"};
  d->config.cmd = string_list{"/bin/sh", "-c", "echo <hi>"};
  d->config.image = "alpine";
  d->config.labels = {{"k", "v"}};
  d->host.binds = {"/a:/b:ro"};
  d->host.network_mode = "none";
  d->host.log = {"json-file", {}};
  d->host.restart.name = "no";
  d->host.ipc_mode = "private";
  d->host.cgroupns_mode = "host";
  d->host.shm_size = 67108864;
  d->host.runtime = "gantry";
  d->host.oom_kill_disable = false;
  d->host.masked_paths = string_list{};
  d->mounts = {{"bind", "", "/a", "/b", "", "ro", "rprivate", false}};
  d->log_path = "/r/c-json.log";
  d->hostname_path = "/r/hostname";
  d->hosts_path = "/r/hosts";
  d->resolv_conf_path = "/r/resolv.conf";
  d->lower_dirs = {"/l/2", "/l/1"};
  d->upper_dir = "/u";
  d->work_dir = "/w";
  d->merged_dir = "/m";
  return d;
}

constexpr std::string_view golden =
    R"({"Id":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","Created":"2026-11-23T20:24:41.5Z",)"
    R"("Path":"/bin/sh","Args":["-c","echo <hi>"],"State":{"Status":"exited","Running":false,"Paused":false,)"
    R"("Restarting":false,"OOMKilled":false,"Dead":false,"Pid":0,"ExitCode":3,"Error":"",)"
    R"("StartedAt":"2026-11-23T20:24:46.5Z","FinishedAt":"2026-11-23T20:24:50.5Z"},)"
    R"("Image":"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",)"
    R"("ResolvConfPath":"/r/resolv.conf","HostnamePath":"/r/hostname","HostsPath":"/r/hosts",)"
    R"("LogPath":"/r/c-json.log","Name":"/golden","RestartCount":0,"Driver":"overlay2","Platform":"linux",)"
    R"("MountLabel":"","ProcessLabel":"","AppArmorProfile":"","ExecIDs":null,"HostConfig":{"Binds":["/a:/b:ro"],)"
    R"("ContainerIDFile":"","LogConfig":{"Type":"json-file","Config":{}},"NetworkMode":"none","PortBindings":{},)"
    R"("RestartPolicy":{"Name":"no","MaximumRetryCount":0},"AutoRemove":false,"VolumeDriver":"","VolumesFrom":null,)"
    R"("ConsoleSize":[0,0],"CapAdd":null,"CapDrop":null,"CgroupnsMode":"host","Dns":[],"DnsOptions":[],)"
    R"("DnsSearch":[],"ExtraHosts":null,"GroupAdd":null,"IpcMode":"private","Cgroup":"","Links":null,)"
    R"("OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,"ReadonlyRootfs":false,)"
    R"("SecurityOpt":null,"UTSMode":"","UsernsMode":"","ShmSize":67108864,"Runtime":"gantry","Isolation":"",)"
    R"("CpuShares":0,"Memory":0,"NanoCpus":0,"CgroupParent":"","BlkioWeight":0,"BlkioWeightDevice":[],)"
    R"("BlkioDeviceReadBps":[],"BlkioDeviceWriteBps":[],"BlkioDeviceReadIOps":[],"BlkioDeviceWriteIOps":[],)"
    R"("CpuPeriod":0,"CpuQuota":0,"CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"",)"
    R"("Devices":[],"DeviceCgroupRules":null,"DeviceRequests":null,"MemoryReservation":0,"MemorySwap":0,)"
    R"("MemorySwappiness":null,"OomKillDisable":false,"PidsLimit":null,"Ulimits":[],"CpuCount":0,"CpuPercent":0,)"
    R"("IOMaximumIOps":0,"IOMaximumBandwidth":0,"MaskedPaths":[],"ReadonlyPaths":["/proc/bus","/proc/fs",)"
    R"("/proc/irq","/proc/sys","/proc/sysrq-trigger"]},"GraphDriver":{"Data":{)"
    R"("ID":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","LowerDir":"/l/2:/l/1",)"
    R"("MergedDir":"/m","UpperDir":"/u","WorkDir":"/w"},"Name":"overlay2"},"SizeRw":7,"SizeRootFs":0,)"
    R"("Mounts":[{"Type":"bind","Source":"/a","Destination":"/b","Mode":"ro","RW":false,"Propagation":"rprivate"}],)"
    R"("Config":{"Hostname":"cccccccccccc","Domainname":"","User":"","AttachStdin":false,"AttachStdout":true,)"
    R"("AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":["PATH=/bin"],)"
    R"("Cmd":["/bin/sh","-c","echo <hi>"],"Image":"alpine","Volumes":null,"WorkingDir":"","Entrypoint":null,)"
    R"("OnBuild":null,"Labels":{"k":"v"}},"NetworkSettings":{"Bridge":"","SandboxID":"","SandboxKey":"","Ports":{},)"
    R"("HairpinMode":false,"LinkLocalIPv6Address":"","LinkLocalIPv6PrefixLen":0,"SecondaryIPAddresses":null,)"
    R"("SecondaryIPv6Addresses":null,"EndpointID":"","Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,)"
    R"("IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","MacAddress":"","Networks":{"none":{"IPAMConfig":null,)"
    R"("Links":null,"Aliases":null,"MacAddress":"","DriverOpts":null,"GwPriority":0,"NetworkID":"","EndpointID":"",)"
    R"("Gateway":"","IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,)"
    R"("DNSNames":null}}}})";

} // namespace

TEST_CASE("inspect writes what Docker writes", "[api][container][inspect]") {
  const auto view = test::view(golden_definition(), "golden", test::exited(3));
  CHECK(render_inspect(*view, api_version_max, 7, 0) == std::string(golden) + "\n");
  const auto without_sizes = inspected(*view);
  CHECK_FALSE(without_sizes.contains("SizeRw"));
  CHECK_FALSE(without_sizes.contains("SizeRootFs"));
}

TEST_CASE("the state's flags follow its status", "[api][container][inspect]") {
  using enum container_status;
  struct row {
    container_status status;
    const char* text;
    bool is_running, is_paused, is_restarting, is_dead;
  };
  for (const auto& r :
       {row{created, "created", false, false, false, false}, row{running, "running", true, false, false, false},
        row{paused, "paused", true, true, false, false}, row{restarting, "restarting", true, false, true, false},
        row{removing, "removing", false, false, false, false}, row{exited, "exited", false, false, false, false},
        row{dead, "dead", false, false, false, true}}) {
    const auto view = test::view(test::definition(1), "x", {.status = r.status});
    const auto state = inspected(*view).at("State").as_object();
    INFO(r.text);
    CHECK(state.at("Status").as_string() == r.text);
    CHECK(state.at("Running").as_bool() == r.is_running);
    CHECK(state.at("Paused").as_bool() == r.is_paused);
    CHECK(state.at("Restarting").as_bool() == r.is_restarting);
    CHECK(state.at("Dead").as_bool() == r.is_dead);
    CHECK(state.at("StartedAt").as_string() == "0001-01-01T00:00:00Z");
    CHECK(state.at("FinishedAt").as_string() == "0001-01-01T00:00:00Z");
  }
}

TEST_CASE("masked and read-only paths show what holds", "[api][container][inspect]") {
  auto d = test::definition(1);
  const auto paths = [&](const char* name) { return inspected(*test::view(d, "x")).at("HostConfig").at(name); };
  CHECK(paths("MaskedPaths").as_array().size() == default_masked_paths().size());
  d->host.masked_paths = string_list{"/proc/keys"};
  CHECK(paths("MaskedPaths").as_array().size() == 1);
  d->host.masked_paths.reset();
  d->host.privileged = true;
  CHECK(paths("MaskedPaths").is_null());
  CHECK(paths("ReadonlyPaths").is_null());
}

TEST_CASE("exposed ports are listed while the container runs", "[api][container][inspect]") {
  auto d = test::definition(1);
  d->config.exposed_ports = {"80/tcp"};
  const auto ports = [&](container_state s) {
    return inspected(*test::view(d, "x", s)).at("NetworkSettings").at("Ports").as_object();
  };
  REQUIRE(ports(test::running()).size() == 1);
  CHECK(ports(test::running()).at("80/tcp").is_null());
  CHECK(ports(test::exited(0)).empty());
}

TEST_CASE("what the request said of its endpoint is shown", "[api][container][inspect]") {
  auto d = test::definition(1);
  d->endpoints["bridge"].mac_address = "02:42:ac:11:00:09";
  d->endpoints["bridge"].driver_opts = {{"a", "b"}};
  const auto networks = inspected(*test::view(d, "x")).at("NetworkSettings").at("Networks").as_object();
  REQUIRE(networks.size() == 1);
  CHECK(networks.at("bridge").at("MacAddress").as_string() == "02:42:ac:11:00:09");
  CHECK(networks.at("bridge").at("DriverOpts").at("a").as_string() == "b");
}

TEST_CASE("the AppArmor profile is the last one asked for", "[api][container][inspect]") {
  auto d = test::definition(1);
  d->host.security_opt = {"seccomp=unconfined", "apparmor=one", "apparmor:two"};
  CHECK(inspected(*test::view(d, "x")).at("AppArmorProfile").as_string() == "two");
}

TEST_CASE("hostile texts stay valid JSON", "[api][container][inspect]") {
  auto d = test::definition(1);
  std::string all;
  for (int c = 0; c < 256; ++c) all.push_back(static_cast<char>(c));
  d->config.labels["bytes"] = all;
  d->args = {all, "\xe2\x80\xa8\xe2\x80\xa9", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf0\x9f\x90\xb3", "\xc0\xaf"};
  const auto text = render_inspect(*test::view(d, "x"), api_version_max);
  const auto args = json::parse(text).at("Args").as_array();
  CHECK(args[1].as_string() == "\xe2\x80\xa8\xe2\x80\xa9");
  CHECK(args[2].as_string() == "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");             // a lone surrogate
  CHECK(args[3].as_string() == "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); // above U+10FFFF
  CHECK(args[4].as_string() == "\xf0\x9f\x90\xb3");
  CHECK(args[5].as_string() == "\xef\xbf\xbd\xef\xbf\xbd"); // an overlong form
  CHECK(text.find("\\u2028\\u2029") != std::string::npos);
  CHECK(text.find("\\u0000") != std::string::npos);
}

} // namespace gantry::api
