/// A shim server in a process of its own, with a launcher that only forks, and an engine's end of its socket.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <sys/prctl.h>

#include "tests/runtime/shim_fake_launcher.hpp"

#include "runtime/proto/shim.pb.h"
#include "runtime/shim/endpoint.hpp"
#include "runtime/shim/upgrade.hpp"
#include "runtime/shim_codec.hpp"

namespace gantry::runtime::shim::test {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using test_clock = std::chrono::steady_clock;

/// Long, because the machine may be busy; reached only by a failure.
inline constexpr auto patience = 20s;

/// Sanitizers keep freed memory: figures of it say nothing then.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool memory_is_exact = false;
#else
inline constexpr bool memory_is_exact = true;
#endif

template <class Condition>
bool eventually(Condition c) {
  const auto until = test_clock::now() + patience;
  while (!c()) {
    if (test_clock::now() > until) return false;
    ::poll(nullptr, 0, 2);
  }
  return true;
}

inline std::string read_file(const fs::path& p) {
  std::ifstream in(p, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

/// The log's text of one stream, unescaped as far as tests need it.
inline std::string logged(const fs::path& p, const std::string& stream = "stdout") {
  std::istringstream in(read_file(p));
  std::string out;
  for (std::string line; std::getline(in, line);) {
    const auto end = line.find("\",\"stream\":\"" + stream + "\"");
    if (end == std::string::npos) continue;
    auto text = line.substr(8, end - 8);
    for (std::size_t at = 0; (at = text.find("\\n", at)) != std::string::npos; ++at) text.replace(at, 2, "\n");
    for (std::size_t at = 0; (at = text.find("\\r", at)) != std::string::npos; ++at) text.replace(at, 2, "\r");
    out += text;
  }
  return out;
}

/// build/dev/tests/runtime_tests -> build/dev/runtime/gantry-shim
inline fs::path shim_program() {
  return fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "runtime" / "gantry-shim";
}

class shim_process {
public:
  shim_process() {
    char name[] = "/tmp/gantry-shim-test-XXXXXX";
    dir = ::mkdtemp(name);
    start();
  }
  ~shim_process() {
    stop();
    fs::remove_all(dir);
  }
  void start() {
    int ready[2];
    REQUIRE(::pipe2(ready, O_CLOEXEC) == 0);
    pid = ::fork();
    if (pid == 0) ::_exit(serve(ready[1]));
    ::close(ready[1]);
    char c = 0;
    REQUIRE(::read(ready[0], &c, 1) == 1);
    ::close(ready[0]);
  }
  void stop() {
    if (pid <= 0) return;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    pid = -1;
  }
  /// Its wait status, or nothing when it does not end.
  std::optional<int> wait() {
    int status = 0;
    if (!eventually([&] { return ::waitpid(pid, &status, WNOHANG) == pid; })) return {};
    pid = -1;
    return status;
  }
  [[nodiscard]] std::size_t fds() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd"), {}));
  }
  [[nodiscard]] std::size_t rss_kb() const {
    std::istringstream in(read_file("/proc/" + std::to_string(pid) + "/smaps_rollup"));
    for (std::string line; std::getline(in, line);)
      if (line.rfind("Anonymous:", 0) == 0) return std::stoul(line.substr(10));
    return 0;
  }

  fs::path dir;
  pid_t pid = -1;

private:
  int serve(int ready) {
    ::setsid(); // whoever kills the test's group
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    const unique_fd log(::open((dir / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600));
    ::dup2(log.get(), 2);
    auto at = take_run_root(dir);
    if (!at) return 1;
    server s(fake_launcher::ops(), std::move(*at));
    if (!s.open()) return 1;
    [[maybe_unused]] const auto n = ::write(ready, "+", 1);
    ::close(ready);
    while (s.run() == server::outcome::upgrade) (void)upgrade(s, shim_program(), {"gantry-shim", "--run-root", dir});
    return 0;
  }
};

/// The engine's end.
class client {
public:
  explicit client(const fs::path& dir, bool events = true) { connect(dir, events); }
  client() = default;

  void connect(const fs::path& dir, bool events) {
    connect_only(dir);
    pb::ToShim m;
    m.set_request(1);
    m.mutable_hello()->set_version(shim_protocol_version);
    m.mutable_hello()->set_events(events);
    send(m);
    auto answer = receive();
    REQUIRE(answer);
    REQUIRE(answer->has_hello());
    hello = answer->hello();
  }
  void connect_only(const fs::path& dir) {
    socket.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    (dir / "shim.sock").string().copy(a.sun_path, sizeof a.sun_path - 1);
    REQUIRE(::connect(socket.get(), reinterpret_cast<sockaddr*>(&a), sizeof a) == 0);
  }

  void send_bytes(const std::string& bytes, const std::vector<int>& fds = {}) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr m{};
    m.msg_iov = &part;
    m.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(253 * sizeof(int))]{};
    if (!fds.empty()) {
      m.msg_control = control;
      m.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
      auto* c = CMSG_FIRSTHDR(&m);
      c->cmsg_level = SOL_SOCKET;
      c->cmsg_type = SCM_RIGHTS;
      c->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      std::memcpy(CMSG_DATA(c), fds.data(), fds.size() * sizeof(int));
    }
    const auto n = ::sendmsg(socket.get(), &m, MSG_NOSIGNAL);
    if (n >= 0 && static_cast<std::size_t>(n) < bytes.size()) send_bytes(bytes.substr(static_cast<std::size_t>(n)));
  }
  void send(const pb::ToShim& m, const std::vector<int>& fds = {}) {
    std::string wire;
    append_frame(wire, m.SerializeAsString());
    send_bytes(wire, fds);
  }

  /// The next message; nothing at the end of the stream or after a while.
  std::optional<pb::FromShim> receive() {
    const auto until = test_clock::now() + patience;
    while (true) {
      auto frame = reader.next();
      REQUIRE(frame.has_value());
      if (*frame) {
        pb::FromShim out;
        REQUIRE(out.ParseFromString(std::string(**frame)));
        return out;
      }
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - test_clock::now()).count();
      pollfd p{socket.get(), POLLIN, 0};
      if (left <= 0 || ::poll(&p, 1, static_cast<int>(left)) <= 0) return {};
      char bytes[65536];
      const auto n = ::recv(socket.get(), bytes, sizeof bytes, 0);
      if (n <= 0) return {};
      reader.feed({bytes, static_cast<std::size_t>(n)});
    }
  }
  /// The answer to `m`; events that come before it are kept.
  pb::Reply ask(pb::ToShim m, const std::vector<int>& fds = {}) {
    m.set_request(++last_request);
    send(m, fds);
    return reply(last_request);
  }
  pb::Reply reply(std::uint64_t request) {
    while (true) {
      auto got = receive();
      REQUIRE(got);
      if (got->has_exited()) {
        exits.push_back(got->exited());
      } else {
        REQUIRE(got->reply().request() == request);
        return got->reply();
      }
    }
  }
  pb::Exited next_exit() {
    if (exits.empty()) {
      auto got = receive();
      REQUIRE(got);
      REQUIRE(got->has_exited());
      exits.push_back(got->exited());
    }
    auto out = exits.front();
    exits.pop_front();
    return out;
  }
  bool closed() {
    pollfd p{socket.get(), POLLIN, 0};
    if (::poll(&p, 1, 20'000) <= 0) return false;
    char c;
    return ::recv(socket.get(), &c, 1, 0) <= 0;
  }

  pb::Reply signal(const std::string& id, int number, bool all = false) {
    pb::ToShim m;
    m.mutable_signal()->set_id(id);
    m.mutable_signal()->set_signal(number);
    m.mutable_signal()->set_all(all);
    return ask(m);
  }
  pb::Reply acknowledge(const std::string& id) {
    pb::ToShim m;
    m.mutable_acknowledge()->set_id(id);
    return ask(m);
  }
  pb::Reply shut_down() {
    pb::ToShim m;
    m.mutable_shutdown();
    return ask(m);
  }

  unique_fd socket;
  frame_reader reader;
  pb::HelloReply hello;
  std::deque<pb::Exited> exits;
  std::uint64_t last_request = 100;
};

/// A launch of `sh -c script` with its log at DIR/ID/log.
inline pb::ToShim launch_of(const fs::path& dir, const std::string& id, const std::vector<std::string>& args) {
  pb::ToShim m;
  auto& l = *m.mutable_launch();
  l.set_id(id);
  for (const auto& a : args) l.mutable_spec()->mutable_process()->add_args(a);
  l.mutable_spec()->mutable_cgroup()->set_path("/gantry-test/" + id);
  l.mutable_log()->set_driver(pb::Log::JSON_FILE);
  l.mutable_log()->set_path(dir / id / "log");
  l.set_label("label of " + id);
  return m;
}
inline pb::ToShim sh(const fs::path& dir, const std::string& id, const std::string& script) {
  return launch_of(dir, id, {"sh", "-c", script});
}

/// One end for the shim, one for the test.
struct socket_pair {
  unique_fd ours, theirs;
  socket_pair() {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    ours.reset(fds[0]);
    theirs.reset(fds[1]);
  }
};

inline void add_attach(pb::ToShim& m, bool in, bool out = true, bool err = true) {
  auto& a = *m.mutable_launch()->add_attaches();
  a.set_want_stdin(in);
  a.set_want_stdout(out);
  a.set_want_stderr(err);
}

/// Everything until the other side closes, or until `enough`.
inline std::string read_all(int fd, std::size_t enough = ~std::size_t{0}) {
  std::string out;
  char bytes[65536];
  while (out.size() < enough) {
    pollfd p{fd, POLLIN, 0};
    if (::poll(&p, 1, 20'000) <= 0) return out + "<deadline passed>";
    const auto n = ::recv(fd, bytes, std::min(sizeof bytes, enough - out.size()), 0);
    if (n <= 0) break;
    out.append(bytes, static_cast<std::size_t>(n));
  }
  return out;
}

/// Docker's frames taken apart: stream -> text.
inline std::map<int, std::string> demultiplex(const std::string& wire) {
  std::map<int, std::string> out;
  for (std::size_t at = 0; at + 8 <= wire.size();) {
    const auto* u = reinterpret_cast<const unsigned char*>(wire.data() + at);
    const std::size_t n = std::size_t{u[4]} << 24 | std::size_t{u[5]} << 16 | std::size_t{u[6]} << 8 | u[7];
    CHECK((u[1] == 0 && u[2] == 0 && u[3] == 0));
    out[u[0]] += wire.substr(at + 8, n);
    at += 8 + n;
  }
  return out;
}

} // namespace gantry::runtime::shim::test
