#include "actors/event_hub.hpp"

#include <algorithm>

namespace gantry::actors {

void event_hub::publish(api::event e) {
  if (e.time == 0) e.time = now_nanos();
  auto shared = std::make_shared<const api::event>(std::move(e));
  std::lock_guard guard(lock_);
  kept_.push_back(std::move(shared));
  if (kept_.size() > kept_max) {
    kept_.pop_front();
    ++first_;
  }
  for (auto& [id, s] : subscribers_)
    if (std::exchange(s.armed, false)) s.wake();
}

event_hub::batch event_hub::read(sequence from, std::size_t limit) const {
  std::lock_guard guard(lock_);
  batch out;
  if (from < first_) {
    out.lost = first_ - from;
    from = first_;
  }
  auto index = std::min<std::size_t>(from - first_, kept_.size());
  auto count = std::min(limit, kept_.size() - index);
  out.events.assign(kept_.begin() + static_cast<std::ptrdiff_t>(index),
                    kept_.begin() + static_cast<std::ptrdiff_t>(index + count));
  out.next = first_ + index + count;
  return out;
}

event_hub::sequence event_hub::end() const {
  std::lock_guard guard(lock_);
  return first_ + kept_.size();
}

event_hub::sequence event_hub::begin() const {
  std::lock_guard guard(lock_);
  return first_;
}

std::uint64_t event_hub::subscribe(std::function<void()> wake) {
  std::lock_guard guard(lock_);
  subscribers_[next_subscription_] = {std::move(wake), false};
  return next_subscription_++;
}

bool event_hub::arm(std::uint64_t subscription, sequence from) {
  std::lock_guard guard(lock_);
  if (from < first_ + kept_.size()) return true;
  if (auto at = subscribers_.find(subscription); at != subscribers_.end()) at->second.armed = true;
  return false;
}

void event_hub::unsubscribe(std::uint64_t subscription) {
  std::lock_guard guard(lock_);
  subscribers_.erase(subscription);
}

std::size_t event_hub::subscribers() const {
  std::lock_guard guard(lock_);
  return subscribers_.size();
}

} // namespace gantry::actors
