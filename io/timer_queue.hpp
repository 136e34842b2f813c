/// Timers of one reactor, in the order of their time; those of the same time in the order they were started.
/// Kept here rather than in the kernel: setting and cancelling a timeout for each request then costs no system call.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <tuple>

namespace gantry::io {

class timer_queue {
public:
  using time = std::chrono::nanoseconds; ///< on CLOCK_MONOTONIC

  void add(time at, std::uint64_t id) { entries_.insert({at, next_sequence_++, id}); }

  void remove(time at, std::uint64_t id) {
    for (auto i = entries_.lower_bound({at, 0, 0}); i != entries_.end() && std::get<0>(*i) == at; ++i) {
      if (std::get<2>(*i) != id) continue;
      entries_.erase(i);
      return;
    }
  }

  /// Calls `expired(id)` for each timer whose time has come.
  template <class Expired>
  void take_due(time now, Expired expired) {
    while (!entries_.empty() && std::get<0>(*entries_.begin()) <= now) {
      expired(std::get<2>(*entries_.begin()));
      entries_.erase(entries_.begin());
    }
  }

  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  [[nodiscard]] std::optional<time> next() const {
    if (entries_.empty()) return std::nullopt;
    return std::get<0>(*entries_.begin());
  }

private:
  std::set<std::tuple<time, std::uint64_t, std::uint64_t>> entries_; ///< at, sequence, id
  std::uint64_t next_sequence_ = 0;
};

} // namespace gantry::io
