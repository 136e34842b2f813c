/// One container at one moment, as its owner publishes it for everyone who lists or inspects. Immutable once shared.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "api/container_config.hpp"
#include "io/base/time.hpp"

namespace gantry::api {

enum class container_status { created, running, paused, restarting, removing, exited, dead };

/// "created", "running", ...: State.Status.
std::string_view to_string(container_status s) noexcept;

struct container_state {
  container_status status = container_status::created;
  std::int32_t pid = 0;
  std::int32_t exit_code = 0;
  std::string error;
  bool oom_killed = false;
  unix_nanos started_at = 0, finished_at = 0; ///< 0: never

  [[nodiscard]] bool is_running() const noexcept {
    return status == container_status::running || status == container_status::paused ||
           status == container_status::restarting;
  }
};

/// inspect's Mounts[] and the list's.
struct mount_point {
  std::string type, name, source, destination, driver, mode, propagation;
  bool rw = true;
};

/// What never changes after create (but for the name): shared by all views of a container.
struct container_definition {
  std::string id;
  unix_nanos created = 0;
  std::string path;       ///< first word of entrypoint + cmd
  string_list args;       ///< the rest
  std::string image_id;   ///< "sha256:..."
  std::string image_name; ///< as given at create
  std::string os = "linux", architecture = "amd64";
  container_config config; ///< merged with the image
  host_config host;
  std::map<std::string, endpoint_config> endpoints;
  std::vector<mount_point> mounts;
  std::string log_path, hostname_path, hosts_path, resolv_conf_path;
  string_list lower_dirs; ///< topmost first
  std::string upper_dir, work_dir, merged_dir;
};

struct container_view {
  std::shared_ptr<const container_definition> definition;
  std::string name; ///< without the leading slash
  container_state state;
  std::int64_t restart_count = 0;
};

using container_view_ptr = std::shared_ptr<const container_view>;

} // namespace gantry::api
