/// Frames of shim.proto: a 4-byte little-endian length, then the message.
#include "runtime/shim_codec.hpp"

#include <cstdint>

#include "io/base/assert.hpp"

namespace gantry::runtime {

namespace {

constexpr std::size_t header_bytes = 4;
/// A buffer that once held a big frame gives its memory back when it is empty again.
constexpr std::size_t kept_capacity_bytes = 64u << 10;

std::size_t read_length(const char* p) noexcept {
  const auto* u = reinterpret_cast<const unsigned char*>(p);
  return std::size_t{u[0]} | std::size_t{u[1]} << 8 | std::size_t{u[2]} << 16 | std::size_t{u[3]} << 24;
}

} // namespace

void append_frame(std::string& out, std::string_view serialized) {
  GANTRY_ASSERT(serialized.size() <= shim_frame_bytes_max);
  const auto n = static_cast<std::uint32_t>(serialized.size());
  const char header[header_bytes] = {static_cast<char>(n), static_cast<char>(n >> 8), static_cast<char>(n >> 16),
                                     static_cast<char>(n >> 24)};
  out.append(header, header_bytes);
  out.append(serialized);
}

void frame_reader::feed(std::string_view bytes) {
  // Taken frames are dropped here and not in next(), whose answer points into the buffer.
  if (taken_ != 0) {
    buffer_.erase(0, taken_);
    taken_ = 0;
    if (buffer_.empty() && buffer_.capacity() > kept_capacity_bytes) buffer_ = std::string();
  }
  buffer_.append(bytes);
}

result<std::optional<std::string_view>> frame_reader::next() {
  const auto left = std::string_view(buffer_).substr(taken_);
  if (left.size() < header_bytes) return std::optional<std::string_view>();
  const auto length = read_length(left.data());
  if (length > shim_frame_bytes_max)
    return error{errc::invalid_parameter, 0,
                 "read frame: its length " + std::to_string(length) + " is over " +
                     std::to_string(shim_frame_bytes_max)};
  if (left.size() - header_bytes < length) return std::optional<std::string_view>();
  taken_ += header_bytes + length;
  return std::optional(left.substr(header_bytes, length));
}

} // namespace gantry::runtime
