/// Inflates a stream whose compression is told by its first bytes: gzip by ISA-L, zstd by libzstd, xz by liblzma, bzip2
/// by libarchive; anything else passes as it is.
#pragma once

#include <memory>
#include <string_view>

#include "storage/byte_source.hpp"

namespace gantry::storage {

enum class compression { none, gzip, zstd, xz, bzip2 };

/// How many first bytes tell the compression.
constexpr std::size_t magic_bytes = 10;
[[nodiscard]] compression compression_of(std::span<const std::byte> head) noexcept;
[[nodiscard]] std::string_view name_of(compression c) noexcept;

/// The inflated stream of `source`, which must outlive it. Reading to the end checks the stream's own checksums.
/// Errors (of reading): invalid_parameter (damaged or cut off).
result<std::unique_ptr<byte_source>> open_decompressed(byte_source& source);

} // namespace gantry::storage
