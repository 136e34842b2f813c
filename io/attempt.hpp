/// One try of an operation by its plain system call, without waiting.
#pragma once

#include <cstdint>

#include "io/request.hpp"

namespace gantry::io {

/// The result, or -errno; -EAGAIN says that the descriptor is not ready. EINTR is retried. A read_at may block.
int attempt(const request& r) noexcept;

/// The epoll events that make another try worthwhile.
std::uint32_t events_for(const request& r) noexcept;

} // namespace gantry::io
