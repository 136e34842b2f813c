/// Writing JSON replies: Boost.JSON values to text, without HTML escaping, ended by a newline (behaviours 14).
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <optional>
#include <string>

#include "api/container_config.hpp"

namespace gantry::api {

/// The value as text. Boost.JSON escapes only what JSON demands, so `<`, `>` and `&` stay. Bytes that are no UTF-8
/// (names and messages quote what clients sent) become U+FFFD, as in Go.
std::string json_text(const boost::json::value& v);
/// The same and a newline.
std::string json_line(const boost::json::value& v);
/// `text` with every byte that is not part of well-formed UTF-8 replaced by U+FFFD.
std::string valid_utf8(std::string text);

inline boost::json::array json_array(const string_list& list) {
  boost::json::array out;
  out.reserve(list.size());
  for (const auto& s : list) out.emplace_back(s);
  return out;
}

/// null where there is no list: Go's nil slice.
inline boost::json::value json_array(const std::optional<string_list>& list) {
  if (!list) return nullptr;
  return json_array(*list);
}

/// null for an empty list: Go's nil slice, which most lists of Docker are until something is put in.
inline boost::json::value json_array_or_null(const string_list& list) {
  if (list.empty()) return nullptr;
  return json_array(list);
}

inline boost::json::object json_map(const string_map& map) {
  boost::json::object out;
  for (const auto& [k, v] : map) out[k] = v;
  return out;
}

/// {"80/tcp": {}}: a Go map used as a set.
inline boost::json::object json_key_set(const string_list& keys) {
  boost::json::object out;
  for (const auto& k : keys) out[k] = boost::json::object();
  return out;
}

} // namespace gantry::api
