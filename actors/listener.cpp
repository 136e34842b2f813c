#include "actors/listener.hpp"

#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "actors/connection.hpp"
#include "io/base/defer.hpp"
#include "io/base/log.hpp"
#include "io/reactor.hpp"

namespace gantry::actors {

namespace {

constexpr int backlog = 4096;
/// How long another engine is given to be gone before its socket counts as taken.
constexpr std::chrono::seconds takeover_limit{2};
constexpr int first_passed_fd = 3; ///< sd_listen_fds(3)
/// After running out of descriptors the next attempt waits this long: connections queue in the backlog meanwhile.
constexpr std::chrono::milliseconds retry_after{50};

void hand_to_group(const std::string& path, const std::string& group) {
  ::chmod(path.c_str(), 0660);
  if (group.empty()) return;
  char* end = nullptr;
  auto number = std::strtoul(group.c_str(), &end, 10);
  gid_t gid = static_cast<gid_t>(number);
  if (*end != '\0') {
    auto* found = ::getgrnam(group.c_str());
    if (found == nullptr) {
      log::warn("could not change group of the socket: group not found", {{"path", path}, {"group", group}});
      return;
    }
    gid = found->gr_gid;
  }
  if (::chown(path.c_str(), 0, gid) != 0)
    log::warn("could not change group of the socket", {{"path", path}, {"error", std::strerror(errno)}});
}

result<listening_socket> listen_unix(const std::string& host, const std::string& path, const std::string& group) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return error{errc::invalid_parameter, 0, "listen on `" + host + "`: the path is empty or too long"};
  path.copy(address.sun_path, path.size());
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  // The kernel may still be closing the socket of an engine that was just killed: only one that goes on is served.
  auto served = [&] {
    unique_fd probe{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    return ::connect(probe.get(), generic, sizeof address) == 0;
  };
  for (auto until = std::chrono::steady_clock::now() + takeover_limit;
       served() && std::chrono::steady_clock::now() < until;)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  if (served())
    return error{errc::conflict, 0,
                 "listen on `" + host + "`: another engine serves this socket; choose another one with --host"};
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  struct stat present {};
  if (::lstat(path.c_str(), &present) == 0) {
    if (!S_ISSOCK(present.st_mode))
      return error{errc::conflict, 0, "listen on `" + host + "`: a file that is not a socket is in the way"};
    ::unlink(path.c_str()); // nobody answered: left by an engine that was killed
  }
  unique_fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  auto before = ::umask(0117);
  defer restore{[&] { ::umask(before); }};
  if (::bind(fd.get(), generic, sizeof address) != 0 || ::listen(fd.get(), backlog) != 0)
    return sys_error("listen on `" + host + "`", errno);
  hand_to_group(path, group);
  return listening_socket{std::make_shared<unique_fd>(std::move(fd)), host, path};
}

result<std::vector<listening_socket>> listen_tcp(const std::string& host, const std::string& address) {
  auto colon = address.rfind(':');
  if (colon == std::string::npos) return error{errc::invalid_parameter, 0, "listen on `" + host + "`: it has no port"};
  auto name = address.substr(0, colon), port = address.substr(colon + 1);
  if (name.size() >= 2 && name.front() == '[' && name.back() == ']') name = name.substr(1, name.size() - 2);
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (int e = ::getaddrinfo(name.empty() ? nullptr : name.c_str(), port.c_str(), &hints, &found); e != 0)
    return error{errc::invalid_parameter, 0, "listen on `" + host + "`: " + ::gai_strerror(e)};
  defer free_found{[&] { ::freeaddrinfo(found); }};
  std::vector<listening_socket> sockets;
  int last_error = 0;
  for (auto* a = found; a != nullptr; a = a->ai_next) {
    unique_fd fd{::socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!fd) continue;
    int yes = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); // inherited by what is accepted
    if (a->ai_family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    if (::bind(fd.get(), a->ai_addr, a->ai_addrlen) != 0 || ::listen(fd.get(), backlog) != 0) {
      last_error = errno;
      continue;
    }
    sockets.push_back({std::make_shared<unique_fd>(std::move(fd)), host, ""});
  }
  if (sockets.empty()) return sys_error("listen on `" + host + "`", last_error);
  return sockets;
}

/// Sockets that systemd has opened for us (sd_listen_fds(3)).
result<std::vector<listening_socket>> take_passed(const std::string& host, const std::string& which) {
  auto* pid = ::getenv("LISTEN_PID");
  auto* count = ::getenv("LISTEN_FDS");
  if (pid == nullptr || count == nullptr || std::atoi(pid) != ::getpid() || std::atoi(count) <= 0)
    return error{errc::invalid_parameter, 0,
                 "no sockets found via socket activation: make sure the service was started by systemd"};
  std::vector<listening_socket> sockets;
  for (int fd = first_passed_fd; fd < first_passed_fd + std::atoi(count); ++fd) {
    if (!which.empty() && which != "*" && std::atoi(which.c_str()) != fd) continue;
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    sockets.push_back({std::make_shared<unique_fd>(fd), host, ""});
  }
  if (sockets.empty()) return error{errc::invalid_parameter, 0, "failed to find systemd activated socket " + which};
  return sockets;
}

class listener : public caf::event_based_actor {
public:
  listener(caf::actor_config& config, services& s, std::shared_ptr<unique_fd> socket)
      : caf::event_based_actor(config), services_(s), socket_(std::move(socket)) {}

