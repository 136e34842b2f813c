/// Attached clients that outlive their container.
#include "runtime/shim/lingering.hpp"

#include "io/base/log.hpp"

namespace gantry::runtime::shim {

void lingering::add(std::unique_ptr<attach_stream> s) {
  s->move_to(*this);
  if (s->queued() == 0) return s->finish();
  s->stop_input();
  std::size_t total = s->queued();
  streams_.push_back({std::move(s), total, event_loop::clock::now()});
  for (const auto& e : streams_) total += e.stream->queued();
  while (total > linger_bytes_max && streams_.size() > 1) {
    log::warn("shim: too much output waits for clients that do not read; the oldest is cut off");
    total -= streams_.front().stream->queued();
    streams_.pop_front();
  }
  if (!timer_.armed()) timer_.arm(linger_patience / 3);
}

void lingering::output_drained() {
  // Not at once: the caller is the stream itself.
  timer_.arm(std::chrono::milliseconds(0));
}

void lingering::forget(attach_stream& from) {
  streams_.remove_if([&](const entry& e) { return e.stream.get() == &from; });
}

void lingering::look() {
  const auto now = event_loop::clock::now();
  for (auto e = streams_.begin(); e != streams_.end();) {
    const auto queued = e->stream->queued();
    if (queued != e->queued) {
      e->queued = queued;
      e->moved_at = now;
    }
    const bool stuck = now - e->moved_at >= linger_patience;
    if (queued == 0 || stuck) e->stream->finish();
    e = queued == 0 || stuck ? streams_.erase(e) : std::next(e);
  }
  if (!streams_.empty()) timer_.arm(linger_patience / 3);
}

} // namespace gantry::runtime::shim
