/// How other threads reach a reactor: one queue and one eventfd, which is written only while the owner waits.
///
/// The problem: the owner must not go to sleep between a giver's push and its wake. Three states solve it. The owner
/// goes from `running` to `waiting` only by compare-and-swap; a giver pushes first, then sets `notified` by exchange.
/// Either the giver sees `waiting` and writes the eventfd, or the owner's swap fails and it does not wait. A
/// notification stays until a wait consumes it, so a wake that comes while the owner is busy is not lost either.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "io/base/result.hpp"
#include "io/base/unique_fd.hpp"
#include "io/request.hpp"

namespace gantry::io {

class mailbox {
public:
  /// What was handed over since the last `take`.
  struct batch {
    std::vector<std::function<void()>> work;
    std::vector<finished> results;      ///< of operations that a pool thread did
    std::vector<std::uint64_t> cancels; ///< ids of operations to end early
    void clear() noexcept;
  };

  explicit mailbox(unique_fd event) noexcept : event_(std::move(event)) {}
  static result<unique_fd> make_event();

  // Any thread. The queue has no bound of its own: who posts in proportion to a client's input must bound that input.
  void post(std::function<void()> work);
  void finish(finished f);
  void cancel(std::uint64_t id);
  void wake() noexcept;

  // The owner's thread.
  [[nodiscard]] bool filled() const noexcept { return filled_.load(std::memory_order_acquire); }
  /// Swaps the content into `into`, which must be clear.
  void take(batch& into);
  /// False, and the notification is consumed, if there was one: do not wait.
  [[nodiscard]] bool begin_wait() noexcept;
  /// True if somebody notified during the wait.
  bool end_wait() noexcept;
  /// Turns readable (as an edge: it is never read) when a waiting owner is notified.
  [[nodiscard]] int event_fd() const noexcept { return event_.get(); }

private:
  enum class owner : std::uint8_t { running, waiting, notified };

  template <class Push>
  void hand_over(Push push);

  unique_fd event_;
  std::atomic<owner> owner_{owner::running};
  std::atomic<bool> filled_{false}; ///< spares the lock when there is nothing; changed under it
  std::mutex lock_;
  batch content_;
};

} // namespace gantry::io
