#include "runtime/empty_namespace.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sched.h>
#include <string>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/base/unique_fd.hpp"
#include "runtime/syscalls.hpp"

namespace gantry::runtime {

namespace {

/// In the child: everything private, an empty root over "/", the host's tree off.
bool become_empty() {
  if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  const unique_fd fs{sys_fsopen("tmpfs")};
  if (!fs || sys_fsconfig(fs.get(), FSCONFIG_SET_STRING, "source", "none", 0) != 0 ||
      sys_fsconfig(fs.get(), FSCONFIG_SET_STRING, "size", "4k", 0) != 0 ||
      sys_fsconfig(fs.get(), FSCONFIG_SET_STRING, "mode", "555", 0) != 0 ||
      sys_fsconfig(fs.get(), FSCONFIG_SET_FLAG, "ro", nullptr, 0) != 0 ||
      sys_fsconfig(fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    return false;
  const unsigned attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  const unique_fd root{sys_fsmount(fs.get(), attributes)};
  return root && ::chdir("/") == 0 && sys_move_mount(root.get(), AT_FDCWD) == 0 && ::fchdir(root.get()) == 0 &&
         sys_pivot_root(".", ".") == 0 && ::umount2(".", MNT_DETACH) == 0;
}

int make() noexcept {
  int ready[2], done[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) return -1;
  const unique_fd ready_read{ready[0]};
  unique_fd ready_write{ready[1]};
  if (::pipe2(done, O_CLOEXEC) != 0) return -1;
  unique_fd done_read{done[0]}, done_write{done[1]};
  const pid_t child = ::fork();
  if (child == 0) {
    done_write.reset();
    char byte = 0;
    if (!become_empty()) ::_exit(1);
    (void)!::write(ready_write.get(), "r", 1);
    (void)!::read(done_read.get(), &byte, 1); // until the parent has the descriptor
    ::_exit(0);
  }
  if (child < 0) return -1;
  ready_write.reset();
  done_read.reset();
  char byte = 0;
  int fd = -1;
  if (::read(ready_read.get(), &byte, 1) == 1)
    fd = ::open(("/proc/" + std::to_string(child) + "/ns/mnt").c_str(), O_RDONLY | O_CLOEXEC);
  done_write.reset();
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return fd;
}

} // namespace

int empty_mount_namespace() noexcept {
  static const int fd = make();
  return fd;
}

} // namespace gantry::runtime
