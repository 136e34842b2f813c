/// How much of anything an archive may ask for. Each bound has a test just over it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "io/base/result.hpp"

namespace gantry::storage {

constexpr std::size_t path_bytes_max = 4095;        ///< PATH_MAX less its NUL
constexpr std::size_t name_bytes_max = 255;         ///< NAME_MAX
constexpr std::size_t path_depth_max = 1024;        ///< deeper than any real tree; bounds the walk for one entry
constexpr std::size_t link_target_bytes_max = 4095; ///< what the kernel takes
constexpr std::size_t xattr_bytes_max = 65536;      ///< XATTR_SIZE_MAX: names and values of one entry
constexpr std::size_t xattr_name_bytes_max = 255;   ///< XATTR_NAME_MAX
constexpr std::int64_t owner_id_max = 4294967294;   ///< 2^32-1 means "leave as it is" to chown
constexpr std::size_t json_bytes_max = 8u << 20;    ///< configs, manifests and indexes; real ones are below 1 MiB
constexpr std::size_t json_depth_max = 64;
constexpr std::size_t images_per_archive_max = 1000;
constexpr std::size_t tags_per_image_max = 1000;
constexpr std::size_t archive_entries_max = 100000; ///< members of a docker-archive or OCI layout
constexpr std::size_t archive_path_bytes_max = 512; ///< of a member; real ones are below 100
constexpr std::size_t archive_link_hops_max = 8;
constexpr std::size_t tar_header_bytes_max = 16u << 20; ///< one entry's headers with pax records and sparse map
constexpr std::size_t index_nesting_max = 4;            ///< OCI index in index; real ones have two
constexpr std::size_t overlay_stack_max = 500;          ///< OVL_MAX_STACK of the kernel
constexpr std::size_t layers_per_image_max = overlay_stack_max - 1; ///< one is the init layer

/// What an owner of a store may choose, and tests must.
struct store_options {
  std::int64_t unpacked_bytes_max = std::int64_t{1} << 40; ///< of one archive, after inflating
  std::uint64_t layer_entries_max = 10'000'000;
  std::size_t directory_bytes_max =
      256u << 20;                 ///< memory for the directories and whiteouts of one layer: some two million
  std::size_t unpack_threads = 2; ///< layers of one load unpacked at a time
  /// Called before each step that changes the disk; an error fails the step. For tests.
  std::function<result<>(std::string_view step)> before_step;

  [[nodiscard]] result<> step(std::string_view name) const {
    if (!before_step) return {};
    return before_step(name);
  }
};

} // namespace gantry::storage
