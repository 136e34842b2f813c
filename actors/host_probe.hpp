/// What this host is: read once at the engine's start.
#pragma once

#include <string>

#include "actors/engine_config.hpp"
#include "api/container_json.hpp"
#include "api/system_json.hpp"
#include "runtime/cgroup.hpp"

namespace gantry::actors {

/// What validation needs to know of the host. Blocks: a few small files.
api::host_facts probe_host(const engine_config& config, const runtime::cgroup_layout& cgroups);

/// What version and info show. Blocks: a few small files.
api::engine_facts probe_engine(const engine_config& config, const runtime::cgroup_layout& cgroups,
                               const std::string& engine_id, std::string_view reactor);

/// The program for --init: the configured one, or the first static init found where distributions put theirs; "" when
/// there is none.
std::string find_init(const std::string& configured);

/// The program beside this one, or in PATH; "" when there is none.
std::string find_program(const std::string& name);

} // namespace gantry::actors
