/// One connection of the engine: frames in with their descriptors, frames out. A connection that sends nonsense or does
/// not read is dropped; the engine connects again and learns everything by Hello. Containers do not notice.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/proto/shim.pb.h"
#include "runtime/shim/event_loop.hpp"
#include "runtime/shim/state.pb.h"
#include "runtime/shim_codec.hpp"

namespace gantry::runtime::shim {

/// Answers and events that wait for the engine, at most: two of the largest frames. Beyond it the connection is
/// dropped.
inline constexpr std::size_t connection_queue_bytes_max = 2 * (shim_frame_bytes_max + 4);

class engine_connection;

class request_handler {
public:
  virtual void on_request(engine_connection& from, pb::ToShim&& request) = 0;

protected:
  ~request_handler() = default;
};

class engine_connection {
public:
  engine_connection(event_loop& loop, std::span<char> read_buffer, request_handler& handler, unique_fd socket,
                    std::uint64_t serial);
  engine_connection(event_loop& loop, std::span<char> read_buffer, request_handler& handler,
                    const pb::ConnectionState& state);
  void save(pb::ConnectionState& out) const;

  void send(const pb::FromShim& message);
  /// The descriptors of the frame that is being handled. Nothing when fewer came than it says: the connection is
  /// broken.
  std::optional<std::vector<unique_fd>> take_fds(std::size_t count);
  /// Ends the connection; its owner removes it later.
  void break_off(const char* why);

  [[nodiscard]] bool broken() const noexcept { return !socket_; }
  [[nodiscard]] bool unsent() const noexcept { return queue_.size() != sent_; }
  [[nodiscard]] std::uint64_t serial() const noexcept { return serial_; }

  bool greeted = false; ///< Hello came
  bool events = false;  ///< and asked for Exited

private:
  void on_events(std::uint32_t events);
  void receive();
  bool take_control(const msghdr& m);
  void handle_frames();
  void flush();

  std::span<char> read_buffer_;
  request_handler& handler_;
  std::uint64_t serial_;
  watch socket_;
  frame_reader reader_;
  std::deque<unique_fd> fds_; ///< of frames that are not handled yet, in their order
  std::string queue_;
  std::size_t sent_ = 0;
};

} // namespace gantry::runtime::shim
