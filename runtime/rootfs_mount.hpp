/// The container's root: an overlay put together in the container's own mount namespace, and the step into it.
/// Runs in the child of the launcher, between clone and exec.
#pragma once

#include "io/base/result.hpp"
#include "io/base/unique_fd.hpp"
#include "runtime/proto/spec.pb.h"

namespace gantry::runtime {

/// Layers of one overlay: the kernel's OVL_MAX_STACK.
inline constexpr int overlay_layers_max = 500;

/// How the kernel takes an overlay's layers: "lowerdir+" for each since Linux 6.5, else all in one "lowerdir".
enum class overlay_layers { one_by_one, in_one_option };
/// Asked of the kernel once. Thread: the launcher's only one; call it before clone, so that children inherit the
/// answer.
overlay_layers overlay_layers_of_kernel() noexcept;

/// Puts the overlay together without attaching it anywhere: before the sources of other mounts are taken, because
/// /proc/self/mounts lists by age and programs expect "/" first. Gives an empty descriptor when that cannot be (many
/// layers on a kernel before 6.5); `enter_rootfs` then makes it.
/// Errors: internal; invalid_parameter (no layer, too many).
result<unique_fd> make_rootfs(const pb::Root& root, overlay_layers how);

/// Leaves the host's mounts for a namespace of one's own with the root over "/", and makes it the process's root. From
/// `empty_namespace` (-1 for none) when the root is made already; else from a copy of the host's, where every mount is
/// kept from going back to the host and the host's tree is detached at once: pivot_root leaves it mounted on top of the
/// new root, where a ".." at the root steps onto it, RESOLVE_IN_ROOT or not, so no path of the image may be followed
/// before. Gives the new root.
/// Errors: internal.
/// Source: pivot_root(2) "pivot_root(".", ".")"; setns(2); overlayfs.rst.
result<unique_fd> enter_rootfs(const pb::Root& root, unique_fd made, int empty_namespacefd);

} // namespace gantry::runtime
