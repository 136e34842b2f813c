// POST /containers/{id}/attach and its WebSocket form: the client's connection joined to the container's streams.
// The shim has one end of a socket pair, this exchange relays between the other and the client (behaviours 22-32).
#include <poll.h>
#include <sys/socket.h>

#include <deque>

#include "actors/handlers.hpp"
#include "actors/log_reader.hpp"
#include "api/detach_keys.hpp"
#include "api/websocket.hpp"
#include "io/reactor.hpp"

namespace gantry::actors {

namespace {

constexpr std::size_t relay_bytes = 64u << 10;
/// Input that waits for the container to read it; above it the client's is not read either.
constexpr std::size_t input_high_bytes = 256u << 10;

constexpr std::uint16_t websocket_normal_closure = 1000; ///< RFC 6455 7.4.1

class attach_exchange : public exchange {
public:
  attach_exchange(connection& c, api::attach_container call, directory::entry target)
      : connection_(c), call_(std::move(call)), target_(std::move(target)),
        buffer_(std::make_shared<std::string>(relay_bytes, '\0')) {}

  ~attach_exchange() override {
    *alive_ = false;
    if (stream_) ::shutdown(stream_->get(), SHUT_RDWR); // ends the operations in flight; the shim sees us go
  }

  /// Validates, replies with the hijack head, replays the log if asked, joins the streams.
  void start() {
    auto& config = target_.view->definition->config;
    auto words = call_.detach_keys.empty() ? std::string(api::default_detach_keys) : call_.detach_keys;
    auto keys = api::parse_detach_keys(words);
    if (keys.has_error()) return fail({errc::invalid_parameter, 0, "Invalid detach keys (" + words + ") provided"});
    if (config.tty && call_.want_stdin) detach_scanner_.emplace(std::move(keys).value());
    if (target_.view->state.status == api::container_status::paused)
      return fail(
          {errc::conflict, 0, "container " + target_.view->name + " is paused, unpause the container before attach"});
    if (target_.view->state.status == api::container_status::restarting)
      return fail(
          {errc::conflict, 0,
           "container " + target_.view->definition->id + " is restarting, wait until the container is running"});
    if (call_.websocket) {
      auto head = api::serialize_websocket_head(connection_.head(), connection_.svc().identity);
      if (head.has_error()) return connection_.reply_error(head.error());
      websocket_head_ = std::move(head).value();
    }
    // The container must know of this stream before the client knows that it stands: a client starts the container as
    // soon as it sees the head, over another connection (behaviours 28). A running container's log is replayed first.
    bool replay_first = call_.logs && target_.view->state.is_running();
    if (call_.stream && !replay_first && !join()) return;
    send_head();
    if (call_.logs) return replay_log();
    relay();
  }

  void on_input(std::string_view bytes) override {
    if (!call_.websocket) return to_container(bytes);
    auto step = frames_.feed(bytes);
    connection_.write_raw(step.reply);
    to_container(step.payload);
    if (!step.closed) return;
    close_sent_ = true;
    finish();
  }

  void on_input_end() override {
    client_ended_ = true;
    if (call_.websocket) return finish();
    if (relay_begun_ && waiting_input_.empty()) ::shutdown(stream_->get(), SHUT_WR);
  }

  void on_writable() override { relay_output(); }

private:
  bool upgraded() const { return !connection_.head().header("upgrade").empty(); }

  void fail(const error& e) {
    if (call_.websocket) return connection_.reply_error(e);
    auto type = api::hijack_content_type(upgraded(), target_.view->definition->config.tty, connection_.version());
    connection_.hijack(api::serialize_hijack_error(api::http_status(e.code), type, e.message));
    finish();
  }

  void send_head() {
    if (call_.websocket) return connection_.hijack(websocket_head_);
    auto type = api::hijack_content_type(upgraded(), target_.view->definition->config.tty, connection_.version());
    connection_.hijack(api::serialize_hijack_head(upgraded(), type));
  }

  // -- replay ---------------------------------------------------------------------

  void replay_log() {
    api::container_logs options;
    options.want_stdout = call_.want_stdout;
    options.want_stderr = call_.want_stderr;
    auto reader =
        std::make_shared<log_reader>(target_.view->definition->log_path, options, target_.view->definition->config.tty);
    replay_more(std::move(reader));
  }

  void replay_more(std::shared_ptr<log_reader> reader) {
    auto text = std::make_shared<std::string>();
    connection_.in_pool<bool>([reader, text] { return reader->read(*text, relay_bytes); },
                              [this, reader, text](result<bool> at_end) {
                                to_client(*text);
                                if (at_end.has_value() && !*at_end) return replay_more(reader);
                                if (call_.stream && !stream_ && !join()) return;
                                relay();
                              });
  }

  // -- joining --------------------------------------------------------------------

  /// Hands one end of a socket pair to the container. False when there are no descriptors left.
  bool join() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      fail(sys_error("make a socket pair", errno, errc::unavailable));
      return false;
    }
    stream_ = std::make_shared<unique_fd>(ends[0]);
    msg::attach m{std::make_shared<unique_fd>(ends[1]), call_.want_stdin, call_.want_stdout, call_.want_stderr};
    connection_.request(target_.actor, caf::infinite, std::move(m))
        .then([](const msg::done&) {},
              [this, alive = alive_](const caf::error&) {
                if (*alive) finish();
              });
    return true;
  }

  void relay() {
    if (!call_.stream) return finish();
    relay_begun_ = true;
    relay_output();
    flush_input();
    if (client_ended_ && waiting_input_.empty()) ::shutdown(stream_->get(), SHUT_WR);
  }

