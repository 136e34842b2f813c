/// The server's side of RFC 6455.
#include <catch2/catch.hpp>

#include "api/websocket.hpp"

using namespace gantry;
using namespace gantry::api;

namespace {

std::string client_frame(unsigned first, const std::string& payload, bool masked = true) {
  std::string out(1, char(first));
  unsigned bit = masked ? 0x80 : 0;
  auto n = payload.size();
  if (n < 126) {
    out.push_back(char(bit | n));
  } else if (n <= 0xFFFF) {
    out.push_back(char(bit | 126));
    for (int i = 1; i >= 0; --i) out.push_back(char(n >> (8 * i)));
  } else {
    out.push_back(char(bit | 127));
    for (int i = 7; i >= 0; --i) out.push_back(char(std::uint64_t(n) >> (8 * i)));
  }
  if (!masked) return out + payload;
  const char mask[4] = {'\x37', '\xfa', '\x21', '\x3d'};
  out.append(mask, 4);
  for (std::size_t i = 0; i < n; ++i) out.push_back(char(payload[i] ^ mask[i % 4]));
  return out;
}

websocket_reader::step read(const std::vector<std::string_view>& pieces) {
  websocket_reader reader;
  websocket_reader::step all;
  for (auto piece : pieces) {
    auto step = reader.feed(piece);
    all.payload += step.payload;
    all.reply += step.reply;
    all.closed = step.closed;
  }
  return all;
}

unsigned close_code(const std::string& stream) {
  auto out = read({stream});
  REQUIRE(out.closed);
  REQUIRE(out.reply.size() >= 4);
  return unsigned(std::uint8_t(out.reply[2])) << 8 | std::uint8_t(out.reply[3]);
}

} // namespace

TEST_CASE("the handshake proves that the server understood", "[api][websocket]") {
  CHECK(websocket_accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); // RFC 6455 1.3
  request_head head;
  head.method = "GET";
  head.headers = {{"upgrade", "WebSocket"},
                  {"connection", "keep-alive, Upgrade"},
                  {"sec-websocket-version", "13"},
                  {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="}};
  auto text = serialize_websocket_head(head, {});
  REQUIRE(text.has_value());
  CHECK(text->substr(0, 34) == "HTTP/1.1 101 Switching Protocols\r\n");
  CHECK(text->find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") != std::string::npos);
  for (auto [name, value] : {std::pair{"upgrade", "h2c"},
                             {"connection", "close"},
                             {"sec-websocket-version", "8"},
                             {"sec-websocket-key", "short"},
                             {"sec-websocket-key", "dGhlIHNhbXBsZSBub25j\r\n=="}}) {
    auto other = head;
    other.headers[name] = value;
    CHECK(serialize_websocket_head(other, {}).has_error());
  }
}

TEST_CASE("frames mean the same however they are cut", "[api][websocket]") {
  const std::string big(70'000, 'b');
  const std::string stream = client_frame(0x82, "hello ") + client_frame(0x01, "wo") +
                             client_frame(0x89, "are you there") + client_frame(0x80, "rld") + client_frame(0x82, "") +
                             client_frame(0x8A, "x") + client_frame(0x82, std::string(300, 'm')) +
                             client_frame(0x88, "\x03\xe8"
                                                "bye") +
                             client_frame(0x82, "after the end");
  auto whole = read({stream});
  CHECK(whole.payload == "hello world" + std::string(300, 'm'));
  CHECK(whole.reply == websocket_frame(websocket_opcode::pong, "are you there") +
                           websocket_frame(websocket_opcode::close, "\x03\xe8"));
  CHECK(whole.closed);
  std::string_view v = stream;
  std::vector<std::string_view> single;
  for (std::size_t i = 0; i < v.size(); ++i) {
    auto cut = read({v.substr(0, i), v.substr(i)});
    REQUIRE((cut.payload == whole.payload && cut.reply == whole.reply && cut.closed));
    single.push_back(v.substr(i, 1));
  }
  auto cut = read(single);
  CHECK((cut.payload == whole.payload && cut.reply == whole.reply));
  CHECK(read({client_frame(0x82, big)}).payload == big);
}

TEST_CASE("broken frames close the connection", "[api][websocket]") {
  CHECK(close_code(client_frame(0x82, "x", false)) == 1002);
  CHECK(close_code(client_frame(0x83, "x")) == 1002);
  CHECK(close_code(client_frame(0xC2, "x")) == 1002);
  CHECK(close_code(client_frame(0x80, "x")) == 1002);                           // continues nothing
  CHECK(close_code(client_frame(0x02, "x") + client_frame(0x82, "y")) == 1002); // starts inside another
  CHECK(close_code(client_frame(0x09, "x")) == 1002);                           // a fragmented ping
  CHECK(close_code(client_frame(0x89, std::string(126, 'x'))) == 1002);
  CHECK(close_code(client_frame(0x88, "x")) == 1002);
  CHECK(close_code(client_frame(0x82, std::string(websocket_frame_bytes_max + 1, 'x'))) == 1009);
  CHECK(read({client_frame(0x82, std::string(websocket_frame_bytes_max, 'x'))}).payload.size() ==
        websocket_frame_bytes_max);
  CHECK(read({client_frame(0x89, std::string(125, 'x'))}).reply.size() == 127);
  CHECK(read({client_frame(0x88, "")}).reply == std::string("\x88\x00", 2));
}

TEST_CASE("server frames are not masked", "[api][websocket]") {
  CHECK(websocket_frame(websocket_opcode::binary, "hi") == "\x82\x02hi");
  CHECK(websocket_frame(websocket_opcode::binary, std::string(126, 'x')).substr(0, 4) ==
        std::string("\x82\x7e\x00\x7e", 4));
  CHECK(websocket_frame(websocket_opcode::binary, std::string(65536, 'x')).substr(0, 10) ==
        std::string("\x82\x7f\0\0\0\0\0\x01\0\0", 10));
  CHECK(websocket_close(1000) == "\x88\x02\x03\xe8");
}
