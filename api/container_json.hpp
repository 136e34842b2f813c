/// Containers as JSON: create requests in, inspect and list out, with Docker's rules and texts.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/calls.hpp"
#include "api/container_view.hpp"
#include "io/base/result.hpp"

namespace gantry::api {

/// What this host can do, for the validation of limits (behaviours 57-59).
struct host_facts {
  unsigned cpus = 1;
  std::string cpuset_available; ///< "0-1"
  std::string mems_available;   ///< "0"
  std::int64_t memory_bytes = 0;
  bool cgroup_v2 = false;
  bool memory_swap_supported = true, pids_supported = true, cpuset_supported = true, blkio_supported = true;
  std::string default_runtime = "gantry";
  std::int64_t default_shm_size = 67108864;
  std::string default_ipc_mode = "private", default_cgroupns_mode; ///< "" : by cgroup version
  std::string default_log_driver = "json-file";
  string_map default_log_options;
  std::vector<ulimit> default_ulimits;
  bool default_init = false;
  bool no_new_privileges = false;
  bool memory_supported = true, cpu_cfs_supported = true, cpu_shares_supported = true;
  bool oom_kill_disable_supported = true; ///< cgroup v1 only
  bool swappiness_supported = true;       ///< cgroup v1 only
  bool cpu_realtime_supported = false, cgroup_namespaces = true;
  /// True when the path exists on the host; asked for the sources of Mounts of type bind. Unset: taken to exist.
  std::function<bool(const std::string&)> path_exists;
};

/// The body of POST /containers/create: syntax and shapes only. Errors: invalid_parameter (behaviours 13, 39, 41).
result<create_request> parse_create_request(std::string_view json, api_version version);

/// Container config and host config from the JSON that `render_container_config` and `render_host_config` wrote: the
/// form in which records keep them.
result<container_config> parse_container_config(std::string_view json);
result<host_config> parse_host_config(std::string_view json);
/// `record` leaves out what has its default value; `inspect` shows every member that Docker shows, in Docker's order.
enum class shape { record, inspect };
std::string render_container_config(const container_config& c, shape form = shape::record);
std::string render_host_config(const host_config& h, shape form = shape::record);
/// NetworkingConfig.EndpointsConfig in the record form, and back.
std::string render_endpoints(const std::map<std::string, endpoint_config>& endpoints);
result<std::map<std::string, endpoint_config>> parse_endpoints(std::string_view json);

/// What MaskedPaths and ReadonlyPaths mean when a request leaves them out, and what inspect then shows
/// (behaviours 52, 113); paths below /sys/devices/system/cpu depend on the host and are the runtime's to add.
const string_list& default_masked_paths();
const string_list& default_readonly_paths();

/// Everything that Docker checks of a request before it looks at the image, and the defaults it fills in (behaviours
/// 51-62, 96-98): limits, modes, capabilities, security options, binds and mounts, log options, names.
/// Leaves Config.Hostname empty where it depends on the id or the host: the engine fills it.
/// Gives warnings. Errors: invalid_parameter with Docker's texts · not_implemented (user networks, published ports,
/// named volumes, devices by CDI, other runtimes and the like: what later versions bring; the message names it).
result<std::vector<std::string>> validate_and_complete(create_request& request, const host_facts& host,
                                                       api_version version);
/// "[a-zA-Z0-9][a-zA-Z0-9_.-]+". Errors: invalid_parameter (behaviours 45).
result<> validate_container_name(std::string_view name);

/// Merges the image's config into the request's (behaviours 42-44). Errors: invalid_parameter `no command specified`.
result<> merge_image_config(container_config& config, const container_config& image);

/// GET /containers/{id}/json. `size_*` < 0: not asked for.
std::string render_inspect(const container_view& view, api_version version, std::int64_t size_rw = -1,
                           std::int64_t size_root_fs = -1);

/// What a list filter may need to ask of others.
struct list_context {
  unix_nanos now = 0;
  /// Image id of a name or id, "" when there is none.
  std::function<std::string(std::string_view)> image_id_of;
  /// True when `image_id` is `ancestor_id` or built on it.
  std::function<bool(std::string_view image_id, std::string_view ancestor_id)> descends_from;
  /// {SizeRw, SizeRootFs} of a container; set only when the call asks for sizes.
  std::function<std::pair<std::int64_t, std::int64_t>(const container_view&)> sizes_of;
};
/// Checks the filters' keys and values. Errors: invalid_parameter (behaviours 18, 222), not_found (before, since).
result<std::vector<container_view_ptr>>
filter_containers(const list_containers& call, std::vector<container_view_ptr> views, const list_context& context);
/// GET /containers/json over already filtered views (newest first).
std::string render_list(const std::vector<container_view_ptr>& views, api_version version, const list_context& context);
/// "Up 5 minutes", "Exited (0) 2 hours ago" (behaviours 92).
std::string status_text(const container_state& state, unix_nanos now);
/// True when a stopped container may be pruned under these filters (behaviours 276-279).
result<bool> matches_prune(const filters& f, const string_map& labels, unix_nanos created, unix_nanos now);

/// {"Id","Warnings"}
std::string render_created(std::string_view id, const std::vector<std::string>& warnings);
/// {"StatusCode"} plus "Error" (behaviours 84).
std::string render_wait(std::int64_t status_code, std::string_view error_message);
/// {"Titles","Processes"}
std::string render_top(const string_list& titles, const std::vector<string_list>& rows);
/// {"ContainersDeleted","SpaceReclaimed"}
std::string render_containers_pruned(const string_list& ids, std::int64_t reclaimed_bytes);

/// "SIGTERM", "term", "15", "RTMIN+3" -> number. Errors: invalid_parameter `invalid signal: X`.
result<int> parse_signal(std::string_view text);

} // namespace gantry::api
