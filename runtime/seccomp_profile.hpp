/// Docker's profile format as plain values: read from JSON, and reduced to what holds for one container on this kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/base/result.hpp"

namespace gantry::runtime {

/// Longest profile text. Docker's own has 13 kB.
inline constexpr std::size_t seccomp_profile_bytes_max = 1u << 20;
/// Deepest nesting: a profile has six levels.
inline constexpr std::size_t seccomp_profile_depth_max = 16;
/// Most rules (a name with its conditions counts once), so that a hostile text cannot keep the compiler busy.
inline constexpr std::size_t seccomp_rules_max = 20000;

struct seccomp_condition {
  std::uint32_t index = 0;
  std::uint64_t value = 0, value_two = 0;
  std::string op; ///< "SCMP_CMP_EQ"
};

struct seccomp_rule {
  std::vector<std::string> names;
  std::string action; ///< "SCMP_ACT_ALLOW"
  std::optional<std::uint32_t> errno_value;
  std::vector<seccomp_condition> conditions;
};

struct seccomp_profile {
  std::string default_action;
  std::optional<std::uint32_t> default_errno;
  std::vector<std::string> architectures; ///< "SCMP_ARCH_X86_64", those of this machine
  std::vector<std::string> flags;         ///< "SECCOMP_FILTER_FLAG_LOG"
  std::vector<seccomp_rule> rules;        ///< those whose includes and excludes hold
};

/// Errors: invalid_parameter.
result<seccomp_profile> read_seccomp_profile(std::string_view json, std::uint64_t capabilities);

} // namespace gantry::runtime
