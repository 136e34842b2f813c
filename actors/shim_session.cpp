// Opening the connection to the shim: connect or start, then Hello. Blocking; the link takes over from there.
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <chrono>

#include "actors/shim_link.hpp"
#include "io/base/defer.hpp"
#include "io/base/log.hpp"

extern char** environ;

namespace gantry::actors {

namespace {

constexpr std::chrono::seconds hello_limit{10};

result<unique_fd> connect_shim(const std::string& run_root) {
  auto path = run_root + "/shim.sock";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return error{errc::invalid_parameter, ENAMETOOLONG,
                 "the run root `" + run_root + "` is too long for a unix socket (" +
                     std::to_string(sizeof address.sun_path - 1 - 10) + " bytes at most)"};
  path.copy(address.sun_path, path.size());
  unique_fd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (!socket) return sys_error("make a socket", errno);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return sys_error("connect to the shim at `" + path + "`", errno, errc::unavailable);
  return socket;
}

/// Runs `gantry-shim --daemonize`, which returns once its socket accepts, or says why not.
result<> start_shim(const std::string& shim_path, const std::string& run_root, const std::string& log_level,
                    const std::string& log_format) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return sys_error("make a pipe", errno);
  unique_fd out{ends[0]}, in{ends[1]};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  defer free_actions{[&] { posix_spawn_file_actions_destroy(&actions); }};
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
  posix_spawn_file_actions_adddup2(&actions, in.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, in.get(), 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  defer free_attributes{[&] { posix_spawnattr_destroy(&attributes); }};
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none); // gantryd blocks the signals that it reads from a signalfd
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);

  std::vector<std::string> words{
      shim_path,     "--daemonize", "--run-root",   run_root,  "--log-file", run_root + "/shim.log",
      "--log-level", log_level,     "--log-format", log_format};
  std::vector<char*> argv;
  for (auto& w : words) argv.push_back(w.data());
  argv.push_back(nullptr);
  pid_t pid = -1;
  if (int err = ::posix_spawn(&pid, shim_path.c_str(), &actions, &attributes, argv.data(), environ); err != 0)
    return sys_error("start `" + shim_path + "`", err, errc::unavailable);
  in.reset();
  std::string said;
  char buffer[512];
  for (ssize_t n; said.size() < 4096 && (n = ::read(out.get(), buffer, sizeof buffer)) > 0;)
    said.append(buffer, static_cast<std::size_t>(n));
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  while (!said.empty() && said.back() == '\n') said.pop_back();
  return error{errc::unavailable, 0, "start `" + shim_path + "`: " + (said.empty() ? "it ended at once" : said)};
}

result<shim_session> say_hello(unique_fd socket) {
  timeval limit{hello_limit.count(), 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  runtime::pb::ToShim hello;
  hello.set_request(1);
  hello.mutable_hello()->set_version(runtime::shim_protocol_version);
  hello.mutable_hello()->set_events(true);
  std::string frame;
  runtime::append_frame(frame, hello.SerializeAsString());
  if (::send(socket.get(), frame.data(), frame.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(frame.size()))
    return sys_error("greet the shim", errno, errc::unavailable);

  shim_session session;
  std::string buffer(64 << 10, '\0');
  for (;;) {
    GANTRY_TRY(frame_bytes, session.reader.next());
    if (frame_bytes) {
      runtime::pb::FromShim answer;
      if (!answer.ParseFromArray(frame_bytes->data(), static_cast<int>(frame_bytes->size())) || !answer.has_hello())
        return error{errc::unavailable, 0, "greet the shim: it answered with something else"};
      if (answer.hello().version() != runtime::shim_protocol_version)
        return error{errc::unavailable, 0,
                     "the running gantry-shim (pid " + std::to_string(answer.hello().pid()) +
                         ") speaks protocol version " + std::to_string(answer.hello().version()) + ", this engine " +
                         std::to_string(runtime::shim_protocol_version) + ": upgrade it with SIGUSR2"};
      session.shim_pid = answer.hello().pid();
      session.held.assign(answer.hello().containers().begin(), answer.hello().containers().end());
      timeval never{0, 0};
      ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &never, sizeof never);
      ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &never, sizeof never);
      ::fcntl(socket.get(), F_SETFL, ::fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
      session.socket = std::move(socket);
      return session;
    }
    auto n = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return sys_error("hear from the shim", n == 0 ? ECONNRESET : errno, errc::unavailable);
    session.reader.feed({buffer.data(), static_cast<std::size_t>(n)});
  }
}

} // namespace

result<shim_session> open_shim(const std::string& shim_path, const std::string& run_root, const std::string& log_level,
                               const std::string& log_format) {
  auto socket = connect_shim(run_root);
  if (socket.has_error()) {
    if (socket.error().code == errc::invalid_parameter) return socket.error();
    GANTRY_TRYV(start_shim(shim_path, run_root, log_level, log_format));
    socket = connect_shim(run_root);
    if (socket.has_error()) return socket.error();
  }
  return say_hello(std::move(socket).value());
}

} // namespace gantry::actors
