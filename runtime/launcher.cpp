#include "runtime/launcher.hpp"

#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <sched.h>
#include <sys/wait.h>

#include "runtime/cgroup.hpp"
#include "runtime/devices.hpp"
#include "runtime/empty_namespace.hpp"
#include "runtime/init_process.hpp"
#include "runtime/mount_keeper.hpp"
#include "runtime/namespaces.hpp"
#include "runtime/rootfs_mount.hpp"
#include "runtime/status_channel.hpp"
#include "runtime/syscalls.hpp"

namespace gantry::runtime {

namespace {

/// Docker's users and clients know an error of a start by these words.
constexpr const char* launch_words = "failed to create task for container: failed to create shim task: OCI runtime "
                                     "create failed: runc create failed: unable to start container process: ";

/// How the host mounts its groups does not change under a running engine; a new shim reads it again.
result<const cgroup_layout*> layout_of_host() {
  static const result<cgroup_layout> layout = cgroup_layout::detect();
  if (layout.has_error()) return layout.error();
  return &layout.value();
}

/// Leaves the session keyring that we were started with: containers whose filter refuses keys share ours, so it must be
/// an empty one.
void leave_session_keyring() {
  static const long done = sys_keyctl_join_session(nullptr);
  (void)done;
}

error clone_error(int err) {
  std::string what = "clone3";
  switch (err) {
  case EAGAIN:
    what += " (out of processes: kernel.pid_max, kernel.threads-max, or the pids limit of our own group)";
    break;
  case ENOSPC:
    what += " (raise the sysctls user.max_pid_namespaces and user.max_mnt_namespaces)";
    break;
  case EPERM:
    what += " (CAP_SYS_ADMIN is missing, or a seccomp filter refuses namespaces)";
    break;
  case EOPNOTSUPP:
    what += " (the control group is a threaded or an inner one)";
    break;
  case ENOSYS:
    what += " (Linux 5.7 is needed, and a seccomp filter that allows clone3)";
    break;
  default:
    break;
  }
  return sys_error(std::move(what), err);
}

void kill_and_reap(const launching& child) {
  (void)sys_pidfd_send_signal(child.pidfd.get(), SIGKILL);
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(child.pidfd.get()), &info, WEXITED) != 0 && errno == EINTR) {
  }
}

void remove_group(const pb::Spec& spec) {
  const auto layout = layout_of_host();
  if (layout.has_value() && !spec.cgroup().path().empty()) (void)remove(**layout, spec.cgroup().path());
}

/// The child ended without a word before it could exec: killed from outside, by its own memory limit, or by a defect.
error died_in(launch_step step, const pb::Spec& spec) {
  const auto layout = layout_of_host();
  const bool oom = layout.has_value() && !spec.cgroup().path().empty() && oom_killed(**layout, spec.cgroup().path());
  std::string text = launch_words + std::string("container init ");
  text += oom ? "was OOM-killed (memory limit too low?)"
              : "was killed after the step `" + std::string(to_string(step)) + "`";
  return error{errc::internal, 0, std::move(text)};
}

} // namespace

result<launching> begin_launch(const pb::Spec& spec, stdio streams) {
  GANTRY_TRY(layout, layout_of_host());
  leave_session_keyring();
  mount_keeper::start();
  GANTRY_TRY(channel, make_status_channel());
  auto made = create_unified(*layout, spec.cgroup());
  if (made.has_error()) {
    remove_group(spec);
    return with_context(std::move(made).error(), launch_words);
  }
  const unique_fd group = std::move(*made);

  std::optional<pid_namespace_guard> pid_namespace;
  if (spec.namespaces().pid().mode() == pb::Namespaces::PATH) {
    GANTRY_TRY(entered, pid_namespace_guard::enter(spec.namespaces().pid().path()));
    pid_namespace.emplace(std::move(entered));
  }

  (void)overlay_layers_of_kernel();
  const int empty_namespace = empty_mount_namespace();
  const bool bind_devices = device_nodes_refused();
  launching child;
  child.slot = take_launch_slot();
  int pidfd = -1;
  clone_args args{};
  args.flags = clone_flags(spec.namespaces()) | CLONE_PIDFD | CLONE_CLEAR_SIGHAND | (group ? CLONE_INTO_CGROUP : 0);
  args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  args.cgroup = group ? static_cast<std::uint64_t>(group.get()) : 0;
  const int pid = sys_clone3(args);
  if (pid == 0) {
    channel.parent.reset();
    run_init({spec, *layout, std::move(streams), std::move(channel.child), child.slot.get(),
              group ? unified_group::joined : unified_group::join, empty_namespace, bind_devices});
  }
  if (pid < 0) {
    const int err = errno;
    remove_group(spec);
    return clone_error(err);
  }
  child.pid = pid;
  child.pidfd.reset(pidfd);
  child.status = std::move(channel.parent);
  return child;
}

result<launched> finish_launch(launching&& child, const pb::Spec& spec) {
  launching mine = std::move(child);
  launched done;
  std::optional<error> failure;
  // With a terminal its master comes first, just before exec; then, as without one, the end or an error.
  for (;;) {
    auto packet = receive_status(mine.status.get());
    if (packet.end) break;
    if (packet.failure) {
      failure = std::move(packet.failure);
      break;
    }
    done.pty_master = std::move(packet.master);
  }
  if (!failure && mine.slot && mine.slot->last() != launch_step::exec) failure = died_in(mine.slot->last(), spec);
  if (failure) {
    kill_and_reap(mine);
    remove_group(spec);
    return std::move(*failure);
  }
  done.pid = mine.pid;
  done.pidfd = std::move(mine.pidfd);
  return done;
}

} // namespace gantry::runtime
