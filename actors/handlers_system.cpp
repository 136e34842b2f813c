// Calls about the engine: ping, version, info.
#include "actors/handlers.hpp"

#include <dirent.h>

namespace gantry::actors {

namespace {

std::int64_t open_descriptors() {
  auto* dir = ::opendir("/proc/self/fd");
  if (dir == nullptr) return 0;
  std::int64_t count = -3; // ".", ".." and the directory's own
  while (::readdir(dir) != nullptr) ++count;
  ::closedir(dir);
  return count;
}

} // namespace

void handle(connection& c, api::ping call) { c.reply(api::render_ping(call.head)); }

void handle(connection& c, api::options_any) {
  api::reply r;
  r.content_type.clear();
  c.reply(r);
}

void handle(connection& c, api::get_version) { c.reply_json(api::render_version(c.svc().facts)); }

void handle(connection& c, api::get_info) {
  auto& s = c.svc();
  api::engine_counts counts;
  for (auto& view : s.containers.views()) {
    ++counts.containers;
    if (view->state.status == api::container_status::paused)
      ++counts.paused;
    else if (view->state.is_running())
      ++counts.running;
    else
      ++counts.stopped;
  }
  counts.images = static_cast<std::int64_t>(s.images->images()->all().size());
  auto facts = s.facts;
  facts.descriptors = open_descriptors();
  facts.event_listeners = static_cast<std::int64_t>(s.events.subscribers());
  c.reply_json(api::render_info(facts, counts, now_nanos(), c.version()));
}

} // namespace gantry::actors
