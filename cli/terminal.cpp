/// Terminals and signals.
#include "cli/terminal.hpp"

#include <cerrno>
#include <cstring>
#include <string>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace gantry::cli {

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

std::optional<window_size> size_of_window(int fd) {
  winsize size{};
  if (!is_terminal(fd) || ::ioctl(fd, TIOCGWINSZ, &size) != 0) return std::nullopt;
  return window_size{size.ws_row, size.ws_col};
}

raw_mode::raw_mode(int fd) : fd_(fd) {
  if (::tcgetattr(fd, &before_) != 0) return;
  termios raw = before_;
  ::cfmakeraw(&raw);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  active_ = ::tcsetattr(fd, TCSANOW, &raw) == 0;
}

void raw_mode::restore() noexcept {
  if (active_) ::tcsetattr(fd_, TCSANOW, &before_);
  active_ = false;
}

result<signal_queue> signal_queue::open() {
  sigset_t wanted;
  ::sigemptyset(&wanted);
  for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT, SIGWINCH})
    ::sigaddset(&wanted, number);
  signal_queue queue;
  queue.fd_.reset(::signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!queue.fd_) return sys_error("signalfd", errno);
  if (::sigprocmask(SIG_BLOCK, &wanted, &queue.before_) != 0) return sys_error("sigprocmask", errno);
  queue.active_ = true;
  return queue;
}

signal_queue::signal_queue(signal_queue&& other) noexcept
    : fd_(std::move(other.fd_)), before_(other.before_), active_(std::exchange(other.active_, false)) {}

signal_queue::~signal_queue() {
  if (active_) ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

std::vector<int> signal_queue::take() {
  std::vector<int> numbers;
  signalfd_siginfo info{};
  while (::read(fd_.get(), &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info)))
    numbers.push_back(static_cast<int>(info.ssi_signo));
  return numbers;
}

std::string signal_name(int number) {
  const char* name = ::sigabbrev_np(number);
  return name != nullptr ? std::string("SIG") + name : std::to_string(number);
}

} // namespace gantry::cli
