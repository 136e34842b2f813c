/// From a Spec to a running process: clone3 into new namespaces, assemble the root in the container's own mount
/// namespace, limit, confine, exec. Called by the shim, which is single-threaded, so the child may allocate.
/// Source: runtime-spec 1.2 runtime.md, config.md, config-linux.md.
#pragma once

#include <sys/types.h>

#include "io/base/result.hpp"
#include "io/base/unique_fd.hpp"
#include "runtime/launch_slots.hpp"
#include "runtime/proto/spec.pb.h"

namespace gantry::runtime {

/// The container's side of its standard streams. Without a terminal: the ends that become 0, 1 and 2. With one, all
/// three are empty and `launch` gives back the pty's master.
struct stdio {
  unique_fd in, out, err;
};

struct launched {
  pid_t pid = -1; ///< in the launcher's pid namespace
  unique_fd pidfd;
  unique_fd pty_master; ///< only for a terminal; non-blocking, close-on-exec
};

/// A launch between clone and exec: the child is at work, and tells over `status_fd` how it ended. The shim goes on
/// serving others meanwhile: it polls `status_fd` for POLLIN and then calls `finish_launch`.
struct launching {
  pid_t pid = -1;
  unique_fd pidfd;
  unique_fd status;     ///< readable when the child exec'ed (end of stream), failed, or sent its pty master
  launch_slot_ptr slot; ///< how far the child is; empty when all slots are in use
};

/// Clones the child and returns at once. Nothing is left behind on error. The calling process must have one thread; the
/// first call gives it a new, empty session keyring.
/// Errors: internal (clone3 refused: the message names the likely sysctl, limit or capability).
/// Source: clone(2), runtime-spec runtime.md "Lifecycle".
result<launching> begin_launch(const pb::Spec& spec, stdio streams);

/// Takes what the child reported. Blocks: until the child exec'ed or failed; not at all when `status` was readable.
/// On error the child has been reaped and its cgroups removed.
/// Errors: with the failing step in Docker's words. invalid_parameter: the user's request cannot be run (no such
/// executable, permission denied, a file mounted on a directory); internal: anything else (an unknown user too: Docker
/// answers 500 for it, behaviours 110). What exec(2) itself refuses once a program was found (no interpreter, a wrong
/// format) is no error here: as under runc the process says so on its stderr and ends with 255.
result<launched> finish_launch(launching&& child, const pb::Spec& spec);

} // namespace gantry::runtime
