/// What the process itself becomes before exec: limits, user, capabilities, filter, directory, program. Runs in the
/// child of the launcher.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/base/result.hpp"
#include "runtime/proto/spec.pb.h"
#include "runtime/user_lookup.hpp"

namespace gantry::runtime {

result<> set_rlimits(const pb::Process& process);

/// `procfd`: the container's procfs, or -1 for the process's own /proc.
result<> set_oom_score(const pb::Process& process, int procfd);

/// Makes the working directory when it is missing, and enters it if root may. `entered` says whether.
/// Errors: invalid_parameter, internal.
result<> enter_cwd(int rootfd, const std::string& cwd, bool& entered);

/// Checks that the working directory lies inside the root (CVE-2024-21626).
result<> verify_cwd();

/// Bounding set, groups, gid, uid and capabilities, in that order; a filter that may not wait for no_new_privs is
/// installed on the way, while CAP_SYS_ADMIN is still there.
result<> become(const pb::Spec& spec, const resolved_user& user, bool cwd_entered);

/// The program's path as Go's exec.LookPath finds it, with its error texts ("executable file not found in $PATH").
result<std::string> find_program(const std::string& name, const std::vector<std::string>& env);

/// True when the filter refuses all of the kernel's key calls (add_key, request_key, keyctl) to x86-64 programs.
bool refuses_keys(std::string_view seccomp_program) noexcept;

/// The filter's answer for a call with arguments of 0: SECCOMP_RET_*. A small interpreter of classic BPF.
std::uint32_t run_filter(std::string_view seccomp_program, std::uint32_t arch, std::int32_t number,
                         const std::uint64_t (&args)[6]) noexcept;

} // namespace gantry::runtime
