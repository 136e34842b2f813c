/// JSON strings as Docker's json-file writes them: `<`, `>`, `&`, U+2028 and U+2029 escaped as for HTML, control bytes
/// as \u00xx but for \n and \r, and each byte that is no UTF-8 as \ufffd. Plain text is copied 16 bytes a step: this is
/// the hottest loop of the shim.
#include <bit>
#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "runtime/shim/json_log.hpp"

namespace gantry::runtime::shim {

namespace {

constexpr bool is_plain(unsigned char c) noexcept {
  return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

constexpr auto plain_table = [] {
  std::array<bool, 256> t{};
  for (std::size_t c = 0; c < t.size(); ++c) t[c] = is_plain(static_cast<unsigned char>(c));
  return t;
}();

char* put(char* out, std::string_view text) noexcept {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

char* put_ascii(char* out, unsigned char c) noexcept {
  constexpr char hex[] = "0123456789abcdef";
  switch (c) {
  case '"':
    return put(out, "\\\"");
  case '\\':
    return put(out, "\\\\");
  case '\n':
    return put(out, "\\n");
  case '\r':
    return put(out, "\\r");
  default:
    out = put(out, "\\u00");
    *out++ = hex[c >> 4];
    *out++ = hex[c & 15];
    return out;
  }
}

/// Length of the well-formed UTF-8 sequence at `p` (Unicode 15 table 3-7), or 0.
std::size_t sequence_length(const unsigned char* p, std::size_t left) noexcept {
  const auto follows = [&](std::size_t i, unsigned char low = 0x80, unsigned char high = 0xbf) {
    return i < left && p[i] >= low && p[i] <= high;
  };
  if (p[0] >= 0xc2 && p[0] <= 0xdf) return follows(1) ? 2 : 0;
  if (p[0] >= 0xe0 && p[0] <= 0xef) {
    const unsigned char low = p[0] == 0xe0 ? 0xa0 : 0x80;
    const unsigned char high = p[0] == 0xed ? 0x9f : 0xbf;
    return follows(1, low, high) && follows(2) ? 3 : 0;
  }
  if (p[0] >= 0xf0 && p[0] <= 0xf4) {
    const unsigned char low = p[0] == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = p[0] == 0xf4 ? 0x8f : 0xbf;
    return follows(1, low, high) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

#if defined(__SSE2__)
/// Copies plain bytes 16 at a time; stops at the first step with another byte in it, having copied up to that byte.
void copy_plain(char*& out, const char*& in, const char* end) noexcept {
  while (end - in >= 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), v);
    // Signed: bytes from 0x80 count as below 0x20 too.
    __m128i odd = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(v, _mm_set1_epi8('&')));
    // '<' and '>' differ in bit 1 alone.
    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(_mm_or_si128(v, _mm_set1_epi8(2)), _mm_set1_epi8('>')));
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(odd));
    const int plain = mask == 0 ? 16 : std::countr_zero(mask);
    out += plain;
    in += plain;
    if (mask != 0) return;
  }
}
#else
void copy_plain(char*&, const char*&, const char*) noexcept {}
#endif

} // namespace

char* escape_json(char* out, std::string_view text) noexcept {
  const char* in = text.data();
  const char* const end = in + text.size();
  while (in != end) {
    copy_plain(out, in, end);
    while (in != end && plain_table[static_cast<unsigned char>(*in)]) *out++ = *in++;
    if (in == end) break;
    const auto* u = reinterpret_cast<const unsigned char*>(in);
    if (*u < 0x80) {
      out = put_ascii(out, *u);
      ++in;
      continue;
    }
    const auto length = sequence_length(u, static_cast<std::size_t>(end - in));
    if (length == 0) {
      out = put(out, "\\ufffd");
      ++in;
    } else if (length == 3 && u[0] == 0xe2 && u[1] == 0x80 && (u[2] == 0xa8 || u[2] == 0xa9)) {
      out = put(out, u[2] == 0xa8 ? "\\u2028" : "\\u2029");
      in += length;
    } else {
      out = put(out, {in, length});
      in += length;
    }
  }
  return out;
}

} // namespace gantry::runtime::shim
