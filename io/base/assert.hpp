/// A broken invariant ends the process, in release too: state that is wrong must not reach a disk or a client.
#pragma once

namespace gantry {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;
}

#define GANTRY_ASSERT(expression) ((expression) ? void(0) : ::gantry::assertion_failed(#expression, __FILE__, __LINE__))
