/// cli/daemon_options.hpp: dockerd's command line and configuration file, with its texts.
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "cli/daemon_file.hpp"
#include "cli/daemon_options.hpp"
#include "cli/daemon_table.hpp"

namespace {

using namespace gantry;
using namespace gantry::cli;

/// A file that goes away with the test.
class temp_file {
public:
  explicit temp_file(std::string_view content) {
    std::string name = (std::filesystem::temp_directory_path() / "gantry-daemon-XXXXXX").string();
    const int fd = ::mkstemp(name.data());
    REQUIRE(fd >= 0);
    ::close(fd);
    path = name;
    write(content);
  }
  ~temp_file() { std::filesystem::remove(path); }
  void write(std::string_view content) const { std::ofstream(path, std::ios::binary) << content; }
  std::string path;
};

result<daemon_options> parse(std::vector<std::string> words) {
  std::vector<const char*> argv{"gantryd"};
  for (const auto& word : words) argv.push_back(word.c_str());
  return parse_daemon_options(static_cast<int>(argv.size()), argv.data());
}

/// With an empty configuration file, so that a daemon.json of the machine does not matter.
result<daemon_options> parse_alone(std::vector<std::string> words) {
  words.insert(words.begin(), {"--config-file", "/dev/null"});
  return parse(std::move(words));
}

std::string message_of(const result<daemon_options>& r) { return r.has_error() ? r.error().message : "no error"; }

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, at);) parts.push_back(part);
  return parts;
}

} // namespace

TEST_CASE("without flags the engine gets its defaults", "[cli][daemon]") {
  const auto options = parse_alone({});
  REQUIRE(options.has_value());
  CHECK(options->config.hosts == std::vector<std::string>{"unix:///var/run/docker.sock"});
  CHECK(options->config.data_root == "/var/lib/gantry");
  CHECK(options->config.default_shm_size == 67108864);
  CHECK(options->notices.empty());
}

TEST_CASE("flags set the engine's configuration in every spelling", "[cli][daemon]") {
  const auto options = parse_alone({"-D",
                                    "-H",
                                    "unix:///a.sock",
                                    "--host=tcp://127.0.0.1:1",
                                    "--tls=false",
                                    "--exec-root",
                                    "/run/x",
                                    "--data-root=/d",
                                    "--label",
                                    "a=b",
                                    "--label=c=d",
                                    "--default-ulimit",
                                    "nofile=10:20",
                                    "--default-shm-size=1m",
                                    "--log-opt",
                                    "max-size=1m",
                                    "--live-restore",
                                    "--init=false",
                                    "--shutdown-timeout=-1",
                                    "--reactor",
                                    "epoll",
                                    "--workers",
                                    "3",
                                    "--shim=/s",
                                    "-l",
                                    "warn",
                                    "-p",
                                    "",
                                    "--default-cgroupns-mode=host",
                                    "--dns",
                                    "1.1.1.1",
                                    "-G",
                                    "wheel"});
  INFO(message_of(options));
  REQUIRE(options.has_value());
  const auto& c = options->config;
  CHECK(c.debug);
  CHECK(c.hosts == std::vector<std::string>{"unix:///a.sock", "tcp://127.0.0.1:1"});
  CHECK(c.run_root == "/run/x");
  CHECK(c.data_root == "/d");
  CHECK(c.labels == std::vector<std::string>{"a=b", "c=d"});
  REQUIRE(c.default_ulimits.size() == 1);
  CHECK(c.default_ulimits[0].soft == 10);
  CHECK(c.default_ulimits[0].hard == 20);
  CHECK(c.default_shm_size == 1048576);
  CHECK(c.log_options.at("max-size") == "1m");
  CHECK(c.live_restore);
  CHECK_FALSE(c.init);
  CHECK(c.shutdown_timeout_s == -1);
  CHECK(c.reactor == io::backend::epoll);
  CHECK(c.workers == 3);
  CHECK(c.shim_path == "/s");
  CHECK(c.log_level == log::level::warn);
  CHECK(effective_log_level(c) == log::level::debug);
  CHECK(c.pidfile.empty());
  CHECK(c.default_cgroupns_mode == "host");
  CHECK(c.group == "wheel");
}

