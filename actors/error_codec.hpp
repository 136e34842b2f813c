/// gantry::error <-> caf::error: the only place where the two meet.
#pragma once

#include <caf/all.hpp>

#include "io/base/result.hpp"

namespace gantry::actors {

caf::error to_caf(const error& e);

/// What a request's error handler is given back as ours. CAF's own errors (the actor is gone) become `unavailable`.
error from_caf(const caf::error& e);

} // namespace gantry::actors
