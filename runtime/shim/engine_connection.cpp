/// Frames over a unix stream socket.
#include "runtime/shim/engine_connection.hpp"

#include <cerrno>
#include <cstring>

#include "io/base/log.hpp"

namespace gantry::runtime::shim {

namespace {

/// The kernel's SCM_MAX_FD: more never come with one message, so that none is lost to a small buffer.
constexpr std::size_t kernel_fds_max = 253;
/// Written bytes are cut off the queue only when they are many.
constexpr std::size_t compact_bytes = 1u << 20;

} // namespace

engine_connection::engine_connection(event_loop& loop, std::span<char> read_buffer, request_handler& handler,
                                     unique_fd socket, std::uint64_t serial)
    : read_buffer_(read_buffer), handler_(handler), serial_(serial),
      socket_(
          loop, [](void* self, std::uint32_t e) { static_cast<engine_connection*>(self)->on_events(e); }, this) {
  socket_.open(std::move(socket));
  socket_.want(EPOLLIN);
}

engine_connection::engine_connection(event_loop& loop, std::span<char> read_buffer, request_handler& handler,
                                     const pb::ConnectionState& state)
    : engine_connection(loop, read_buffer, handler, unique_fd(state.fd()), state.serial()) {
  greeted = state.greeted();
  events = state.events();
  reader_.feed(state.received());
  for (const int fd : state.received_fds()) fds_.emplace_back(fd);
  queue_ = state.unsent();
  flush();
}

void engine_connection::save(pb::ConnectionState& out) const {
  out.set_serial(serial_);
  out.set_fd(socket_.fd());
  out.set_greeted(greeted);
  out.set_events(events);
  out.set_received(std::string(reader_.rest()));
  for (const auto& fd : fds_) out.add_received_fds(fd.get());
  out.set_unsent(queue_.substr(sent_));
}

void engine_connection::break_off(const char* why) {
  if (broken()) return;
  log::info("shim: engine connection ended", {{"connection", std::to_string(serial_)}, {"error", why}});
  socket_.close();
  fds_.clear();
  queue_ = std::string();
  sent_ = 0;
}

void engine_connection::on_events(std::uint32_t happened) {
  if (happened & EPOLLOUT) flush();
  if (!broken() && happened & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive();
}

bool engine_connection::take_control(const msghdr& m) {
  for (auto* c = CMSG_FIRSTHDR(&m); c != nullptr; c = CMSG_NXTHDR(const_cast<msghdr*>(&m), c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const auto count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      fds_.emplace_back(fd);
    }
  }
  return (m.msg_flags & MSG_CTRUNC) == 0;
}

void engine_connection::receive() {
  alignas(cmsghdr) char control[CMSG_SPACE(kernel_fds_max * sizeof(int))];
  iovec part{read_buffer_.data(), read_buffer_.size()};
  msghdr m{};
  m.msg_iov = &part;
  m.msg_iovlen = 1;
  m.msg_control = control;
  m.msg_controllen = sizeof control;
  const auto n = ::recvmsg(socket_.fd(), &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < 0) return break_off(std::strerror(errno));
  // Truncated: our table of descriptors is full, and the kernel closed some that belong to a request.
  if (!take_control(m)) return break_off("descriptors were lost: too many are open");
  if (n == 0) return break_off("closed by the engine");
  reader_.feed({read_buffer_.data(), static_cast<std::size_t>(n)});
  handle_frames();
}

void engine_connection::handle_frames() {
  while (!broken()) {
    auto frame = reader_.next();
    if (!frame) return break_off(frame.error().message.c_str());
    if (!*frame) break;
    pb::ToShim request;
    if (!request.ParseFromArray((*frame)->data(), static_cast<int>((*frame)->size())))
      return break_off("a frame is no message");
    handler_.on_request(*this, std::move(request));
  }
  // What is left belongs to the frame that is still coming in.
  if (!fds_.empty() && reader_.rest().empty()) return break_off("descriptors came without a request for them");
  if (fds_.size() > shim_frame_fds_max) break_off("too many descriptors with one frame");
}

std::optional<std::vector<unique_fd>> engine_connection::take_fds(std::size_t count) {
  if (count > fds_.size()) {
    break_off("a request's descriptors are missing");
    return {};
  }
  std::vector<unique_fd> out;
  for (; count != 0; --count) {
    out.push_back(std::move(fds_.front()));
    fds_.pop_front();
  }
  return out;
}

void engine_connection::send(const pb::FromShim& message) {
  if (broken()) return;
  const auto bytes = message.SerializeAsString();
  if (queue_.size() - sent_ + bytes.size() + 4 > connection_queue_bytes_max)
    return break_off("the engine does not read; its queue is full");
  append_frame(queue_, bytes);
  flush();
}

void engine_connection::flush() {
  while (sent_ != queue_.size()) {
    const auto n = ::send(socket_.fd(), queue_.data() + sent_, queue_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)) break;
    if (n < 0) return break_off(std::strerror(errno));
    sent_ += static_cast<std::size_t>(n);
  }
  if (sent_ == queue_.size()) {
    if (queue_.capacity() > compact_bytes) queue_ = std::string();
    queue_.clear();
    sent_ = 0;
  } else if (sent_ > compact_bytes) {
    queue_.erase(0, sent_);
    sent_ = 0;
  }
  socket_.want(sent_ == queue_.size() ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

} // namespace gantry::runtime::shim
