/// Limits, devices and kernel settings of a Spec. Behind spec_compiler.hpp.
#pragma once

#include "actors/spec_compiler.hpp"

namespace gantry::actors {

/// cgroup.resources (behaviours 57, 59, 120). No checks: check_host_config makes them at create.
void fill_resources(const spec_inputs& inputs, runtime::pb::Spec& spec);
/// Devices and their rules (behaviours 115, 116). Errors: invalid_parameter.
result<> fill_devices(const spec_inputs& inputs, runtime::pb::Spec& spec);
/// Ulimits: the daemon's below the request's (behaviours 118). Errors: invalid_parameter.
result<> fill_ulimits(const spec_inputs& inputs, runtime::pb::Spec& spec);
/// Sysctls with Docker's defaults (behaviours 117). Errors: invalid_parameter (not of a private namespace).
result<> fill_sysctls(const spec_inputs& inputs, runtime::pb::Spec& spec);

/// The parts of check_host_config.
result<> check_limits(const api::host_config& host, const host_facts& facts, std::vector<std::string>& warnings);
result<runtime::pb::DeviceRule> parse_device_rule(const std::string& text);
result<runtime::pb::Rlimit> read_ulimit(const api::ulimit& u);

} // namespace gantry::actors
