/// Frames of shim.proto to bytes and back, without a socket: fed in any pieces, gives whole messages.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "io/base/result.hpp"

namespace gantry::runtime {

/// Largest frame: a Spec with a full environment (128 KiB each string, 2 MiB all) and a seccomp program fits well.
inline constexpr std::size_t shim_frame_bytes_max = 16u << 20;
/// Protocol version of Hello.
inline constexpr std::uint32_t shim_protocol_version = 1;
/// Descriptors with one frame: the kernel's SCM_MAX_FD is 253.
inline constexpr std::size_t shim_frame_fds_max = 64;

/// Appends the frame of a serialized message to `out`.
void append_frame(std::string& out, std::string_view serialized);

class frame_reader {
public:
  void feed(std::string_view bytes);
  /// The next whole frame's payload, valid until the next call; nothing when more bytes are needed.
  /// Errors: invalid_parameter (a length over shim_frame_bytes_max: the connection is broken for good).
  result<std::optional<std::string_view>> next();
  /// The bytes of the frame that is not whole yet. Valid until the next call.
  [[nodiscard]] std::string_view rest() const noexcept { return std::string_view(buffer_).substr(taken_); }

private:
  std::string buffer_;
  std::size_t taken_ = 0;
};

} // namespace gantry::runtime
