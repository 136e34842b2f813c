/// Seccomp filters: Docker's profile format compiled to BPF by libseccomp, once for each profile.
/// Source: spec/seccomp-default.json's form (moby profiles/seccomp); seccomp(2).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "io/base/result.hpp"

namespace gantry::runtime {

/// Compiles a profile for a container that has `capabilities` (bit n = capability n): the profile's conditional rules
/// (includes/excludes caps, arches, minKernel) are resolved against them and this kernel.
/// Gives struct sock_filter[] as bytes. Thread: any; costs milliseconds, so keep the result.
/// Errors: invalid_parameter (the profile's text is wrong: what and where).
result<std::string> compile_seccomp(std::string_view profile_json, std::uint64_t capabilities);

/// The profile's `flags` as SECCOMP_FILTER_FLAG_*; without any, SPEC_ALLOW as runc sets it (without that the kernel
/// turns on a costly mitigation for every program). Errors: invalid_parameter.
result<std::uint32_t> seccomp_flags(std::string_view profile_json);

/// Docker's default profile, in our own form of those facts.
std::string_view default_seccomp_profile() noexcept;

} // namespace gantry::runtime
