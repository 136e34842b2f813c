/// Every public verb that this version answers, as a plain value: what the bytes of a request mean. `api::parse_call`
/// (routes.hpp) makes them; the actors carry them out. Names follow the Engine API's operations.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "api/container_config.hpp"
#include "io/base/time.hpp"

namespace gantry::api {

struct api_version {
  int major = 1, minor = 51;
  friend auto operator<=>(const api_version&, const api_version&) = default;
};
inline constexpr api_version api_version_min{1, 24};
inline constexpr api_version api_version_max{1, 51};

/// Decoded filters parameter: key -> values ("label" -> {"a", "b=c"}). Keys are checked by the call's parser.
using filters = std::map<std::string, std::set<std::string>>;

struct ping {
  bool head = false;
};
struct options_any {};
struct get_version {};
struct get_info {};
struct get_events {
  std::optional<unix_nanos> since, until;
  filters filter;
};

struct list_containers {
  bool all = false, size = false;
  std::int64_t limit = 0;
  filters filter;
};
struct create_container {
  create_request request;
};
struct inspect_container {
  std::string id;
  bool size = false;
};
struct container_top {
  std::string id;
  std::string ps_args;
};
struct container_logs {
  std::string id;
  bool follow = false, want_stdout = false, want_stderr = false, timestamps = false, details = false;
  unix_nanos since = 0, until = 0;   ///< 0: none
  std::optional<std::uint64_t> tail; ///< absent: all
};
struct resize_container {
  std::string id;
  std::uint32_t rows = 0, columns = 0;
};
struct start_container {
  std::string id;
};
/// timeout_s: absent = the container's own; -1 = wait for ever; 0 = kill at once.
struct stop_container {
  std::string id;
  std::string signal;
  std::optional<std::int64_t> timeout_s;
};
struct restart_container {
  std::string id;
  std::string signal;
  std::optional<std::int64_t> timeout_s;
};
struct kill_container {
  std::string id;
  std::string signal;
};
struct rename_container {
  std::string id, name;
};
struct attach_container {
  std::string id;
  bool logs = false, stream = false, want_stdin = false, want_stdout = false, want_stderr = false;
  std::string detach_keys; ///< as given; "" for the default
  bool websocket = false;
};
enum class wait_condition { not_running, next_exit, removed };
struct wait_container {
  std::string id;
  wait_condition condition = wait_condition::not_running;
};
struct remove_container {
  std::string id;
  bool volumes = false, force = false, link = false;
};
struct prune_containers {
  filters filter;
};

struct list_images {
  bool all = false, digests = false, shared_size = false;
  filters filter;
};
struct inspect_image {
  std::string name;
};
struct image_history_of {
  std::string name;
};
struct tag_image {
  std::string name, repository, tag;
};
struct remove_image {
  std::string name;
  bool force = false, no_prune = false;
};
struct prune_images {
  filters filter;
};
/// The body is the archive.
struct load_images {
  bool quiet = true;
};
/// POST /images/create with fromSrc=-: the body is the archive.
struct import_image {
  std::string repository, tag, message, platform;
  string_list changes;
};

using call = std::variant<ping, options_any, get_version, get_info, get_events, list_containers, create_container,
                          inspect_container, container_top, container_logs, resize_container, start_container,
                          stop_container, restart_container, kill_container, rename_container, attach_container,
                          wait_container, remove_container, prune_containers, list_images, inspect_image,
                          image_history_of, tag_image, remove_image, prune_images, load_images, import_image>;

} // namespace gantry::api
