/// Docker's user texts ("name:group", "0:1000", ...) resolved in a container's own /etc/passwd and /etc/group, which
/// anybody can have written.
/// Source: behaviours 109; moby/sys/user.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "io/base/result.hpp"
#include "runtime/proto/spec.pb.h"

namespace gantry::runtime {

/// Largest passwd or group file that is read: four times the largest that a directory service's dump was seen to have.
inline constexpr std::size_t user_file_bytes_max = 16u << 20;
/// Longest line that counts: as Docker's reader, which refuses the file at a longer one.
inline constexpr std::size_t user_line_bytes_max = 64u << 10;

struct resolved_user {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups; ///< supplementary; the primary one stands first
  std::string home = "/";    ///< of the passwd entry with this uid; "/" when there is none
};

/// `passwd` and `group` are the files' contents, empty when absent.
/// Errors: invalid_parameter, in Docker's words ("unable to find user X: no matching entries in passwd file").
result<resolved_user> resolve_user(const pb::User& user, std::string_view passwd, std::string_view group);

/// The same with the files of the root. Errors: also internal (not readable, too large).
result<resolved_user> lookup_user(int rootfd, const pb::User& user);

} // namespace gantry::runtime
