/// Which devices a container may use: one list of rules for cgroup v1 (text) and v2 (a BPF program).
#pragma once

#include <string>
#include <vector>

#include <linux/bpf.h>

#include "io/base/result.hpp"
#include "runtime/proto/spec.pb.h"

namespace gantry::runtime {

/// The rules in force: deny all, Docker's and runc's standard nodes, then what the request adds. A request whose first
/// rule is about all devices ("a") stands alone.
std::vector<pb::DeviceRule> effective_device_rules(const pb::Resources& r);

/// "c 1:3 rwm", as devices.allow and devices.deny take it.
std::string device_rule_text(const pb::DeviceRule& rule);

/// BPF_PROG_TYPE_CGROUP_DEVICE: returns 1 for an access that the last matching rule allows. Rules are tried from the
/// last to the first, so that later ones win, as on v1.
std::vector<bpf_insn> device_program(const std::vector<pb::DeviceRule>& rules);

/// Loads the program and attaches it to the group. Errors: internal.
result<> attach_device_program(int cgroup_dirfd, const std::vector<pb::DeviceRule>& rules);

} // namespace gantry::runtime
