/// Images as JSON: list, inspect, history, delete, and the configuration inside an image.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "api/calls.hpp"
#include "io/base/result.hpp"

namespace gantry::api {

/// Rows of history, and layers, in one image's configuration. [400]
inline constexpr std::size_t image_history_max = 2048;

/// An image's own configuration file, in OCI's form or Docker's: nulls and unknown members do no harm.
/// Errors: invalid_parameter (what is wrong in it).
result<image_config> parse_image_config(std::string_view json);

/// What list, inspect and history show of an image.
struct image_view {
  std::string id, parent;
  image_config config;
  string_list repo_tags, repo_digests;
  std::int64_t size_bytes = 0;
  std::vector<std::int64_t> layer_sizes; ///< lowest first
  unix_nanos created = 0, last_tagged = 0;
  std::int64_t containers = -1;  ///< how many use it
  string_list lower_dirs;        ///< topmost first, for GraphDriver.Data; may be empty
  std::int64_t shared_size = -1; ///< filter_images counts it when the call asks
};

/// Checks keys and applies filters (behaviours 224). Errors: invalid_parameter, not_found (before, since).
result<std::vector<image_view>> filter_images(const list_images& call, std::vector<image_view> views, unix_nanos now);
std::string render_image_list(const std::vector<image_view>& views, api_version version);
std::string render_image_inspect(const image_view& view, api_version version);
std::string render_image_history(const image_view& view);
/// [{"Untagged"},{"Deleted"}]
std::string render_image_removed(const string_list& untagged, const string_list& deleted);
/// {"ImagesDeleted","SpaceReclaimed"}
std::string render_images_pruned(const string_list& untagged, const string_list& deleted, std::int64_t reclaimed_bytes);

/// Dockerfile lines of `docker import --change` applied to a config: CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL
/// ONBUILD STOPSIGNAL USER VOLUME WORKDIR. Errors: invalid_parameter `X is not a valid change command`.
result<> apply_changes(container_config& config, const string_list& changes);

} // namespace gantry::api
