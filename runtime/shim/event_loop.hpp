/// One thread's epoll loop: level-triggered watches on owned descriptors, and timers. A watch may be closed, or its
/// owner destroyed, in any handler: events that were collected for it already are dropped.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <set>
#include <utility>

#include "io/base/result.hpp"
#include "io/base/unique_fd.hpp"

namespace gantry::runtime::shim {

class watch;
class timer;

class event_loop {
public:
  using clock = std::chrono::steady_clock;

  /// Must succeed before any watch wants something. Errors: internal (no descriptors left).
  result<> open();

  /// Waits for events and timers once, and runs their handlers. Returns early on a signal.
  void run_once();

private:
  friend class watch;
  friend class timer;

  void update(watch& w, std::uint32_t events);
  void drop_collected(const watch* w) noexcept;
  [[nodiscard]] int wait_ms() const;
  void run_timers();

  unique_fd epoll_;
  std::array<epoll_event, 64> batch_{};
  int batch_size_ = 0;
  int batch_at_ = 0;
  std::set<std::pair<clock::time_point, timer*>> timers_;
};

/// An owned descriptor and the handler of its events. Not movable: the kernel keeps its address.
class watch {
public:
  using handler = void (*)(void* owner, std::uint32_t events);

  watch(event_loop& loop, handler on_events, void* owner) : loop_(loop), on_events_(on_events), owner_(owner) {}
  watch(const watch&) = delete;
  watch& operator=(const watch&) = delete;
  ~watch() { close(); }

  void open(unique_fd fd) noexcept {
    close();
    fd_ = std::move(fd);
  }
  /// EPOLLIN | EPOLLOUT | ...; 0 takes it out of the loop. EPOLLHUP alone asks for hang-ups and errors only.
  void want(std::uint32_t events) {
    if (events != interest_ && fd_) loop_.update(*this, events);
  }
  void close() noexcept;
  /// Takes it out of the loop and gives the descriptor away.
  unique_fd release() noexcept;

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] std::uint32_t wanted() const noexcept { return interest_; }
  explicit operator bool() const noexcept { return bool(fd_); }

private:
  friend class event_loop;

  event_loop& loop_;
  handler on_events_;
  void* owner_;
  unique_fd fd_;
  std::uint32_t interest_ = 0;
};

/// Fires once after `arm`. Arming again moves it.
class timer {
public:
  using handler = void (*)(void* owner);

  timer(event_loop& loop, handler on_time, void* owner) : loop_(loop), on_time_(on_time), owner_(owner) {}
  timer(const timer&) = delete;
  timer& operator=(const timer&) = delete;
  ~timer() { cancel(); }

  void arm(std::chrono::milliseconds after);
  void cancel() noexcept;
  [[nodiscard]] bool armed() const noexcept { return armed_; }

private:
  friend class event_loop;

  event_loop& loop_;
  handler on_time_;
  void* owner_;
  event_loop::clock::time_point due_{};
  bool armed_ = false;
};

} // namespace gantry::runtime::shim