TEST_CASE("the configuration file sets what flags can", "[cli][daemon]") {
  const temp_file file(R"({"debug": true, "hosts": ["unix:///f.sock"], "log-opts": {"max-file": "3"},
    "default-ulimits": {"core": {"Name": "core", "Soft": 0, "Hard": -1}}, "default-shm-size": "2m",
    "proxies": {"http-proxy": "http://u:p@proxy:1"}, "labels": ["x=y"], "seccomp-profile": "unconfined",
    "insecure-registries": ["r:5000"], "min-api-version": "1.40", "init": true})");
  const auto options = parse({"--config-file", file.path});
  INFO(message_of(options));
  REQUIRE(options.has_value());
  const auto& c = options->config;
  CHECK(c.debug);
  CHECK(c.hosts == std::vector<std::string>{"unix:///f.sock"});
  CHECK(c.log_options.at("max-file") == "3");
  REQUIRE(c.default_ulimits.size() == 1);
  CHECK(c.default_ulimits[0].hard == -1);
  CHECK(c.default_shm_size == 2097152);
  CHECK(c.http_proxy == "http://u:p@proxy:1");
  CHECK(c.labels == std::vector<std::string>{"x=y"});
  CHECK(c.seccomp_profile == "unconfined");
  CHECK(c.insecure_registries == std::vector<std::string>{"r:5000"});
  CHECK(c.api_version_min == "1.40");
  CHECK(c.init);
}

TEST_CASE("a setting in both places is fatal, and the text shows both values", "[cli][daemon]") {
  const temp_file file(R"({"hosts": ["fd://", "unix:///x"], "debug": false, "log-opts": {"b": "2", "a": "1"},
                           "shutdown-timeout": 20, "http-proxy": "http://me:secret@p"})");
  const std::string start = "unable to configure the Docker daemon with file " + file.path +
                            ": the following directives are specified both as a flag and in the configuration file: ";
  const std::vector<std::pair<std::vector<std::string>, std::string>> table{
      {{"-H", "fd://"}, "hosts: (from flag: [fd://], from file: [fd:// unix:///x])"},
      {{"--debug"}, "debug: (from flag: true, from file: false)"},
      {{"--log-opt", "c=3", "--shutdown-timeout=7"},
       "log-opts: (from flag: map[c:3], from file: map[a:1 b:2]), shutdown-timeout: (from flag: 7, from file: 20)"},
      {{"--http-proxy", "http://a:b@q"},
       "http-proxy: (from flag: http://xxxxx:xxxxx@q, from file: http://xxxxx:xxxxx@p)"},
  };
  for (auto [words, text] : table) {
    words.insert(words.end(), {"--config-file", file.path});
    CHECK(message_of(parse(words)) == start + text);
  }
}

TEST_CASE("runtimes may be given in both places", "[cli][daemon]") {
  const temp_file file(R"({"runtimes": {"a": {"path": "/a"}}})");
  CHECK(parse({"--config-file", file.path, "--add-runtime", "b=/b"}).has_value());
}

