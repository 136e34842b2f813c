/// Making an io_uring that the reactor can use, or saying in words why this kernel or sandbox refuses.
#pragma once

#include <liburing.h>

#include "io/base/result.hpp"

namespace gantry::io {

/// Owns a ring. It is made disabled, so that the thread that enables it (any one) becomes its only submitter.
class uring_ring {
public:
  /// Tries the ring's setup, io_uring_enter(2), the features and every opcode that the reactor uses.
  /// Errors: unavailable (the message names the likely cause).
  static result<uring_ring> make();

  uring_ring(uring_ring&& other) noexcept;
  uring_ring& operator=(uring_ring&&) = delete;
  ~uring_ring();

  [[nodiscard]] io_uring* get() noexcept { return &ring_; }

private:
  uring_ring() noexcept = default;
  io_uring ring_{};
  bool live_ = false;
};

} // namespace gantry::io
