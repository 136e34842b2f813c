/// Makes a seccomp program small. libseccomp writes a comparison for each call and table; what a filter says is mostly
/// "these ranges of numbers, yes". A third of the instructions is a third of the kernel's work at every container's
/// start (it copies, checks, translates and tries the filter for each number), and fewer steps for each call after.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "io/base/result.hpp"

namespace gantry::runtime {

/// Answers that stand in for the program's own, on one table: for single numbers, and for all numbers from `newer_from`
/// to `newer_to` that have none.
struct seccomp_overrides {
  std::map<std::uint32_t, std::uint32_t> actions;
  std::uint32_t newer_from = 0, newer_to = 0; ///< empty range: none
  std::uint32_t newer_action = 0;
};

struct seccomp_table {
  std::uint32_t arch = 0; ///< AUDIT_ARCH_*
  seccomp_overrides overrides;
};

/// A program with the same answers for every call of `tables` as `program` (but for the overrides), and for all other
/// architectures the answer that `program` gives for an unknown one.
/// Errors: not_implemented (the program does what libseccomp's do not; use it as it is).
result<std::string> compact_seccomp(std::string_view program, const std::vector<seccomp_table>& tables);

} // namespace gantry::runtime
