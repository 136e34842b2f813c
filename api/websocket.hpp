/// The server's side of a WebSocket (RFC 6455) as bytes in, bytes out: what attach/ws speaks (behaviours 32). No
/// extensions, no subprotocols.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/http_codec.hpp"
#include "io/base/result.hpp"

namespace gantry::api {

/// One frame's payload; what a client types comes in small ones. [close 1009]
inline constexpr std::size_t websocket_frame_bytes_max = 1u << 20;

/// Sec-WebSocket-Accept for a client's key (RFC 6455 4.2.2).
std::string websocket_accept_key(std::string_view client_key);

/// The head of the 101 answer. Errors: invalid_parameter when the request is no WebSocket handshake of version 13.
result<std::string> serialize_websocket_head(const request_head& head, const server_identity& who);

enum class websocket_opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

/// One unfragmented, unmasked frame, as servers send them.
std::string websocket_frame(websocket_opcode opcode, std::string_view payload);
/// A close frame with a status code, as of RFC 6455 7.4.
std::string websocket_close(std::uint16_t code, std::string_view reason = {});

/// A client's frames, fed in any pieces. Payloads of text and binary frames come out as plain bytes: attach has no use
/// for message borders.
class websocket_reader {
public:
  struct step {
    std::string payload; ///< data bytes, unmasked, in order
    std::string reply;   ///< frames to send back: pongs, and the answer to a close
    bool closed = false; ///< the client has closed, or broke the protocol: send `reply`, then end; feed no more
  };
  step feed(std::string_view bytes);
  [[nodiscard]] bool closed() const noexcept { return closed_; }

private:
  /// Reads a head from `held_`; false while it is incomplete or after `fail`.
  bool take_head(step& out);
  void take_payload(std::string_view& bytes, step& out);
  void end_frame(step& out);
  void fail(step& out, std::uint16_t code, std::string_view reason);

  std::string held_;    ///< an incomplete frame head, at most 14 bytes
  std::string control_; ///< payload of a ping, pong or close so far, at most 125 bytes
  std::uint64_t remaining_ = 0, position_ = 0;
  std::uint8_t mask_[4] = {};
  websocket_opcode opcode_ = websocket_opcode::continuation;
  bool in_frame_ = false, final_ = false, in_message_ = false, closed_ = false;
};

} // namespace gantry::api
