/// A mount namespace with nothing in it, made once and kept by descriptor: containers start from a copy of it. A copy
/// of the host's would cost with every mount that the host has, and detaching the host's tree again waits for a grace
/// period of the kernel (0.1 ms on an idle machine, several ms on a busy one).
#pragma once

namespace gantry::runtime {

/// The namespace's descriptor, or -1 when it could not be made: then a container starts from a copy of the host's.
/// Its root is an empty, read-only tmpfs. The first call makes it, in a short-lived child. Thread: the launcher's only
/// one.
int empty_mount_namespace() noexcept;

} // namespace gantry::runtime
