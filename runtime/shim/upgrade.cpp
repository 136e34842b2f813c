/// State to a memfd, exec, and back.
#include "runtime/shim/upgrade.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <csignal>

namespace gantry::runtime::shim {

namespace {

/// For the new program to say whether it understands the state. Containers wait meanwhile.
constexpr int check_ms_max = 5000;

/// Every descriptor in the state; 0 in a container's fields is none, there they stand one higher.
template <class Function>
void each_descriptor(const pb::ShimState& s, Function f) {
  f(s.listener_fd());
  f(s.lock_fd());
  for (const auto& c : s.connections()) {
    f(c.fd());
    for (const int fd : c.received_fds()) f(fd);
  }
  for (const auto& a : s.lingering()) f(a.fd());
  for (const auto& c : s.containers()) {
    for (const int one_up : {c.pidfd(), c.in_fd(), c.out_fd(), c.err_fd(), c.slave_fd(), c.status_fd()})
      if (one_up != 0) f(one_up - 1);
    for (const auto& a : c.attaches()) f(a.fd());
  }
}

void set_close_on_exec(const pb::ShimState& s, bool on) {
  each_descriptor(s, [on](int fd) { ::fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0); });
}

result<unique_fd> write_state(const pb::ShimState& s) {
  unique_fd fd(::memfd_create("gantry-shim-state", MFD_CLOEXEC));
  if (!fd) return sys_error("memfd_create", errno);
  if (!s.SerializeToFileDescriptor(fd.get())) return sys_error("write state", errno);
  return fd;
}

result<pb::ShimState> read_state(int state_fd) {
  pb::ShimState s;
  if (::lseek(state_fd, 0, SEEK_SET) != 0 || !s.ParseFromFileDescriptor(state_fd))
    return error{errc::invalid_parameter, 0, "read the state of an earlier shim: it is no state"};
  if (s.version() != shim_state_version)
    return error{errc::invalid_parameter, 0,
                 "read the state of an earlier shim: it has version " + std::to_string(s.version()) + ", known is " +
                     std::to_string(shim_state_version)};
  return s;
}

/// Runs `program --check-state-fd N` to its end.
result<> ask_new_program(const std::string& program, int state_fd) {
  const auto number = std::to_string(state_fd);
  const char* const argv[] = {program.c_str(), "--check-state-fd", number.c_str(), nullptr};
  const auto child = ::fork();
  if (child < 0) return sys_error("fork", errno);
  if (child == 0) {
    ::fcntl(state_fd, F_SETFD, 0);
    ::execv(program.c_str(), const_cast<char**>(argv));
    ::_exit(127);
  }
  const unique_fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(check_ms_max);
  pollfd p{pidfd.get(), POLLIN, 0};
  while (std::chrono::steady_clock::now() < until && ::poll(&p, 1, check_ms_max) < 0 && errno == EINTR) {
  }
  if ((p.revents & POLLIN) == 0) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return error{errc::invalid_parameter, 0, "`" + program + "` cannot be run, or does not understand our state"};
}

/// Ours, without what an earlier upgrade added.
std::vector<std::string> next_arguments(std::vector<std::string> arguments, int state_fd) {
  for (std::size_t i = 0; i < arguments.size();) {
    if (arguments[i] == "--upgrade-from-fd")
      arguments.erase(arguments.begin() + static_cast<std::ptrdiff_t>(i),
                      arguments.begin() + static_cast<std::ptrdiff_t>(std::min(i + 2, arguments.size())));
    else
      ++i;
  }
  arguments.insert(arguments.end(), {"--upgrade-from-fd", std::to_string(state_fd)});
  return arguments;
}

} // namespace

error upgrade(server& from, const std::string& program, std::vector<std::string> arguments) {
  pb::ShimState state;
  state.set_version(shim_state_version);
  from.save(state);
  GANTRY_TRY(fd, write_state(state));
  GANTRY_TRYV(ask_new_program(program, fd.get()));

  arguments = next_arguments(std::move(arguments), fd.get());
  std::vector<char*> argv;
  for (auto& a : arguments) argv.push_back(a.data());
  argv.push_back(nullptr);
  // Exec resets our handlers: a signal that came then would kill the shim. The new program unblocks them.
  sigset_t all, old;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &old);
  set_close_on_exec(state, false);
  ::fcntl(fd.get(), F_SETFD, 0);
  ::execv(program.c_str(), argv.data());
  auto failed = sys_error("exec `" + program + "`", errno);
  set_close_on_exec(state, true);
  ::sigprocmask(SIG_SETMASK, &old, nullptr);
  return failed;
}

result<std::string> program_path() {
  char path[4096];
  const auto n = ::readlink("/proc/self/exe", path, sizeof path);
  if (n <= 0) return sys_error("read `/proc/self/exe`", errno);
  std::string out(path, static_cast<std::size_t>(n));
  constexpr std::string_view gone = " (deleted)";
  if (out.ends_with(gone)) out.resize(out.size() - gone.size());
  return out;
}

result<pb::ShimState> load_state(int state_fd) {
  const unique_fd owned(state_fd);
  GANTRY_TRY(state, read_state(state_fd));
  set_close_on_exec(state, true);
  return state;
}

bool check_state(int state_fd) { return read_state(state_fd).has_value(); }

endpoint take_endpoint(const pb::ShimState& state, const std::string& run_root) {
  return {run_root + "/shim.sock", unique_fd(state.lock_fd()), unique_fd(state.listener_fd())};
}

} // namespace gantry::runtime::shim
