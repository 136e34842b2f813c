/// A blocking HTTP/1.1 client on a unix socket, one connection kept alive: as little as a bench can do with, so that
/// its own cost stays small beside the engine's. Failures are exceptions: a bench that fails ends.
#pragma once

#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

namespace gantry::bench {

struct reply {
  int status = 0;
  std::string body;
};

class http_client {
public:
  /// Throws std::runtime_error when nothing listens on the socket.
  explicit http_client(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (fd_ < 0 || path.size() >= sizeof address.sun_path) throw std::runtime_error("socket `" + path + "`");
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      const std::string cause = std::strerror(errno);
      ::close(fd_);
      throw std::runtime_error("connect `" + path + "`: " + cause);
    }
  }
  ~http_client() { ::close(fd_); }
  http_client(const http_client&) = delete;
  http_client& operator=(const http_client&) = delete;

  /// Sends one request and reads its whole reply. Throws std::runtime_error when the connection breaks.
  reply request(std::string_view method, std::string_view target, std::string_view json = {}) {
    std::string text{method};
    text += ' ';
    text += target;
    text += " HTTP/1.1\r\nHost: engine\r\n";
    if (!json.empty()) text += "Content-Type: application/json\r\n";
    text += "Content-Length: " + std::to_string(json.size()) + "\r\n\r\n";
    text += json;
    send_all(text);
    return read_reply();
  }

private:
  reply read_reply() {
    reply r;
    const std::string status_line = take_line(); // HTTP/1.1 204 No Content
    if (status_line.size() < 12) throw std::runtime_error("no status in `" + status_line + "`");
    r.status = std::atoi(status_line.c_str() + 9);
    std::size_t length = 0;
    bool chunked = false;
    for (std::string line = take_line(); !line.empty(); line = take_line()) {
      if (::strncasecmp(line.c_str(), "content-length:", 15) == 0)
        length = std::strtoul(line.c_str() + 15, nullptr, 10);
      if (::strncasecmp(line.c_str(), "transfer-encoding: chunked", 26) == 0) chunked = true;
    }
    if (r.status != 204 && r.status != 304) r.body = chunked ? take_chunks() : take(length);
    return r;
  }

  std::string take_chunks() {
    std::string body;
    while (const std::size_t size = std::strtoul(take_line().c_str(), nullptr, 16)) {
      body += take(size);
      take_line();
    }
    take_line(); // no trailers are expected
    return body;
  }

  std::string take_line() {
    std::size_t end;
    while ((end = received_.find("\r\n")) == std::string::npos) receive();
    std::string line = received_.substr(0, end);
    received_.erase(0, end + 2);
    return line;
  }

  std::string take(std::size_t count) {
    while (received_.size() < count) receive();
    std::string bytes = received_.substr(0, count);
    received_.erase(0, count);
    return bytes;
  }

  void send_all(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0) throw std::runtime_error(std::string("send: ") + std::strerror(errno));
      bytes.remove_prefix(std::size_t(sent));
    }
  }

  void receive() {
    char buffer[16384];
    const ssize_t got = ::recv(fd_, buffer, sizeof buffer, 0);
    if (got < 0 && errno == EINTR) return;
    if (got < 0) throw std::runtime_error(std::string("receive: ") + std::strerror(errno));
    if (got == 0) throw std::runtime_error("the engine closed the connection");
    received_.append(buffer, std::size_t(got));
  }

  int fd_;
  std::string received_; ///< read, not yet consumed
};

} // namespace gantry::bench
