#include "api/detach_keys.hpp"

namespace gantry::api {

namespace {

/// One key; -1 for none.
int key_byte(std::string_view key) noexcept {
  if (key.size() == 1) return static_cast<unsigned char>(key[0]);
  if (key == "DEL") return 127;
  if (key.size() != 6 || key.substr(0, 5) != "ctrl-") return -1;
  char c = key[5];
  if (c >= 'a' && c <= 'z') return c - 'a' + 1;
  switch (c) {
  case '@':
    return 0;
  case '[':
    return 27;
  case '\\':
    return 28;
  case ']':
    return 29;
  case '^':
    return 30;
  case '_':
    return 31;
  default:
    return -1;
  }
}

} // namespace

result<std::string> parse_detach_keys(std::string_view text) {
  std::string out;
  while (true) {
    if (out.size() == detach_keys_max) return error{errc::invalid_parameter, 0, "too many detach keys"};
    auto comma = text.find(',');
    int byte = key_byte(text.substr(0, comma));
    if (byte < 0) return error{errc::invalid_parameter, 0, "Unknown character: '" + std::string(text) + "'"};
    out.push_back(char(byte));
    if (comma == std::string_view::npos) return out;
    text.remove_prefix(comma + 1);
  }
}

detach_scanner::step detach_scanner::feed(std::string_view bytes) {
  step out;
  if (sequence_.empty()) {
    out.pass = bytes;
    return out;
  }
  for (char c : bytes) {
    if (matched_ == 0 && c != sequence_[0]) {
      out.pass.push_back(c);
      continue;
    }
    // What is held plus this byte, shortened from the front until it begins the sequence again.
    std::string held = sequence_.substr(0, matched_) + c;
    std::size_t drop = 0;
    while (drop < held.size() && sequence_.compare(0, held.size() - drop, held, drop) != 0) ++drop;
    out.pass.append(held, 0, drop);
    matched_ = held.size() - drop;
    if (matched_ == sequence_.size()) {
      matched_ = 0;
      out.detached = true;
      return out;
    }
  }
  return out;
}

} // namespace gantry::api
