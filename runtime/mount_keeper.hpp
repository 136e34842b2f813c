/// Takes the end of a container's mounts off the way of its exit. The kernel unmounts everything in the last process
/// that leaves a mount namespace, before its parent hears of the exit; for a writable overlay that means a sync of the
/// whole disk under it (some 0.4 ms on an idle disk, tens of ms on a busy one), and some waits for grace periods.
/// One small process for the launcher, made at the first launch, keeps a reference on the mounts of each container and
/// lets go of it when the container has ended: then the unmounting happens there.
///
/// It keeps the whole mount namespace of a container that mounts nothing of the host's but generated files, else the
/// root alone: what a user's own mount pins must be free when the container has ended.
/// It ends when the launcher has ended and it keeps nothing. Nothing depends on it: without it the container unmounts.
#pragma once

#include "io/base/unique_fd.hpp"
#include "runtime/proto/spec.pb.h"

namespace gantry::runtime {

class mount_keeper {
public:
  /// Starts the process, once. Thread: the launcher's only one.
  static void start() noexcept;

  /// Ends the arrangement: the keeper process ends when it keeps nothing; a later `start` makes a new one.
  static void stop() noexcept;

  /// In the child, in its own mount namespace: what there is to keep. `selffd` is /proc/self of the host. Empty when
  /// there is no keeper.
  static unique_fd own_namespace(const pb::Spec& spec, int selffd) noexcept;

  /// In the child, at the last moment before exec: gives the namespace, or the root, to the keeper. Never waits.
  static void keep(const unique_fd& own_namespace, int rootfd) noexcept;
};

} // namespace gantry::runtime
