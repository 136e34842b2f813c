/// The container's first process, from clone to exec: it puts its own world together, so that the launcher waits for
/// none of it. The caller has one thread, so allocating is safe here.
#pragma once

#include "io/base/unique_fd.hpp"
#include "runtime/cgroup.hpp"
#include "runtime/launch_slots.hpp"
#include "runtime/launcher.hpp"

namespace gantry::runtime {

struct init_arguments {
  const pb::Spec& spec;
  const cgroup_layout& layout;
  stdio streams;
  unique_fd status;
  launch_slot* slot = nullptr;
  unified_group unified = unified_group::join;
  int empty_namespacefd = -1; ///< borrowed
  bool bind_devices = false;  ///< mknod(2) is refused to us: the host's nodes are bound
};

/// Never returns: exec, or an error over `status` and exit.
[[noreturn]] void run_init(init_arguments&& arguments);

} // namespace gantry::runtime
