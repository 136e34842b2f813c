/// Streams of bytes that are pulled: a descriptor, what was peeked of one, one that hashes what passes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "io/base/result.hpp"
#include "storage/sha256.hpp"

namespace gantry::storage {

using byte_span = std::span<std::byte>;

class byte_source {
public:
  virtual ~byte_source() = default;
  /// At least one byte, or 0 at the end. Blocks.
  virtual result<std::size_t> read(byte_span into) = 0;
};

/// Reads a borrowed descriptor; works for files, pipes and sockets.
class fd_source final : public byte_source {
public:
  explicit fd_source(int fd) noexcept : fd_(fd) {}
  result<std::size_t> read(byte_span into) override;

private:
  int fd_;
};

/// Gives back what was read ahead, then the rest of the source.
class peeked_source final : public byte_source {
public:
  /// Reads up to `count` bytes ahead (fewer only at the end of the source).
  static result<peeked_source> peek(byte_source& source, std::size_t count);
  [[nodiscard]] std::span<const std::byte> head() const noexcept { return head_; }
  result<std::size_t> read(byte_span into) override;

private:
  byte_source* source_ = nullptr;
  std::vector<std::byte> head_;
  std::size_t given_ = 0;
};

/// Counts what passes, hashes it if asked to, and refuses to pass more than `bytes_max`.
class hashing_source final : public byte_source {
public:
  enum class hash { no, yes };
  hashing_source(byte_source& source, std::int64_t bytes_max, hash wanted = hash::yes)
      : source_(source), wanted_(wanted), left_(bytes_max) {}
  result<std::size_t> read(byte_span into) override;
  /// Reads to the end of the source, so that the digest covers what a tar reader leaves behind its end marker.
  result<> drain();
  [[nodiscard]] std::string digest() { return hash_.digest(); }
  [[nodiscard]] std::int64_t count() const noexcept { return count_; }

private:
  byte_source& source_;
  hash wanted_;
  sha256 hash_;
  std::int64_t left_;
  std::int64_t count_ = 0;
};

} // namespace gantry::storage
