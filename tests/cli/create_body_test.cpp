/// cli/container_flags.hpp: the flags of run and create to the body they mean. The expected bodies and texts are those
/// of docker's client.
#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli/container_flags.hpp"

using namespace gantry;
using namespace gantry::cli;
namespace json = boost::json;

namespace {

result<json::object> body_of(string_list words) {
  container_flags given;
  create_options options;
  flag_set flags;
  add_container_flags(flags, given);
  add_create_flags(flags, options);
  GANTRY_TRY(rest, flags.parse(words, interspersed::no));
  if (rest.empty()) return error{errc::invalid_parameter, 0, "no image"};
  return create_body(given, rest[0], {rest.begin() + 1, rest.end()});
}

/// Members are compared without their order.
json::value sorted(const json::value& v) {
  if (v.is_array()) {
    json::array out;
    for (const auto& item : v.as_array()) out.push_back(sorted(item));
    return out;
  }
  if (!v.is_object()) return v;
  std::map<std::string, json::value> members;
  for (const auto& [key, item] : v.as_object()) members.emplace(key, sorted(item));
  json::object out;
  for (const auto& [key, item] : members) out[key] = item;
  return out;
}

std::string text_of(const json::value& v) { return json::serialize(sorted(v)); }

/// What the flags add to the body of a plain `create busybox`.
json::value added(const string_list& words) {
  string_list with_image = words;
  with_image.push_back("busybox");
  auto body = body_of(with_image);
  INFO((body.has_error() ? body.error().message : std::string()));
  REQUIRE(body.has_value());
  const auto plain = body_of({"busybox"}).value();
  const auto difference = [](const json::object& a, const json::object& b) {
    json::object out;
    for (const auto& [key, value] : a)
      if (const auto* other = b.if_contains(key); other == nullptr || *other != value) out[key] = value;
    return out;
  };
  json::object host = difference(body->at("HostConfig").as_object(), plain.at("HostConfig").as_object());
  json::object out = difference(*body, plain);
  out.erase("HostConfig");
  for (const auto& [key, value] : host) out[key] = value;
  return out;
}

struct temp_file {
  explicit temp_file(std::string_view content) {
    std::string name = (std::filesystem::temp_directory_path() / "gantry-flags-XXXXXX").string();
    const int fd = ::mkstemp(name.data());
    REQUIRE(fd >= 0);
    ::close(fd);
    path = name;
    std::ofstream(path, std::ios::binary) << content;
  }
  ~temp_file() { std::filesystem::remove(path); }
  std::string path;
};

} // namespace

