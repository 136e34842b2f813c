/// What the store reads of an image's configuration JSON. Source: image-spec config.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/base/result.hpp"
#include "io/base/time.hpp"

namespace gantry::storage {

struct image_config {
  std::vector<std::string> diff_ids; ///< lowest first
  std::string os, architecture;
  unix_nanos created = 0;
  std::size_t history_count = 0;
};

/// Errors: invalid_parameter (not JSON, not an image configuration, another operating system).
result<image_config> parse_image_config(std::string_view json);

} // namespace gantry::storage
