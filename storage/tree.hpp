/// Directory trees by descriptor: paths from archives are resolved beneath a root that nothing can lead out of.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "io/base/result.hpp"
#include "io/base/unique_fd.hpp"

namespace gantry::storage {

/// "./a//b/../c" -> {"a", "c"}. Absolute paths lose their root. Errors: invalid_parameter (leads above the root; too
/// long, too deep).
result<std::vector<std::string>> clean_path(std::string_view path);
std::string join_path(const std::vector<std::string>& components, std::size_t count);

/// Opens `path` as if `root_fd` were the root directory (openat2 with RESOLVE_IN_ROOT): links, absolute ones and `..`
/// too, stay beneath it. `flags` gets O_CLOEXEC. An empty path is the root itself.
result<unique_fd> open_in_root(int root_fd, const std::string& path, int flags);

result<unique_fd> open_directory(const std::filesystem::path& path);
result<unique_fd> open_directory_at(int dir_fd, const std::string& name);

/// A path that names `name` below `dir_fd` for calls without an *at form (lsetxattr): the name itself is not followed.
std::string proc_path(int dir_fd, const std::string& name);

/// Deletes a file or a whole tree; absent is success. Follows no link, and holds few descriptors however deep it is.
result<> remove_tree_at(int dir_fd, const std::string& name);

/// The names in a directory, without "." and "..".
result<std::vector<std::string>> list_directory(int dir_fd);

/// A character device 0:0: how overlayfs says "deleted".
bool is_whiteout(unsigned int mode, unsigned long device) noexcept;

} // namespace gantry::storage
