/// What every actor of one engine may use. Made once by the engine, before the first actor; it outlives them all.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "actors/directory.hpp"
#include "actors/engine_config.hpp"
#include "actors/event_hub.hpp"
#include "actors/shim_link.hpp"
#include "actors/spec_compiler.hpp"
#include "api/container_json.hpp"
#include "api/image_json.hpp"
#include "api/system_json.hpp"
#include "io/pool.hpp"
#include "runtime/cgroup.hpp"
#include "storage/image_store.hpp"
#include "storage/record_store.hpp"

namespace gantry::actors {

/// Parsed image configurations and overlay directories by image id: both cost, and neither ever changes for an id.
class image_cache {
public:
  struct prepared {
    api::image_config config;
    api::string_list lower_dirs;
  };
  using prepared_ptr = std::shared_ptr<const prepared>;

  /// Thread: any.
  [[nodiscard]] prepared_ptr find(const std::string& image_id) const;
  void insert(const std::string& image_id, prepared_ptr p);
  void erase(const std::string& image_id);
  /// Parses the config and asks the store for the directories: blocks the first time, so pool or start only.
  static result<prepared_ptr> prepare(storage::image_store& store, const storage::image_info& image);

private:
  mutable std::mutex lock_;
  std::unordered_map<std::string, prepared_ptr> by_id_;
};

/// Seccomp programs by profile text and capabilities: compiling one costs milliseconds.
class seccomp_cache {
public:
  result<std::string> compile(std::string_view profile_json, std::uint64_t capabilities);

private:
  static constexpr std::size_t kept_max = 64; ///< users' own profiles are few; beyond it the cache starts anew
  std::mutex lock_;
  std::unordered_map<std::string, std::string> programs_;
};

/// The open connections, so that the engine can end them when it stops. Thread: any.
class connection_set {
public:
  void add(const caf::actor& a);
  void remove(const caf::actor_addr& a);
  [[nodiscard]] std::vector<caf::actor> all() const;

private:
  mutable std::mutex lock_;
  std::set<caf::actor_addr> members_;
};

/// Images that creates in flight are about to use: a removal sees them as used. Thread: any.
class image_pins {
public:
  /// Held while a create is under way.
  using pin = std::shared_ptr<void>;
  [[nodiscard]] pin hold(const std::string& image_id);
  [[nodiscard]] bool held(std::string_view image_id) const;

private:
  mutable std::mutex lock_;
  std::multiset<std::string, std::less<>> held_;
};

struct services {
  engine_config config;
  std::string engine_id;       ///< `docker info`'s ID
  std::string cgroup_parent;   ///< "<cgroup parent>/<12 hex of the engine>"
  std::string init_path;       ///< "" when the host has none
  std::string seccomp_profile; ///< the engine's default, as JSON text; "" is built in
  host_facts host;
  api::host_facts api_host;
  api::engine_facts facts;
  api::server_identity identity;
  runtime::cgroup_layout cgroups;

  std::unique_ptr<storage::record_store> records;
  std::unique_ptr<storage::image_store> images;
  std::unique_ptr<io::pool> pool;
  image_cache prepared_images;
  seccomp_cache seccomp;
  image_pins pinned_images;
  directory containers;
  event_hub events;

  caf::actor_system* system = nullptr;
  shim_actor shim;
  connection_set connections;

  std::atomic<bool> stopping{false};
  std::atomic<bool> trash_scheduled{false};

  /// Submits blocking work; what the pool refuses is refused to the client. Thread: any.
  result<> submit(std::function<void()> job) { return pool->submit(std::move(job)); }
  /// Moves a directory to the trash and has it emptied behind. Thread: pool.
  void discard(const std::string& directory);
  /// What follows a removal: the container's files to the trash, and what a removed image kept for it. Thread: pool.
  void container_removed(const std::string& id);
  /// Who uses an image: containers, and creates in flight.
  [[nodiscard]] storage::image_store::usage_of image_usage() const;
  /// Where a container's files are: set in its definition, derived from the roots and its id.
  void fill_paths(api::container_definition& d) const;
  /// <data root>/containers/<id>
  [[nodiscard]] std::string container_dir(const std::string& id) const {
    return config.data_root + "/containers/" + id;
  }
  /// <run root>/containers/<id>: generated files, gone with the boot
  [[nodiscard]] std::string container_run_dir(const std::string& id) const {
    return config.run_root + "/containers/" + id;
  }
};

} // namespace gantry::actors