  caf::behavior make_behavior() override {
    accept();
    return {[](const msg::run& r) { r.work(); }};
  }
  const char* name() const override { return "listener"; }

  void on_exit() override {
    if (accepting_) accepting_.owner->cancel(accepting_);
  }

private:
  void accept() {
    auto self = caf::actor_cast<caf::actor>(this);
    accepting_ = io::reactor::current()->accept(socket_->get(), [self, this, socket = socket_](int fd) {
      auto owned = std::make_shared<unique_fd>(fd >= 0 ? fd : -1);
      run_in(self, [this, owned, fd] { accepted(owned, fd); });
    });
  }

  void accepted(const std::shared_ptr<unique_fd>& owned, int fd) {
    accepting_ = {};
    if (fd == -ECANCELED) return;
    if (fd >= 0) {
      spawn_connection(services_, std::move(*owned));
      return accept();
    }
    if (fd != -EMFILE && fd != -ENFILE && fd != -ENOMEM && fd != -ENOBUFS) return accept(); // that client's own fault
    log::warn("accept a connection", {{"error", std::strerror(-fd)}});
    auto self = caf::actor_cast<caf::actor>(this);
    accepting_ = io::reactor::current()->timer(retry_after, [self, this](int r) {
      if (r == 0) run_in(self, [this] { accept(); });
    });
  }

  services& services_;
  std::shared_ptr<unique_fd> socket_;
  io::op_token accepting_;
};

} // namespace

result<std::vector<listening_socket>> open_listeners(const std::vector<std::string>& hosts, const std::string& group) {
  std::vector<listening_socket> all;
  for (auto& host : hosts) {
    if (host.starts_with("unix://")) {
      GANTRY_TRY(one, listen_unix(host, host.substr(7), group));
      all.push_back(std::move(one));
    } else if (host.starts_with("tcp://")) {
      GANTRY_TRY(some, listen_tcp(host, host.substr(6)));
      all.insert(all.end(), some.begin(), some.end());
    } else if (host.starts_with("fd://")) {
      GANTRY_TRY(some, take_passed(host, host.substr(5)));
      all.insert(all.end(), some.begin(), some.end());
    } else {
      return error{errc::invalid_parameter, 0, "listen on `" + host + "`: the scheme must be unix, tcp or fd"};
    }
  }
  return all;
}

std::vector<caf::actor> spawn_listeners(services& s, const std::vector<listening_socket>& sockets, unsigned workers) {
  std::vector<caf::actor> actors;
  for (auto& socket : sockets)
    for (unsigned i = 0; i < workers; ++i) actors.push_back(s.system->spawn<listener>(s, socket.fd));
  return actors;
}

} // namespace gantry::actors
