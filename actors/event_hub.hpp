/// The engine's events: a ring of the newest, numbered without gaps. Publishers never wait; a reader takes what is new
/// since its own number, and is told when it was so slow that the ring went past it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "api/system_json.hpp"

namespace gantry::actors {

class event_hub {
public:
  /// Docker keeps 256; a reader of ours may fall this far behind before it loses one.
  static constexpr std::size_t kept_max = 8192;

  using sequence = std::uint64_t;
  using event_ptr = std::shared_ptr<const api::event>;

  /// Stamps the event with the present time unless it has one. Thread: any.
  void publish(api::event e);

  struct batch {
    std::vector<event_ptr> events;
    sequence next = 0;      ///< ask for this one next
    std::uint64_t lost = 0; ///< events between the number asked for and the oldest kept
  };
  /// Up to `limit` events from number `from` on. Thread: any.
  [[nodiscard]] batch read(sequence from, std::size_t limit) const;
  /// The number of the next event, and of the oldest kept.
  [[nodiscard]] sequence end() const;
  [[nodiscard]] sequence begin() const;

  /// `wake` is called once for the first event published after each `arm`, on the publisher's thread: it must only pass
  /// the word on. Thread: any.
  std::uint64_t subscribe(std::function<void()> wake);
  /// Asks for the next wake-up; true when there are events from `from` on already (then no wake comes).
  bool arm(std::uint64_t subscription, sequence from);
  void unsubscribe(std::uint64_t subscription);
  [[nodiscard]] std::size_t subscribers() const;

private:
  struct subscriber {
    std::function<void()> wake;
    bool armed = false;
  };
  mutable std::mutex lock_;
  std::deque<event_ptr> kept_;
  sequence first_ = 0; ///< number of kept_.front()
  std::map<std::uint64_t, subscriber> subscribers_;
  std::uint64_t next_subscription_ = 1;
};

} // namespace gantry::actors
