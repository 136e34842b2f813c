// GET /containers/{id}/logs: pieces of the log are rendered in the pool as the client takes them; following waits for
// inotify, and ends when the container has stopped and its last line was sent (behaviours 201-204).
#include <sys/inotify.h>

#include <filesystem>

#include "actors/handlers.hpp"
#include "actors/log_reader.hpp"
#include "io/reactor.hpp"

namespace gantry::actors {

namespace {

constexpr std::size_t piece_bytes = 256u << 10;

class log_stream : public exchange {
public:
  log_stream(connection& c, const api::container_logs& call, directory::entry target)
      : connection_(c), target_(std::move(target)), follow_(call.follow && target_.view->state.is_running()),
        reader_(std::make_shared<log_reader>(target_.view->definition->log_path, call,
                                             target_.view->definition->config.tty)) {
    if (call.until > 0 && call.until < now_nanos()) follow_ = false;
  }

  ~log_stream() override {
    *alive_ = false;
    *gone_ = true;
    if (watching_) watching_.owner->cancel(watching_);
  }

  void start() {
    api::reply head;
    bool tty = target_.view->definition->config.tty;
    head.content_type = std::string(
        !tty && connection_.version() >= api::api_version{1, 42} ? api::multiplexed_stream_type : api::raw_stream_type);
    connection_.stream_head(head);
    if (follow_) {
      watch_file();
      connection_.send(target_.actor, msg::when_stopped{[self = connection_.handle(), this, alive = alive_] {
                                                          run_in(self, [this, alive] {
                                                            if (*alive) stopped();
                                                          });
                                                        },
                                                        gone_});
    }
    pump();
  }

  void on_writable() override { pump(); }

private:
  void pump() {
    if (reading_ || connection_.congested()) return;
    reading_ = true;
    changed_ = false;
    auto text = std::make_shared<std::string>();
    auto final_read = !follow_;
    connection_.in_pool<bool>([reader = reader_, text] { return reader->read(*text, piece_bytes); },
                              [this, alive = alive_, text, final_read](result<bool> at_end) {
                                if (*alive) piece(*text, at_end, final_read);
                              });
  }

  void piece(const std::string& text, const result<bool>& at_end, bool final_read) {
    reading_ = false;
    if (!text.empty()) connection_.stream(text);
    if (at_end.has_error()) return broken(at_end.error());
    if (!*at_end || changed_ || (!follow_ && !final_read)) return pump();
    if (!follow_ || reader_->past_until()) connection_.stream_end();
  }

  /// In-band: the status went out long ago (behaviours 204).
  void broken(const error& e) {
    std::string text = "Error grabbing logs: " + e.message + "\n";
    auto length = static_cast<std::uint32_t>(text.size());
    std::string frame{3,
                      0,
                      0,
                      0,
                      static_cast<char>(length >> 24),
                      static_cast<char>(length >> 16),
                      static_cast<char>(length >> 8),
                      static_cast<char>(length)};
    connection_.stream(frame + text);
    connection_.stream_end();
  }

  void changed() {
    changed_ = true;
    if (!reading_) pump();
  }

  /// All output was in the log before the exit was told: one more read to the end is the last.
  void stopped() {
    follow_ = false;
    changed();
  }

  void watch_file() {
    inotify_ = std::make_shared<unique_fd>(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    auto directory = std::filesystem::path(target_.view->definition->log_path).parent_path();
    if (!*inotify_ || ::inotify_add_watch(inotify_->get(), directory.c_str(),
                                          IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM) < 0)
      return poll_instead(); // fs.inotify.max_user_instances is used up
    watch_more();
  }

  void watch_more() {
    auto buffer = std::make_shared<std::string>(4096, '\0');
    watching_ = io::reactor::current()->read(
        inotify_->get(), std::as_writable_bytes(std::span(*buffer)),
        [self = connection_.handle(), this, alive = alive_, buffer, keep = inotify_](int n) {
          run_in(self, [this, alive, n] {
            if (!*alive) return;
            watching_ = {};
            if (n < 0) return;
            changed();
            watch_more();
          });
        });
  }

  void poll_instead() {
    watching_ = io::reactor::current()->timer(std::chrono::milliseconds(100),
                                              [self = connection_.handle(), this, alive = alive_](int n) {
                                                run_in(self, [this, alive, n] {
                                                  if (!*alive || n < 0) return;
                                                  watching_ = {};
                                                  changed();
                                                  poll_instead();
                                                });
                                              });
  }

  connection& connection_;
  directory::entry target_;
  bool follow_;
  bool reading_ = false; ///< a piece is being rendered in the pool
  bool changed_ = false; ///< more came while it was
  std::shared_ptr<log_reader> reader_;
  std::shared_ptr<unique_fd> inotify_;
  io::op_token watching_;
  msg::cancelled gone_ = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

} // namespace

void handle(connection& c, api::container_logs call) {
  auto found = c.svc().containers.find(call.id);
  if (found.has_error()) return c.reply_error(found.error());
  auto& view = *found->view;
  if (view.state.status == api::container_status::dead)
    return c.reply_error({errc::conflict, 0, "can not get logs from container which is dead or marked for removal"});
  if (view.definition->log_path.empty())
    return c.reply_error({errc::not_implemented, 0, "configured logging driver does not support reading"});
  auto e = std::make_unique<log_stream>(c, call, std::move(found).value());
  auto* started = e.get();
  if (c.begin(std::move(e))) started->start();
}

} // namespace gantry::actors
