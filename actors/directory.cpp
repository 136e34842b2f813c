#include "actors/directory.hpp"

#include <mutex>

#include "actors/name_generator.hpp"
#include "io/base/ids.hpp"

namespace gantry::actors {

namespace {

error name_taken(const std::string& name, const std::string& holder) {
  return {errc::conflict, 0,
          "Conflict. The container name \"/" + name + "\" is already in use by container \"" + holder +
              "\". You have to remove (or rename) that container to be able to reuse that name."};
}

} // namespace

result<> directory::reserve_name(const std::string& name, const std::string& id) {
  std::unique_lock guard(lock_);
  auto [at, added] = id_of_name_.try_emplace(name, id);
  if (!added) return name_taken(name, at->second);
  return {};
}

void directory::release_name(const std::string& name) {
  std::unique_lock guard(lock_);
  id_of_name_.erase(name);
}

std::string directory::reserve_generated_name(const std::string& id) {
  std::unique_lock guard(lock_);
  auto base = generate_name();
  if (id_of_name_.try_emplace(base, id).second) return base;
  constexpr int retries = 6;
  for (int i = 0; i < retries; ++i) {
    auto name = generate_name() + random_digit();
    if (id_of_name_.try_emplace(name, id).second) return name;
  }
  auto name = short_id(id);
  id_of_name_[name] = id;
  return name;
}

void directory::insert(const std::string& id, container_actor actor, api::container_view_ptr view) {
  std::unique_lock guard(lock_);
  by_age_[{view->definition->created, id}] = view;
  by_id_[id] = entry{std::move(actor), std::move(view)};
}

void directory::publish(api::container_view_ptr view) {
  std::unique_lock guard(lock_);
  auto at = by_id_.find(view->definition->id);
  if (at == by_id_.end()) return;
  by_age_[{view->definition->created, view->definition->id}] = view;
  at->second.view = std::move(view);
}

void directory::erase(const std::string& id) {
  std::unique_lock guard(lock_);
  auto at = by_id_.find(id);
  if (at == by_id_.end()) return;
  id_of_name_.erase(at->second.view->name);
  by_age_.erase({at->second.view->definition->created, id});
  by_id_.erase(at);
}

result<directory::entry> directory::find(std::string_view name_or_id) const {
  if (name_or_id.empty()) return error{errc::invalid_parameter, 0, "invalid name or ID supplied: \"\""};
  std::shared_lock guard(lock_);
  if (auto at = by_id_.find(name_or_id); at != by_id_.end()) return at->second;
  auto name = std::string(name_or_id.front() == '/' ? name_or_id.substr(1) : name_or_id);
  if (auto named = id_of_name_.find(name); named != id_of_name_.end())
    if (auto at = by_id_.find(named->second); at != by_id_.end()) return at->second;
  auto at = by_id_.lower_bound(name_or_id);
  auto matches = [&](auto it) {
    return it != by_id_.end() && it->first.compare(0, name_or_id.size(), name_or_id) == 0;
  };
  if (!matches(at)) return error{errc::not_found, 0, "No such container: " + std::string(name_or_id)};
  if (matches(std::next(at)))
    return error{errc::invalid_parameter, 0, "multiple IDs found with provided prefix: " + std::string(name_or_id)};
  return at->second;
}

container_actor directory::actor_of(const std::string& id) const {
  std::shared_lock guard(lock_);
  auto at = by_id_.find(id);
  return at == by_id_.end() ? container_actor{} : at->second.actor;
}

std::vector<api::container_view_ptr> directory::views() const {
  std::shared_lock guard(lock_);
  std::vector<api::container_view_ptr> all;
  all.reserve(by_age_.size());
  for (auto& [key, view] : by_age_) all.push_back(view);
  return all;
}

std::vector<container_actor> directory::actors() const {
  std::shared_lock guard(lock_);
  std::vector<container_actor> all;
  all.reserve(by_id_.size());
  for (auto& [id, e] : by_id_) all.push_back(e.actor);
  return all;
}

} // namespace gantry::actors