TEST_CASE("a container without flags asks for defaults only", "[cli][create]") {
  CHECK(text_of(body_of({"busybox"}).value()) ==
        text_of(json::parse(R"({"AttachStdin":false,"AttachStdout":true,"AttachStderr":true,"Tty":false,
          "OpenStdin":false,"StdinOnce":false,"Image":"busybox","NetworkingConfig":{"EndpointsConfig":{}},
          "HostConfig":{"NetworkMode":"default","RestartPolicy":{"Name":"no","MaximumRetryCount":0},
          "LogConfig":{"Type":"","Config":{}}}})")));
}

TEST_CASE("words behind the image are its command", "[cli][create]") {
  const auto body = body_of({"-i", "busybox", "sh", "-c", "exit 3"});
  REQUIRE(body.has_value());
  CHECK(text_of(body->at("Cmd")) == R"(["sh","-c","exit 3"])");
}

TEST_CASE("each flag sets its member", "[cli][create]") {
  ::setenv("GANTRY_TEST_SET", "here", 1);
  ::unsetenv("GANTRY_TEST_UNSET");
  const std::vector<std::pair<string_list, const char*>> table{
      {{"-it"}, R"({"AttachStdin":true,"OpenStdin":true,"StdinOnce":true,"Tty":true})"},
      {{"-i", "-a", "stdin"},
       R"({"AttachStderr":false,"AttachStdin":true,"AttachStdout":false,"OpenStdin":true,"StdinOnce":true})"},
      {{"-a", "STDOUT"}, R"({"AttachStderr":false})"},
      {{"-e", "A=b", "-e", "GANTRY_TEST_SET", "-e", "GANTRY_TEST_UNSET"},
       R"({"Env":["A=b","GANTRY_TEST_SET=here","GANTRY_TEST_UNSET"]})"},
      {{"-w", "/w", "-u", "1:2", "-h", "host", "--domainname", "d"},
       R"({"Domainname":"d","Hostname":"host","User":"1:2","WorkingDir":"/w"})"},
      {{"-l", "a=b", "--label", "c"}, R"({"Labels":{"a":"b","c":""}})"},
      {{"--entrypoint", "/x"}, R"({"Entrypoint":["/x"]})"},
      {{"--entrypoint", ""}, R"({"Entrypoint":[""]})"},
      {{"--stop-signal", "INT", "--stop-timeout", "0"}, R"({"StopSignal":"INT","StopTimeout":0})"},
      {{"--health-cmd", "true", "--health-interval", "1m", "--health-retries", "3"},
       R"({"Healthcheck":{"Interval":60000000000,"Retries":3,"Test":["CMD-SHELL","true"]}})"},
      {{"--no-healthcheck"}, R"({"Healthcheck":{"Test":["NONE"]}})"},
      {{"-v", "/a:/b:ro", "-v", "/anon", "-v", "named:/x"},
       R"({"Binds":["/a:/b:ro","named:/x"],"Volumes":{"/anon":{}}})"},
      {{"--tmpfs", "/t:size=1m", "--tmpfs", "/u"}, R"({"Tmpfs":{"/t":"size=1m","/u":""}})"},
      {{"--network", "none"}, R"({"NetworkMode":"none"})"},
      {{"--network", "name=foo,alias=a,ip=1.2.3.4,driver-opt=a=b"},
       R"({"NetworkMode":"foo","NetworkingConfig":{"EndpointsConfig":{"foo":{"Aliases":["a"],"DriverOpts":{"a":"b"},
           "IPAMConfig":{"IPv4Address":"1.2.3.4"}}}}})"},
      {{"--network", "a", "--network", "b"},
       R"({"NetworkMode":"a","NetworkingConfig":{"EndpointsConfig":{"a":{},"b":{}}}})"},
      {{"--net", "n", "--ip", "1.2.3.4", "--network-alias", "q", "--link", "a:b"},
       R"({"Links":["a:b"],"NetworkMode":"n","NetworkingConfig":{"EndpointsConfig":{"n":{"Aliases":["q"],
           "IPAMConfig":{"IPv4Address":"1.2.3.4"},"Links":["a:b"]}}}})"},
      {{"-m", "64m", "--memory-swap", "-1", "--memory-reservation", "1g", "--shm-size", "1k"},
       R"({"Memory":67108864,"MemoryReservation":1073741824,"MemorySwap":-1,"ShmSize":1024})"},
      {{"--cpus", "1.5", "--cpu-shares", "5", "--cpuset-cpus", "0-1"},
       R"({"CpuShares":5,"CpusetCpus":"0-1","NanoCpus":1500000000})"},
      {{"--pids-limit", "-1", "--oom-score-adj", "7"}, R"({"OomScoreAdj":7,"PidsLimit":-1})"},
      {{"--ulimit", "nofile=1:2", "--ulimit", "nofile=3"}, R"({"Ulimits":[{"Hard":3,"Name":"nofile","Soft":3}]})"},
      {{"--cap-add", "sys_admin", "--cap-add", "CAP_CHOWN", "--cap-drop", "all"},
       R"({"CapAdd":["CAP_CHOWN","CAP_SYS_ADMIN"],"CapDrop":["ALL"]})"},
      {{"--privileged", "--read-only", "--init"}, R"({"Init":true,"Privileged":true,"ReadonlyRootfs":true})"},
      {{"--init=false"}, R"({"Init":false})"},
      {{"--security-opt", "no-new-privileges", "--security-opt", "seccomp=unconfined"},
       R"({"SecurityOpt":["no-new-privileges","seccomp=unconfined"]})"},
      {{"--security-opt", "systempaths=unconfined"}, R"({"MaskedPaths":[],"ReadonlyPaths":[]})"},
      {{"--sysctl", "net.a=1", "--group-add", "g"}, R"({"GroupAdd":["g"],"Sysctls":{"net.a":"1"}})"},
      {{"--add-host", "h:1.2.3.4", "--add-host", "i=[::1]", "--dns", "1.1.1.1"},
       R"({"Dns":["1.1.1.1"],"ExtraHosts":["h:1.2.3.4","i:::1"]})"},
      {{"--log-driver", "local", "--log-opt", "a=b"}, R"({"LogConfig":{"Config":{"a":"b"},"Type":"local"}})"},
      {{"--pid", "host", "--ipc", "host", "--uts", "host", "--cgroupns", "private"},
       R"({"CgroupnsMode":"private","IpcMode":"host","PidMode":"host","UTSMode":"host"})"},
      {{"--restart", "on-failure:3"}, R"({"RestartPolicy":{"MaximumRetryCount":3,"Name":"on-failure"}})"},
      {{"--rm"}, R"({"AutoRemove":true})"},
      {{"--device", "/dev/a:/dev/b:r", "--device", "/dev/c", "--device", "/dev/d:rw"},
       R"({"Devices":[{"CgroupPermissions":"r","PathInContainer":"/dev/b","PathOnHost":"/dev/a"},
           {"CgroupPermissions":"rwm","PathInContainer":"/dev/c","PathOnHost":"/dev/c"},
           {"CgroupPermissions":"rw","PathInContainer":"/dev/d","PathOnHost":"/dev/d"}]})"},
      {{"--device-read-bps", "/dev/a:1m", "--device-write-iops", "/dev/b:5"},
       R"({"BlkioDeviceReadBps":[{"Path":"/dev/a","Rate":1048576}],
           "BlkioDeviceWriteIOps":[{"Path":"/dev/b","Rate":5}]})"},
      {{"-p", "80:81", "-p", "127.0.0.1:5000-5001:6000-6001/udp", "--expose", "5-6"},
       R"({"ExposedPorts":{"5/tcp":{},"6/tcp":{},"6000/udp":{},"6001/udp":{},"81/tcp":{}},
           "PortBindings":{"6000/udp":[{"HostIp":"127.0.0.1","HostPort":"5000"}],
           "6001/udp":[{"HostIp":"127.0.0.1","HostPort":"5001"}],"81/tcp":[{"HostIp":"","HostPort":"80"}]}})"},
      {{"-p", "80-82:90"},
       R"({"ExposedPorts":{"90/tcp":{}},"PortBindings":{"90/tcp":[{"HostIp":"","HostPort":"80-82"}]}})"},
      {{"-p", "[::1]::80"},
       R"({"ExposedPorts":{"80/tcp":{}},"PortBindings":{"80/tcp":[{"HostIp":"::1","HostPort":""}]}})"},
      {{"--gpus", "all"}, R"({"DeviceRequests":[{"Capabilities":[["gpu"]],"Count":-1}]})"},
  };
  for (const auto& [words, wanted] : table) {
    INFO(words[0] << " " << (words.size() > 1 ? words[1] : ""));
    CHECK(text_of(added(words)) == text_of(json::parse(wanted)));
  }
}

