/// Ids from the kernel's random source.
#include "io/base/ids.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <sys/random.h>

#include "io/base/assert.hpp"

namespace gantry {

namespace {

constexpr std::size_t id_bytes = 32;
constexpr std::size_t short_chars = 12;

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

void fill_random(std::array<unsigned char, id_bytes>& into) {
  std::size_t have = 0;
  while (have < into.size()) {
    auto got = ::getrandom(into.data() + have, into.size() - have, 0);
    if (got < 0) {
      GANTRY_ASSERT(errno == EINTR); // an early boot waits; no other error exists for a valid buffer
      continue;
    }
    have += static_cast<std::size_t>(got);
  }
}

} // namespace

std::string random_id() {
  static constexpr char hex[] = "0123456789abcdef";
  std::array<unsigned char, id_bytes> bytes;
  std::string id(2 * id_bytes, '0');
  do {
    fill_random(bytes);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      id[2 * i] = hex[bytes[i] >> 4];
      id[2 * i + 1] = hex[bytes[i] & 15];
    }
  } while (std::all_of(id.begin(), id.begin() + short_chars, is_digit)); // one id in 282
  return id;
}

bool is_full_id(std::string_view text) noexcept {
  return text.size() == 2 * id_bytes &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

} // namespace gantry
