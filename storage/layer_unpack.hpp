/// Unpacks one layer's tar into one directory, as overlayfs wants it. The archive is hostile: nothing it says can touch
/// anything outside of that directory.
///
/// Paths are cleaned, and their parents resolved with openat2(RESOLVE_IN_ROOT), so links lead nowhere else; the last
/// name is never followed. A later entry replaces an earlier one of the same name. Whiteouts (`.wh.x`) become character
/// devices 0:0 and opaque markers the xattr trusted.overlay.opaque: image-spec layer.md, "Whiteouts"; kernel
/// overlayfs.rst, "whiteouts and opaque directories".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/base/result.hpp"
#include "storage/byte_source.hpp"
#include "storage/limits.hpp"
#include "storage/space_guard.hpp"

namespace gantry::storage {

struct unpacked_layer {
  std::int64_t size_bytes = 0; ///< sum of the regular files, as Docker counts
  std::uint64_t entries = 0;
  /// Directories that some entry needed and none described, lowest first: their owner and mode are those of the layers
  /// below, which only the caller knows.
  std::vector<std::string> implied_directories;
  /// Where whiteouts were made: those that hide nothing must go again, which only the caller knows too.
  std::vector<std::string> whiteouts;
};

/// Unpacks `tar` (not compressed) into the empty directory `root_fd`. Needs root. Nothing is synced.
/// Errors: invalid_parameter (the archive; the message names the member) · internal (disk, with errno).
result<unpacked_layer> unpack_layer(byte_source& tar, int root_fd, const store_options& options, space_guard& space);

} // namespace gantry::storage
