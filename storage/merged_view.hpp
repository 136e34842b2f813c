/// Looks up paths in a stack of unpacked layers as overlayfs would show them, without mounting anything.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/stat.h>

#include "io/base/result.hpp"
#include "io/base/unique_fd.hpp"

namespace gantry::storage {

/// What stands at a path: the topmost layer that has it decides.
struct merged_entry {
  struct stat info {};
  unique_fd fd;            ///< O_PATH on that layer's file or directory
  std::string link_target; ///< of a symbolic link
};

class merged_view {
public:
  /// `layers`: their directories, topmost first.
  static result<merged_view> open(const std::vector<std::filesystem::path>& layers);

  /// Follows no link: a link on the way means "nothing there". An empty path is the root.
  result<std::optional<merged_entry>> find(std::string_view path) const;

private:
  std::vector<unique_fd> roots_;
};

/// Says whether a directory (also by an O_PATH descriptor) hides what lower layers have in it.
bool is_opaque_directory(int dir_fd);

/// Gives the directory `to_fd` the owner, mode, times and extended attributes of `from` (but overlayfs's own).
result<> copy_directory_attributes(const merged_entry& from, int to_fd);

} // namespace gantry::storage
