/// The create request's body, and what the image adds to it.
#include <catch2/catch.hpp>

#include "api/container_json.hpp"

namespace gantry::api {
namespace {

create_request parsed(std::string_view json) {
  auto made = parse_create_request(json, api_version_max);
  INFO(json);
  if (made.has_error()) INFO(made.error().message);
  REQUIRE(made.has_value());
  return std::move(made).value();
}

std::string refusal(std::string_view json) {
  const auto made = parse_create_request(json, api_version_max);
  INFO(json);
  REQUIRE(made.has_error());
  CHECK(made.error().code == errc::invalid_parameter);
  return made.error().message;
}

/// What `docker run -it --rm --memory 64m -v /tmp:/t alpine sh` sends, as the 28.2 client writes it.
constexpr std::string_view cli_body = R"({"Hostname":"","Domainname":"","User":"","AttachStdin":true,
"AttachStdout":true,"AttachStderr":true,"ExposedPorts":{"80/tcp":{},"53/udp":{}},"Tty":true,"OpenStdin":true,
"StdinOnce":true,"Env":["A=1"],"Cmd":["sh"],"Image":"alpine","Volumes":{},"WorkingDir":"","Entrypoint":null,
"OnBuild":null,"Labels":{"k":"v"},"HostConfig":{"Binds":["/tmp:/t"],"ContainerIDFile":"","LogConfig":{"Type":"",
"Config":{}},"NetworkMode":"default","PortBindings":{},"RestartPolicy":{"Name":"no","MaximumRetryCount":0},
"AutoRemove":true,"VolumeDriver":"","VolumesFrom":null,"ConsoleSize":[24,80],"CapAdd":null,"CapDrop":null,
"CgroupnsMode":"","Dns":[],"DnsOptions":[],"DnsSearch":[],"ExtraHosts":null,"GroupAdd":null,"IpcMode":"","Cgroup":"",
"Links":null,"OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,"ReadonlyRootfs":false,
"SecurityOpt":null,"UTSMode":"","UsernsMode":"","ShmSize":0,"Isolation":"","CpuShares":0,"Memory":67108864,
"NanoCpus":0,"CgroupParent":"","BlkioWeight":0,"BlkioWeightDevice":[],"BlkioDeviceReadBps":[],
"BlkioDeviceWriteBps":[],"BlkioDeviceReadIOps":[],"BlkioDeviceWriteIOps":[],"CpuPeriod":0,"CpuQuota":0,
"CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"","Devices":[],"DeviceCgroupRules":null,
"DeviceRequests":null,"MemoryReservation":0,"MemorySwap":0,"MemorySwappiness":-1,"OomKillDisable":false,
"PidsLimit":0,"Ulimits":[],"CpuCount":0,"CpuPercent":0,"IOMaximumIOps":0,"IOMaximumBandwidth":0,"MaskedPaths":null,
"ReadonlyPaths":null},"NetworkingConfig":{"EndpointsConfig":{"default":{"IPAMConfig":null,"Links":null,
"Aliases":null,"MacAddress":"","DriverOpts":null,"GwPriority":0,"NetworkID":"","EndpointID":"","Gateway":"",
"IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"DNSNames":null}}}})";

} // namespace

TEST_CASE("the client's own body is understood", "[api][container][create]") {
  const auto r = parsed(cli_body);
  CHECK(r.config.image == "alpine");
  CHECK(r.config.cmd == string_list{"sh"});
  CHECK(r.config.exposed_ports == string_list{"53/udp", "80/tcp"});
  CHECK_FALSE(r.config.entrypoint.has_value());
  CHECK(r.config.tty);
  CHECK(r.config.labels.at("k") == "v");
  CHECK(r.host.binds == string_list{"/tmp:/t"});
  CHECK(r.host.memory == 67108864);
  CHECK(r.host.memory_swappiness == -1);
  CHECK(r.host.pids_limit == 0);
  CHECK(r.host.console_rows == 24);
  CHECK(r.host.console_columns == 80);
  CHECK(r.host.auto_remove);
  CHECK_FALSE(r.host.masked_paths.has_value());
  CHECK(r.endpoints.contains("default"));
  host_facts host;
  auto complete = r;
  const auto checked = validate_and_complete(complete, host, api_version_max);
  REQUIRE(checked.has_value());
  CHECK(checked.value().empty());
}

TEST_CASE("a string stands for a list of one word", "[api][container][create]") {
  const auto r = parsed(R"({"Cmd":"date","Entrypoint":"/bin/sh","Shell":["a","b"]})");
  CHECK(r.config.cmd == string_list{"date"});
  CHECK(r.config.entrypoint == string_list{"/bin/sh"});
  CHECK(r.config.shell == string_list{"a", "b"});
  CHECK(parsed(R"({"Image":"a","HostConfig":{"CapAdd":"ALL"}})").host.cap_add == string_list{"ALL"});
}

TEST_CASE("empty and absent lists stay apart where Docker minds", "[api][container][create]") {
  const auto r = parsed(R"({"Entrypoint":[],"Cmd":null,"HostConfig":{"MaskedPaths":[],"ReadonlyPaths":null}})");
  CHECK(r.config.entrypoint == string_list{});
  CHECK_FALSE(r.config.cmd.has_value());
  CHECK(r.host.masked_paths == string_list{});
  CHECK_FALSE(r.host.readonly_paths.has_value());
}

TEST_CASE("names match in any case, exact ones first; unknown members are ignored", "[api][container][create]") {
  const auto r = parsed(R"({"image":"a","HOSTCONFIG":{"memory":7,"Nonsense":{"a":[1]}},"Whatever":1})");
  CHECK(r.config.image == "a");
  CHECK(r.host.memory == 7);
  CHECK(parsed(R"({"Image":"first","Image":"last"})").config.image == "last");
}

TEST_CASE("every part of HostConfig is read", "[api][container][create]") {
  const auto r = parsed(R"({"Image":"a","HostConfig":{
    "PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}],"81/tcp":null},
    "Mounts":[{"Type":"bind","Source":"/a","Target":"/b","ReadOnly":true,"BindOptions":{"Propagation":"rslave"}},
              {"Type":"tmpfs","Target":"/c","TmpfsOptions":{"SizeBytes":1048576,"Mode":448,"Options":[["noexec"]]}},
              {"Type":"volume","Source":"v","Target":"/d","VolumeOptions":{"NoCopy":true,"Labels":{"a":"b"},
               "Subpath":"s","DriverConfig":{"Name":"local","Options":{"o":"p"}}}}],
    "Devices":[{"PathOnHost":"/dev/a","PathInContainer":"/dev/b","CgroupPermissions":"rwm"}],
    "Ulimits":[{"Name":"nofile","Soft":1,"Hard":2}],
    "BlkioWeightDevice":[{"Path":"/dev/sda","Weight":100}],
    "BlkioDeviceReadBps":[{"Path":"/dev/sda","Rate":18446744073709551615}],
    "DeviceRequests":[{"Driver":"nvidia","Count":-1,"DeviceIDs":["0"],"Capabilities":[["gpu"]],"Options":{"a":"b"}}],
    "LogConfig":{"Type":"json-file","Config":{"max-size":"1m"}},"Init":true,"OomKillDisable":true,"PidsLimit":9,
    "Tmpfs":{"/run":"rw"},"Sysctls":{"a.b":"1"},"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3}}})");
  const auto& h = r.host;
  CHECK(h.port_bindings.at("80/tcp").at(0) == port_binding{"127.0.0.1", "8080"});
  CHECK(h.port_bindings.at("81/tcp").empty());
  REQUIRE(h.mounts.size() == 3);
  CHECK(h.mounts[0].bind.value().propagation == "rslave");
  CHECK(h.mounts[1].tmpfs.value().mode == 0700);
  CHECK(h.mounts[2].volume.value().driver_options.at("o") == "p");
  CHECK(h.devices[0] == device_mapping{"/dev/a", "/dev/b", "rwm"});
  CHECK(h.ulimits[0] == ulimit{"nofile", 1, 2});
  CHECK(h.blkio_device_read_bps[0].rate == ~0ull);
  CHECK(h.device_requests[0].capabilities == std::vector<string_list>{{"gpu"}});
  CHECK(h.log.options.at("max-size") == "1m");
  CHECK(h.init == true);
  CHECK(h.restart == restart_policy{"on-failure", 3});
}

TEST_CASE("bodies that make no sense are refused", "[api][container][create]") {
  const std::string empty = "config cannot be empty in order to create a container";
  CHECK(refusal("{}") == empty);
  CHECK(refusal("null") == empty);
  CHECK(refusal(R"({"HostConfig":{},"NetworkingConfig":{}})") == empty);
  CHECK(refusal("") == "invalid JSON: got EOF while reading request body");
  CHECK(refusal(R"({"Image":"a"} {})") == "unexpected content after JSON");
  CHECK(refusal(R"({"Image":)").starts_with("invalid JSON: "));
  CHECK(refusal("[]").starts_with("invalid JSON: "));
  CHECK(refusal(R"({"Image":"a","HostConfig":{"Isolation":"hyperv"}})") ==
        "invalid isolation (hyperv): linux only supports 'default'");
  CHECK(refusal(R"({"Image":"a","HostConfig":{"IOMaximumIOps":1}})") ==
        "invalid option: QoS maximum IOPs configuration is not supported on linux");
}

TEST_CASE("wrong types and numbers out of range are refused", "[api][container][create]") {
  for (const char* body : {R"({"Image":5})",
                           R"({"Tty":"yes"})",
                           R"({"Env":"A=1"})",
                           R"({"Env":[1]})",
                           R"({"Labels":{"a":1}})",
                           R"({"ExposedPorts":["80/tcp"]})",
                           R"({"StopTimeout":1.5})",
                           R"({"StopTimeout":9223372036854775808})",
                           R"({"Cmd":{"a":1}})",
                           R"({"Healthcheck":[]})",
                           R"({"Image":"a","HostConfig":[]})",
                           R"({"Image":"a","HostConfig":{"Memory":"64m"}})",
                           R"({"Image":"a","HostConfig":{"Memory":1e30}})",
                           R"({"Image":"a","HostConfig":{"BlkioWeight":65536}})",
                           R"({"Image":"a","HostConfig":{"BlkioWeight":-1}})",
                           R"({"Image":"a","HostConfig":{"PortBindings":{"80/tcp":{}}}})",
                           R"({"Image":"a","HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":80}]}}})",
                           R"({"Image":"a","HostConfig":{"ConsoleSize":[-1,2]}})",
                           R"({"Image":"a","HostConfig":{"ConsoleSize":"x"}})",
                           R"({"Image":"a","HostConfig":{"Mounts":[1]}})",
                           R"({"Image":"a","HostConfig":{"Mounts":[{"TmpfsOptions":{"Mode":4294967296}}]}})",
                           R"({"Image":"a","HostConfig":{"Ulimits":[{"Name":"n","Soft":"1"}]}})",
                           R"({"Image":"a","NetworkingConfig":{"EndpointsConfig":{"a":5}}})"})
    CHECK(refusal(body).starts_with("invalid JSON: json: cannot unmarshal "));
  CHECK(refusal(R"({"Image":"a","HostConfig":{"Memory":"64m"}})").find("Memory of type int64") != std::string::npos);
}

TEST_CASE("nesting has a limit", "[api][container][create]") {
  const auto nested = [](std::size_t n) {
    return "{\"Image\":\"a\",\"X\":" + std::string(n, '[') + std::string(n, ']') + "}";
  };
  CHECK(parse_create_request(nested(60), api_version_max).has_value());
  CHECK(refusal(nested(65)).starts_with("invalid JSON: "));
}

TEST_CASE("an image fills in what the request leaves out", "[api][container][merge]") {
  container_config image;
  image.user = "app";
  image.working_dir = "/app";
  image.stop_signal = "SIGINT";
  image.env = {"PATH=/bin", "A=image", "B=image"};
  image.labels = {{"a", "image"}, {"b", "image"}};
  image.exposed_ports = {"80/tcp"};
  image.volumes = {"/data"};
  image.cmd = string_list{"run"};
  image.entrypoint = string_list{"/entry"};
  image.healthcheck.emplace().test = string_list{"CMD", "x"};
  image.healthcheck->retries = 4;

  container_config c;
  c.env = {"A=own", "B"};
  c.labels = {{"a", "own"}};
  c.exposed_ports = {"443/tcp"};
  c.healthcheck.emplace().interval_ns = 5;
  REQUIRE(merge_image_config(c, image).has_value());
  CHECK(c.user == "app");
  CHECK(c.working_dir == "/app");
  CHECK(c.stop_signal == "SIGINT");
  CHECK(c.env == string_list{"A=own", "B", "PATH=/bin"});
  CHECK(c.labels == string_map{{"a", "own"}, {"b", "image"}});
  CHECK(c.exposed_ports == string_list{"443/tcp", "80/tcp"});
  CHECK(c.volumes == string_list{"/data"});
  CHECK(c.cmd == string_list{"run"});
  CHECK(c.entrypoint == string_list{"/entry"});
  CHECK(c.healthcheck->test == string_list{"CMD", "x"});
  CHECK(c.healthcheck->retries == 4);
  CHECK(c.healthcheck->interval_ns == 5);
}

TEST_CASE("entrypoint and command follow Docker's rule", "[api][container][merge]") {
  using words = std::optional<string_list>;
  struct row {
    words own_entrypoint, own_cmd, entrypoint, cmd;
  };
  const string_list none, cleared{""}, e{"/e"}, x{"/x"}, run{"run"}, own{"own"};
  const words nothing;
  // The image has the entrypoint /e and the command run.
  const std::vector<row> table{
      {nothing, nothing, e, run}, {nothing, own, e, own}, {nothing, none, e, run},    {x, nothing, x, nothing},
      {x, own, x, own},           {none, own, none, own}, {none, nothing, none, run}, {cleared, own, nothing, own},
  };
  for (const auto& r : table) {
    container_config image, c;
    image.entrypoint = e;
    image.cmd = run;
    c.entrypoint = r.own_entrypoint;
    c.cmd = r.own_cmd;
    REQUIRE(merge_image_config(c, image).has_value());
    CHECK(c.entrypoint == r.entrypoint);
    CHECK(c.cmd == r.cmd);
  }
  container_config image, c;
  image.entrypoint = e;
  image.cmd = run;
  c.entrypoint = cleared; // hides the image's command too
  const auto merged = merge_image_config(c, image);
  REQUIRE(merged.has_error());
  CHECK(merged.error() == error{errc::invalid_parameter, 0, "no command specified"});
  container_config empty;
  CHECK(merge_image_config(empty, {}).error().message == "no command specified");
}

TEST_CASE("small replies have Docker's shapes", "[api][container]") {
  CHECK(render_created("abc", {}) == "{\"Id\":\"abc\",\"Warnings\":[]}\n");
  CHECK(render_created("abc", {"a <b>"}) == "{\"Id\":\"abc\",\"Warnings\":[\"a <b>\"]}\n");
  CHECK(render_wait(3, "") == "{\"StatusCode\":3}\n");
  CHECK(render_wait(128, "x \"y\"") == "{\"Error\":{\"Message\":\"x \\\"y\\\"\"},\"StatusCode\":128}\n");
  CHECK(render_top({"PID", "CMD"}, {{"1", "sh"}}) == "{\"Processes\":[[\"1\",\"sh\"]],\"Titles\":[\"PID\",\"CMD\"]}\n");
  CHECK(render_containers_pruned({}, 0) == "{\"ContainersDeleted\":null,\"SpaceReclaimed\":0}\n");
  CHECK(render_containers_pruned({"a"}, 5) == "{\"ContainersDeleted\":[\"a\"],\"SpaceReclaimed\":5}\n");
}

TEST_CASE("signals by name and number", "[api][container][signal]") {
  const std::vector<std::pair<const char*, int>> good{
      {"SIGTERM", 15},  {"term", 15},    {"15", 15},    {"Kill", 9},     {"sigkill", 9},      {"HUP", 1},
      {"1", 1},         {"64", 64},      {"RTMIN", 34}, {"RTMIN+3", 37}, {"SIGRTMIN+15", 49}, {"RTMAX", 64},
      {"RTMAX-14", 50}, {"rtmax-1", 63}, {"CLD", 17},   {"IOT", 6},      {"POLL", 29},        {"+9", 9}};
  for (const auto& [text, number] : good) {
    INFO(text);
    REQUIRE(parse_signal(text).has_value());
    CHECK(parse_signal(text).value() == number);
  }
  for (const std::string text : {"", "0", "SIG", "FOO", "SIGSIGTERM", "RTMIN+16", "RTMIN+0", "RTMIN+03", "RTMIN+",
                                 "RTMIN-1", "RTMAX-15", "RTMAX+1", "9 ", " 9", "9x", "++9", "1.5", "TERM\n"}) {
    INFO(text);
    REQUIRE(parse_signal(text).has_error());
    CHECK(parse_signal(text).error() == error{errc::invalid_parameter, 0, "invalid signal: " + text});
  }
  for (const std::string text : {"65", "-9", "100000"})
    CHECK(parse_signal(text).error().message == "The linux daemon does not support signal " + text);
}

} // namespace gantry::api
