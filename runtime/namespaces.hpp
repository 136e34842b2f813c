/// Namespaces: which ones clone makes, which ones the child makes or joins itself.
#pragma once

#include "io/base/result.hpp"
#include "io/base/unique_fd.hpp"
#include "runtime/proto/spec.pb.h"

namespace gantry::runtime {

/// CLONE_NEW* for clone3: pid, ipc and uts when private. The mount namespace comes with the root (rootfs_mount.hpp).
/// The network namespace costs a millisecond, so the child makes it (the launcher does not wait); the cgroup one must
/// come after joining the groups.
std::uint64_t clone_flags(const pb::Namespaces& n) noexcept;

/// In the child, before anything is mounted: joins those given by path, unshares network and cgroup.
result<> enter_namespaces(const pb::Namespaces& n);

/// Brings the loopback device up.
result<> loopback_up();

/// Writes the sysctls through the container's own procfs.
result<> write_sysctls(const pb::Spec& spec, int procfd);

/// A pid namespace given by path is entered by the children of the caller: this holds the caller's own and goes back.
class pid_namespace_guard {
public:
  static result<pid_namespace_guard> enter(const std::string& path);
  pid_namespace_guard(pid_namespace_guard&&) noexcept = default;
  ~pid_namespace_guard();

private:
  explicit pid_namespace_guard(unique_fd own) : own_(std::move(own)) {}
  unique_fd own_;
};

} // namespace gantry::runtime
