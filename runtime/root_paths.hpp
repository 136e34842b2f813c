/// Paths inside a container's root, which an image's author chose: every symbolic link is followed within the root, no
/// magic link of /proc is followed, and what was found is carried on as a descriptor, so that nobody can swap it.
/// Why: CVE-2021-30465, CVE-2024-21626, CVE-2025-52881.
#pragma once

#include <string>

#include "io/base/result.hpp"
#include "io/base/unique_fd.hpp"

namespace gantry::runtime {

enum class links { follow, refuse };
enum class target { directory, file };

/// openat2(RESOLVE_IN_ROOT) of `path` below `rootfd`. Errors: not_found, internal.
result<unique_fd> open_in_root(int rootfd, const std::string& path, int flags, links l = links::follow);

/// The O_PATH descriptor of `path`, made when missing: directories with 0755, a file with 0644.
/// Errors: internal; invalid_parameter (something of the other kind is in the way, or a link where refused).
result<unique_fd> make_in_root(int rootfd, const std::string& path, target kind, links l = links::follow);

} // namespace gantry::runtime
