/// A container's control groups on every kind of host: v1, hybrid (v1 with an empty v2 beside it) and v2.
/// Source: kernel cgroup-v1/*.rst and cgroup-v2.rst; runtime-spec config-linux.md "Control groups".
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "io/base/result.hpp"
#include "io/base/unique_fd.hpp"
#include "runtime/proto/spec.pb.h"

namespace gantry::runtime {

/// How this host mounts its control groups; read once from /proc/self/mountinfo.
struct cgroup_layout {
  enum class kind { v1, hybrid, v2 };
  struct hierarchy {
    std::string controllers; ///< "memory", "cpu,cpuacct", "name=systemd"; empty for v2
    std::string mount_point;
  };
  kind mode = kind::v1;
  std::vector<hierarchy> hierarchies; ///< v1 ones; those not mounted are absent
  std::string unified_mount_point;    ///< hybrid and v2

  /// Errors: unavailable (no control groups are mounted at all).
  static result<cgroup_layout> detect();
};

/// Whether the caller was cloned into its group of the unified hierarchy already.
enum class unified_group { join, joined };

/// The hierarchies that a container with these resources joins on this host (see docs/architecture.md for why not
/// all), made and limited. Called by the child, before it unshares its cgroup namespace: it joins itself, so that a
/// wait for the kernel's grace period delays nobody else.
/// Errors: internal; the message names the controller, the file and the value.
result<> create_and_join(const cgroup_layout& layout, const pb::Cgroup& cgroup,
                         unified_group unified = unified_group::join);

/// The group in the unified hierarchy alone (hybrid and v2), made and limited, as a directory for
/// clone3(CLONE_INTO_CGROUP); an empty descriptor where there is no such hierarchy or no path.
result<unique_fd> create_unified(const cgroup_layout& layout, const pb::Cgroup& cgroup);

/// New limits for a group that exists. Hierarchies that the group is not in are skipped.
result<> update_limits(const cgroup_layout& layout, const pb::Cgroup& cgroup);

/// True when the kernel killed a process of this group for memory since it was made (v1 memory.oom_control, v2
/// memory.events). A group that is gone counts as false.
bool oom_killed(const cgroup_layout& layout, std::string_view path);

/// Sends a signal to every process of the group; with SIGKILL by cgroup.kill where there is one.
result<> signal_all(const cgroup_layout& layout, std::string_view path, int signal);

/// Removes the group (and groups below it) in every hierarchy. Absent is success.
/// Blocks: while the kernel still counts a process that has just been reaped, at most `remove_wait_max`; call it from
/// the pool (or from the shim on its error paths, where the processes are gone).
/// Errors: conflict (processes are left in it).
result<> remove(const cgroup_layout& layout, std::string_view path);
inline constexpr std::chrono::milliseconds remove_wait_max{200};

/// Names of the groups directly below `path`, over all hierarchies: for the reconciliation at start.
std::vector<std::string> children(const cgroup_layout& layout, std::string_view path);

} // namespace gantry::runtime
