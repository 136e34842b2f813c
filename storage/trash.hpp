/// Deleting a tree is two steps: a rename into the trash (at once, atomic), and the deletion behind it.
#pragma once

#include <filesystem>

#include "io/base/result.hpp"

namespace gantry::storage {

/// Moves `path` into `data_root`/trash under a fresh name; absent is success. Costs one rename. Thread: any.
result<> move_to_trash(const std::filesystem::path& data_root, const std::filesystem::path& path);

/// Deletes everything in the trash. Blocks as long as it takes: pool only. Never follows a link.
result<> empty_trash(const std::filesystem::path& data_root);

} // namespace gantry::storage