TEST_CASE("mounts are read field by field", "[cli][create]") {
  const std::vector<std::pair<std::string, const char*>> good{
      {"type=bind,src=/s,dst=/d,readonly,bind-propagation=rslave",
       R"({"BindOptions":{"Propagation":"rslave"},"ReadOnly":true,"Source":"/s","Target":"/d","Type":"bind"})"},
      {"type=volume,dst=/v,volume-nocopy,volume-label=a=b,volume-driver=x,volume-opt=o=p",
       R"({"Target":"/v","Type":"volume","VolumeOptions":{"DriverConfig":{"Name":"x","Options":{"o":"p"}},
           "Labels":{"a":"b"},"NoCopy":true}})"},
      {"type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1777",
       R"({"Target":"/t","TmpfsOptions":{"Mode":1023,"SizeBytes":1048576},"Type":"tmpfs"})"},
      {"type=bind,\"src=/a,b\",dst=/c", R"({"Source":"/a,b","Target":"/c","Type":"bind"})"},
      {"destination=/x,source=n,ro=false", R"({"ReadOnly":false,"Source":"n","Target":"/x","Type":"volume"})"},
      {"type=bind,src=/a,dst=/b,bind-recursive=disabled",
       R"({"BindOptions":{"NonRecursive":true},"Source":"/a","Target":"/b","Type":"bind"})"},
  };
  for (const auto& [text, wanted] : good) {
    INFO(text);
    const auto mount = parse_mount(text);
    REQUIRE(mount.has_value());
    CHECK(text_of(*mount) == text_of(json::parse(wanted)));
  }
  const std::vector<std::pair<std::string, std::string>> wrong{
      {"src=/a", "target is required"},
      {"foo=1", "unexpected key 'foo' in 'foo=1'"},
      {"foo", "invalid field 'foo' must be a key=value pair"},
      {"type=bind,src=/a,dst=/b,volume-nocopy", "cannot mix 'volume-*' options with mount type 'bind'"},
      {"type=bind,dst=/b,readonly=x", "invalid value for readonly: x"},
      {"type=tmpfs,dst=/b,tmpfs-mode=9", "invalid value for tmpfs-mode: 9"},
      {"type=bind,src=/a,dst=/b,bind-recursive=readonly",
       "option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction"},
  };
  for (const auto& [text, message] : wrong) CHECK(parse_mount(text).error().message == message);
}

