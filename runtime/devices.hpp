/// Device nodes and links below /dev, and the container's terminal. Runs in the child of the launcher.
#pragma once

#include "io/base/result.hpp"
#include "io/base/unique_fd.hpp"
#include "runtime/proto/spec.pb.h"

namespace gantry::runtime {

/// The nodes and links that every container has, and the request's devices. Where mknod(2) is refused (a user
/// namespace, a device cgroup above ours) the host's node is bound instead, from `old_rootfd`.
result<> make_devices(const pb::Spec& spec, int rootfd, int old_rootfd, bool own_dev);

struct terminal {
  unique_fd master, slave;
};

/// A pty of the container's own devpts, with its size set, and bound to /dev/console.
result<terminal> make_terminal(const pb::Process& process, int rootfd, int devptsfd);

} // namespace gantry::runtime
