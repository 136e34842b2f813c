/// _ping, version, info, events and progress as JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/calls.hpp"
#include "api/http_codec.hpp"
#include "io/base/result.hpp"

namespace gantry::api {

/// One event as the Engine API shows it (behaviours 214-220).
struct event {
  std::string type;   ///< "container", "image", "daemon"
  std::string action; ///< "create"
  std::string id;
  string_map attributes;
  unix_nanos time = 0;
};
/// One JSON object and a newline; "" for an event that this version does not show (image create below 1.46).
std::string render_event(const event& e, api_version version);
/// Errors: invalid_parameter (unknown key). Checked before the stream starts.
result<> check_event_filters(const filters& f);
/// Behaviours 217, 219.
bool matches(const filters& f, const event& e);

/// What _ping, version and info say; filled by the engine.
struct engine_facts {
  std::string version = "28.5.2"; ///< of the Docker release whose behaviour is offered
  std::string gantry_version, git_commit, build_time;
  std::string kernel_version, operating_system, os_version, architecture = "x86_64", go_architecture = "amd64";
  std::string id, name, data_root;
  std::int64_t cpus = 0, memory_bytes = 0;
  std::string cgroup_driver = "cgroupfs", cgroup_version = "1";
  std::string reactor; ///< "io_uring" or "epoll"
  bool debug = false, experimental = false, live_restore = true;
  std::string default_runtime = "gantry", log_driver = "json-file", init_binary;
  std::string http_proxy, https_proxy, no_proxy;
  string_list labels, warnings, security_options, insecure_registry_cidrs, registry_mirrors;
  std::int64_t descriptors = 0, event_listeners = 0;
  bool memory_limit = true, swap_limit = true, cpu_cfs = true, cpu_shares = true, cpuset = true, pids_limit = true,
       oom_kill_disable = false, ipv4_forwarding = true;
};
struct engine_counts {
  std::int64_t containers = 0, running = 0, paused = 0, stopped = 0, images = 0;
};
reply render_ping(bool head);
std::string render_version(const engine_facts& facts);
std::string render_info(const engine_facts& facts, const engine_counts& counts, unix_nanos now, api_version version);

/// One progress object, ended by CRLF (behaviours 250): {"stream"} or {"status","progressDetail","progress","id"}; the
/// two in the middle only with an id and a total that is not negative.
std::string render_stream_message(std::string_view stream);
std::string render_status_message(std::string_view status, std::string_view id, std::int64_t current,
                                  std::int64_t total);
/// The last object of a stream that failed: {"errorDetail":{"message"},"error"}.
std::string render_stream_error(std::string_view message);

} // namespace gantry::api