TEST_CASE("wrong flags of run are answered in docker's words", "[cli][create]") {
  const std::vector<std::pair<string_list, std::string>> table{
      {{"--restart", "always", "--rm"}, "conflicting options: cannot specify both --restart and --rm"},
      {{"--restart", ":3"}, "invalid restart policy format: no policy provided before colon"},
      {{"--health-cmd", "a", "--no-healthcheck"}, "--no-healthcheck conflicts with --health-* options"},
      {{"--health-interval", "-1s"}, "--health-interval cannot be negative"},
      {{"--pid", "foo"}, "--pid: invalid PID mode"},
      {{"--uts", "foo"}, "--uts: invalid UTS mode"},
      {{"--userns", "foo"}, "--userns: invalid USER mode"},
      {{"--cgroupns", "foo"}, "--cgroupns: invalid CGROUP mode"},
      {{"--security-opt", "foo"}, "Invalid --security-opt: \"foo\""},
      {{"--security-opt", "seccomp=/nope"},
       "opening seccomp profile (/nope) failed: open /nope: no such file or directory"},
      {{"--env-file", "/nope"}, "open /nope: no such file or directory"},
      {{"-p", "a"}, "invalid containerPort: a"},
      {{"-p", "x:80"}, "invalid hostPort: x"},
      {{"-p", "80/foo"}, "invalid proto: foo"},
      {{"-p", "80-81:90-92"}, "invalid ranges specified for container and host Ports: 90-92 and 80-81"},
      {{"--device", "/a:/b:qq"}, "bad mode specified: qq"},
      {{"--device", "a:b:c:d"}, "bad format for path: a:b:c:d"},
      {{"--network", "a", "--network", "a"}, "network \"a\" is specified multiple times"},
      {{"--log-driver", "none", "--log-opt", "a=b"}, "invalid logging opts for driver none"},
      {{"--storage-opt", "x"}, "invalid storage option"},
      {{"-e", "=x"}, "invalid argument \"=x\" for \"-e, --env\" flag: invalid environment variable: =x"},
      {{"-l", "=a"}, "invalid argument \"=a\" for \"-l, --label\" flag: invalid label '=a': empty name"},
      {{"-a", "foo"}, "invalid argument \"foo\" for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR"},
      {{"--sysctl", "a"}, "invalid argument \"a\" for \"--sysctl\" flag: sysctl 'a' is not allowed"},
      {{"--add-host", "foo"}, "invalid argument \"foo\" for \"--add-host\" flag: bad format for add-host: \"foo\""},
      {{"--add-host", "a:b"},
       "invalid argument \"a:b\" for \"--add-host\" flag: invalid IP address in add-host: \"b\""},
      {{"-m", "1x"}, "invalid argument \"1x\" for \"-m, --memory\" flag: invalid suffix: 'x'"},
  };
  for (auto [words, text] : table) {
    words.push_back("busybox");
    const auto body = body_of(words);
    INFO(text);
    REQUIRE(body.has_error());
    CHECK(body.error().message == text);
  }
}

TEST_CASE("environment and label files are read line by line", "[cli][create]") {
  ::setenv("GANTRY_TEST_SET", "here", 1);
  ::unsetenv("GANTRY_TEST_UNSET");
  const temp_file env("\xef\xbb\xbf"
                      "A=1\n# comment\n\n  B=two words\r\nGANTRY_TEST_SET\nGANTRY_TEST_UNSET\n");
  const temp_file labels("x=y\nz\n");
  CHECK(text_of(added({"--env-file", env.path, "-e", "C=3", "--label-file", labels.path})) ==
        R"({"Env":["A=1","B=two words","GANTRY_TEST_SET=here","C=3"],"Labels":{"x":"y","z":""}})");
  const temp_file blank("A B=1\n"), nameless("=1\n");
  CHECK(read_env_file(blank.path).error().message ==
        "poorly formatted environment: variable 'A B' contains whitespaces");
  CHECK(read_env_file(nameless.path).error().message == "no variable name on line '=1'");
  const temp_file huge(std::string((4u << 20) + 1, 'x'));
  CHECK(read_env_file(huge.path).error().message.ends_with("larger than 4194304 bytes"));
}

TEST_CASE("a seccomp profile is sent by its content", "[cli][create]") {
  const temp_file profile("{ \"defaultAction\" : \"SCMP_ACT_ALLOW\" }"), broken("{");
  CHECK(text_of(added({"--security-opt", "seccomp=" + profile.path})) ==
        R"({"SecurityOpt":["seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\"}"]})");
  CHECK(body_of({"--security-opt", "seccomp=" + broken.path, "busybox"})
            .error()
            .message.starts_with("compacting json for seccomp profile (" + broken.path + ") failed: "));
}
