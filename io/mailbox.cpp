/// The hand-over between threads.
#include "io/mailbox.hpp"

#include <cerrno>
#include <sys/eventfd.h>

namespace gantry::io {

void mailbox::batch::clear() noexcept {
  work.clear();
  results.clear();
  cancels.clear();
}

result<unique_fd> mailbox::make_event() {
  unique_fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return sys_error("make an eventfd for the reactor", errno, errc::unavailable);
  return event;
}

template <class Push>
void mailbox::hand_over(Push push) {
  {
    std::lock_guard hold(lock_);
    push(content_);
    filled_.store(true, std::memory_order_release);
  }
  wake();
}

void mailbox::post(std::function<void()> work) {
  hand_over([&work](batch& b) { b.work.push_back(std::move(work)); });
}

void mailbox::finish(finished f) {
  hand_over([f](batch& b) { b.results.push_back(f); });
}

void mailbox::cancel(std::uint64_t id) {
  hand_over([id](batch& b) { b.cancels.push_back(id); });
}

void mailbox::wake() noexcept {
  if (owner_.exchange(owner::notified, std::memory_order_acq_rel) != owner::waiting) return;
  const std::uint64_t one = 1;
  // EAGAIN needs a counter that was written 2^64 times; EINTR does not happen to an eventfd that has room.
  [[maybe_unused]] auto written = ::write(event_.get(), &one, sizeof one);
}

void mailbox::take(batch& into) {
  if (!filled()) return;
  std::lock_guard hold(lock_);
  std::swap(into, content_);
  filled_.store(false, std::memory_order_release);
}

bool mailbox::begin_wait() noexcept {
  auto expected = owner::running;
  if (owner_.compare_exchange_strong(expected, owner::waiting, std::memory_order_acq_rel)) return true;
  owner_.exchange(owner::running, std::memory_order_acq_rel);
  return false;
}

bool mailbox::end_wait() noexcept {
  return owner_.exchange(owner::running, std::memory_order_acq_rel) == owner::notified;
}

} // namespace gantry::io
