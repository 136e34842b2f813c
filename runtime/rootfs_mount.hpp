/// The container's root: an overlay put together in the container's own mount namespace, and the step into it.
/// Runs in the child of the launcher, between clone and exec.
#pragma once

#include "io/base/result.hpp"
#include "io/base/unique_fd.hpp"
#include "runtime/proto/spec.pb.h"

namespace gantry::runtime {

/// Layers of one overlay: the kernel's OVL_MAX_STACK.
inline constexpr int overlay_layers_max = 500;

/// Stops every mount from going back to the host, mounts the root over "/" and makes it the process's root. The old
/// root stays below until `leave_old_root`, reachable only by the descriptor that is returned.
/// Errors: internal; invalid_parameter (no layer, too many).
/// Source: pivot_root(2) "pivot_root(".", ".")"; overlayfs.rst.
result<unique_fd> enter_rootfs(const pb::Root& root);

/// Detaches the host's tree for good.
result<> leave_old_root(int old_rootfd);

} // namespace gantry::runtime
