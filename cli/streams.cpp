/// The loop between user and container, on poll(2): one thread, no buffer that grows.
#include "cli/streams.hpp"

#include <array>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gantry::cli {
namespace {

constexpr std::size_t block_bytes = 32u << 10;
constexpr std::size_t frame_head_bytes = 8;

error broken(std::string message) { return error{errc::internal, 0, std::move(message)}; }

std::optional<char> key_byte(const std::string& word) {
  if (word.size() == 1) return word[0];
  if (word == "DEL" || word == "del") return '\x7f';
  if (!word.starts_with("ctrl-") || word.size() != 6) return std::nullopt;
  const char c = word[5];
  if (c >= 'a' && c <= 'z') return static_cast<char>(c - 'a' + 1);
  if (c == '@') return '\0';
  if (c >= '[' && c <= '_') return static_cast<char>(c - '[' + 27);
  return std::nullopt;
}

/// One run of the loop.
class carrier {
public:
  carrier(hijacked connection, const stream_plan& plan)
      : connection_(std::move(connection)), plan_(plan), stdin_open_(plan.in_fd >= 0) {}

  result<stream_end> run(int* interrupted_by) {
    GANTRY_TRYV(output(connection_.early));
    if (!stdin_open_) GANTRY_TRYV(half_close());
    for (;;) {
      std::array<pollfd, 3> ready = wishes();
      if (::poll(ready.data(), ready.size(), -1) < 0) {
        if (errno == EINTR) continue;
        return sys_error("poll", errno);
      }
      if (ready[2].revents != 0)
        if (const int number = signals(); number != 0) {
          if (interrupted_by != nullptr) *interrupted_by = number;
          return stream_end::interrupted;
        }
      if ((ready[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
        GANTRY_TRY(open, receive());
        if (!open) return plan_.detach != nullptr && plan_.detach->seen() ? stream_end::detached : stream_end::ended;
      }
      if ((ready[0].revents & POLLOUT) != 0) GANTRY_TRYV(send());
      if (ready[1].revents != 0) GANTRY_TRYV(input());
    }
  }

private:
  [[nodiscard]] std::array<pollfd, 3> wishes() const {
    pollfd socket{connection_.socket.get(), POLLIN, 0};
    if (!pending_.empty()) socket.events |= POLLOUT;
    // The next input is read when the last has gone: a slow container slows its writer, not this buffer.
    pollfd user{stdin_open_ && pending_.empty() ? plan_.in_fd : -1, POLLIN, 0};
    pollfd signal{plan_.signals != nullptr ? plan_.signals->fd() : -1, POLLIN, 0};
    return {socket, user, signal};
  }

  result<> half_close() {
    // Of a TTY nothing is signalled so: its stdin is the terminal itself. The peer may be gone; reading will tell.
    if (!half_closed_) ::shutdown(connection_.socket.get(), SHUT_WR);
    half_closed_ = true;
    return {};
  }

  result<> input() {
    std::array<char, block_bytes> block;
    const ssize_t got = ::read(plan_.in_fd, block.data(), block.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return {};
    // EIO: the terminal is gone. Either way there is no more to send.
    if (got <= 0) {
      stdin_open_ = false;
      return half_close();
    }
    if (plan_.detach != nullptr) plan_.detach->feed({block.data(), static_cast<std::size_t>(got)});
    pending_.assign(block.data(), static_cast<std::size_t>(got));
    return send();
  }

  result<> send() {
    const ssize_t sent =
        ::send(connection_.socket.get(), pending_.data(), pending_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return {};
    if (sent < 0) {
      // The container reads no more; its output may still come.
      pending_.clear();
      stdin_open_ = false;
      return {};
    }
    pending_.erase(0, static_cast<std::size_t>(sent));
    return {};
  }

  result<bool> receive() {
    std::array<char, block_bytes> block;
    const ssize_t got = ::recv(connection_.socket.get(), block.data(), block.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
    if (got < 0 && errno != ECONNRESET) return sys_error("read the container's output", errno);
    if (got <= 0) return false;
    GANTRY_TRYV(output({block.data(), static_cast<std::size_t>(got)}));
    return true;
  }

  result<> output(std::string_view bytes) {
    if (plan_.raw) return write_all(plan_.out_fd, bytes);
    return frames_.feed(bytes, [this](int stream, std::string_view payload) -> result<> {
      if (stream == 3) return broken("error from daemon in stream: " + std::string(payload));
      return write_all(stream == 2 ? plan_.err_fd : plan_.out_fd, payload);
    });
  }

  int signals() {
    for (const int number : plan_.signals->take()) {
      if (number == SIGWINCH) {
        if (plan_.on_resize) plan_.on_resize();
      } else if (plan_.on_signal) {
        plan_.on_signal(number);
      } else if (number != SIGCONT) {
        return number;
      }
    }
    return 0;
  }

  hijacked connection_;
  const stream_plan& plan_;
  frame_splitter frames_;
  std::string pending_;
  bool stdin_open_, half_closed_ = false;
};

} // namespace

result<> write_all(int fd, std::string_view bytes) {
  if (fd < 0) return {};
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) {
      pollfd ready{fd, POLLOUT, 0};
      ::poll(&ready, 1, -1);
      continue;
    }
    if (written < 0) return sys_error("write output", errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

result<> frame_splitter::feed(std::string_view bytes, const sink& out) {
  while (!bytes.empty()) {
    if (left_ > 0) {
      const auto now = bytes.substr(0, left_);
      GANTRY_TRYV(out(stream_, now));
      left_ -= static_cast<std::uint32_t>(now.size());
      bytes.remove_prefix(now.size());
      continue;
    }
    const auto missing = bytes.substr(0, frame_head_bytes - head_.size());
    head_ += missing;
    bytes.remove_prefix(missing.size());
    if (head_.size() < frame_head_bytes) return {};
    const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(head_[i])); };
    if (byte(0) > 3 || byte(1) != 0 || byte(2) != 0 || byte(3) != 0)
      return broken("Unrecognized input header: " + std::to_string(byte(0)));
    stream_ = static_cast<int>(byte(0));
    left_ = byte(4) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7);
    head_.clear();
  }
  return {};
}

result<detach_watch> detach_watch::parse(const std::string& keys) {
  detach_watch watch;
  const std::string text = keys.empty() ? "ctrl-p,ctrl-q" : keys;
  for (std::size_t from = 0;;) {
    const auto comma = text.find(',', from);
    const auto byte = key_byte(text.substr(from, comma == std::string::npos ? comma : comma - from));
    if (!byte) return error{errc::invalid_parameter, 0, "Invalid detach keys (" + keys + ") provided"};
    watch.keys_ += *byte;
    if (comma == std::string::npos) return watch;
    from = comma + 1;
  }
}

void detach_watch::feed(std::string_view typed) noexcept {
  for (const char c : typed) {
    if (matched_ == keys_.size()) return; // seen; what is typed after is nobody's
    if (c == keys_[matched_])
      ++matched_;
    else
      matched_ = c == keys_[0] ? 1 : 0;
  }
}

result<stream_end> carry_streams(hijacked connection, const stream_plan& plan, int* interrupted_by) {
  return carrier(std::move(connection), plan).run(interrupted_by);
}

result<std::optional<http_reply>> await_reply(http_client& client, const stream_plan& plan, int* interrupted_by) {
  for (;;) {
    GANTRY_TRY(reply, client.advance());
    if (reply) return reply;
    std::array<pollfd, 2> ready{pollfd{client.socket_fd(), POLLIN, 0},
                                pollfd{plan.signals != nullptr ? plan.signals->fd() : -1, POLLIN, 0}};
    if (::poll(ready.data(), ready.size(), -1) < 0 && errno != EINTR) return sys_error("poll", errno);
    if (ready[1].revents == 0 || plan.signals == nullptr) continue;
    for (const int number : plan.signals->take()) {
      if (number == SIGWINCH || number == SIGCONT) continue;
      if (plan.on_signal) {
        plan.on_signal(number);
        continue;
      }
      if (interrupted_by != nullptr) *interrupted_by = number;
      return std::optional<http_reply>{};
    }
  }
}

} // namespace gantry::cli
