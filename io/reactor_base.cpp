/// The shared half of the reactor.
#include "io/reactor_base.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace gantry::io {

namespace {

using nanos = std::chrono::nanoseconds;

/// A longer wait or delay is as good as for ever, and sums with the clock stay within 64 bits.
constexpr nanos delay_max = std::chrono::hours(24 * 365 * 10);

nanos monotonic_now() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::chrono::seconds(now.tv_sec) + nanos(now.tv_nsec);
}

/// Its address names the thread.
thread_local const char thread_mark = 0;

request over(op_kind kind, int fd, const void* address, std::size_t bytes) {
  request out;
  out.kind = kind;
  out.fd = fd;
  out.address = const_cast<void*>(address); // sends only read it
  out.bytes = std::min(bytes, transfer_bytes_max);
  return out;
}

} // namespace

bool reactor_base::is_owner() const noexcept { return owner_.load(std::memory_order_relaxed) == &thread_mark; }

op_token reactor_base::start(const request& what, completion done) {
  GANTRY_ASSERT(is_owner() || owner_.load(std::memory_order_relaxed) == nullptr);
  const auto id = ops_.add(what, std::move(done));
  if (what.kind == op_kind::timer) {
    ops_.find(id)->state = op_state::submitted;
    timers_.add(what.at, id);
  } else {
    begin(id);
  }
  return {this, id};
}

op_token reactor_base::recv(int socket_fd, std::span<std::byte> into, completion done) {
  return start(over(op_kind::recv, socket_fd, into.data(), into.size()), std::move(done));
}

op_token reactor_base::send(int socket_fd, std::span<const std::byte> from, completion done) {
  return start(over(op_kind::send, socket_fd, from.data(), from.size()), std::move(done));
}

op_token reactor_base::recvmsg(int socket_fd, msghdr* message, completion done) {
  return start(over(op_kind::recvmsg, socket_fd, message, 1), std::move(done));
}

op_token reactor_base::sendmsg(int socket_fd, const msghdr* message, completion done) {
  return start(over(op_kind::sendmsg, socket_fd, message, 1), std::move(done));
}

op_token reactor_base::read(int fd, std::span<std::byte> into, completion done) {
  return start(over(op_kind::read, fd, into.data(), into.size()), std::move(done));
}

op_token reactor_base::write(int fd, std::span<const std::byte> from, completion done) {
  return start(over(op_kind::write, fd, from.data(), from.size()), std::move(done));
}

op_token reactor_base::read_at(int file_fd, std::uint64_t offset, std::span<std::byte> into, completion done) {
  auto what = over(op_kind::read_at, file_fd, into.data(), into.size());
  what.offset = offset;
  return start(what, std::move(done));
}

op_token reactor_base::accept(int listen_fd, completion done) {
  return start(over(op_kind::accept, listen_fd, nullptr, 0), std::move(done));
}

op_token reactor_base::poll(int fd, short events, completion done) {
  auto what = over(op_kind::poll, fd, nullptr, 0);
  what.events = events;
  return start(what, std::move(done));
}

op_token reactor_base::timer(std::chrono::nanoseconds delay, completion done) {
  request what;
  what.kind = op_kind::timer;
  what.at = monotonic_now() + std::clamp(delay, nanos(0), delay_max);
  return start(what, std::move(done));
}

void reactor_base::cancel(op_token token) {
  if (!token) return;
  GANTRY_ASSERT(token.owner == this);
  if (is_owner())
    cancel_here(token.id);
  else
    mailbox_->cancel(token.id);
}

void reactor_base::cancel_here(std::uint64_t id) {
  auto* o = ops_.find(id);
  if (o == nullptr || o->state == op_state::done || o->cancelled) return;
  o->cancelled = true;
  if (o->what.kind != op_kind::timer) return abort(id);
  timers_.remove(o->what.at, id);
  finish(id, -ECANCELED);
}

void reactor_base::finish(std::uint64_t id, int result) {
  auto* o = ops_.find(id);
  GANTRY_ASSERT(o != nullptr && o->state != op_state::done);
  o->state = op_state::done;
  ready_.push_back({id, result});
}

std::size_t reactor_base::run(std::optional<std::chrono::nanoseconds> wait) {
  GANTRY_ASSERT(!in_run_); // a completion that runs the reactor would run others inside itself
  const void* unowned = nullptr;
  owner_.compare_exchange_strong(unowned, &thread_mark, std::memory_order_relaxed);
  GANTRY_ASSERT(is_owner());

  in_run_ = true;
  collect_all(wait);
  const auto ran = run_ready();
  in_run_ = false;
  return ran;
}

void reactor_base::collect_all(std::optional<nanos> wait) {
  if (wait && *wait > nanos(0) && !has_finished() && !mailbox_->filled()) {
    const auto until = monotonic_now() + std::min(*wait, delay_max);
    while (collect_or_wait(until)) {
    }
  } else {
    // Who asks to wait looks at its own queues again afterwards, so a notification until now has done its work. Without
    // `wait` it stays: the caller may go on to wait without another look.
    if (wait && *wait > nanos(0)) mailbox_->end_wait();
    collect(std::nullopt);
  }
  open_mailbox();
  finish_due_timers();
}

/// True: nothing has come yet and there is time left.
bool reactor_base::collect_or_wait(nanos until) {
  const auto now = monotonic_now();
  const auto next = timers_.next();
  const auto wait = (next ? std::min(*next, until) : until) - now;
  if (wait <= nanos(0) || !mailbox_->begin_wait()) {
    collect(std::nullopt);
    return false;
  }
  collect(wait);
  return !mailbox_->end_wait() && !has_finished();
}

void reactor_base::open_mailbox() {
  mailbox_->take(letters_);
  for (const auto& f : letters_.results) finish(f.id, f.result);
  letters_.results.clear();
  for (const auto id : letters_.cancels) cancel_here(id);
  letters_.cancels.clear();
}

void reactor_base::finish_due_timers() {
  if (timers_.empty()) return; // no look at the clock
  timers_.take_due(monotonic_now(), [this](std::uint64_t id) { finish(id, 0); });
}

/// Completions first, then posted work. What they start or post is for the next run.
std::size_t reactor_base::run_ready() noexcept {
  std::swap(batch_, ready_);
  std::size_t ran = batch_.size();
  for (const auto& f : batch_) {
    auto done = ops_.take(f.id);
    if (done) done(f.result);
  }
  batch_.clear();
  ran += letters_.work.size();
  for (auto& work : letters_.work) {
    auto run_once = std::move(work); // freed before the next one runs
    run_once();
  }
  letters_.work.clear();
  return ran;
}

} // namespace gantry::io
