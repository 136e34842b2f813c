/// `docker top`: the host's ps, limited to the processes of one container.
#pragma once

#include <string>
#include <vector>

#include "api/container_config.hpp"
#include "io/base/result.hpp"
#include "runtime/cgroup.hpp"

namespace gantry::actors {

struct process_table {
  api::string_list titles;
  std::vector<api::string_list> rows;
};

/// Runs `ps` with the client's arguments and keeps the lines of the cgroup's processes (behaviours 95).
/// Blocks: as long as ps takes; pool only. Errors: invalid_parameter (arguments that make ps fail, no PID column).
result<process_table> list_processes(const runtime::cgroup_layout& layout, const std::string& cgroup_path,
                                     const std::string& ps_arguments);

/// The lines of ps output whose PID is one of `pids`. Errors: invalid_parameter `Couldn't find PID field in ps output`.
result<process_table> parse_ps(std::string_view output, const std::vector<int>& pids);

} // namespace gantry::actors
