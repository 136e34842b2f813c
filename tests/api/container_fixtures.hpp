/// Containers and requests that the api tests share, built in one place.
#pragma once

#include <memory>
#include <random>
#include <string>

#include "api/container_json.hpp"

namespace gantry::api::test {

inline constexpr unix_nanos second = 1'000'000'000;
/// 2026-11-23T20:24:41.5Z
inline constexpr unix_nanos some_time = 1'795'465'481'500'000'000;

inline std::string id_of(unsigned n) {
  std::string id(64, 'a');
  const auto digits = std::to_string(n);
  id.replace(2, digits.size() + 1, digits + "f");
  return id;
}

/// A request that passes every check.
inline create_request good_request() {
  create_request r;
  r.config.image = "alpine";
  r.config.cmd = string_list{"true"};
  return r;
}

inline host_facts two_cpus() {
  host_facts host;
  host.cpus = 2;
  host.cpuset_available = "0-1";
  host.mems_available = "0";
  host.memory_bytes = 4ll << 30;
  host.path_exists = [](const std::string& path) { return path != "/missing"; };
  return host;
}

inline std::shared_ptr<container_definition> definition(unsigned n) {
  auto d = std::make_shared<container_definition>();
  d->id = id_of(n);
  d->created = some_time + n * second;
  d->path = "sh";
  d->args = {"-c", "sleep 10"};
  d->image_id = "sha256:" + std::string(64, 'b');
  d->image_name = "alpine";
  d->config.image = "alpine";
  d->config.cmd = string_list{"sh", "-c", "sleep 10"};
  d->host.network_mode = "bridge";
  return d;
}

inline container_view_ptr view(std::shared_ptr<const container_definition> d, std::string name,
                               container_state state = {}) {
  auto v = std::make_shared<container_view>();
  v->definition = std::move(d);
  v->name = std::move(name);
  v->state = state;
  return v;
}

inline container_state running() {
  return {.status = container_status::running, .pid = 42, .started_at = some_time + 5 * second};
}
inline container_state exited(int code) {
  return {.status = container_status::exited,
          .exit_code = code,
          .started_at = some_time + 5 * second,
          .finished_at = some_time + 9 * second};
}

} // namespace gantry::api::test
