/// Limits as files of a group's directory, for both versions of control groups. Behind cgroup.hpp.
#pragma once

#include <string>
#include <string_view>

#include "io/base/result.hpp"
#include "runtime/cgroup.hpp"

namespace gantry::runtime {

/// True when `controllers` ("cpu,cpuacct") has this one.
bool has_controller(std::string_view controllers, std::string_view one) noexcept;

/// Writes what of `r` belongs to the controllers of one v1 hierarchy. `fresh`: the group was just made, so the device
/// rules start from the parent's.
enum class group_age { fresh, existing };
result<> limit_v1(const cgroup_layout::hierarchy& h, int dirfd, const pb::Resources& r, group_age age);

/// Writes all of `r`; devices by a BPF program (only into a fresh group: programs add up).
result<> limit_v2(int dirfd, const pb::Resources& r, group_age age);

/// cpu.shares (2..262144) to cpu.weight (1..10000), as runc converts them.
std::uint64_t cpu_weight(std::uint64_t shares) noexcept;
/// blkio.weight (10..1000) to io.weight (1..10000).
std::uint64_t io_weight(std::uint64_t weight) noexcept;

} // namespace gantry::runtime
