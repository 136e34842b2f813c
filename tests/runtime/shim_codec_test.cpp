/// Frames of shim.proto, fed in any pieces.
#include <catch2/catch.hpp>

#include "runtime/shim_codec.hpp"

using namespace gantry;
using namespace gantry::runtime;

TEST_CASE("frames come out whole wherever the bytes are cut", "[runtime][shim][codec]") {
  const std::vector<std::string> payloads{"", "a", std::string(300, 'x'), std::string("\0\1\2", 3)};
  std::string wire;
  for (const auto& p : payloads) append_frame(wire, p);
  for (std::size_t cut = 0; cut <= wire.size(); ++cut) {
    frame_reader reader;
    std::vector<std::string> got;
    for (const auto piece : {std::string_view(wire).substr(0, cut), std::string_view(wire).substr(cut)}) {
      reader.feed(piece);
      while (true) {
        auto frame = reader.next();
        REQUIRE(frame.has_value());
        if (!*frame) break;
        got.emplace_back(**frame);
      }
    }
    REQUIRE(got == payloads);
    REQUIRE(reader.rest().empty());
  }
}

TEST_CASE("frames come out whole byte by byte", "[runtime][shim][codec]") {
  std::string wire;
  append_frame(wire, "one");
  append_frame(wire, "two");
  frame_reader reader;
  std::vector<std::string> got;
  for (const char c : wire) {
    reader.feed({&c, 1});
    while (auto frame = reader.next().value()) got.emplace_back(*frame);
  }
  CHECK(got == std::vector<std::string>{"one", "two"});
}

TEST_CASE("a length is little-endian and may be exactly the largest", "[runtime][shim][codec]") {
  std::string wire;
  append_frame(wire, std::string(0x010203, 'x'));
  CHECK(wire.substr(0, 4) == std::string("\x03\x02\x01\x00", 4));

  std::string biggest;
  append_frame(biggest, std::string(shim_frame_bytes_max, 'y'));
  frame_reader reader;
  reader.feed(biggest);
  const auto frame = reader.next();
  REQUIRE(frame.has_value());
  REQUIRE(frame->has_value());
  CHECK((*frame)->size() == shim_frame_bytes_max);
}

TEST_CASE("one byte over the largest length is refused before its bytes come", "[runtime][shim][codec]") {
  const auto n = static_cast<std::uint32_t>(shim_frame_bytes_max + 1);
  const char header[] = {static_cast<char>(n), static_cast<char>(n >> 8), static_cast<char>(n >> 16),
                         static_cast<char>(n >> 24)};
  frame_reader reader;
  reader.feed({header, 3});
  CHECK_FALSE(reader.next().value().has_value());
  reader.feed({header + 3, 1});
  const auto refused = reader.next();
  REQUIRE(refused.has_error());
  CHECK(refused.error().code == errc::invalid_parameter);
}
