/// Values of daemon options: from the command line, from the file, and as the conflict text shows them.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "cli/daemon_table.hpp"
#include "cli/flags.hpp"
#include "cli/values.hpp"

namespace gantry::cli {
namespace {

namespace json = boost::json;

error bad(std::string message) { return error{errc::invalid_parameter, 0, std::move(message)}; }

json::object& as_map(json::value& into) {
  if (!into.is_object()) into = json::object{};
  return into.as_object();
}
json::array& as_list(json::value& into) {
  if (!into.is_array()) into = json::array{};
  return into.as_array();
}

result<std::pair<std::string, std::string>> pair_of(const std::string& text) {
  auto pair = split_pair(text);
  if (!pair || pair->first.empty()) return bad("invalid key=value pair: " + text);
  return std::move(*pair);
}

result<> add_pool(const std::string& text, json::value& into) {
  json::object pool;
  for (std::size_t from = 0; from <= text.size();) {
    const auto comma = std::min(text.find(',', from), text.size());
    GANTRY_TRY(field, pair_of(text.substr(from, comma - from)));
    if (field.first == "base") {
      pool["base"] = field.second;
    } else if (field.first == "size") {
      const auto size = parse_integer(field.second);
      if (!size) return bad("invalid size value: " + field.second);
      pool["size"] = *size;
    } else {
      return bad("unexpected key '" + field.first + "' in '" + text + "'");
    }
    from = comma + 1;
  }
  as_list(into).push_back(std::move(pool));
  return {};
}

result<> add_ulimit(const std::string& text, json::value& into) {
  GANTRY_TRY(limit, parse_ulimit(text));
  as_map(into)[limit.name] = json::object{{"Name", limit.name}, {"Hard", limit.hard}, {"Soft", limit.soft}};
  return {};
}

result<> add_runtime(const std::string& text, json::value& into) {
  auto pair = split_pair(text);
  if (!pair || pair->first.empty() || pair->second.empty()) return bad("invalid runtime argument: " + text);
  if (pair->first == "runc") return bad("runtime name 'runc' is reserved");
  if (as_map(into).contains(pair->first)) return bad("runtime '" + pair->first + "' was already defined");
  into.as_object()[pair->first] = json::object{{"path", pair->second}};
  return {};
}

result<> add_net_option(const std::string& text, json::value& into) {
  GANTRY_TRY(driver, pair_of(text));
  GANTRY_TRY(option, pair_of(driver.second));
  auto& of_driver = as_map(into)[driver.first];
  as_map(of_driver)[option.first] = option.second;
  return {};
}

/// What Go's decoder calls a JSON value's type.
const char* type_name(const json::value& value) {
  switch (value.kind()) {
  case json::kind::null:
    return "null";
  case json::kind::bool_:
    return "bool";
  case json::kind::int64:
  case json::kind::uint64:
  case json::kind::double_:
    return "number";
  case json::kind::string:
    return "string";
  case json::kind::array:
    return "array";
  case json::kind::object:
    return "object";
  }
  return "value";
}

error mismatch(const json::value& value, const daemon_option& option, const char* wanted) {
  return bad(std::string("json: cannot unmarshal ") + type_name(value) + " into Go struct field Config." + option.key +
             " of type " + wanted);
}

result<json::value> check_strings(const daemon_option& option, const json::value& value) {
  if (!value.is_array()) return mismatch(value, option, "[]string");
  for (const auto& item : value.as_array())
    if (!item.is_string()) return mismatch(item, option, "string");
  return value;
}

template <class Predicate>
result<json::value> check_members(const daemon_option& option, const json::value& value, const char* wanted,
                                  const char* member, Predicate fits) {
  if (!value.is_object()) return mismatch(value, option, wanted);
  for (const auto& [key, item] : value.as_object())
    if (!fits(item)) return mismatch(item, option, member);
  return value;
}

result<json::value> check_ulimits(const daemon_option& option, const json::value& value) {
  if (!value.is_object()) return mismatch(value, option, "map[string]*units.Ulimit");
  for (const auto& [key, item] : value.as_object()) {
    if (!item.is_object()) return mismatch(item, option, "units.Ulimit");
    for (const char* field : {"Soft", "Hard"})
      if (const auto* number = item.as_object().if_contains(field); number != nullptr && !number->is_int64())
        return mismatch(*number, option, "int64");
  }
  return value;
}

result<json::value> check_bytes(const daemon_option& option, const json::value& value) {
  if (value.is_int64()) return value;
  if (!value.is_string()) return mismatch(value, option, "opts.MemBytes");
  GANTRY_TRY(size, parse_bytes(std::string_view(value.as_string())));
  return json::value(size);
}

std::string show_number(double number) {
  std::array<char, 40> text{};
  const double exponent = number == 0 ? 0 : std::floor(std::log10(std::fabs(number)));
  // The text is that of Go's %v of a float64, which has an exponent from 1e6 on.
  const auto form = exponent < -4 || exponent >= 6 ? std::chars_format::scientific : std::chars_format::fixed;
  auto [end, code] = std::to_chars(text.data(), text.data() + text.size(), number, form);
  return code == std::errc{} ? std::string(text.data(), end) : std::to_string(number);
}

} // namespace

result<> add_flag_value(const daemon_option& option, const std::string& text, json::value& into) {
  switch (option.kind) {
  case option_kind::boolean:
    if (auto value = parse_bool(text)) {
      into = *value;
      return {};
    }
    return bad("strconv.ParseBool: parsing \"" + text + "\": invalid syntax");
  case option_kind::integer:
    if (auto value = parse_integer(text)) {
      into = *value;
      return {};
    }
    return bad("strconv.ParseInt: parsing \"" + text + "\": invalid syntax");
  case option_kind::bytes: {
    GANTRY_TRY(size, parse_bytes(text));
    into = size;
    return {};
  }
  case option_kind::text:
    into = text;
    return {};
  case option_kind::list:
    as_list(into).emplace_back(text);
    return {};
  case option_kind::pairs: {
    // "k" alone is a key with an empty value, as docker's map options have it.
    auto pair = split_pair(text).value_or(std::pair{text, std::string()});
    as_map(into)[pair.first] = pair.second;
    return {};
  }
  case option_kind::switches: {
    auto pair = split_pair(text).value_or(std::pair{text, std::string("true")});
    const auto on = parse_bool(pair.second);
    if (!on) return bad("strconv.ParseBool: parsing \"" + pair.second + "\": invalid syntax");
    as_map(into)[pair.first] = *on;
    return {};
  }
  case option_kind::ulimits:
    return add_ulimit(text, into);
  case option_kind::pools:
    return add_pool(text, into);
  case option_kind::runtimes:
    return add_runtime(text, into);
  case option_kind::net_options:
    return add_net_option(text, into);
  case option_kind::object: {
    GANTRY_TRY(pair, pair_of(text));
    as_map(into)[pair.first] = pair.second;
    return {};
  }
  }
  return {};
}

result<json::value> check_file_value(const daemon_option& option, const json::value& value) {
  switch (option.kind) {
  case option_kind::boolean:
    if (!value.is_bool()) return mismatch(value, option, "bool");
    return value;
  case option_kind::text:
    if (!value.is_string()) return mismatch(value, option, "string");
    return value;
  case option_kind::integer:
    if (!value.is_int64()) return mismatch(value, option, "int");
    return value;
  case option_kind::bytes:
    return check_bytes(option, value);
  case option_kind::list:
    return check_strings(option, value);
  case option_kind::pairs:
    return check_members(option, value, "map[string]string", "string", [](const auto& v) { return v.is_string(); });
  case option_kind::switches:
    return check_members(option, value, "map[string]bool", "bool", [](const auto& v) { return v.is_bool(); });
  case option_kind::ulimits:
    return check_ulimits(option, value);
  case option_kind::pools:
    if (!value.is_array()) return mismatch(value, option, "[]*ipamutils.NetworkToSplit");
    return value;
  case option_kind::runtimes:
  case option_kind::net_options:
    return check_members(option, value, "map", "map", [](const auto& v) { return v.is_object(); });
  case option_kind::object:
    if (!value.is_object()) return mismatch(value, option, "object");
    return value;
  }
  return value;
}

std::string show_value(const json::value& value) {
  switch (value.kind()) {
  case json::kind::null:
    return "<nil>";
  case json::kind::bool_:
    return value.as_bool() ? "true" : "false";
  case json::kind::int64:
    return show_number(static_cast<double>(value.as_int64()));
  case json::kind::uint64:
    return show_number(static_cast<double>(value.as_uint64()));
  case json::kind::double_:
    return show_number(value.as_double());
  case json::kind::string:
    return std::string(value.as_string());
  case json::kind::array: {
    std::string text;
    for (const auto& item : value.as_array()) text += (text.empty() ? "" : " ") + show_value(item);
    return "[" + text + "]";
  }
  case json::kind::object: {
    std::vector<std::string> members;
    for (const auto& [key, item] : value.as_object()) members.push_back(std::string(key) + ":" + show_value(item));
    std::sort(members.begin(), members.end());
    std::string text;
    for (const auto& member : members) text += (text.empty() ? "" : " ") + member;
    return "map[" + text + "]";
  }
  }
  return {};
}

} // namespace gantry::cli
