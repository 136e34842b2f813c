// GET /events: replay, then follow (behaviours 215). The connection takes what is new when it has room; a publisher
// never waits for it.
#include "actors/handlers.hpp"
#include "io/reactor.hpp"

namespace gantry::actors {

namespace {

constexpr std::size_t batch_max = 256;

class event_stream : public exchange {
public:
  event_stream(connection& c, api::get_events call) : connection_(c), call_(std::move(call)) {
    auto& hub = c.svc().events;
    next_ = call_.since ? hub.begin() : hub.end();
    subscription_ = hub.subscribe([self = c.handle(), this, alive = alive_] {
      run_in(self, [this, alive] {
        if (*alive) pump();
      });
    });
    c.stream_head({});
    arm_deadline();
  }

  ~event_stream() override {
    *alive_ = false;
    connection_.svc().events.unsubscribe(subscription_);
    if (deadline_) deadline_.owner->cancel(deadline_);
  }

  void on_writable() override { pump(); }

  void pump() {
    while (!connection_.congested()) {
      auto batch = connection_.svc().events.read(next_, batch_max);
      next_ = batch.next;
      if (batch.lost > 0) report_gap(batch.lost);
      for (auto& e : batch.events) deliver(*e);
      if (!batch.events.empty()) continue;
      if (over()) return connection_.stream_end();
      if (!connection_.svc().events.arm(subscription_, next_)) return;
    }
  }

private:
  void deliver(const api::event& e) {
    if (call_.since && e.time < *call_.since) return;
    if (call_.until && e.time > *call_.until) return;
    if (!api::matches(call_.filter, e)) return;
    // One object in one chunk: clients decode as chunks come (behaviours 318).
    connection_.stream(api::render_event(e, connection_.version()));
  }

  /// A reader that fell behind the ring is told, instead of being left to guess.
  void report_gap(std::uint64_t lost) {
    api::event e;
    e.type = "daemon";
    e.action = "gap";
    e.id = connection_.svc().engine_id;
    e.attributes["lost"] = std::to_string(lost);
    e.time = now_nanos();
    connection_.stream(api::render_event(e, connection_.version()));
  }

  bool over() const { return call_.until && now_nanos() >= *call_.until; }

  void arm_deadline() {
    if (!call_.until || over()) return;
    deadline_ = io::reactor::current()->timer(std::chrono::nanoseconds(*call_.until - now_nanos()),
                                              [self = connection_.handle(), this, alive = alive_](int) {
                                                run_in(self, [this, alive] {
                                                  if (!*alive) return;
                                                  deadline_ = {};
                                                  pump();
                                                });
                                              });
  }

  connection& connection_;
  api::get_events call_;
  event_hub::sequence next_ = 0;
  std::uint64_t subscription_ = 0;
  io::op_token deadline_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true); ///< only read and set in the connection's context
};

} // namespace

void handle(connection& c, api::get_events call) {
  auto stream = std::make_unique<event_stream>(c, std::move(call));
  auto* started = stream.get();
  if (c.begin(std::move(stream))) started->pump();
}

} // namespace gantry::actors
