/// A JSON writer that appends to one string: for replies whose size matters (inspect, lists of thousands), where a tree
/// of values would cost more than the text. Escapes as Go's encoder does with HTML escaping off (behaviours 14).
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/container_config.hpp"

namespace gantry::api {

/// Appends `text` as a quoted JSON string. Bytes that are not UTF-8 become U+FFFD, as Go writes them.
void append_json_string(std::string& out, std::string_view text);

/// The caller keeps the order right (a key before each member's value); commas are put where they belong.
class json_out {
public:
  explicit json_out(std::string& out) : out_(out) {}

  json_out& key(std::string_view name) {
    separate();
    append_json_string(out_, name);
    out_.push_back(':');
    return *this;
  }
  void begin_object() { open('{'); }
  void end_object() { out_.push_back('}'); }
  void begin_array() { open('['); }
  void end_array() { out_.push_back(']'); }

  void null() { literal("null"); }
  void value(std::string_view text) {
    separate();
    append_json_string(out_, text);
  }
  void value(const char* text) { value(std::string_view(text)); }
  void value(const std::string& text) { value(std::string_view(text)); }
  template <class Bool>
  requires std::same_as<Bool, bool>
  void value(Bool yes) { literal(yes ? "true" : "false"); }
  template <class Integer>
  requires(std::integral<Integer> && !std::same_as<Integer, bool>) void value(Integer number) {
    separate();
    if constexpr (std::signed_integral<Integer>)
      integer(static_cast<std::int64_t>(number));
    else
      unsigned_integer(static_cast<std::uint64_t>(number));
  }
  void value(const string_list& list);
  void value(const string_map& map);
  /// null where there is nothing: Go's nil pointer or slice.
  template <class T>
  void value(const std::optional<T>& maybe) {
    if (maybe)
      value(*maybe);
    else
      null();
  }

  template <class T>
  void member(std::string_view name, const T& v) {
    key(name).value(v);
  }
  /// null for an empty list or map: Go's nil slice or map.
  void member_or_null(std::string_view name, const string_list& list);
  void member_or_null(std::string_view name, const string_map& map);
  /// {"80/tcp":{}}: a Go map used as a set.
  void member_keys(std::string_view name, const string_list& keys);

private:
  void separate() {
    if (out_.empty()) return;
    const char last = out_.back();
    if (last != '{' && last != '[' && last != ':') out_.push_back(',');
  }
  void open(char bracket) {
    separate();
    out_.push_back(bracket);
  }
  void literal(std::string_view text) {
    separate();
    out_.append(text);
  }
  void integer(std::int64_t number);
  void unsigned_integer(std::uint64_t number);

  std::string& out_;
};

} // namespace gantry::api
