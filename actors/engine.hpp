/// The whole engine: opens the store, finds or starts the shim, takes up what was there before, serves the API until
/// it is told to stop.
#pragma once

#include <functional>

#include "actors/engine_config.hpp"
#include "io/base/result.hpp"

namespace gantry::actors {

/// Runs an engine until SIGTERM or SIGINT, then stops it in order: no new requests, containers ended (unless
/// live_restore), shim ended, everything closed. SIGHUP calls `reload` for the new settings.
/// Thread: the main one, before any other thread exists (it blocks the signals that it reads).
/// Errors: what made the start impossible, naming the flag to change where there is one.
result<> run_engine(engine_config config, const std::function<result<engine_config>(const engine_config&)>& reload);

} // namespace gantry::actors