  // -- container to client ----------------------------------------------------------

  void relay_output() {
    if (relaying_ || finished_ || !relay_begun_ || connection_.congested()) return;
    relaying_ = true;
    auto into = std::as_writable_bytes(std::span(*buffer_));
    io::reactor::current()->recv(
        stream_->get(), into,
        [self = connection_.handle(), this, alive = alive_, stream = stream_, keep = buffer_](int n) {
          run_in(self, [this, alive, n] {
            if (!*alive) return;
            relaying_ = false;
            if (n <= 0) return finish(); // the container has ended and all its output is here
            to_client({buffer_->data(), static_cast<std::size_t>(n)});
            relay_output();
          });
        });
  }

  void to_client(std::string_view bytes) {
    if (bytes.empty()) return;
    if (!call_.websocket) return connection_.write_raw(bytes);
    // Never multiplexed on a WebSocket (behaviours 32): the frames of the shim are taken apart.
    if (target_.view->definition->config.tty)
      connection_.write_raw(websocket_frame(bytes));
    else
      unframe(bytes);
  }

  std::string websocket_frame(std::string_view bytes) const {
    auto kind =
        connection_.version() >= api::api_version{1, 28} ? api::websocket_opcode::binary : api::websocket_opcode::text;
    return api::websocket_frame(kind, bytes);
  }

  void unframe(std::string_view bytes) {
    framed_.append(bytes);
    constexpr std::size_t header = 8;
    std::size_t at = 0;
    while (framed_.size() - at >= header) {
      auto* b = reinterpret_cast<const unsigned char*>(framed_.data() + at);
      std::size_t length = (std::size_t{b[4]} << 24) | (std::size_t{b[5]} << 16) | (std::size_t{b[6]} << 8) | b[7];
      if (framed_.size() - at - header < length) break;
      connection_.write_raw(websocket_frame(std::string_view(framed_).substr(at + header, length)));
      at += header + length;
    }
    framed_.erase(0, at);
  }

  // -- client to container ----------------------------------------------------------

  void to_container(std::string_view bytes) {
    if (!call_.want_stdin || finished_) return;
    if (detach_scanner_) {
      auto scanned = detach_scanner_->feed(bytes);
      waiting_input_.append(scanned.pass);
      if (scanned.detached) return detach();
    } else {
      waiting_input_.append(bytes);
    }
    flush_input();
  }

  void flush_input() {
    while (stream_ && !waiting_input_.empty() && !waiting_for_room_) {
      auto n = ::send(stream_->get(), waiting_input_.data(), waiting_input_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        wait_for_room();
        break;
      }
      if (n < 0) { // the container takes no input any more; its output may still come
        waiting_input_.clear();
        break;
      }
      waiting_input_.erase(0, static_cast<std::size_t>(n));
    }
    if (waiting_input_.size() > input_high_bytes)
      connection_.pause_input();
    else
      connection_.resume_input();
    if (client_ended_ && waiting_input_.empty() && stream_) ::shutdown(stream_->get(), SHUT_WR);
  }

  void wait_for_room() {
    waiting_for_room_ = true;
    io::reactor::current()->poll(stream_->get(), POLLOUT,
                                 [self = connection_.handle(), this, alive = alive_, stream = stream_](int) {
                                   run_in(self, [this, alive] {
                                     if (!*alive) return;
                                     waiting_for_room_ = false;
                                     flush_input();
                                   });
                                 });
  }

  void detach() {
    flush_input();
    auto& view = *target_.view;
    api::event e;
    e.type = "container";
    e.action = "detach";
    e.id = view.definition->id;
    e.attributes = view.definition->config.labels;
    e.attributes["image"] = view.definition->image_name;
    e.attributes["name"] = view.name;
    connection_.svc().events.publish(std::move(e));
    finish();
  }

  void finish() {
    if (std::exchange(finished_, true)) return;
    if (call_.websocket && !close_sent_) connection_.write_raw(api::websocket_close(websocket_normal_closure));
    if (stream_) ::shutdown(stream_->get(), SHUT_RDWR);
    connection_.finish_hijack();
  }

  connection& connection_;
  api::attach_container call_;
  directory::entry target_;
  std::shared_ptr<unique_fd> stream_; ///< our end of the pair; shared with operations in flight
  std::shared_ptr<std::string> buffer_;
  std::string waiting_input_;
  std::string framed_; ///< a frame of the shim that has not come whole (WebSocket only)
  api::websocket_reader frames_;
  std::optional<api::detach_scanner> detach_scanner_;
  std::string websocket_head_;
  bool close_sent_ = false;
  bool relay_begun_ = false; ///< the head is out, and the log if asked for
  bool relaying_ = false;    ///< a receive from the container is in flight
  bool waiting_for_room_ = false;
  bool client_ended_ = false;
  bool finished_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

} // namespace

void handle(connection& c, api::attach_container call) {
  auto found = c.svc().containers.find(call.id);
  if (found.has_error()) {
    if (call.websocket) return c.reply_error(found.error());
    bool upgraded = !c.head().header("upgrade").empty();
    c.hijack(api::serialize_hijack_error(api::http_status(found.error().code),
                                         api::hijack_content_type(upgraded, false, c.version()),
                                         found.error().message));
    return c.finish_hijack();
  }
  if (call.websocket && c.version() < api::api_version{1, 42})
    call.want_stdin = call.want_stdout = call.want_stderr = true;
  auto e = std::make_unique<attach_exchange>(c, std::move(call), std::move(found).value());
  auto* started = e.get();
  if (c.begin(std::move(e))) started->start();
}

} // namespace gantry::actors
