/// Child side: everything here runs between clone and exec, in a process of one thread.
#include "runtime/init_process.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#undef major // glibc defines these two as macros, and protobuf has them as fields
#undef minor

#include "runtime/devices.hpp"
#include "runtime/mount_keeper.hpp"
#include "runtime/mounts.hpp"
#include "runtime/namespaces.hpp"
#include "runtime/process.hpp"
#include "runtime/root_paths.hpp"
#include "runtime/rootfs_mount.hpp"
#include "runtime/status_channel.hpp"
#include "runtime/syscalls.hpp"

namespace gantry::runtime {

namespace {

/// Where --init's program is bound; Docker's own name for it.
constexpr const char* init_target = "/sbin/docker-init";

/// Docker's users and clients know an error of this part by these words.
constexpr const char* runtime_words =
    "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: error during container init: ";

/// runc's exit status when exec itself fails after the container counts as started.
constexpr int exec_failed_status = 255;

error in_runtime_words(error e) { return with_context(std::move(e), runtime_words); }

class init_process {
public:
  explicit init_process(init_arguments& a) : args_(a), spec_(a.spec), plan_(a.spec) {}

  /// Up to exec; what it returns is sent to the launcher.
  result<> prepare() {
    auto world = build_world();
    if (world.has_error()) return in_runtime_words(std::move(world).error());
    // Docker's daemon resolves the user itself, so this error comes without the runtime's words.
    auto user = lookup_user(root_.get(), spec_.process().user());
    if (user.has_error()) return error{errc::internal, user.error().sys_errno, user.error().message};
    auto process = build_process(*user);
    if (process.has_error()) return in_runtime_words(std::move(process).error());
    return {};
  }

  [[noreturn]] void exec();

private:
  result<> build_world();
  result<> enter_root();
  result<> set_names();
  result<> bind_init_program();
  result<> build_process(const resolved_user& user);
  result<> connect_streams(const resolved_user& user);
  result<> report_master();
  void build_strings(const resolved_user& user);
  void reached(launch_step step) const noexcept {
    if (args_.slot != nullptr) args_.slot->reach(step);
  }

