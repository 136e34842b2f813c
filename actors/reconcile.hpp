/// The engine's start: what the records say, what the shim holds and what lies on disk and in cgroups, made one.
#pragma once

#include <vector>

#include "actors/services.hpp"
#include "io/base/result.hpp"

namespace gantry::actors {

/// Spawns an actor for every recorded container, in the state that the shim tells; ends containers that no record
/// names; removes directories and cgroups that belong to none. Runs once, before the API is served.
/// Blocks: main thread. Errors: internal (records that cannot be read).
result<> reconcile(services& s, const std::vector<runtime::pb::Held>& held);

} // namespace gantry::actors
