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

/// The value and a newline. Boost.JSON escapes only what JSON demands, so `<`, `>` and `&` stay.
inline std::string json_line(const boost::json::value& v) {
  std::string out = boost::json::serialize(v);
  out.push_back('\n');
  return out;
}

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
