/// The mounts of a container inside its root. Runs in the child of the launcher: sources are taken from the host's tree
/// first, then, when the root has been entered, everything is attached by descriptors.
#pragma once

#include <string>
#include <vector>

#include "io/base/result.hpp"
#include "io/base/unique_fd.hpp"
#include "runtime/cgroup.hpp"
#include "runtime/proto/spec.pb.h"

namespace gantry::runtime {

class mount_plan {
public:
  explicit mount_plan(const pb::Spec& spec) : spec_(spec) {}

  /// Clones the trees of all bind mounts while the host's mounts still have their peers (a shared or slave bind needs
  /// them), makes missing sources, and writes the generated files. Before enter_rootfs.
  result<> take_sources(const cgroup_layout& layout);

  /// Attaches every mount in order. After enter_rootfs; `rootfd` is the new root.
  result<> attach_all(int rootfd);

  /// Makes read-only what had to be writable while mounts and devices were made in it. Last.
  result<> seal(int rootfd);

  /// The container's own procfs (-1 when it has none): made by us, so what is written through it goes where it should.
  [[nodiscard]] int procfd() const noexcept { return proc_.get(); }
  /// The container's devpts, for its terminal; -1 when it has none.
  [[nodiscard]] int devptsfd() const noexcept { return devpts_.get(); }
  /// False when the request mounts its own tree on /dev: then no device is made there.
  [[nodiscard]] bool own_dev() const noexcept { return !bound_dev_; }

private:
  struct source {
    unique_fd tree; ///< detached clone of a bind's source
    bool is_directory = true;
  };
  struct cgroup_source {
    std::string name; ///< directory below /sys/fs/cgroup, "" for /sys/fs/cgroup itself
    unique_fd tree;
  };

  result<> write_files() const;
  result<source> take_bind(const pb::Mount& mount) const;
  result<> take_cgroups(const cgroup_layout& layout);
  result<> attach(const pb::Mount& mount, source& from, int rootfd);
  result<> attach_bind(const pb::Mount& mount, source& from, int rootfd);
  result<> attach_filesystem(const pb::Mount& mount, int rootfd);
  result<> attach_cgroups(const pb::Mount& mount, int rootfd);

  const pb::Spec& spec_;
  std::vector<source> sources_; ///< one for each mount; empty but for binds
  std::vector<cgroup_source> cgroups_;
  std::vector<unique_fd> read_only_later_;
  unique_fd proc_, devpts_;
  bool bound_dev_ = false;
};

/// Hides paths (an empty file or directory over them) and makes paths read-only; those absent are left alone.
result<> mask_paths(const pb::Spec& spec, int rootfd);

} // namespace gantry::runtime