  init_arguments& args_;
  const pb::Spec& spec_;
  mount_plan plan_;
  unique_fd root_, init_tree_, namespace_;
  terminal terminal_;
  std::vector<std::string> argv_, env_;
  std::string program_;
};

result<> init_process::build_world() {
  reached(launch_step::cloned);
  GANTRY_TRYV(create_and_join(args_.layout, spec_.cgroup(), args_.unified));
  reached(launch_step::cgroups);
  GANTRY_TRYV(enter_namespaces(spec_.namespaces()));
  reached(launch_step::namespaces);
  GANTRY_TRYV(enter_root());
  const auto& network = spec_.namespaces().network();
  if (network.mode() == pb::Namespaces::PRIVATE) GANTRY_TRYV(loopback_up());
  GANTRY_TRYV(write_sysctls(spec_, plan_.procfd()));
  GANTRY_TRYV(set_names());
  reached(launch_step::network);
  GANTRY_TRYV(mask_paths(spec_, root_.get()));
  reached(launch_step::masks);
  // Through the container's procfs, which may be read-only for the program but is not for this mount's maker.
  return set_oom_score(spec_.process(), plan_.procfd());
}

result<> init_process::enter_root() {
  // Until enter_rootfs this process is in the launcher's mount namespace: nothing is mounted, only taken and made.
  const unique_fd self{::open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC)};
  GANTRY_TRY(rootfs, make_rootfs(spec_.root(), overlay_layers_of_kernel()));
  reached(launch_step::rootfs);
  GANTRY_TRYV(plan_.take_sources(args_.layout));
  if (!spec_.process().init_path().empty()) {
    const char* path = spec_.process().init_path().c_str();
    init_tree_.reset(sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    if (!init_tree_) return sys_error(std::string("open init program `") + path + "`", errno);
  }
  GANTRY_TRY(devices, device_sources::take(spec_, args_.bind_devices));
  reached(launch_step::sources);
  GANTRY_TRY(entered_root, enter_rootfs(spec_.root(), std::move(rootfs), args_.empty_namespacefd));
  root_ = std::move(entered_root);
  namespace_ = mount_keeper::own_namespace(spec_, self.get());
  reached(launch_step::pivot);
  GANTRY_TRYV(plan_.attach_all(root_.get()));
  if (init_tree_) GANTRY_TRYV(bind_init_program());
  reached(launch_step::mounts);
  GANTRY_TRYV(make_devices(spec_, root_.get(), devices, plan_.own_dev()));
  if (spec_.process().terminal()) {
    GANTRY_TRY(made, make_terminal(spec_.process(), root_.get(), plan_.devptsfd()));
    terminal_ = std::move(made);
  }
  // Directories that are missing are made before the root may become read-only.
  bool entered = false;
  if (spec_.root().readonly()) (void)enter_cwd(root_.get(), spec_.process().cwd(), entered);
  GANTRY_TRYV(plan_.seal(root_.get()));
  reached(launch_step::devices);
  return {};
}

result<> init_process::bind_init_program() {
  GANTRY_TRY(at, make_in_root(root_.get(), init_target, target::file));
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  attributes.propagation = MS_PRIVATE;
  if (sys_mount_setattr(init_tree_.get(), 0, attributes) != 0 || sys_move_mount(init_tree_.get(), at.get()) != 0)
    return sys_error("bind init program", errno);
  init_tree_.reset();
  return {};
}

result<> init_process::set_names() {
  if (spec_.namespaces().uts().mode() != pb::Namespaces::PRIVATE) return {};
  if (!spec_.hostname().empty() && ::sethostname(spec_.hostname().c_str(), spec_.hostname().size()) != 0)
    return sys_error("sethostname", errno);
  if (!spec_.domainname().empty() && ::setdomainname(spec_.domainname().c_str(), spec_.domainname().size()) != 0)
    return sys_error("setdomainname", errno);
  return {};
}

/// Standard streams: what the launcher gave, the terminal's slave, or the container's /dev/null.
result<> init_process::connect_streams(const resolved_user& user) {
  if (spec_.process().terminal()) {
    if (::ioctl(terminal_.slave.get(), TIOCSCTTY, 0) != 0) return sys_error("take the terminal", errno);
    for (int fd = 0; fd < 3; ++fd)
      if (::dup2(terminal_.slave.get(), fd) < 0) return sys_error("dup2", errno);
  } else {
    // Raised above 2 first: an end may by chance be one of the numbers that it is to replace.
    unique_fd* const ends[3] = {&args_.streams.in, &args_.streams.out, &args_.streams.err};
    for (auto* end : ends)
      if (*end && end->get() < 3) end->reset(::fcntl(end->get(), F_DUPFD_CLOEXEC, 3));
    for (int fd = 0; fd < 3; ++fd) {
      unique_fd null;
      int from = ends[fd]->get();
      if (from < 0) {
        GANTRY_TRY(opened, open_in_root(root_.get(), "/dev/null", fd == 0 ? O_RDONLY : O_WRONLY));
        null = std::move(opened);
        from = null.get();
      }
      if (from == fd)
        (void)::fcntl(fd, F_SETFD, 0);
      else if (::dup2(from, fd) < 0)
        return sys_error("dup2", errno);
      if (null.get() == fd) (void)null.release();
    }
  }
  if (user.uid == 0) return {};
  // The user may open /dev/stdout and the like again by name: those lead to these pipes (or this terminal), which root
  // made. The null device is shared by all and left alone.
  for (int fd = 0; fd < 3; ++fd) {
    struct stat st {};
    if (::fstat(fd, &st) != 0 || (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))) continue;
    // EROFS, EPERM: somebody else's file was passed in; it keeps its owner.
    (void)::fchown(fd, user.uid, static_cast<gid_t>(-1));
  }
  return {};
}

void init_process::build_strings(const resolved_user& user) {
  env_.assign(spec_.process().env().begin(), spec_.process().env().end());
  bool has_home = false;
  for (const auto& entry : env_) has_home = has_home || entry.starts_with("HOME=");
  if (!has_home) env_.push_back("HOME=" + user.home);
  if (!spec_.process().init_path().empty()) argv_ = {init_target, "--"};
  argv_.insert(argv_.end(), spec_.process().args().begin(), spec_.process().args().end());
}

result<> init_process::build_process(const resolved_user& user) {
  const auto& process = spec_.process();
  if (process.args_size() == 0) return error{errc::invalid_parameter, EINVAL, "args must not be empty"};
  build_strings(user);
  ::setsid(); // fails for a process group's leader only, which a clone never is
  GANTRY_TRYV(connect_streams(user));
  GANTRY_TRYV(set_rlimits(process));
  // Docker gives each container a new session keyring. Keyrings are counted kernel-wide and run out at some hundreds on
  // small limits, so ours is only made for a container that can use one: others are left with the launcher's own, which
  // is empty and which their filter keeps them from.
  if (!refuses_keys(spec_.seccomp().program()) && sys_keyctl_join_session(nullptr) < 0 && errno != ENOSYS &&
      errno != EPERM)
    return sys_error("join session keyring (the sysctls kernel.keys.root_maxkeys and maxkeys limit them)", errno);
  bool cwd_entered = false;
  GANTRY_TRYV(enter_cwd(root_.get(), process.cwd(), cwd_entered));
  if (terminal_.master) GANTRY_TRYV(report_master());
  mount_keeper::keep(namespace_, root_.get());
  (void)::prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
  // Nothing of the launcher's goes along, whatever flags its descriptors have; `status` is among them, so its end tells
  // the launcher that exec came about.
  if (sys_close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) != 0) return sys_error("close_range", errno);
  GANTRY_TRYV(become(spec_, user, cwd_entered));
  GANTRY_TRY(found, find_program(argv_[0], env_));
  program_ = std::move(found);
  reached(launch_step::process);
  return {};
}

