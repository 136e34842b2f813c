/// One client's connection: reads requests, has them carried out one after the other, writes the replies in order.
/// Owns:    the socket, what was read and not parsed, what was not written yet, and the exchange in progress.
/// Runs on: any worker. Never blocks.
/// Source:  behaviours sections 1 and 2.
///
/// A reply that is not ready at once (a stream, an upload, a hijacked connection) is an `exchange`, which lives as long
/// as its request and dies with the socket.
#pragma once

#include <caf/all.hpp>

#include <memory>
#include <string>
#include <string_view>

#include "actors/error_codec.hpp"
#include "actors/services.hpp"
#include "api/http_codec.hpp"
#include "api/routes.hpp"
#include "io/base/unique_fd.hpp"
#include "io/reactor.hpp"

namespace gantry::actors {

/// A request whose answer takes more than one step. All calls come in the connection's context.
class exchange {
public:
  virtual ~exchange() = default;
  /// Body bytes of an upload, or bytes of a hijacked connection.
  virtual void on_input(std::string_view) {}
  /// The body is complete, or the client has closed its side of a hijacked connection.
  virtual void on_input_end() {}
  /// What was written has gone out far enough to write more.
  virtual void on_writable() {}
  /// The client is gone; the exchange is destroyed after this.
  virtual void on_gone() {}
};

class connection : public caf::event_based_actor {
public:
  connection(caf::actor_config& config, services& s, std::shared_ptr<unique_fd> socket);

  caf::behavior make_behavior() override;
  const char* name() const override { return "connection"; }
  void on_exit() override;

  // -- for handlers and exchanges ------------------------------------------------

  /// Output that waits for a slow client; an exchange stops producing above it until on_writable.
  static constexpr std::size_t backlog_high_bytes = 256u << 10;

  services& svc() noexcept { return services_; }
  [[nodiscard]] api::api_version version() const noexcept { return where_.version; }
  [[nodiscard]] const api::request_head& head() const noexcept { return head_; }
  caf::actor handle() { return caf::actor_cast<caf::actor>(this); }
  /// Counts up with each request: work that comes back late compares it.
  [[nodiscard]] std::uint64_t request_number() const noexcept { return request_number_; }

  void reply(const api::reply& r);
  void reply_json(std::string body, unsigned status = 200);
  void reply_status(unsigned status);
  void reply_error(const error& e);

  /// Makes `e` the owner of the rest of this request. False, and `e` is destroyed, when the client has gone meanwhile.
  [[nodiscard]] bool begin(std::unique_ptr<exchange> e);
  /// A chunked reply: head, pieces, end.
  void stream_head(const api::reply& r);
  void stream(std::string_view bytes);
  void stream_end();
  /// Takes the connection over: input goes raw to the exchange, output raw to the client.
  void hijack(std::string head_bytes);
  void write_raw(std::string_view bytes);
  /// Ends a hijacked connection once everything is written.
  void finish_hijack();
  [[nodiscard]] std::size_t backlog() const noexcept { return out_.size() - out_sent_; }
  [[nodiscard]] bool congested() const noexcept { return backlog() > backlog_high_bytes; }
  /// Back-pressure on the client's input.
  void pause_input() { input_paused_ = true; }
  void resume_input();

  /// Asks an actor for something that is only done or not; an error answer becomes this request's error reply.
  template <class Actor, class Message, class OnDone>
  void ask(const Actor& actor, Message message, OnDone on_done) {
    auto number = request_number_;
    request(actor, caf::infinite, std::move(message))
        .then(
            [this, number, on_done](const msg::done& answer) mutable {
              if (number == request_number_ && busy_) on_done(answer);
            },
            [this, number](const caf::error& e) {
              if (number == request_number_ && busy_) reply_error(from_caf(e));
            });
  }

  /// Runs blocking work in the pool; what it gives is handed to `then` in this connection's context.
  template <class T>
  void in_pool(std::function<result<T>()> work, std::function<void(result<T>)> then) {
    auto number = request_number_;
    auto job = [this, self = handle(), number, work = std::move(work), then = std::move(then)] {
      auto r = std::make_shared<result<T>>(work());
      run_in(self, [this, number, r, then] {
        if (number == request_number_ && busy_) then(std::move(*r));
      });
    };
    if (auto submitted = services_.submit(std::move(job)); submitted.has_error()) reply_error(submitted.error());
  }

private:
  void receive();
  void received(int n);
  void process_input();
  bool parse_some();
  void limit_head_time();
  void on_head(api::request_head head);
  void on_body(std::string_view bytes);
  void on_request_complete();
  void refuse(const api::reply& r);
  void dispatch(std::string_view body);
  void finish_request();
  void retire_exchange();
  void input_ended();
  void watch_for_hangup();
  void flush();
  void wait_for_room();
  void drained();
  void close_gracefully();
  void close_now();

  services& services_;
  std::shared_ptr<unique_fd> socket_; ///< shared with operations in flight
  std::shared_ptr<std::string> receive_buffer_;
  io::op_token head_timer_; ///< set while the head of a request is incomplete
  bool receiving_ = false;
  bool input_paused_ = false;
  bool input_ended_ = false;

  std::string in_; ///< received, not yet parsed
  api::request_parser parser_;
  api::request_head head_;
  api::routed where_;
  std::string body_;
  std::size_t discarded_body_bytes_ = 0;
  std::optional<error> refused_; ///< found wrong at the head; answered when the (small) body was read
  bool reading_body_ = false;    ///< between head and the request's end
  bool busy_ = false;            ///< a request is being carried out
  bool keep_alive_ = true;
  bool chunked_ = true;
  bool hijacked_ = false;
  bool processing_ = false; ///< process_input is on the stack
  std::uint64_t request_number_ = 0;
  std::unique_ptr<exchange> exchange_;

  std::string out_;
  std::size_t out_sent_ = 0;
  bool waiting_for_room_ = false;
  bool close_when_drained_ = false;
  bool lingering_ = false; ///< our side is closed; what comes in is thrown away until the client closes too
  bool closed_ = false;
};

/// Carries out a call on a connection: replies, or begins an exchange (handlers_*.cpp).
void handle_call(connection& c, api::call call);
/// The exchange for a call whose body is a stream (load, import).
std::unique_ptr<exchange> begin_upload(connection& c, api::call call);

/// Serves a fresh socket, which it owns.
void spawn_connection(services& s, unique_fd socket);

} // namespace gantry::actors
