/// The part of unpacking that needs to know the layers below. Layers are unpacked side by side, each alone; then each
/// is settled onto those it stands on:
/// - a directory that the archive only implied gets the owner, mode and attributes it has below;
/// - a whiteout that hides nothing goes away: overlayfs lists a directory of one layer as it is, whiteouts included.
#pragma once

#include <filesystem>
#include <vector>

#include "io/base/result.hpp"
#include "storage/layer_unpack.hpp"

namespace gantry::storage {

/// `root`: the layer's directory; `below`: the directories of the layers below it, topmost first.
/// Errors: internal (disk; a layer below is gone).
result<> settle_layer(const std::filesystem::path& root, const unpacked_layer& unpacked,
                      const std::vector<std::filesystem::path>& below);

} // namespace gantry::storage
