/// Small reads and writes of kernel files and of files inside a root that somebody else wrote.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "io/base/result.hpp"
#include "io/base/unique_fd.hpp"

namespace gantry::runtime {

/// One write(2) of the whole text: what kernel files (cgroup, procfs) want. 0, or the errno.
int write_file_at(int dirfd, const char* path, std::string_view text) noexcept;

/// Everything up to `bytes_max`. Errors: not_found · invalid_parameter (larger) · internal.
result<std::string> read_file_at(int dirfd, const char* path, std::size_t bytes_max);
/// The same from an open descriptor; `name` is for the message.
result<std::string> read_all(int fd, std::string_view name, std::size_t bytes_max);

/// mkdir -p with `mode` for what is missing; an existing directory is success.
result<> make_directories(const std::string& path, unsigned mode);

} // namespace gantry::runtime
