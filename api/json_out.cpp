/// Appending JSON text; see json_out.hpp.
#include "api/json_out.hpp"

#include <array>
#include <charconv>

namespace gantry::api {
namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";

constexpr bool is_plain(unsigned char c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; }

void append_escaped(std::string& out, unsigned char c) {
  switch (c) {
  case '"':
    out += "\\\"";
    return;
  case '\\':
    out += "\\\\";
    return;
  case '\b':
    out += "\\b";
    return;
  case '\f':
    out += "\\f";
    return;
  case '\n':
    out += "\\n";
    return;
  case '\r':
    out += "\\r";
    return;
  case '\t':
    out += "\\t";
    return;
  default:
    out += "\\u00";
    out.push_back(hex_digits[c >> 4]);
    out.push_back(hex_digits[c & 15]);
  }
}

bool is_continuation(std::string_view text, std::size_t at) {
  return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80;
}

/// Bytes of the well-formed UTF-8 sequence at `at` (RFC 3629: no overlong forms, no surrogates), or 0.
std::size_t sequence_length(std::string_view text, std::size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  const auto second = at + 1 < text.size() ? static_cast<unsigned char>(text[at + 1]) : 0;
  if (first >= 0xc2 && first <= 0xdf) return is_continuation(text, at + 1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (!is_continuation(text, at + 1) || !is_continuation(text, at + 2)) return 0;
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0;
    return 3;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (!is_continuation(text, at + 1) || !is_continuation(text, at + 2) || !is_continuation(text, at + 3)) return 0;
    if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return 0;
    return 4;
  }
  return 0;
}

/// U+2028 and U+2029 end a line in JavaScript: Go escapes them always.
bool is_line_separator(std::string_view sequence) { return sequence == "\xe2\x80\xa8" || sequence == "\xe2\x80\xa9"; }

std::size_t append_sequence(std::string& out, std::string_view text, std::size_t at) {
  const std::size_t length = sequence_length(text, at);
  if (length == 0) {
    out += "\\ufffd";
    return 1;
  }
  const auto sequence = text.substr(at, length);
  if (is_line_separator(sequence))
    out += sequence.back() == '\xa8' ? "\\u2028" : "\\u2029";
  else
    out += sequence;
  return length;
}

} // namespace

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = at;
    while (end < text.size() && is_plain(static_cast<unsigned char>(text[end]))) ++end;
    out.append(text, at, end - at);
    at = end;
    if (at == text.size()) break;
    const auto c = static_cast<unsigned char>(text[at]);
    if (c >= 0x80) {
      at += append_sequence(out, text, at);
    } else {
      append_escaped(out, c);
      ++at;
    }
  }
  out.push_back('"');
}

void json_out::integer(std::int64_t number) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out_.append(digits.data(), end);
}

void json_out::unsigned_integer(std::uint64_t number) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out_.append(digits.data(), end);
}

void json_out::value(const string_list& list) {
  begin_array();
  for (const auto& s : list) value(s);
  end_array();
}

void json_out::value(const string_map& map) {
  begin_object();
  for (const auto& [k, v] : map) member(k, v);
  end_object();
}

void json_out::member_or_null(std::string_view name, const string_list& list) {
  key(name);
  if (list.empty())
    null();
  else
    value(list);
}

void json_out::member_or_null(std::string_view name, const string_map& map) {
  key(name);
  if (map.empty())
    null();
  else
    value(map);
}

void json_out::member_keys(std::string_view name, const string_list& keys) {
  key(name).begin_object();
  for (const auto& k : keys) {
    key(k).begin_object();
    end_object();
  }
  end_object();
}

} // namespace gantry::api
