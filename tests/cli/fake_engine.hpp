/// An engine for tests of the client: a unix socket whose requests go to a function of the test, each connection on its
/// own thread. Requests are kept for checks.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "io/base/unique_fd.hpp"

namespace gantry::cli::test {

struct fake_request {
  std::string method, target;
  std::map<std::string, std::string> headers; ///< names in lower case
  std::string body;
};

/// One connection, as the handler sees it.
class fake_connection {
public:
  explicit fake_connection(unique_fd fd) : fd_(std::move(fd)) {}

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  void reply(int status, const std::string& body, const std::string& more_headers = {}) {
    send("HTTP/1.1 " + std::to_string(status) + " X\r\nApi-Version: 1.51\r\n" + more_headers +
         "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  void close_write() { ::shutdown(fd_.get(), SHUT_WR); }
  void close() { open_ = false; }
  [[nodiscard]] bool is_open() const { return open_; }

  /// What the peer sends until it closes its side.
  std::string read_to_end() {
    std::string all = std::move(inbox_);
    char block[4096];
    for (ssize_t n = 0; (n = ::recv(fd_.get(), block, sizeof(block), 0)) > 0;)
      all.append(block, static_cast<std::size_t>(n));
    open_ = false;
    return all;
  }
  bool read_request(fake_request& r) {
    const auto head_end = read_until("\r\n\r\n");
    if (head_end == std::string::npos) return false;
    const std::string head = take(head_end + 4);
    const auto first = head.find(' '), second = head.find(' ', first + 1);
    r = {head.substr(0, first), head.substr(first + 1, second - first - 1), {}, {}};
    for (std::size_t at = head.find("\r\n") + 2; at + 2 < head.size();) {
      const auto end = head.find("\r\n", at), colon = head.find(':', at);
      std::string name = head.substr(at, colon - at);
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      r.headers[name] = head.substr(colon + 2, end - colon - 2);
      at = end + 2;
    }
    if (r.headers.contains("content-length")) {
      const auto size = static_cast<std::size_t>(std::stoul(r.headers["content-length"]));
      if (!read_size(size)) return false;
      r.body = take(size);
    }
    if (r.headers.contains("transfer-encoding"))
      for (;;) {
        const auto end = read_until("\r\n");
        if (end == std::string::npos) return false;
        const auto size = static_cast<std::size_t>(std::stoul(take(end + 2), nullptr, 16));
        if (!read_size(size + 2)) return false;
        r.body += take(size + 2).substr(0, size);
        if (size == 0) break;
      }
    return true;
  }

private:
  bool more() {
    char block[4096];
    const ssize_t n = ::recv(fd_.get(), block, sizeof(block), 0);
    if (n > 0) inbox_.append(block, static_cast<std::size_t>(n));
    return n > 0;
  }
  std::size_t read_until(std::string_view mark) {
    for (;;) {
      const auto at = inbox_.find(mark);
      if (at != std::string::npos) return at;
      if (!more()) return std::string::npos;
    }
  }
  bool read_size(std::size_t size) {
    while (inbox_.size() < size)
      if (!more()) return false;
    return true;
  }
  std::string take(std::size_t size) {
    std::string piece = inbox_.substr(0, size);
    inbox_.erase(0, size);
    return piece;
  }

  unique_fd fd_;
  std::string inbox_;
  bool open_ = true;
};

class fake_engine {
public:
  using handler = std::function<void(const fake_request&, fake_connection&)>;

  explicit fake_engine(handler h) : handler_(std::move(h)) {
    std::string name = (std::filesystem::temp_directory_path() / "gantry-fake-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    path_ = directory_ + "/s";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
    listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        ::listen(listener_.get(), 16) != 0)
      std::abort();
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~fake_engine() {
    stopping_ = true;
    ::shutdown(listener_.get(), SHUT_RDWR);
    acceptor_.join();
    for (auto& t : connections_) t.join();
    std::filesystem::remove_all(directory_);
  }

  [[nodiscard]] std::string host() const { return "unix://" + path_; }
  [[nodiscard]] int connection_count() const { return connection_count_; }
  /// "METHOD target" of every request so far, pings left out.
  [[nodiscard]] std::vector<std::string> log() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> lines;
    for (const auto& r : requests_)
      if (r.target != "/_ping") lines.push_back(r.method + " " + r.target);
    return lines;
  }
  [[nodiscard]] fake_request last() const {
    const std::lock_guard lock(mutex_);
    return requests_.back();
  }
  [[nodiscard]] fake_request find(std::string_view target_part) const {
    const std::lock_guard lock(mutex_);
    for (const auto& r : requests_)
      if (r.target.find(target_part) != std::string::npos) return r;
    return {};
  }

private:
  void accept_all() {
    for (;;) {
      const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0 || stopping_) {
        if (fd >= 0) ::close(fd);
        return;
      }
      ++connection_count_;
      connections_.emplace_back([this, fd] { serve(fake_connection(unique_fd(fd))); });
    }
  }
  void serve(fake_connection connection) {
    fake_request r;
    while (connection.is_open() && connection.read_request(r)) {
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(r);
      }
      if (r.target == "/_ping")
        connection.send("HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\nContent-Length: 0\r\n\r\n");
      else
        handler_(r, connection);
    }
  }

  handler handler_;
  std::string directory_, path_;
  unique_fd listener_;
  std::thread acceptor_;
  std::vector<std::thread> connections_;
  mutable std::mutex mutex_;
  std::vector<fake_request> requests_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> connection_count_ = 0;
};

/// A flag that one thread raises and others wait for.
class event {
public:
  void raise() {
    const std::lock_guard lock(mutex_);
    raised_ = true;
    changed_.notify_all();
  }
  /// False when it was not raised within ten seconds.
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [this] { return raised_; });
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool raised_ = false;
};

/// One frame of the multiplexed stream.
inline std::string frame(int stream, std::string_view payload) {
  std::string f(8, '\0');
  f[0] = static_cast<char>(stream);
  for (int i = 0; i < 4; ++i) f[static_cast<std::size_t>(4 + i)] = static_cast<char>(payload.size() >> (24 - 8 * i));
  return f.append(payload);
}

/// A pipe whose read end collects everything written to the other.
class collector {
public:
  collector() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    read_.reset(ends[0]);
    write_.reset(ends[1]);
    thread_ = std::thread([this] {
      char block[4096];
      for (ssize_t n = 0; (n = ::read(read_.get(), block, sizeof(block))) > 0;)
        text_.append(block, static_cast<std::size_t>(n));
    });
  }
  ~collector() { finish(); }
  [[nodiscard]] int fd() const { return write_.get(); }
  const std::string& finish() {
    write_.reset();
    if (thread_.joinable()) thread_.join();
    return text_;
  }

private:
  unique_fd read_, write_;
  std::string text_;
  std::thread thread_;
};

} // namespace gantry::cli::test
