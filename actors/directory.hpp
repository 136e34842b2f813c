/// Who is called what: the names, ids and published views of all containers. The one structure that every connection
/// reads and every container writes, so it is a leaf lock held for a map operation and never across a call; a list
/// waits for no container.
#pragma once

#include <map>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "actors/container_actor.hpp"
#include "api/container_view.hpp"
#include "io/base/result.hpp"

namespace gantry::actors {

class directory {
public:
  struct entry {
    container_actor actor;
    api::container_view_ptr view;
  };

  /// Takes a name for a container that may not be inserted yet. Errors: conflict, with Docker's text.
  result<> reserve_name(const std::string& name, const std::string& id);
  void release_name(const std::string& name);
  /// A free generated name ("adjective_surname"), reserved for `id` (behaviours 46).
  std::string reserve_generated_name(const std::string& id);

  void insert(const std::string& id, container_actor actor, api::container_view_ptr view);
  /// Replaces the view of a container that is inserted; others are ignored.
  void publish(api::container_view_ptr view);
  /// Forgets the container and frees its name.
  void erase(const std::string& id);

  /// Full id, name with or without slash, unique id prefix (behaviours 48).
  /// Errors: not_found `No such container: X` · invalid_parameter (empty, ambiguous).
  [[nodiscard]] result<entry> find(std::string_view name_or_id) const;
  [[nodiscard]] container_actor actor_of(const std::string& id) const;

  /// All views, newest first.
  [[nodiscard]] std::vector<api::container_view_ptr> views() const;
  [[nodiscard]] std::vector<container_actor> actors() const;

private:
  using order_key = std::pair<unix_nanos, std::string>;

  mutable std::shared_mutex lock_;
  std::map<std::string, entry, std::less<>> by_id_;
  std::map<order_key, api::container_view_ptr, std::greater<>> by_age_;
  std::unordered_map<std::string, std::string> id_of_name_;
};

} // namespace gantry::actors
