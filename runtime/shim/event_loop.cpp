/// The epoll loop.
#include "runtime/shim/event_loop.hpp"

#include <cerrno>

#include "io/base/assert.hpp"
#include "io/base/log.hpp"

namespace gantry::runtime::shim {

result<> event_loop::open() {
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return sys_error("epoll_create1", errno);
  return {};
}

void event_loop::update(watch& w, std::uint32_t events) {
  epoll_event e{};
  e.events = events;
  e.data.ptr = &w;
  const int what = w.interest_ == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
  if (::epoll_ctl(epoll_.get(), what, w.fd_.get(), &e) != 0) {
    // ENOSPC: /proc/sys/fs/epoll/max_user_watches is reached; ENOMEM: as it says. EPERM: a file that cannot be polled,
    // which nothing here opens.
    log::error("shim: a descriptor cannot be watched; its container's stream stands still",
               {{"error", std::strerror(errno)}});
    return;
  }
  if (events == 0) drop_collected(&w);
  w.interest_ = events;
}

void event_loop::drop_collected(const watch* w) noexcept {
  for (int i = batch_at_ + 1; i < batch_size_; ++i)
    if (batch_[static_cast<std::size_t>(i)].data.ptr == w) batch_[static_cast<std::size_t>(i)].data.ptr = nullptr;
}

int event_loop::wait_ms() const {
  if (timers_.empty()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(timers_.begin()->first - clock::now()).count();
  return left < 0 ? 0 : static_cast<int>(std::min<long long>(left, 60'000));
}

void event_loop::run_timers() {
  const auto now = clock::now();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    timer* t = timers_.begin()->second;
    t->cancel();
    t->on_time_(t->owner_);
  }
}

void event_loop::run_once() {
  const int n = ::epoll_wait(epoll_.get(), batch_.data(), static_cast<int>(batch_.size()), wait_ms());
  if (n < 0) GANTRY_ASSERT(errno == EINTR);
  batch_size_ = n < 0 ? 0 : n;
  for (batch_at_ = 0; batch_at_ < batch_size_; ++batch_at_) {
    const auto& e = batch_[static_cast<std::size_t>(batch_at_)];
    if (auto* w = static_cast<watch*>(e.data.ptr)) w->on_events_(w->owner_, e.events);
  }
  batch_size_ = batch_at_ = 0;
  run_timers();
}

void watch::close() noexcept { (void)release(); }

unique_fd watch::release() noexcept {
  // Explicitly, because a duplicate in another process keeps a closed descriptor in the set.
  if (interest_ != 0) loop_.update(*this, 0);
  interest_ = 0;
  return std::move(fd_);
}

void timer::arm(std::chrono::milliseconds after) {
  cancel();
  due_ = event_loop::clock::now() + after;
  loop_.timers_.insert({due_, this});
  armed_ = true;
}

void timer::cancel() noexcept {
  if (!armed_) return;
  loop_.timers_.erase({due_, this});
  armed_ = false;
}

} // namespace gantry::runtime::shim
