/// Raw system calls that glibc 2.36 has no wrapper for, or whose wrapper does more than the call. Each is named
/// sys_<name>, returns what the kernel returns, and sets errno.
#pragma once

#include <cstdint>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

namespace gantry::runtime {

inline int sys_clone3(clone_args& args) { return static_cast<int>(::syscall(SYS_clone3, &args, sizeof args)); }

inline int sys_openat2(int dirfd, const char* path, std::uint64_t flags, std::uint64_t resolve, mode_t mode = 0) {
  open_how how{};
  how.flags = flags;
  how.mode = mode;
  how.resolve = resolve;
  return static_cast<int>(::syscall(SYS_openat2, dirfd, path, &how, sizeof how));
}

inline int sys_open_tree(int dirfd, const char* path, unsigned flags) {
  return static_cast<int>(::syscall(SYS_open_tree, dirfd, path, flags));
}

/// Attaches the (detached) mount `mountfd` on what `targetfd` refers to.
inline int sys_move_mount(int mountfd, int targetfd) {
  return static_cast<int>(::syscall(SYS_move_mount, mountfd, "", targetfd, targetfd == AT_FDCWD ? "." : "",
                                    MOVE_MOUNT_F_EMPTY_PATH | (targetfd == AT_FDCWD ? 0 : MOVE_MOUNT_T_EMPTY_PATH)));
}

inline int sys_fsopen(const char* type) { return static_cast<int>(::syscall(SYS_fsopen, type, FSOPEN_CLOEXEC)); }

inline int sys_fsconfig(int fsfd, unsigned command, const char* key, const char* value, int aux) {
  return static_cast<int>(::syscall(SYS_fsconfig, fsfd, command, key, value, aux));
}

inline int sys_fsmount(int fsfd, unsigned attributes) {
  return static_cast<int>(::syscall(SYS_fsmount, fsfd, FSMOUNT_CLOEXEC, attributes));
}

inline int sys_mount_setattr(int mountfd, unsigned flags, const mount_attr& attributes) {
  return static_cast<int>(
      ::syscall(SYS_mount_setattr, mountfd, "", flags | AT_EMPTY_PATH, &attributes, sizeof attributes));
}

inline int sys_pivot_root(const char* new_root, const char* put_old) {
  return static_cast<int>(::syscall(SYS_pivot_root, new_root, put_old));
}

inline int sys_close_range(unsigned first, unsigned last, unsigned flags) {
  return static_cast<int>(::syscall(SYS_close_range, first, last, flags));
}

inline long sys_keyctl_join_session(const char* name) {
  return ::syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, name);
}

inline int sys_seccomp(unsigned operation, unsigned flags, void* args) {
  return static_cast<int>(::syscall(SYS_seccomp, operation, flags, args));
}

inline int sys_bpf(int command, bpf_attr& attributes) {
  return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

inline int sys_pidfd_send_signal(int pidfd, int signal) {
  return static_cast<int>(::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0));
}

} // namespace gantry::runtime
