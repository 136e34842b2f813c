/// What both backends share: operations and their ids, timers, the mailbox, and the order of things in `run`.
/// A backend only starts, aborts and collects.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "io/mailbox.hpp"
#include "io/op_table.hpp"
#include "io/reactor.hpp"
#include "io/timer_queue.hpp"

namespace gantry::io {

class reactor_base : public reactor {
public:
  op_token recv(int socket_fd, std::span<std::byte> into, completion done) final;
  op_token send(int socket_fd, std::span<const std::byte> from, completion done) final;
  op_token recvmsg(int socket_fd, msghdr* message, completion done) final;
  op_token sendmsg(int socket_fd, const msghdr* message, completion done) final;
  op_token read(int fd, std::span<std::byte> into, completion done) final;
  op_token write(int fd, std::span<const std::byte> from, completion done) final;
  op_token read_at(int file_fd, std::uint64_t offset, std::span<std::byte> into, completion done) final;
  op_token accept(int listen_fd, completion done) final;
  op_token poll(int fd, short events, completion done) final;
  op_token timer(std::chrono::nanoseconds delay, completion done) final;
  void cancel(op_token token) final;
  void post(std::function<void()> work) final { mailbox_->post(std::move(work)); }
  void wake() final { mailbox_->wake(); }
  std::size_t run(std::optional<std::chrono::nanoseconds> wait) final;
  [[nodiscard]] std::size_t in_flight() const noexcept final { return ops_.size(); }

protected:
  using nanos = std::chrono::nanoseconds;

  explicit reactor_base(unique_fd event) : mailbox_(std::make_shared<mailbox>(std::move(event))) {}

  /// Starts a queued operation that is not a timer; may call `finish` at once.
  virtual void begin(std::uint64_t id) = 0;
  /// Ends an operation that is not done and not a timer; it must finish soon. `op::cancelled` is set already.
  virtual void abort(std::uint64_t id) = 0;
  /// Submits, waits at most `wait` for anything (not at all without), and calls `finish` for what has ended. May return
  /// early with nothing.
  virtual void collect(std::optional<nanos> wait) = 0;

  /// Its completion will run, from `run`.
  void finish(std::uint64_t id, int result);
  [[nodiscard]] bool has_finished() const noexcept { return !ready_.empty(); }
  op_table& ops() noexcept { return ops_; }
  /// Shared, because a pool thread may still be inside `wake` when the reactor's last completion has run.
  [[nodiscard]] const std::shared_ptr<mailbox>& box() const noexcept { return mailbox_; }
  /// The calling thread is the one that called `run` first.
  [[nodiscard]] bool is_owner() const noexcept;

private:
  op_token start(const request& what, completion done);
  void cancel_here(std::uint64_t id);
  bool collect_or_wait(nanos until);
  void collect_all(std::optional<nanos> wait);
  void finish_due_timers();
  void open_mailbox();
  std::size_t run_ready() noexcept;

  std::shared_ptr<mailbox> mailbox_;
  std::atomic<const void*> owner_{nullptr}; ///< a mark of the thread; null before the first `run`
  op_table ops_;
  timer_queue timers_;
  std::vector<finished> ready_;
  std::vector<finished> batch_; ///< what `run` is just running; kept for its capacity
  mailbox::batch letters_;
  bool in_run_ = false;
};

} // namespace gantry::io
