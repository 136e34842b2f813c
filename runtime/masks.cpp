/// Masked and read-only paths: what of /proc and /sys a container must not read or write.
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "runtime/mounts.hpp"
#include "runtime/root_paths.hpp"
#include "runtime/syscalls.hpp"

namespace gantry::runtime {

namespace {

/// The container's own /dev/null, when it is that: an image or a mount can put anything at this path, and binding that
/// over a masked file would give the file away (CVE-2025-31133).
result<unique_fd> open_null(int rootfd) {
  GANTRY_TRY(null, open_in_root(rootfd, "/dev/null", O_PATH | O_NOFOLLOW));
  struct stat st {};
  if (::fstat(null.get(), &st) != 0) return sys_error("stat `/dev/null`", errno);
  if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
    return error{errc::internal, ENODEV, "mask paths: /dev/null is not the null device"};
  return null;
}

class masker {
public:
  explicit masker(int rootfd) : rootfd_(rootfd) {}

  result<> mask(const std::string& path) {
    auto at = open_in_root(rootfd_, path, O_PATH);
    if (at.has_error()) {
      if (at.error().code == errc::not_found) return {};
      return with_context(std::move(at).error(), "mask `" + path + "`: ");
    }
    struct stat st {};
    if (::fstat(at->get(), &st) != 0) return sys_error("mask `" + path + "`", errno);
    GANTRY_TRY(cover, S_ISDIR(st.st_mode) ? empty_directory() : null_file());
    if (sys_move_mount(cover.get(), at->get()) != 0) return sys_error("mask `" + path + "`", errno);
    return {};
  }

  result<> make_read_only(const std::string& path) {
    auto at = open_in_root(rootfd_, path, O_PATH);
    if (at.has_error()) {
      if (at.error().code == errc::not_found) return {};
      return with_context(std::move(at).error(), "make `" + path + "` read-only: ");
    }
    const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH;
    const unique_fd tree{sys_open_tree(at->get(), "", flags)};
    mount_attr read_only{};
    read_only.attr_set = MOUNT_ATTR_RDONLY;
    if (!tree || sys_mount_setattr(tree.get(), AT_RECURSIVE, read_only) != 0 ||
        sys_move_mount(tree.get(), at->get()) != 0)
      return sys_error("make `" + path + "` read-only", errno);
    return {};
  }

private:
  /// One tmpfs for all masked directories: a clone of a mount costs a tenth of a filesystem.
  result<unique_fd> empty_directory() {
    if (!empty_) {
      const unique_fd fs{sys_fsopen("tmpfs")};
      if (!fs || sys_fsconfig(fs.get(), FSCONFIG_SET_STRING, "source", "tmpfs", 0) != 0 ||
          sys_fsconfig(fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        return sys_error("mount tmpfs", errno);
      empty_.reset(sys_fsmount(fs.get(), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
      if (!empty_) return sys_error("mount tmpfs", errno);
      // Attached once, it can be cloned by every kernel (a detached one only since 6.15).
      unique_fd first = std::move(empty_);
      empty_.reset(::dup(first.get()));
      return first;
    }
    return clone(empty_.get());
  }

  result<unique_fd> null_file() {
    if (!null_) {
      GANTRY_TRY(null, open_null(rootfd_));
      null_ = std::move(null);
    }
    return clone(null_.get());
  }

  static result<unique_fd> clone(int fd) {
    unique_fd tree{sys_open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH)};
    if (!tree) return sys_error("open_tree", errno);
    return tree;
  }

  int rootfd_;
  unique_fd empty_, null_;
};

} // namespace

result<> mask_paths(const pb::Spec& spec, int rootfd) {
  masker m(rootfd);
  for (const auto& path : spec.readonly_paths()) GANTRY_TRYV(m.make_read_only(path));
  for (const auto& path : spec.masked_paths()) GANTRY_TRYV(m.mask(path));
  return {};
}

} // namespace gantry::runtime
