/// How a root filesystem is put together: the value that passes from storage (which knows layers) to runtime (which
/// mounts them).
#pragma once

#include <string>
#include <vector>

namespace gantry {

/// An overlay of read-only layers with one writable directory on top. All paths are absolute, on the host.
struct overlay_rootfs {
  std::vector<std::string> lower_dirs; ///< topmost first; at least one
  std::string upper_dir;               ///< made by the runtime at the first start, as is work_dir
  std::string work_dir;
  bool volatile_upper = false; ///< skip syncing: for containers that are removed when they exit
};

} // namespace gantry
