/// Configs to JSON and back: random ones, and bytes that were damaged on the way.
#include <catch2/catch.hpp>

#include <chrono>
#include <cstdlib>
#include <random>

#include "api/container_json.hpp"
#include "tests/api/container_fixtures.hpp"

namespace gantry::api {
namespace {

/// Random values; the seed is printed when a test fails, and GANTRY_TEST_SEED replays it.
class dice {
public:
  explicit dice(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  bool coin() { return below(2) == 0; }
  std::int64_t number() {
    switch (below(5)) {
    case 0:
      return 0;
    case 1:
      return std::numeric_limits<std::int64_t>::max();
    case 2:
      return std::numeric_limits<std::int64_t>::min();
    default:
      return static_cast<std::int64_t>(random_());
    }
  }
  std::string text() {
    static const string_list pieces{"a",
                                    "Z",
                                    "0",
                                    "/",
                                    ":",
                                    "=",
                                    " ",
                                    "\"",
                                    "\\",
                                    "\n",
                                    "\t",
                                    "<",
                                    "\x01",
                                    "\x7f",
                                    "\xc3\xa4",
                                    "\xe2\x80\xa8",
                                    "\xf0\x9f\x90\xb3",
                                    std::string(1, '\0')};
    std::string out;
    for (auto n = below(8); n > 0; --n) out += pieces[below(pieces.size())];
    return out;
  }
  string_list list() {
    string_list out;
    for (auto n = below(4); n > 0; --n) out.push_back(text());
    return out;
  }
  string_list sorted_set() {
    const auto m = map();
    string_list out;
    for (const auto& [k, v] : m) out.push_back(k);
    return out;
  }
  string_map map() {
    string_map out;
    for (auto n = below(4); n > 0; --n) out[text()] = text();
    return out;
  }
  template <class Make>
  auto maybe(Make make) -> std::optional<decltype(make())> {
    if (coin()) return std::nullopt;
    return make();
  }
  template <class Make>
  auto several(Make make) -> std::vector<decltype(make())> {
    std::vector<decltype(make())> out;
    for (auto n = below(3); n > 0; --n) out.push_back(make());
    return out;
  }

private:
  std::mt19937_64 random_;
};

std::uint64_t seed() {
  if (const char* given = std::getenv("GANTRY_TEST_SEED")) return std::strtoull(given, nullptr, 10);
  return std::random_device{}();
}

health_config random_health(dice& d) {
  return {d.maybe([&] { return d.list(); }), d.number(), d.number(), d.number(), d.number(), d.number()};
}

container_config random_config(dice& d) {
  container_config c;
  for (auto* s : {&c.hostname, &c.domainname, &c.user, &c.image, &c.working_dir, &c.mac_address, &c.stop_signal})
    *s = d.text();
  for (auto* b : {&c.attach_stdin, &c.attach_stdout, &c.attach_stderr, &c.tty, &c.open_stdin, &c.stdin_once,
                  &c.args_escaped, &c.network_disabled})
    *b = d.coin();
  c.exposed_ports = d.sorted_set();
  c.volumes = d.sorted_set();
  c.env = d.list();
  for (auto* w : {&c.cmd, &c.entrypoint, &c.on_build, &c.shell}) *w = d.maybe([&] { return d.list(); });
  c.healthcheck = d.maybe([&] { return random_health(d); });
  c.labels = d.map();
  c.stop_timeout_s = d.maybe([&] { return d.number(); });
  return c;
}

mount_request random_mount(dice& d) {
  mount_request m;
  for (auto* s : {&m.target, &m.source, &m.type, &m.consistency}) *s = d.text();
  m.read_only = d.coin();
  m.bind = d.maybe([&] { return mount_request::bind_options{d.text(), d.coin(), d.coin(), d.coin(), d.coin()}; });
  m.volume = d.maybe([&] { return mount_request::volume_options{d.coin(), d.map(), d.text(), d.map(), d.text()}; });
  m.tmpfs = d.maybe([&] {
    return mount_request::tmpfs_options{d.number(), static_cast<std::uint32_t>(d.number()),
                                        d.several([&] { return d.list(); })};
  });
  return m;
}

void random_resources(dice& d, host_config& h) {
  for (auto* n :
       {&h.cpu_shares, &h.memory, &h.cpu_period, &h.cpu_quota, &h.cpu_realtime_period, &h.cpu_realtime_runtime,
        &h.memory_reservation, &h.memory_swap, &h.nano_cpus, &h.oom_score_adj, &h.shm_size})
    *n = d.number();
  h.blkio_weight = static_cast<std::uint16_t>(d.number());
  h.blkio_weight_device = d.several([&] { return weight_device{d.text(), static_cast<std::uint32_t>(d.number())}; });
  for (auto* t :
       {&h.blkio_device_read_bps, &h.blkio_device_write_bps, &h.blkio_device_read_iops, &h.blkio_device_write_iops})
    *t = d.several([&] { return throttle_device{d.text(), static_cast<std::uint64_t>(d.number())}; });
  h.devices = d.several([&] { return device_mapping{d.text(), d.text(), d.text()}; });
  h.device_requests = d.several([&] {
    return device_request{d.text(), d.number(), d.list(), d.several([&] { return d.list(); }), d.map()};
  });
  h.ulimits = d.several([&] { return ulimit{d.text(), d.number(), d.number()}; });
  h.memory_swappiness = d.maybe([&] { return d.number(); });
  h.oom_kill_disable = d.maybe([&] { return d.coin(); });
  h.init = d.maybe([&] { return d.coin(); });
  h.pids_limit = d.maybe([&] { return d.number(); });
}

host_config random_host(dice& d) {
  host_config h;
  random_resources(d, h);
  for (auto* s :
       {&h.cgroup_parent, &h.cpuset_cpus, &h.cpuset_mems, &h.container_id_file, &h.network_mode, &h.volume_driver,
        &h.cgroupns_mode, &h.ipc_mode, &h.cgroup, &h.pid_mode, &h.uts_mode, &h.userns_mode, &h.runtime})
    *s = d.text();
  for (auto* l : {&h.device_cgroup_rules, &h.binds, &h.volumes_from, &h.cap_add, &h.cap_drop, &h.dns, &h.dns_options,
                  &h.dns_search, &h.extra_hosts, &h.group_add, &h.links, &h.security_opt})
    *l = d.list();
  for (auto* m : {&h.annotations, &h.storage_opt, &h.tmpfs, &h.sysctls}) *m = d.map();
  for (auto* b : {&h.auto_remove, &h.privileged, &h.publish_all_ports, &h.readonly_rootfs}) *b = d.coin();
  h.log = {d.text(), d.map()};
  h.restart = {d.text(), d.number()};
  for (auto n = d.below(3); n > 0; --n)
    h.port_bindings[d.text()] = d.several([&] { return port_binding{d.text(), d.text()}; });
  h.mounts = d.several([&] { return random_mount(d); });
  h.console_rows = static_cast<std::uint32_t>(d.number());
  h.console_columns = static_cast<std::uint32_t>(d.number());
  h.masked_paths = d.maybe([&] { return d.list(); });
  h.readonly_paths = d.maybe([&] { return d.list(); });
  return h;
}

std::map<std::string, endpoint_config> random_endpoints(dice& d) {
  std::map<std::string, endpoint_config> out;
  for (auto n = d.below(3); n > 0; --n)
    out[d.text()] = {d.list(), d.list(), d.text(), d.text(), d.text(), d.map(), d.number()};
  return out;
}

/// A body with much in it, as the seed of damaged ones.
std::string rich_body(dice& d) {
  auto config = render_container_config(random_config(d), d.coin() ? shape::record : shape::inspect);
  config.pop_back();
  if (config.size() > 1) config += ',';
  return config + "\"HostConfig\":" + render_host_config(random_host(d), d.coin() ? shape::record : shape::inspect) +
         ",\"NetworkingConfig\":" + render_endpoints(random_endpoints(d)) + "}";
}

std::string damaged(dice& d, std::string text) {
  static const string_list tokens{"null",    "{}",  "[]", "\"x\"", "-1", "1e999", "18446744073709551616",
                                  "true",    ",",   ":",  "\"",    "\\", "[[",    "}}",
                                  "\\u0000", "\xff"};
  for (auto n = 1 + d.below(4); n > 0 && !text.empty(); --n) {
    const auto at = d.below(text.size());
    switch (d.below(5)) {
    case 0:
      text[at] = static_cast<char>(d.below(256));
      break;
    case 1:
      text.erase(at, 1 + d.below(20));
      break;
    case 2:
      text.insert(at, tokens[d.below(tokens.size())]);
      break;
    case 3:
      text.insert(at, text.substr(d.below(text.size()), d.below(100)));
      break;
    default:
      text.resize(at);
      break;
    }
  }
  return text;
}

} // namespace

TEST_CASE("random configs come back from their record form", "[api][container][config]") {
  const auto used = seed();
  INFO("GANTRY_TEST_SEED=" << used);
  dice d(used);
  for (int i = 0; i < 500; ++i) {
    const auto config = random_config(d);
    const auto text = render_container_config(config);
    INFO(text);
    const auto back = parse_container_config(text);
    REQUIRE(back.has_value());
    REQUIRE(back.value() == config);

    const auto host = random_host(d);
    const auto host_text = render_host_config(host);
    INFO(host_text);
    const auto host_back = parse_host_config(host_text);
    REQUIRE(host_back.has_value());
    REQUIRE(host_back.value() == host);

    const auto endpoints = random_endpoints(d);
    const auto endpoints_back = parse_endpoints(render_endpoints(endpoints));
    REQUIRE(endpoints_back.has_value());
    REQUIRE(endpoints_back.value() == endpoints);
  }
}

TEST_CASE("the inspect form can be sent back as a request", "[api][container][config]") {
  const auto used = seed();
  INFO("GANTRY_TEST_SEED=" << used);
  dice d(used);
  for (int i = 0; i < 200; ++i) {
    auto config = random_config(d);
    if (config.shell && config.shell->empty()) config.shell.reset(); // Docker leaves an empty shell out
    const auto back = parse_container_config(render_container_config(config, shape::inspect));
    REQUIRE(back.has_value());
    REQUIRE(back.value() == config);
    auto host = random_host(d);
    host.masked_paths.emplace(); // absent ones are shown as the defaults
    host.readonly_paths.emplace();
    const auto text = render_host_config(host, shape::inspect);
    INFO(text);
    const auto host_back = parse_host_config(text);
    REQUIRE(host_back.has_value());
    REQUIRE(host_back.value() == host);
  }
}

TEST_CASE("a plain container's record is small", "[api][container][config]") {
  auto r = test::good_request();
  r.config.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  REQUIRE(validate_and_complete(r, test::two_cpus(), api_version_max).has_value());
  CHECK(
      render_container_config(r.config) ==
      R"({"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Cmd":["true"],"Image":"alpine"})");
  CHECK(
      render_host_config(r.host) ==
      R"({"LogConfig":{"Type":"json-file"},"NetworkMode":"bridge","RestartPolicy":{"Name":"no","MaximumRetryCount":0},)"
      R"("CgroupnsMode":"host","IpcMode":"private","ShmSize":67108864,"Runtime":"gantry","OomKillDisable":false})");
  CHECK(render_endpoints({}) == "{}");
  CHECK(render_container_config({}) == "{}");
  CHECK(render_host_config({}) == "{}");
}

TEST_CASE("damaged bodies are refused or understood, never worse", "[api][container][fuzz]") {
  const auto used = seed();
  INFO("GANTRY_TEST_SEED=" << used);
  dice d(used);
  const auto host = test::two_cpus();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  std::size_t parsed = 0, refused = 0;
  while (std::chrono::steady_clock::now() < end) {
    const auto body = rich_body(d);
    for (int i = 0; i < 20; ++i) {
      auto made = parse_create_request(damaged(d, body), api_version_max);
      if (made.has_error()) {
        ++refused;
        REQUIRE(made.error().code == errc::invalid_parameter);
        REQUIRE_FALSE(made.error().message.empty());
        continue;
      }
      ++parsed;
      auto& request = made.value();
      // What was understood survives its own record.
      REQUIRE(parse_container_config(render_container_config(request.config)).value() == request.config);
      REQUIRE(parse_host_config(render_host_config(request.host)).value() == request.host);
      const auto checked = validate_and_complete(request, host, {1, static_cast<int>(24 + d.below(28))});
      if (checked.has_error()) REQUIRE(checked.error().code != errc::internal);
      (void)merge_image_config(request.config, random_config(d));
    }
  }
  WARN("seed " << used << ": " << parsed << " understood, " << refused << " refused");
  CHECK(parsed > 0);
  CHECK(refused > 0);
}

TEST_CASE("a typical create body is parsed in well under a millisecond", "[api][container][config]") {
  auto r = test::good_request();
  r.config.env = {"A=1", "B=2"};
  r.config.labels = {{"a", "b"}, {"c", "d"}};
  REQUIRE(validate_and_complete(r, test::two_cpus(), api_version_max).has_value());
  auto body = render_container_config(r.config, shape::inspect);
  body.pop_back();
  body += ",\"HostConfig\":" + render_host_config(r.host, shape::inspect) + "}";
  constexpr int rounds = 2000;
  const auto begin = std::chrono::steady_clock::now();
  std::size_t sum = 0;
  for (int i = 0; i < rounds; ++i) sum += parse_create_request(body, api_version_max).value().config.env.size();
  const auto took = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin) / rounds;
  WARN("parse of " << body.size() << " bytes: " << took.count() << " us");
  CHECK(sum == 2 * rounds);
  CHECK(took.count() < 1000); // 100 on a quiet machine
}

} // namespace gantry::api
