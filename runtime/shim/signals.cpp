/// Signal handlers that write to an eventfd.
#include "runtime/shim/signals.hpp"

#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace gantry::runtime::shim {

namespace {

volatile std::sig_atomic_t child_came = 0;
volatile std::sig_atomic_t terminate_came = 0;
volatile std::sig_atomic_t upgrade_came = 0;
int wake_fd = -1;
pid_t owner = 0;

void on_signal(int number) {
  const int saved = errno;
  // A child between clone and exec still has this handler, and shares the eventfd.
  if (::syscall(SYS_getpid) == owner) {
    if (number == SIGCHLD) child_came = 1;
    if (number == SIGTERM || number == SIGINT) terminate_came = 1;
    if (number == SIGUSR2) upgrade_came = 1;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto n = ::write(wake_fd, &one, sizeof one);
  }
  errno = saved;
}

} // namespace

result<unique_fd> install_signals() {
  unique_fd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) return sys_error("eventfd", errno);
  wake_fd = fd.get();
  owner = ::getpid();
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGUSR2, SIGPIPE, SIGHUP, SIGXFSZ})
    if (::sigaction(number, &action, nullptr) != 0) return sys_error("sigaction", errno);
  // Whoever started us may have blocked some.
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  return fd;
}

signal_set take_signals(int eventfd) noexcept {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto n = ::read(eventfd, &count, sizeof count);
  signal_set out;
  out.child = child_came != 0;
  child_came = 0;
  out.terminate = terminate_came != 0;
  terminate_came = 0;
  out.upgrade = upgrade_came != 0;
  upgrade_came = 0;
  return out;
}

} // namespace gantry::runtime::shim
