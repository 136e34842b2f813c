/// The connection: requests out, replies in.
#include "cli/http_client.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <poll.h>
#include <sys/socket.h>

namespace gantry::cli {
namespace {

constexpr std::size_t receive_bytes = 64u << 10;
/// While a body is sent, this much of an early reply is taken in, so that the peer does not block on us.
constexpr std::size_t early_bytes_max = 16u << 20;

std::string request_head(const http_request& r, const host_address& address) {
  std::string head = r.method + " " + r.target + " HTTP/1.1\r\nHost: ";
  head += address.how == host_address::kind::tcp ? address.host + ":" + address.port : "localhost";
  head += "\r\nUser-Agent: gantry/0.1\r\n";
  for (const auto& [name, value] : r.headers) head += name + ": " + value + "\r\n";
  if (!r.content_type.empty()) head += "Content-Type: " + r.content_type + "\r\n";
  if (r.source)
    head += "Transfer-Encoding: chunked\r\n";
  else if (!r.body.empty() || r.method == "POST" || r.method == "PUT")
    head += "Content-Length: " + std::to_string(r.body.size()) + "\r\n";
  return head + "\r\n";
}

std::string as_chunk(std::string_view bytes) {
  std::array<char, 20> size{};
  std::snprintf(size.data(), size.size(), "%zx\r\n", bytes.size());
  std::string chunk = size.data();
  chunk += bytes;
  return chunk + "\r\n";
}

error lost(const host_address& address, int err) {
  return sys_error("connection to the Docker daemon at " + address.text, err, errc::unavailable);
}

} // namespace

void http_client::disconnect() noexcept {
  socket_.reset();
  inbox_.clear();
}

result<> http_client::ensure_connected() {
  reused_ = static_cast<bool>(socket_);
  if (reused_) return {};
  inbox_.clear();
  GANTRY_TRY(fd, dial(address_));
  socket_ = std::move(fd);
  return {};
}

result<> http_client::send_bytes(std::string_view bytes) {
  while (!bytes.empty()) {
    pollfd ready{socket_.get(), POLLOUT, 0};
    if (inbox_.size() < early_bytes_max) ready.events |= POLLIN;
    if (::poll(&ready, 1, -1) < 0) {
      if (errno == EINTR) continue;
      return lost(address_, errno);
    }
    if ((ready.revents & POLLIN) != 0) {
      GANTRY_TRY(open, receive());
      // The peer answered and will read no more.
      if (!open) return lost(address_, EPIPE);
    }
    if ((ready.revents & (POLLOUT | POLLERR | POLLHUP)) == 0) continue;
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (sent < 0) return lost(address_, errno);
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

result<bool> http_client::receive() {
  std::array<char, receive_bytes> block;
  for (;;) {
    const ssize_t got = ::recv(socket_.get(), block.data(), block.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return lost(address_, errno);
    inbox_.append(block.data(), static_cast<std::size_t>(got));
    return got > 0;
  }
}

result<> http_client::send(const http_request& r) {
  GANTRY_TRYV(send_bytes(request_head(r, address_)));
  if (!r.source) return send_bytes(r.body);
  for (;;) {
    GANTRY_TRY(piece, r.source());
    if (piece.empty()) return send_bytes("0\r\n\r\n");
    GANTRY_TRYV(send_bytes(as_chunk(piece)));
  }
}

result<bool> http_client::consume(begun& b, const body_sink* sink) {
  for (;;) {
    GANTRY_TRY(step, b.reader.feed(inbox_));
    inbox_.erase(0, step.consumed);
    if (b.reader.head_done() && !b.have_head) {
      b.reply = b.reader.head();
      b.have_head = true;
    }
    if (!step.body.empty() && sink != nullptr && b.reply.status / 100 == 2) {
      if (!(*sink)(step.body)) {
        disconnect();
        return true;
      }
    } else if (b.reply.body.size() + step.body.size() > reply_body_bytes_max) {
      return error{errc::internal, 0, "the reply is larger than " + std::to_string(reply_body_bytes_max) + " bytes"};
    } else {
      b.reply.body += step.body;
    }
    if (step.done) {
      if (!b.reader.is_hijack() && !b.reader.keep_alive()) disconnect();
      return true;
    }
    if (step.consumed == 0 || inbox_.empty()) return false;
  }
}

result<http_reply> http_client::read_reply(begun& b, const body_sink* sink) {
  for (;;) {
    GANTRY_TRY(done, consume(b, sink));
    if (done) return std::move(b.reply);
    GANTRY_TRY(open, receive());
    if (!open) {
      GANTRY_TRYV(b.reader.end_of_stream());
      disconnect();
      return std::move(b.reply);
    }
  }
}

result<> http_client::begin(const http_request& r) {
  disconnect();
  GANTRY_TRYV(ensure_connected());
  GANTRY_TRYV(send(r));
  begun_.emplace(begun{reply_reader(reply_reader::request_kind::ordinary), {}, false});
  for (;;) {
    // The reply may be complete already; `advance` gives it then.
    if (begun_->reader.head_done()) return {};
    GANTRY_TRY(open, receive());
    if (!open) return lost(address_, ECONNRESET);
    GANTRY_TRY(step, begun_->reader.feed(inbox_));
    inbox_.erase(0, step.consumed);
    begun_->reply.body += step.body;
  }
}

result<std::optional<http_reply>> http_client::advance() {
  using nothing = std::optional<http_reply>;
  if (!begun_) return error{errc::internal, 0, "no request is under way"};
  if (!begun_->have_head) {
    const std::string early = std::move(begun_->reply.body);
    begun_->reply = begun_->reader.head();
    begun_->reply.body = early;
    begun_->have_head = true;
  }
  for (;;) {
    GANTRY_TRY(done, consume(*begun_, nullptr));
    if (done) {
      nothing reply = std::move(begun_->reply);
      begun_.reset();
      return reply;
    }
    std::array<char, receive_bytes> block;
    const ssize_t got = ::recv(socket_.get(), block.data(), block.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return nothing{};
    if (got < 0) return lost(address_, errno);
    if (got == 0) {
      GANTRY_TRYV(begun_->reader.end_of_stream());
      nothing reply = std::move(begun_->reply);
      begun_.reset();
      disconnect();
      return reply;
    }
    inbox_.append(block.data(), static_cast<std::size_t>(got));
  }
}

result<http_reply> http_client::exchange(const http_request& r, const body_sink* sink) {
  const auto kind = r.method == "HEAD" ? reply_reader::request_kind::head : reply_reader::request_kind::ordinary;
  for (;;) {
    GANTRY_TRYV(ensure_connected());
    auto sent = send(r);
    if (sent.has_error() && sent.error().code != errc::unavailable) {
      // The source failed, not the connection: the peer still waits for the rest, and has nothing to say.
      disconnect();
      return std::move(sent).error();
    }
    begun b{reply_reader(kind), {}, false};
    // Also after a failed send: the peer may have said why before it closed.
    auto reply = read_reply(b, sink);
    if (reply.has_value() && (sent.has_value() || reply->status >= 400)) {
      if (sent.has_error()) disconnect();
      return reply;
    }
    disconnect();
    if (reused_ && !r.source && !b.reader.head_done()) continue;
    return sent.has_error() ? std::move(sent).error() : std::move(reply).error();
  }
}

result<http_reply> http_client::request(const http_request& r) { return exchange(r, nullptr); }
result<http_reply> http_client::stream(const http_request& r, const body_sink& sink) { return exchange(r, &sink); }

result<hijacked> http_client::hijack(const http_request& r) {
  http_request upgrade = r;
  upgrade.headers.emplace_back("Connection", "Upgrade");
  upgrade.headers.emplace_back("Upgrade", "tcp");
  disconnect(); // its own connection, which this client then gives away
  GANTRY_TRYV(ensure_connected());
  GANTRY_TRYV(send(upgrade));
  begun b{reply_reader(reply_reader::request_kind::hijack), {}, false};
  GANTRY_TRY(head, read_reply(b, nullptr));
  hijacked h;
  h.head = std::move(head);
  if (h.head.status == 101 || (h.head.status == 200 && h.head.header("content-length").empty())) {
    h.early = std::move(inbox_);
    inbox_.clear();
    h.socket = std::move(socket_);
    return h;
  }
  b.reader.continue_as_ordinary();
  b.have_head = false;
  GANTRY_TRY(refusal, read_reply(b, nullptr));
  h.head = std::move(refusal);
  return h;
}

} // namespace gantry::cli
