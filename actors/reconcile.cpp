#include "actors/reconcile.hpp"

#include <signal.h>

#include <filesystem>
#include <map>
#include <set>

#include "actors/container_record.hpp"
#include "io/base/log.hpp"

namespace gantry::actors {

namespace {

using held_map = std::map<std::string, const runtime::pb::Held*>;
/// What wait(2) would say of a program that ended with 255: Docker's status for one whose end nobody saw (behaviours
/// 75).
constexpr int unseen_exit = 255 << 8;

void tell_shim(services& s, const std::function<void(runtime::pb::ToShim&)>& fill) {
  auto m = std::make_shared<runtime::pb::ToShim>();
  fill(*m);
  caf::anon_send(s.shim, msg::shim_tell{std::move(m)});
}

void fill_from_image(services& s, api::container_definition& d) {
  auto prepared = s.prepared_images.find(d.image_id);
  if (!prepared) {
    auto image = s.images->images()->find_for_container(d.image_id);
    if (!image) return; // starting it will say so
    auto fresh = image_cache::prepare(*s.images, *image);
    if (fresh.has_error()) {
      log::warn("prepare a container's image", {{"container", d.id}, {"error", fresh.error().message}});
      return;
    }
    prepared = *fresh;
    s.prepared_images.insert(d.image_id, prepared);
  }
  d.lower_dirs = prepared->lower_dirs;
}

void take_up(services& s, stored_container stored, stored_state state, const runtime::pb::Held* held) {
  auto& d = *stored.definition;
  s.fill_paths(d);
  fill_from_image(s, d);
  auto ended_unseen = held == nullptr && state.was_running;
  if (held != nullptr || ended_unseen) state.state.status = api::container_status::running;
  if (held != nullptr) {
    state.state.pid = held->pid();
    state.state.started_at = held->started_at();
  }
  auto id = d.id;
  auto view = std::make_shared<const api::container_view>(
      api::container_view{stored.definition, stored.name, state.state, state.restart_count});
  if (auto taken = s.containers.reserve_name(stored.name, id); taken.has_error())
    log::error("two containers of one name", {{"container", id}, {"error", taken.error().message}});
  auto actor = spawn_container(s, view);
  s.containers.insert(id, actor, view);
  if (held != nullptr && held->has_exited())
    caf::anon_send(actor, msg::exited{held->exited().wait_status(), held->exited().oom_killed(),
                                      held->exited().finished_at(), true});
  else if (ended_unseen)
    caf::anon_send(actor, msg::exited{unseen_exit, false, now_nanos(), false});
  else if (held == nullptr && view->definition->host.auto_remove && state.state.started_at != 0)
    caf::anon_send(actor, msg::remove{true}); // it ran, and ended, and the engine was killed before it was removed
}

/// The shim holds something that was never recorded, or whose removal was: it ends here.
void end_unknown(services& s, const runtime::pb::Held& held) {
  log::warn("a container without a record is ended", {{"container", held.id()}});
  if (held.has_exited())
    tell_shim(s, [&](auto& m) { m.mutable_acknowledge()->set_id(held.id()); });
  else
    tell_shim(s, [&](auto& m) {
      m.mutable_signal()->set_id(held.id());
      m.mutable_signal()->set_signal(SIGKILL);
    });
}

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code e;
  for (std::filesystem::directory_iterator it(directory, e), end; !e && it != end; it.increment(e))
    names.push_back(it->path().filename().string());
  return names;
}

void sweep(services& s, const std::set<std::string>& known, const std::set<std::string>& running) {
  for (auto& id : names_in(s.config.data_root + "/containers"))
    if (!known.contains(id)) s.discard(s.container_dir(id));
  std::error_code ignored;
  for (auto& id : names_in(s.config.run_root + "/containers"))
    if (!running.contains(id)) std::filesystem::remove_all(s.container_run_dir(id), ignored);
  for (auto& id : runtime::children(s.cgroups, s.cgroup_parent)) {
    if (running.contains(id)) continue;
    auto path = s.cgroup_parent + "/" + id;
    (void)runtime::signal_all(s.cgroups, path, SIGKILL); // left by a shim that was killed
    if (auto removed = runtime::remove(s.cgroups, path); removed.has_error())
      log::warn("remove a cgroup", {{"container", id}, {"error", removed.error().message}});
  }
}

} // namespace

result<> reconcile(services& s, const std::vector<runtime::pb::Held>& held_list) {
  held_map held;
  std::set<std::string> known, running;
  for (auto& h : held_list) {
    held[h.id()] = &h;
    running.insert(h.id());
  }
  GANTRY_TRY(states, s.records->load(storage::record_kind::container_state));
  std::map<std::string, std::string> state_of;
  for (auto& r : states) state_of[r.id] = std::move(r.value);
  GANTRY_TRY(containers, s.records->load(storage::record_kind::container));
  for (auto& r : containers) known.insert(r.id);
  sweep(s, known, running);

  for (auto& r : containers) {
    auto stored = decode_container(r.value);
    if (stored.has_error()) {
      log::error("a container's record is left alone", {{"container", r.id}, {"error", stored.error().message}});
      continue;
    }
    stored_state state;
    if (auto at = state_of.find(r.id); at != state_of.end())
      if (auto decoded = decode_state(at->second); decoded.has_value()) state = *decoded;
    auto h = held.find(r.id);
    take_up(s, std::move(stored).value(), state, h == held.end() ? nullptr : h->second);
  }
  for (auto& h : held_list)
    if (!known.contains(h.id())) end_unknown(s, h);
  return {};
}

} // namespace gantry::actors
