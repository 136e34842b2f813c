/// The part of a Spec that confines: capabilities, security options, seccomp, masked paths. Behind spec_compiler.hpp.
#pragma once

#include <cstdint>
#include <string>

#include "actors/spec_compiler.hpp"

namespace gantry::actors {

/// HostConfig.SecurityOpt, read (behaviours 61). Labels and AppArmor are taken note of and have no effect here.
struct security_options {
  std::optional<bool> no_new_privileges;
  std::string seccomp; ///< "", "builtin", "unconfined", or a profile's text
  bool writable_cgroups = false;
};
result<security_options> read_security_options(const api::host_config& host);

/// Fills process.capabilities, no_new_privileges, seccomp, masked and read-only paths.
result<> fill_security(const spec_inputs& inputs, const security_options& options, runtime::pb::Spec& spec);

} // namespace gantry::actors
