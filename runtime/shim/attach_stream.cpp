/// Output to and input from one attached client.
#include "runtime/shim/attach_stream.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>

namespace gantry::runtime::shim {

namespace {

constexpr std::size_t header_bytes = 8;

/// Writes without blocking, whatever mode the socket is in: its other holder may want it to block. Gives 0 for "later".
ssize_t send_some(int fd, iovec* parts, std::size_t count) noexcept {
  msghdr m{};
  m.msg_iov = parts;
  m.msg_iovlen = count;
  ssize_t n = 0;
  do n = ::sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  // ENOBUFS, ENOMEM: the kernel is short of memory for the moment.
  if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)) return 0;
  return n;
}

} // namespace

attach_stream::attach_stream(attach_context context, attach_owner& owner, unique_fd socket,
                             const pb::AttachOptions& options, bool terminal)
    : context_(context), owner_(&owner),
      socket_(
          context.loop, [](void* self, std::uint32_t e) { static_cast<attach_stream*>(self)->on_events(e); }, this),
      options_(options), terminal_(terminal), discard_input_(!options.want_stdin()) {
  socket_.open(std::move(socket));
}

attach_stream::attach_stream(attach_context context, attach_owner& owner, const pb::AttachState& state)
    : attach_stream(context, owner, unique_fd(state.fd()), state.options(), state.terminal()) {
  queue_ = state.unsent();
  context_.queued_total += queue_.size();
  input_open_ = state.input_open();
  output_open_ = state.output_open();
  hung_up_ = state.hung_up();
  discard_input_ = discard_input_ || state.discard_input();
}

void attach_stream::save(pb::AttachState& out) const {
  out.set_fd(socket_.fd());
  *out.mutable_options() = options_;
  out.set_terminal(terminal_);
  out.set_unsent(queue_.substr(sent_));
  out.set_input_open(input_open_);
  out.set_output_open(output_open_);
  out.set_hung_up(hung_up_);
  out.set_discard_input(discard_input_);
}

void attach_stream::send(stream s, std::string_view bytes) {
  if (!output_open_ || !(s == stream::out ? options_.want_stdout() : options_.want_stderr())) return;
  const auto n = bytes.size();
  char header[header_bytes] = {
      static_cast<char>(s), 0, 0, 0, static_cast<char>(n >> 24), static_cast<char>(n >> 16), static_cast<char>(n >> 8),
      static_cast<char>(n)};
  const std::size_t header_size = terminal_ ? 0 : header_bytes;
  std::size_t sent = 0;
  if (queued() == 0) {
    iovec parts[2] = {{header, header_size}, {const_cast<char*>(bytes.data()), n}};
    const auto r = send_some(socket_.fd(), parts, 2);
    if (r < 0) {
      drop_output();
      return update_interest();
    }
    sent = static_cast<std::size_t>(r);
    if (sent == header_size + n) return;
  }
  context_.queued_total += header_size + n - sent;
  if (sent < header_size) queue_.append(header + sent, header_size - sent);
  queue_.append(bytes.substr(sent > header_size ? sent - header_size : 0));
  update_interest();
}

void attach_stream::flush() {
  while (queued() != 0) {
    iovec part{queue_.data() + sent_, queued()};
    const auto r = send_some(socket_.fd(), &part, 1);
    if (r < 0) return drop_output();
    if (r == 0) break;
    sent_ += static_cast<std::size_t>(r);
    context_.queued_total -= static_cast<std::size_t>(r);
  }
  if (queued() == 0) {
    clear_queue();
  } else if (sent_ > attach_queue_bytes_low) {
    queue_.erase(0, sent_);
    sent_ = 0;
  }
}

void attach_stream::drop_output() {
  output_open_ = false;
  clear_queue();
}

void attach_stream::clear_queue() noexcept {
  context_.queued_total -= queued();
  queue_ = std::string(); // gives its memory back
  sent_ = 0;
}

void attach_stream::read_input() {
  const auto n = ::recv(socket_.fd(), context_.read_buffer.data(), context_.read_buffer.size(), MSG_DONTWAIT);
  if (n > 0) {
    if (!discard_input_) owner_->take_input({context_.read_buffer.data(), static_cast<std::size_t>(n)});
    return;
  }
  if (n < 0 && errno == EINTR) return;
  if (n < 0 && errno == EAGAIN && !hung_up_) return;
  end_input();
}

void attach_stream::end_input() {
  input_open_ = false;
  if (!discard_input_) owner_->input_ended();
}

void attach_stream::on_events(std::uint32_t events) {
  if (events & (EPOLLHUP | EPOLLERR)) {
    hung_up_ = true;
    drop_output();
    owner_->output_drained();
  } else if (events & EPOLLOUT) {
    flush();
    if (queued() <= attach_queue_bytes_low) owner_->output_drained();
  }
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && may_read()) read_input();
  if (gone()) return owner_->forget(*this);
  update_interest();
}

void attach_stream::resume_input() {
  if (hung_up_)
    while (may_read()) read_input();
  update_interest();
}

void attach_stream::stop_input() {
  discard_input_ = true;
  update_interest();
}

void attach_stream::finish() {
  // Unread input would make close(2) reset the connection, and the client would lose what it has not read yet.
  for (int i = 0;
       i < 16 && ::recv(socket_.fd(), context_.read_buffer.data(), context_.read_buffer.size(), MSG_DONTWAIT) > 0;)
    ++i;
  // Not by closing alone: the engine may hold the same socket.
  ::shutdown(socket_.fd(), SHUT_WR);
  socket_.close();
}

void attach_stream::update_interest() {
  if (gone()) return socket_.want(0);
  // A hang-up is reported for ever: then only reading on is of interest, and not while input has to wait.
  const std::uint32_t in = may_read() ? std::uint32_t{EPOLLIN} : 0;
  if (hung_up_) return socket_.want(in);
  socket_.want(in | (queued() != 0 ? std::uint32_t{EPOLLOUT} : 0) | EPOLLHUP);
}

} // namespace gantry::runtime::shim
