/// Lock, socket, daemon.
#include "runtime/shim/endpoint.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <cstdio>

namespace gantry::runtime::shim {

namespace {

constexpr std::chrono::seconds lock_patience{2};

result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  if (path.size() >= sizeof a.sun_path)
    return error{errc::invalid_parameter, ENAMETOOLONG,
                 "listen on `" + path + "`: the path has more than " + std::to_string(sizeof a.sun_path - 1) +
                     " bytes"};
  path.copy(a.sun_path, path.size());
  return a;
}

bool answers(const sockaddr_un& a) noexcept {
  const unique_fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // EAGAIN: it lives, its backlog is full.
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0 || errno == EAGAIN;
}

result<unique_fd> take_lock(const std::string& path, const sockaddr_un& address) {
  unique_fd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return sys_error("open `" + path + "`", errno);
  // A shim that was killed while a child was between clone and exec: the child holds the lock a moment longer.
  const auto until = std::chrono::steady_clock::now() + lock_patience;
  while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return sys_error("lock `" + path + "`", errno);
    if (!answers(address) && std::chrono::steady_clock::now() < until) {
      ::poll(nullptr, 0, 10);
      continue;
    }
    char pid[16] = {};
    const auto n = ::pread(lock.get(), pid, sizeof pid - 1, 0);
    return error{errc::conflict, EWOULDBLOCK,
                 "lock `" + path + "`: another shim holds it, pid " + std::string(pid, n > 0 ? std::size_t(n) : 0)};
  }
  const auto pid = std::to_string(::getpid());
  if (::ftruncate(lock.get(), 0) != 0 || ::pwrite(lock.get(), pid.data(), pid.size(), 0) < 0)
    return sys_error("write `" + path + "`", errno);
  return lock;
}

result<unique_fd> listen_at(const std::string& path) {
  GANTRY_TRY(address, address_of(path));
  if (answers(address))
    return error{errc::conflict, EADDRINUSE, "listen on `" + path + "`: another shim answers there"};
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return sys_error("remove `" + path + "`", errno);
  unique_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return sys_error("make socket", errno);
  const auto old = ::umask(0177);
  const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int err = errno;
  ::umask(old);
  if (bound != 0) return sys_error("bind `" + path + "`", err);
  if (::listen(fd.get(), 128) != 0) return sys_error("listen on `" + path + "`", errno);
  return fd;
}

} // namespace

result<endpoint> take_run_root(const std::string& dir) {
  if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) return sys_error("make `" + dir + "`", errno);
  endpoint out;
  out.socket_path = dir + "/shim.sock";
  GANTRY_TRY(address, address_of(out.socket_path));
  GANTRY_TRY(lock, take_lock(dir + "/shim.lock", address));
  out.lock = std::move(lock);
  GANTRY_TRY(listener, listen_at(out.socket_path));
  out.listener = std::move(listener);
  return out;
}

result<daemon_start> daemon_start::fork_away() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return sys_error("make pipe", errno);
  unique_fd from_child(fds[0]);
  unique_fd to_parent(fds[1]);
  const auto child = ::fork();
  if (child < 0) return sys_error("fork", errno);
  if (child == 0) {
    ::setsid();
    if (::chdir("/") != 0) return sys_error("chdir `/`", errno);
    return daemon_start(std::move(to_parent));
  }
  to_parent.reset();
  std::string answer;
  char bytes[512];
  ssize_t n = 0;
  while ((n = ::read(from_child.get(), bytes, sizeof bytes)) > 0 || (n < 0 && errno == EINTR))
    if (n > 0) answer.append(bytes, static_cast<std::size_t>(n));
  if (answer == "+") ::_exit(0);
  if (answer.empty()) answer = "the shim ended before it was ready";
  std::fprintf(stderr, "gantry-shim: %s\n", answer.c_str());
  ::_exit(1);
}

void daemon_start::report(const result<>& ready, const std::string& log_file) {
  result<> done = ready;
  if (done) done = redirect_log(log_file);
  const std::string answer = done ? "+" : done.error().message;
  [[maybe_unused]] const auto n = ::write(to_parent_.get(), answer.data(), answer.size());
  to_parent_.reset();
  if (!done) ::_exit(1);
}

result<> redirect_log(const std::string& log_file) {
  unique_fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return sys_error("open `/dev/null`", errno);
  unique_fd log;
  if (!log_file.empty()) {
    log.reset(::open(log_file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
    if (!log) return sys_error("open `" + log_file + "`", errno);
  }
  ::dup2(null.get(), 0);
  ::dup2(null.get(), 1);
  ::dup2(log ? log.get() : null.get(), 2);
  return {};
}

} // namespace gantry::runtime::shim
