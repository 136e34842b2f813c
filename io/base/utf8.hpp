/// Walking over text that may or may not be UTF-8: what the log and the JSON writers need to escape it safely.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gantry {

struct utf8_step {
  std::uint32_t rune = 0; ///< the code point; meaningless when not valid
  std::size_t bytes = 1;  ///< how far to go on; 1 where a byte is not part of a well-formed sequence
  bool valid = false;
};

/// Decodes the first code point of `text`, which must not be empty. Overlong forms, surrogates and everything above
/// U+10FFFF are not valid. Thread: any.
utf8_step decode_utf8(std::string_view text) noexcept;

} // namespace gantry
