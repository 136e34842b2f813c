#include "api/websocket.hpp"

#include <openssl/evp.h>

namespace gantry::api {

namespace {

constexpr std::uint16_t protocol_error = 1002, too_big = 1009;
constexpr std::size_t control_bytes_max = 125; // RFC 6455 5.5

bool is_control(websocket_opcode o) noexcept { return std::uint8_t(o) >= 8; }

bool known_opcode(unsigned o) noexcept { return o <= 2 || (o >= 8 && o <= 10); }

/// True when one of the comma-separated words of `list` is `word`, in any case.
bool has_token(std::string_view list, std::string_view word) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; };
  while (!list.empty()) {
    auto comma = list.find(',');
    auto token = list.substr(0, comma);
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    while (!token.empty() && (token.front() == ' ' || token.front() == '\t')) token.remove_prefix(1);
    while (!token.empty() && (token.back() == ' ' || token.back() == '\t')) token.remove_suffix(1);
    bool same = token.size() == word.size();
    for (std::size_t i = 0; same && i < word.size(); ++i) same = lower(token[i]) == word[i];
    if (same) return true;
  }
  return false;
}

std::string base64(const unsigned char* bytes, std::size_t size) {
  std::string out((size + 2) / 3 * 4 + 1, '\0');
  auto n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes, int(size));
  out.resize(std::size_t(n));
  return out;
}

/// A key is 16 bytes in base64: 24 characters.
bool plausible_key(std::string_view key) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  return key.size() == 24 && key.substr(22) == "==" &&
         key.substr(0, 22).find_first_not_of(alphabet) == std::string_view::npos;
}

} // namespace

std::string websocket_accept_key(std::string_view client_key) {
  std::string text(client_key);
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455 1.3
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr);
  return base64(digest, size);
}

result<std::string> serialize_websocket_head(const request_head& head, const server_identity& who) {
  auto bad = [](const char* why) { return error{errc::invalid_parameter, 0, std::string("websocket: ") + why}; };
  if (head.method != "GET" || head.http_minor != 1) return bad("handshake must be GET of HTTP/1.1");
  if (!has_token(head.header("upgrade"), "websocket") || !has_token(head.header("connection"), "upgrade"))
    return bad("request is no upgrade to websocket");
  if (head.header("sec-websocket-version") != "13") return bad("only version 13 is spoken");
  auto key = head.header("sec-websocket-key");
  if (!plausible_key(key)) return bad("bad Sec-WebSocket-Key");
  std::string out = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
  out.append("Sec-WebSocket-Accept: ").append(websocket_accept_key(key)).append("\r\n");
  out.append("Server: ").append(who.server).append("\r\n\r\n");
  return out;
}

std::string websocket_frame(websocket_opcode opcode, std::string_view payload) {
  std::string out;
  out.reserve(payload.size() + 10);
  out.push_back(char(0x80 | std::uint8_t(opcode)));
  auto big_endian = [&](std::uint64_t n, int bytes) {
    for (int i = bytes; i-- > 0;) out.push_back(char(n >> (8 * i)));
  };
  if (payload.size() < 126) {
    out.push_back(char(payload.size()));
  } else if (payload.size() <= 0xFFFF) {
    out.push_back(126);
    big_endian(payload.size(), 2);
  } else {
    out.push_back(127);
    big_endian(payload.size(), 8);
  }
  out.append(payload);
  return out;
}

std::string websocket_close(std::uint16_t code, std::string_view reason) {
  std::string payload{char(code >> 8), char(code & 0xFF)};
  payload.append(reason.substr(0, control_bytes_max - 2));
  return websocket_frame(websocket_opcode::close, payload);
}

void websocket_reader::fail(step& out, std::uint16_t code, std::string_view reason) {
  out.reply += websocket_close(code, reason);
  out.closed = closed_ = true;
}

bool websocket_reader::take_head(step& out) {
  if (held_.size() < 2) return false;
  auto byte = [&](std::size_t i) { return std::uint8_t(held_[i]); };
  unsigned length = byte(1) & 0x7F;
  std::size_t extra = length == 126 ? 2 : length == 127 ? 8 : 0;
  if (held_.size() < 2 + extra + 4 && (byte(1) & 0x80) != 0) return false;

  unsigned opcode = byte(0) & 0x0F;
  final_ = (byte(0) & 0x80) != 0;
  if ((byte(1) & 0x80) == 0) return fail(out, protocol_error, "frame is not masked"), false;
  if ((byte(0) & 0x70) != 0 || !known_opcode(opcode)) return fail(out, protocol_error, "unknown frame"), false;
  opcode_ = websocket_opcode(opcode);
  remaining_ = length;
  if (extra != 0) remaining_ = 0;
  for (std::size_t i = 0; i < extra; ++i) remaining_ = remaining_ << 8 | byte(2 + i);
  for (std::size_t i = 0; i < 4; ++i) mask_[i] = byte(2 + extra + i);
  held_.clear();
  position_ = 0;

  if (is_control(opcode_)) {
    if (!final_ || remaining_ > control_bytes_max) return fail(out, protocol_error, "bad control frame"), false;
    control_.clear();
  } else {
    bool continues = opcode_ == websocket_opcode::continuation;
    if (continues != in_message_) return fail(out, protocol_error, "frame out of order"), false;
    if (remaining_ > websocket_frame_bytes_max) return fail(out, too_big, "frame is too big"), false;
    in_message_ = !final_;
  }
  in_frame_ = true;
  return true;
}

void websocket_reader::take_payload(std::string_view& bytes, step& out) {
  auto n = std::size_t(std::min<std::uint64_t>(remaining_, bytes.size()));
  std::string& into = is_control(opcode_) ? control_ : out.payload;
  for (std::size_t i = 0; i < n; ++i) into.push_back(char(std::uint8_t(bytes[i]) ^ mask_[position_++ & 3]));
  bytes.remove_prefix(n);
  remaining_ -= n;
  if (remaining_ == 0) end_frame(out);
}

void websocket_reader::end_frame(step& out) {
  in_frame_ = false;
  if (opcode_ == websocket_opcode::ping) out.reply += websocket_frame(websocket_opcode::pong, control_);
  if (opcode_ != websocket_opcode::close) return;
  // The code is echoed (5.5.1); a lone byte is no code.
  if (control_.size() == 1) return fail(out, protocol_error, "bad close frame");
  out.reply += websocket_frame(websocket_opcode::close, std::string_view(control_).substr(0, 2));
  out.closed = closed_ = true;
}

websocket_reader::step websocket_reader::feed(std::string_view bytes) {
  step out;
  while (!closed_ && !bytes.empty()) {
    if (in_frame_) {
      take_payload(bytes, out);
      continue;
    }
    held_.push_back(bytes[0]);
    bytes.remove_prefix(1);
    if (take_head(out) && remaining_ == 0) end_frame(out);
  }
  out.closed = closed_;
  return out;
}

} // namespace gantry::api