TEST_CASE("what is wrong with a configuration file is said in dockerd's words", "[cli][daemon]") {
  const std::vector<std::pair<std::string, std::string>> table{
      {R"({"nonsense": 1, "another": {}})",
       "the following directives don't match any configuration option: another, nonsense"},
      {R"({"resolv-conf": "/x"})", "the following directives don't match any configuration option: resolv-conf"},
      {R"({"containerd-plugin-namespace": "x"})",
       "the following directives don't match any configuration option: containerd-plugin-namespace"},
      {R"({"debug": "yes"})", "json: cannot unmarshal string into Go struct field Config.debug of type bool"},
      {R"({"hosts": "unix:///x"})", "json: cannot unmarshal string into Go struct field Config.hosts of type []string"},
      {R"({"hosts": [1]})", "json: cannot unmarshal number into Go struct field Config.hosts of type string"},
      {R"({"log-opts": {"a": 1}})",
       "json: cannot unmarshal number into Go struct field Config.log-opts of type string"},
      {R"({"host-gateway-ip": "1.1.1.1", "host-gateway-ips": []})",
       "host-gateway-ip and host-gateway-ips must not both be specified in the config file"},
      {"[1]", "json: cannot unmarshal the file into Go value of type config.Config"},
  };
  for (const auto& [content, text] : table) {
    const temp_file file(content);
    CHECK(message_of(parse({"--config-file", file.path})) ==
          "unable to configure the Docker daemon with file " + file.path + ": " + text);
  }
  const temp_file broken("{\"debug\": tru");
  CHECK(message_of(parse({"--config-file", broken.path})).find(": parse JSON: ") != std::string::npos);
}

TEST_CASE("a named configuration file must exist, and must not be huge", "[cli][daemon]") {
  CHECK(message_of(parse({"--config-file", "/nonexistent/daemon.json"})) ==
        "unable to configure the Docker daemon with file /nonexistent/daemon.json: open /nonexistent/daemon.json: No "
        "such file or directory");
  const temp_file fits(std::string(daemon_file_bytes_max, ' '));
  CHECK(parse({"--config-file", fits.path}).has_value());
  const temp_file huge(std::string(daemon_file_bytes_max + 1, ' '));
  CHECK(message_of(parse({"--config-file", huge.path})).ends_with(": larger than 1048576 bytes"));
}

TEST_CASE("a configuration file may be empty or start with a byte-order mark", "[cli][daemon]") {
  std::vector<std::string> notices;
  for (const std::string& text : {std::string(), std::string(" \n\t"), std::string("\xef\xbb\xbf"), std::string("{}")})
    CHECK(parse_daemon_file(text, {}, notices)->empty());
  const std::string plain = R"({"debug":true})";
  std::string little = "\xff\xfe", big = "\xfe\xff";
  for (const char c : plain) {
    little += c;
    little += '\0';
    big += '\0';
    big += c;
  }
  for (const auto& text : {"\xef\xbb\xbf" + plain, little, big}) {
    const auto values = parse_daemon_file(text, {}, notices);
    REQUIRE(values.has_value());
    CHECK(values->size() == 1);
  }
  CHECK(parse_daemon_file(little.substr(0, little.size() - 1), {}, notices).has_error());
  CHECK(decode_byte_order_mark(std::string("\xff\xfe\x3d\xd8\x00\xde", 6)).value() == "\xf0\x9f\x98\x80");
  CHECK(decode_byte_order_mark(std::string("\xff\xfe\x3d\xd8", 4)).has_error());
}

TEST_CASE("a wrong command line is answered in dockerd's words", "[cli][daemon]") {
  const std::string see = "\nSee 'gantryd --help'.";
  const std::vector<std::pair<std::vector<std::string>, std::string>> table{
      {{"--nonsense"}, "unknown flag: --nonsense" + see},
      {{"-x"}, "unknown shorthand flag: 'x' in -x" + see},
      {{"--mtu"}, "flag needs an argument: --mtu" + see},
      {{"-DH"}, "flag needs an argument: 'H' in -H" + see},
      {{"--debug=maybe"},
       "invalid argument \"maybe\" for \"-D, --debug\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax" +
           see},
      {{"--mtu=a"}, "invalid argument \"a\" for \"--mtu\" flag: strconv.ParseInt: parsing \"a\": invalid syntax" + see},
      {{"start"}, "\"gantryd\" accepts no arguments." + see},
      {{"--log-level=loud"}, "invalid argument loud for --log-level: invalid logging level: loud"},
      {{"--label=a"}, "bad attribute format: a"},
      {{"--label=a=1", "--label=a=2"}, "conflict labels for a=2 and a=1"},
      {{"--dns=x"}, "IP address is not correctly formatted: x"},
      {{"-H", "npipe:////x"}, "invalid bind address (npipe:////x): unsupported proto 'npipe'"},
      {{"--default-runtime=kata"}, "specified default runtime 'kata' does not exist"},
      {{"-b", "br0", "--bip", "10.0.0.1/24"},
       "You specified -b & --bip, mutually exclusive options. Please specify only one"},
  };
  for (const auto& [words, text] : table) CHECK(message_of(parse_alone(words)) == text);
  CHECK(message_of(parse_alone({"--api-cors-header=*"})).starts_with("DEPRECATED: The \"api-cors-header\""));
  CHECK(message_of(parse_alone({"--tlsverify"})).starts_with("TLS is not built in yet"));
  CHECK(
      message_of(parse_alone({"--authorization-plugin=x"})).starts_with("authorization plugins are not built in yet"));
}

TEST_CASE("help and version need nothing else to be right", "[cli][daemon]") {
  CHECK(parse({"--help", "--config-file=/nonexistent"})->show_help);
  CHECK(parse({"-v"})->show_version);
  CHECK(parse_alone({"--validate"})->validate_only);
  CHECK(print_usage().find("--exec-root string") != std::string::npos);
}

TEST_CASE("hosts are brought to one form", "[cli][daemon]") {
  const std::vector<std::pair<std::string, std::string>> good{
      {"", "unix:///var/run/docker.sock"},
      {"unix://", "unix:///var/run/docker.sock"},
      {"unix:///a/b", "unix:///a/b"},
      {"tcp://", "tcp://localhost:2375"},
      {"tcp://:8080", "tcp://localhost:8080"},
      {"tcp://0.0.0.0", "tcp://0.0.0.0:2375"},
      {"127.0.0.1:1", "tcp://127.0.0.1:1"},
      {"tcp://[::1]:5", "tcp://[::1]:5"},
      {"tcp://[::1]", "tcp://[::1]:2375"},
      {"fd://", "fd://"},
      {"fd://3", "fd://3"},
  };
  for (const auto& [given, wanted] : good) CHECK(normalize_host(given).value() == wanted);
  for (const char* wrong : {"unix://relative", "http://x", "tcp://a:b", "tcp://a:65536", "tcp://a/b", "tcp://::1"})
    CHECK(normalize_host(wrong).has_error());
}

TEST_CASE("a tcp host without TLS is accepted with dockerd's warnings", "[cli][daemon]") {
  const auto options = parse_alone({"-H", "tcp://0.0.0.0:2375"});
  REQUIRE(options.has_value());
  REQUIRE(options->notices.size() == 4);
  CHECK(options->notices[0] == "Binding to IP address without --tlsverify is insecure and gives root access on this "
                               "machine to everyone who has access to your network. host=\"tcp://0.0.0.0:2375\"");
  CHECK(parse_alone({"-H", "tcp://0.0.0.0:2375", "--tls=false"})->notices.size() == 2);
  CHECK(parse_alone({"-H", "unix:///x"})->notices.empty());
}

TEST_CASE("what is accepted without effect gives a notice", "[cli][daemon]") {
  const auto options = parse_alone({"--storage-driver=overlay2", "--iptables=false"});
  REQUIRE(options.has_value());
  REQUIRE(options->notices.size() == 2);
  CHECK(options->notices[0] ==
        "--storage-driver is accepted, but has no effect: gantry has one storage driver, overlayfs");
  const temp_file file(R"({"bip": "10.0.0.1/24", "host": "x"})");
  const auto from_file = parse({"--config-file", file.path});
  REQUIRE(from_file.has_value());
  REQUIRE(from_file->notices.size() == 2);
  CHECK(from_file->notices[0].starts_with("\"host\" in the configuration file is ignored"));
  CHECK(from_file->notices[1].starts_with("\"bip\" is accepted, but has no effect"));
}

TEST_CASE("a reload takes the reloadable settings of the file and leaves the others", "[cli][daemon]") {
  const temp_file file(R"({"debug": true, "labels": ["a=1"]})");
  auto options = parse({"--config-file", file.path, "--shutdown-timeout=9"});
  REQUIRE(options.has_value());
  file.write(R"({"labels": ["a=2"], "data-root": "/elsewhere", "live-restore": true, "default-shm-size": 4096})");
  const auto changed = reload(*options);
  REQUIRE(changed.has_value());
  CHECK(changed->labels == std::vector<std::string>{"a=2"});
  CHECK(changed->live_restore);
  CHECK(changed->default_shm_size == 4096);
  CHECK(changed->debug); // gone from the file: stays as it was
  CHECK(changed->data_root == "/var/lib/gantry");
  CHECK(changed->shutdown_timeout_s == 9);

  file.write(R"({"shutdown-timeout": 3})");
  CHECK(reload(*options).error().message.find("(from flag: 9, from file: 3)") != std::string::npos);
  file.write(R"({"labels": ["a"]})");
  CHECK(reload(*options).error().message == "file configuration validation failed: bad attribute format: a");
  file.write("{");
  CHECK(reload(*options).has_error());
}

TEST_CASE("the environment fills in what neither flag nor file says", "[cli][daemon]") {
  ::setenv("DOCKER_MIN_API_VERSION", "1.30", 1);
  CHECK(parse_alone({})->config.api_version_min == "1.30");
  for (const auto& [value, text] :
       std::vector<std::pair<std::string, std::string>>{{"v1.30", "API version must be provided without \"v\" prefix"},
                                                        {"1.23", "minimum supported API version is 1.24: 1.23"},
                                                        {"1.52", "maximum supported API version is 1.51: 1.52"}}) {
    ::setenv("DOCKER_MIN_API_VERSION", value.c_str(), 1);
    CHECK(message_of(parse_alone({})) == "invalid DOCKER_MIN_API_VERSION: " + text);
  }
  ::unsetenv("DOCKER_MIN_API_VERSION");
  ::setenv("HTTPS_PROXY", "http://env:1", 1);
  CHECK(parse_alone({})->config.https_proxy == "http://env:1");
  CHECK(parse_alone({"--https-proxy=http://flag:1"})->config.https_proxy == "http://flag:1");
  ::unsetenv("HTTPS_PROXY");
  ::setenv("DOCKER_TLS_VERIFY", "1", 1);
  CHECK(message_of(parse_alone({"-H", "tcp://127.0.0.1:1"})).starts_with("DOCKER_TLS_VERIFY is set"));
  CHECK(parse_alone({}).has_value());
  ::unsetenv("DOCKER_TLS_VERIFY");
}

TEST_CASE("every flag and key of the list is known", "[cli][daemon]") {
  const auto root = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();
  const std::string list = root / "../shared/spec/daemon-flags.tsv";
  std::ifstream in(list);
  if (!in) {
    std::cout << "skipped: the list of daemon flags is not beside the sources\n";
    return;
  }
  const auto is_flag = [](const std::string& name) {
    for (const auto& option : daemon_option_table())
      if (name == option.flag) return true;
    return false;
  };
  const auto is_shorthand = [](char letter) {
    for (const auto& option : daemon_option_table())
      if (letter == option.shorthand) return true;
    return false;
  };
  // Members of dockerd's struct that it rejects in the file itself.
  const std::vector<std::string> rejected{"default-init", "resolv-conf", "swarm-raft-heartbeat-tick",
                                          "swarm-raft-election-tick", "containerd-plugin-namespace"};
  std::string line;
  std::getline(in, line);
  int flags = 0, keys = 0;
  while (std::getline(in, line)) {
    const auto columns = split(line, '\t');
    REQUIRE(columns.size() >= 2);
    for (auto word : split(columns[0], ' ')) {
      if (word.ends_with(',')) word.pop_back();
      INFO(word);
      if (word.starts_with("--")) {
        CHECK(is_flag(word.substr(2)));
        ++flags;
      } else if (word.size() == 2 && word[0] == '-') {
        CHECK(is_shorthand(word[1]));
      }
    }
    if (columns[1].starts_with("(")) continue;
    for (const auto& column : split(columns[1], ',')) {
      std::string key = column.substr(column.find_first_not_of(' '));
      key = key.substr(0, key.find(' '));
      INFO(key);
      const bool is_rejected = std::find(rejected.begin(), rejected.end(), key) != rejected.end();
      CHECK((find_daemon_option(key) != nullptr) != is_rejected);
      ++keys;
    }
  }
  CHECK(flags > 90);
  CHECK(keys > 90);
}

TEST_CASE("every flag and key stands in the user's reference", "[cli][daemon]") {
  const auto root = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();
  std::stringstream page;
  page << std::ifstream(root / "docs/daemon.md").rdbuf();
  const std::string text = page.str();
  REQUIRE_FALSE(text.empty());
  for (const auto& option : daemon_option_table()) {
    const std::string name =
        *option.flag != '\0' ? std::string("`--") + option.flag + "`" : std::string("`") + option.key + "`";
    INFO(name);
    // The hidden flag of a deprecated behaviour is listed too: what is accepted is said.
    CHECK(text.find(name) != std::string::npos);
  }
}
