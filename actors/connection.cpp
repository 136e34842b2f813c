#include "actors/connection.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "io/base/log.hpp"
#include "io/reactor.hpp"

namespace gantry::actors {

namespace {

constexpr std::size_t receive_bytes = 16u << 10;
/// Requests pipelined behind one that is being carried out: beyond it reading stops until that one is answered.
constexpr std::size_t pipelined_bytes_max = 256u << 10;
/// A body that nobody wants is read up to here, so that the connection can go on; a longer one closes it.
constexpr std::size_t unwanted_body_bytes_max = 256u << 10;
/// How long a closed connection waits for the client's own close, so that no reset cuts off what it still reads.
constexpr std::chrono::seconds linger_limit{5};
/// behaviours 21: a head that has begun must be complete within this; connections between requests may idle for ever.
constexpr std::chrono::minutes head_limit{5};
/// A larger output buffer is given back once it is empty.
constexpr std::size_t output_keep_bytes = 64u << 10;

} // namespace

connection::connection(caf::actor_config& config, services& s, std::shared_ptr<unique_fd> socket)
    : caf::event_based_actor(config), services_(s), socket_(std::move(socket)),
      receive_buffer_(std::make_shared<std::string>(receive_bytes, '\0')) {}

caf::behavior connection::make_behavior() {
  services_.connections.add(handle());
  receive();
  return {[](const msg::run& r) { r.work(); }};
}

void connection::on_exit() {
  services_.connections.remove(address());
  if (head_timer_) head_timer_.owner->cancel(head_timer_);
  exchange_.reset();
  if (!closed_) ::shutdown(socket_->get(), SHUT_RDWR); // ends operations in flight
  closed_ = true;
  // A container that was asked to wait may hold on to this actor for long: what costs goes now.
  socket_.reset();
  receive_buffer_.reset();
  in_ = out_ = body_ = {};
}

// -- input ------------------------------------------------------------------------

void connection::receive() {
  if (receiving_ || closed_ || input_ended_ || input_paused_) return;
  receiving_ = true;
  auto into = std::as_writable_bytes(std::span(*receive_buffer_));
  io::reactor::current()->recv(socket_->get(), into,
                               [this, self = handle(), socket = socket_, keep = receive_buffer_](int n) {
                                 run_in(self, [this, n] { received(n); });
                               });
}

void connection::received(int n) {
  receiving_ = false;
  if (closed_) return;
  if (n <= 0) return input_ended();
  if (lingering_) return receive();
  in_.append(receive_buffer_->data(), static_cast<std::size_t>(n));
  process_input();
}

void connection::resume_input() {
  if (!std::exchange(input_paused_, false)) return;
  if (!processing_) process_input();
}

void connection::process_input() {
  processing_ = true;
  while (!closed_ && !close_when_drained_ && !input_paused_ && !in_.empty()) {
    if (hijacked_) {
      auto bytes = std::exchange(in_, {});
      exchange_->on_input(bytes);
      continue;
    }
    if (busy_ && !reading_body_) break; // pipelined: its turn comes
    if (!busy_ && congested()) break;   // a client that asks and does not read is not asked for more
    if (!parse_some()) break;
  }
  processing_ = false;
  if (closed_ || close_when_drained_) return;
  limit_head_time();
  if (in_.size() < pipelined_bytes_max && !(congested() && !busy_)) receive();
}

void connection::limit_head_time() {
  bool inside_head = !hijacked_ && !busy_ && !reading_body_ && !parser_.idle();
  if (inside_head == static_cast<bool>(head_timer_)) return;
  if (!inside_head) {
    head_timer_.owner->cancel(head_timer_);
    head_timer_ = {};
    return;
  }
  auto number = request_number_;
  head_timer_ = io::reactor::current()->timer(head_limit,
                                              [this, number, self = caf::actor_cast<caf::actor_addr>(handle())](int r) {
                                                if (auto strong = caf::actor_cast<caf::actor>(self); strong && r == 0)
                                                  run_in(strong, [this, number] {
                                                    if (number == request_number_) close_now();
                                                  });
                                              });
}

/// One step of the parser; false when it needs more bytes or the connection is ending.
bool connection::parse_some() {
  auto step = parser_.feed(in_);
  if (step.has_error()) {
    api::reply r = api::render_error(step.error());
    r.status = parser_.error_status();
    refuse(r);
    return false;
  }
  in_.erase(0, step->consumed);
  bool progress = step->consumed > 0 || step->head || step->done;
  if (step->head) on_head(std::move(*step->head));
  if (closed_ || close_when_drained_) return false;
  if (!step->body.empty()) on_body(step->body);
  if (closed_ || close_when_drained_) return false;
  if (step->done) on_request_complete();
  return progress;
}

void connection::on_head(api::request_head head) {
  head_ = std::move(head);
  keep_alive_ = head_.keep_alive;
  ++request_number_;
  body_.clear();
  discarded_body_bytes_ = 0;
  refused_.reset();
  where_ = {};
  reading_body_ = true;
  auto routed = api::route(head_);
  if (routed.has_error()) {
    refused_ = routed.error();
    if (head_.expect_continue) return refuse(api::render_error(*refused_, head_));
    return;
  }
  where_ = std::move(routed).value();
  if (head_.expect_continue && head_.has_body) write_raw(api::continue_100);
  if (where_.body != api::body_use::stream) return;
  auto call = api::parse_call(where_, head_, {});
  if (call.has_error()) {
    refused_ = call.error();
    return;
  }
  busy_ = true;
  auto upload = begin_upload(*this, std::move(call).value());
  if (upload) (void)begin(std::move(upload));
}

void connection::on_body(std::string_view bytes) {
  if (exchange_) return exchange_->on_input(bytes);
  if (!refused_ && where_.body == api::body_use::json) {
    if (body_.size() + bytes.size() > api::json_body_bytes_max) {
      auto r = api::render_error(
          {errc::invalid_parameter, 0,
           "the request's body is larger than " + std::to_string(api::json_body_bytes_max) + " bytes"});
      r.status = 413;
      return refuse(r);
    }
    body_.append(bytes);
    return;
  }
  discarded_body_bytes_ += bytes.size();
  if (discarded_body_bytes_ > unwanted_body_bytes_max)
    refuse(refused_ ? api::render_error(*refused_, head_)
                    : api::render_error({errc::invalid_parameter, 0, "this endpoint takes no body"}));
}

void connection::on_request_complete() {
  reading_body_ = false;
  if (where_.body == api::body_use::stream && !refused_) {
    if (exchange_) exchange_->on_input_end();
    return;
  }
  busy_ = true;
  if (refused_) return reply_error(*refused_);
  dispatch(body_);
}

void connection::dispatch(std::string_view body) {
  auto call = api::parse_call(where_, head_, body);
  if (call.has_error()) return reply_error(call.error());
  handle_call(*this, std::move(call).value());
}

void connection::input_ended() {
  input_ended_ = true;
  if (lingering_) return close_now();
  if (hijacked_) {
    exchange_->on_input_end();
    return watch_for_hangup();
  }
  if (reading_body_ && exchange_) { // a body that breaks off
    exchange_->on_gone();
    return close_now();
  }
  if (!busy_) {
    if (backlog() == 0) return close_now();
    close_when_drained_ = true;
    return;
  }
  keep_alive_ = false;
  if (exchange_) {
    exchange_->on_gone();
    return close_now();
  }
  watch_for_hangup(); // a short request may still be answered: only our side of the connection is open
}

/// After the end of input only a hang-up tells that the client is gone for good. A poll on the ring also ends at a half
/// close (IO_POLL_UNMASK in the kernel's io_uring/poll.h), so an epoll instance that asks for nothing but the
/// hang-up stands between.
void connection::watch_for_hangup() {
  auto watcher = std::make_shared<unique_fd>(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event hangup_only{};
  if (!*watcher || ::epoll_ctl(watcher->get(), EPOLL_CTL_ADD, socket_->get(), &hangup_only) != 0)
    return; // out of descriptors: a write will find out
  io::reactor::current()->poll(watcher->get(), POLLIN, [this, self = handle(), socket = socket_, watcher](int events) {
    run_in(self, [this, events] {
      if (closed_ || events < 0) return;
      if (exchange_) exchange_->on_gone();
      close_now();
    });
  });
}

// -- replies ------------------------------------------------------------------------

void connection::reply(const api::reply& r) {
  if (closed_) return;
  if (reading_body_) keep_alive_ = false; // answered before its body was read
  write_raw(api::serialize(r, services_.identity, keep_alive_, head_.method == "HEAD"));
  finish_request();
}

void connection::reply_json(std::string body, unsigned status) {
  api::reply r;
  r.status = status;
  r.body = std::move(body);
  reply(r);
}

void connection::reply_status(unsigned status) {
  api::reply r;
  r.status = status;
  r.content_type.clear();
  reply(r);
}

void connection::reply_error(const error& e) { reply(api::render_error(e, head_)); }

/// Answers a request that cannot go on, and closes: the rest of its bytes mean nothing.
void connection::refuse(const api::reply& r) {
  reading_body_ = false;
  keep_alive_ = false;
  busy_ = true;
  in_.clear();
  reply(r);
}

void connection::finish_request() {
  busy_ = false;
  retire_exchange();
  if (!keep_alive_ || input_ended_) {
    close_when_drained_ = true;
    if (backlog() == 0) drained();
    return;
  }
  input_paused_ = false;
  if (!processing_ && !in_.empty())
    run_in(handle(), [this] {
      if (!closed_ && !processing_) process_input();
    });
  else if (!processing_)
    receive();
}

/// The exchange may be the caller: it is destroyed with a message, after it has returned.
void connection::retire_exchange() {
  if (!exchange_) return;
  run_in(handle(), [keep = std::shared_ptr<exchange>(std::move(exchange_))] {});
}

bool connection::begin(std::unique_ptr<exchange> e) {
  if (closed_ || !busy_) return false;
  exchange_ = std::move(e);
  return true;
}

void connection::stream_head(const api::reply& r) {
  chunked_ = head_.http_minor > 0;
  if (!chunked_) keep_alive_ = false;
  write_raw(api::serialize_stream_head(r, services_.identity, keep_alive_, chunked_));
}

void connection::stream(std::string_view bytes) {
  if (!bytes.empty()) write_raw(chunked_ ? api::chunk(bytes) : std::string(bytes));
}

void connection::stream_end() {
  if (reading_body_) keep_alive_ = false;
  if (chunked_) write_raw(api::last_chunk);
  finish_request();
}

void connection::hijack(std::string head_bytes) {
  hijacked_ = true;
  keep_alive_ = false;
  write_raw(head_bytes);
  if (!processing_ && !in_.empty())
    run_in(handle(), [this] {
      if (!closed_) process_input();
    });
}

void connection::finish_hijack() {
  busy_ = false;
  close_when_drained_ = true;
  if (backlog() == 0) drained();
}

// -- output -------------------------------------------------------------------------

void connection::write_raw(std::string_view bytes) {
  if (closed_) return;
  out_.append(bytes);
  if (!waiting_for_room_) flush();
}

void connection::flush() {
  while (backlog() > 0) {
    auto n = ::send(socket_->get(), out_.data() + out_sent_, backlog(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return wait_for_room();
      if (exchange_) exchange_->on_gone();
      return close_now();
    }
    out_sent_ += static_cast<std::size_t>(n);
  }
  out_.clear();
  out_sent_ = 0;
  if (out_.capacity() > output_keep_bytes) out_.shrink_to_fit();
  if (close_when_drained_) drained();
}

void connection::wait_for_room() {
  if (out_sent_ > backlog_high_bytes) {
    out_.erase(0, out_sent_);
    out_sent_ = 0;
  }
  waiting_for_room_ = true;
  io::reactor::current()->poll(socket_->get(), POLLOUT, [this, self = handle(), socket = socket_](int) {
    run_in(self, [this] {
      waiting_for_room_ = false;
      if (closed_) return;
      flush();
      if (closed_ || waiting_for_room_) return;
      if (exchange_) exchange_->on_writable();
      if (!closed_ && !processing_) process_input();
    });
  });
}

void connection::drained() {
  if (closed_ || lingering_) return;
  close_gracefully();
}

void connection::close_gracefully() {
  if (input_ended_) return close_now();
  lingering_ = true;
  input_paused_ = false;
  ::shutdown(socket_->get(), SHUT_WR);
  io::reactor::current()->timer(linger_limit, [this, self = caf::actor_cast<caf::actor_addr>(handle())](int) {
    if (auto strong = caf::actor_cast<caf::actor>(self)) run_in(strong, [this] { close_now(); });
  });
  receive();
}

void connection::close_now() {
  if (closed_) return;
  closed_ = true;
  retire_exchange();
  ::shutdown(socket_->get(), SHUT_RDWR);
  quit();
}

void spawn_connection(services& s, unique_fd socket) {
  s.system->spawn<connection>(s, std::make_shared<unique_fd>(std::move(socket)));
}

} // namespace gantry::actors
