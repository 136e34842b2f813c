#include "actors/services.hpp"

#include "io/base/log.hpp"
#include "runtime/seccomp.hpp"
#include "storage/trash.hpp"

namespace gantry::actors {

image_cache::prepared_ptr image_cache::find(const std::string& image_id) const {
  std::lock_guard guard(lock_);
  auto at = by_id_.find(image_id);
  return at == by_id_.end() ? nullptr : at->second;
}

void image_cache::insert(const std::string& image_id, prepared_ptr p) {
  std::lock_guard guard(lock_);
  by_id_[image_id] = std::move(p);
}

void image_cache::erase(const std::string& image_id) {
  std::lock_guard guard(lock_);
  by_id_.erase(image_id);
}

result<image_cache::prepared_ptr> image_cache::prepare(storage::image_store& store, const storage::image_info& image) {
  auto p = std::make_shared<prepared>();
  GANTRY_TRY(config, api::parse_image_config(image.config));
  GANTRY_TRY(dirs, store.lower_dirs(image));
  p->config = std::move(config);
  p->lower_dirs = std::move(dirs);
  return prepared_ptr(std::move(p));
}

result<std::string> seccomp_cache::compile(std::string_view profile_json, std::uint64_t capabilities) {
  auto key = std::to_string(capabilities) + ' ' + std::string(profile_json);
  {
    std::lock_guard guard(lock_);
    if (auto at = programs_.find(key); at != programs_.end()) return at->second;
  }
  GANTRY_TRY(program, runtime::compile_seccomp(profile_json, capabilities));
  std::lock_guard guard(lock_);
  if (programs_.size() >= kept_max) programs_.clear();
  programs_.emplace(std::move(key), program);
  return program;
}

void connection_set::add(const caf::actor& a) {
  std::lock_guard guard(lock_);
  members_.insert(a.address());
}

void connection_set::remove(const caf::actor_addr& a) {
  std::lock_guard guard(lock_);
  members_.erase(a);
}

std::vector<caf::actor> connection_set::all() const {
  std::lock_guard guard(lock_);
  std::vector<caf::actor> actors;
  for (auto& member : members_)
    if (auto a = caf::actor_cast<caf::actor>(member)) actors.push_back(std::move(a));
  return actors;
}

image_pins::pin image_pins::hold(const std::string& image_id) {
  std::lock_guard guard(lock_);
  auto at = held_.insert(image_id);
  return pin(nullptr, [this, at](void*) {
    std::lock_guard release(lock_);
    held_.erase(at);
  });
}

bool image_pins::held(std::string_view image_id) const {
  std::lock_guard guard(lock_);
  return held_.find(image_id) != held_.end();
}

storage::image_store::usage_of services::image_usage() const {
  return [this](std::string_view image_id) {
    std::vector<storage::image_store::usage> users;
    for (auto& view : containers.views())
      if (view->definition->image_id == image_id) users.push_back({view->definition->id, view->state.is_running()});
    if (users.empty() && pinned_images.held(image_id)) users.push_back({"a container that is being created", false});
    return users;
  };
}

void services::container_removed(const std::string& id) {
  discard(container_dir(id));
  if (!images) return; // tests of containers alone
  if (auto released = images->release_kept(image_usage()); released.has_error())
    log::warn("free the layers of a removed image", {{"container", id}, {"error", released.error().message}});
}

void services::fill_paths(api::container_definition& d) const {
  auto own = container_dir(d.id);
  auto run = container_run_dir(d.id);
  d.log_path = d.host.log.type == "none" ? "" : own + "/" + d.id + "-json.log";
  d.hostname_path = run + "/hostname";
  d.hosts_path = run + "/hosts";
  d.resolv_conf_path = run + "/resolv.conf";
  d.upper_dir = own + "/upper";
  d.work_dir = own + "/work";
  d.merged_dir = own + "/merged";
}

void services::discard(const std::string& directory) {
  if (auto moved = storage::move_to_trash(config.data_root, directory); moved.has_error()) {
    log::warn("move to the trash", {{"path", directory}, {"error", moved.error().message}});
    return;
  }
  if (trash_scheduled.exchange(true)) return;
  auto empty = [this] {
    trash_scheduled = false;
    if (auto done = storage::empty_trash(config.data_root); done.has_error())
      log::warn("empty the trash", {{"error", done.error().message}});
  };
  if (submit(empty).has_error()) trash_scheduled = false; // the next removal, or the next start, empties it
}

} // namespace gantry::actors
