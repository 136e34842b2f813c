/// One operation as plain data, made apart from the backend that runs it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include <sys/socket.h>

namespace gantry::io {

enum class op_kind : std::uint8_t { recv, send, recvmsg, sendmsg, read, write, read_at, accept, poll, timer };

struct request {
  op_kind kind = op_kind::timer;
  short events = 0;              ///< poll
  int fd = -1;                   ///< all but timer
  void* address = nullptr;       ///< buffer, or the msghdr of recvmsg and sendmsg; sends only read it
  std::size_t bytes = 0;         ///< of the buffer
  std::uint64_t offset = 0;      ///< read_at
  std::chrono::nanoseconds at{}; ///< timer: when, on CLOCK_MONOTONIC
};

/// A finished operation whose completion has still to run.
struct finished {
  std::uint64_t id;
  int result;
};

/// A larger buffer is used in part, which callers expect anyway: an SQE's length has 32 bits, and read(2) itself stops
/// at 0x7ffff000.
constexpr std::size_t transfer_bytes_max = std::size_t{1} << 30;

} // namespace gantry::io
