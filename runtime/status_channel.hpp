/// What a child says to the launcher before it is a program: one packet with an error, or one with its pty's master.
#pragma once

#include <optional>

#include "io/base/result.hpp"
#include "io/base/unique_fd.hpp"

namespace gantry::runtime {

/// Longest error text that crosses; the rest is cut.
inline constexpr std::size_t status_text_bytes_max = 4096;

struct status_channel {
  unique_fd parent, child; ///< SOCK_SEQPACKET: a packet arrives whole or not at all
};
result<status_channel> make_status_channel();

/// Both never fail loudly: the parent sees the end of the stream either way.
void send_error(int statusfd, const error& e) noexcept;
bool send_master(int statusfd, int masterfd) noexcept;

struct status_packet {
  std::optional<error> failure;
  unique_fd master;
  bool end = false; ///< the child's side is closed: it exec'ed or died
};
/// Blocks until a packet or the end.
status_packet receive_status(int statusfd) noexcept;

} // namespace gantry::runtime
