/// The reactor on io_uring: operations go to the kernel in batches, and one system call submits and waits.
#pragma once

#include <cstdint>
#include <deque>

#include "io/reactor_base.hpp"
#include "io/uring_ring.hpp"

namespace gantry::io {

class uring_reactor final : public reactor_base {
public:
  /// Errors: unavailable (see uring_ring::make).
  static result<std::unique_ptr<reactor>> make();

  uring_reactor(uring_ring ring, unique_fd event) : reactor_base(std::move(event)), ring_(std::move(ring)) {}
  ~uring_reactor() override;

  [[nodiscard]] std::string_view name() const noexcept override { return "io_uring"; }

private:
  /// What waits for room in the submission queue.
  struct entry {
    enum class verb : std::uint8_t { start, poll, cancel };
    std::uint64_t id;
    verb what;
  };

  void begin(std::uint64_t id) override;
  void abort(std::uint64_t id) override;
  void collect(std::optional<nanos> wait) override;

  void enable();
  void enqueue(entry e);
  bool push(const entry& e);
  void push_backlog();
  void arm_mailbox();
  void enter(std::optional<nanos> wait);
  std::size_t take_completions();
  void on_completion(std::uint64_t id, int result, bool more);
  io_uring_sqe* next_sqe() { return io_uring_get_sqe(ring_.get()); } ///< null: the submission queue is full
  void drain_at_exit();

  uring_ring ring_; ///< closed after the members below, none of which the kernel holds
  std::deque<entry> backlog_;
  std::size_t held_ = 0; ///< operations that the kernel has, each with a completion to come
  bool enabled_ = false;
  bool mailbox_armed_ = false;
};

} // namespace gantry::io