result<> init_process::report_master() {
  if (!send_master(args_.status.get(), terminal_.master.get())) return sys_error("send the terminal", errno);
  terminal_.master.reset();
  return {};
}

void init_process::exec() {
  std::vector<char*> argv, env;
  for (auto& s : argv_) argv.push_back(s.data());
  for (auto& s : env_) env.push_back(s.data());
  argv.push_back(nullptr);
  env.push_back(nullptr);
  reached(launch_step::exec);
  ::execve(program_.c_str(), argv.data(), env.data());
  // No such interpreter, a wrong format: under Docker the container counts as started by now, says this on its own
  // stderr and ends.
  const int err = errno;
  std::string text = "exec " + program_ + ": " + std::strerror(err) + "\n";
  text[7 + program_.size()] = static_cast<char>(std::tolower(text[7 + program_.size()]));
  (void)!::write(2, text.data(), text.size());
  ::_exit(exec_failed_status);
}

void reset_signals() {
  // Ignored signals would stay ignored over exec, and clone3 has only cleared handlers.
  struct sigaction fresh {};
  fresh.sa_handler = SIG_DFL;
  for (int n = 1; n < NSIG; ++n) (void)::sigaction(n, &fresh, nullptr);
  // glibc keeps these two for itself and refuses to touch them; ignored ones may still have come to us over exec.
  struct { // the kernel's own struct sigaction
    void (*handler)(int) = SIG_DFL;
    unsigned long flags = 0;
    void (*restorer)() = nullptr;
    unsigned long mask = 0;
  } kernel_default;
  for (int n = 32; n < 34; ++n)
    (void)::syscall(SYS_rt_sigaction, n, &kernel_default, nullptr, sizeof kernel_default.mask);
  sigset_t none;
  sigemptyset(&none);
  (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
}

} // namespace

void run_init(init_arguments&& arguments) {
  // Until exec this process is the launcher's program inside a container. A process of that container (it may be
  // joining another one's pid namespace) must not reach it: without this, /proc/<pid>/exe would be a way to write to
  // the launcher's file (CVE-2019-5736) and /proc/<pid>/fd one to its descriptors (CVE-2024-21626).
  (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  // Should the launcher die meanwhile, nobody would know of this process.
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  reset_signals();
  ::umask(0022);
  init_process init(arguments);
  auto ready = init.prepare();
  if (ready.has_error()) {
    send_error(arguments.status.get(), ready.error());
    ::_exit(1);
  }
  init.exec();
}

} // namespace gantry::runtime
