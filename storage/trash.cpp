/// See trash.hpp.
#include "storage/trash.hpp"

#include <cerrno>
#include <cstdio>

#include "io/base/ids.hpp"
#include "storage/layout.hpp"
#include "storage/tree.hpp"

namespace gantry::storage {

result<> move_to_trash(const std::filesystem::path& data_root, const std::filesystem::path& path) {
  const auto trash = data_layout{data_root}.trash();
  const auto fresh = trash / random_id();
  for (int tries = 0; tries < 2; ++tries) {
    if (::rename(path.c_str(), fresh.c_str()) == 0) return {};
    if (errno != ENOENT) break;
    std::error_code failed; // either `path` is gone, or there is no trash yet
    if (!std::filesystem::create_directories(trash, failed)) return {};
  }
  return sys_error("move `" + path.string() + "` to the trash", errno);
}

result<> empty_trash(const std::filesystem::path& data_root) {
  auto dir = open_directory(data_layout{data_root}.trash());
  if (dir.has_error()) {
    if (dir.error().sys_errno == ENOENT) return {};
    return dir.error();
  }
  GANTRY_TRY(names, list_directory(dir->get()));
  result<> first_failure;
  for (const auto& name : names) {
    auto removed = remove_tree_at(dir->get(), name);
    if (removed.has_error() && first_failure.has_value())
      first_failure = with_context(removed.error(), "empty trash: ");
  }
  return first_failure;
}

} // namespace gantry::storage
