/// How query parameters and headers become values: Docker's rules, in one place.
#include <charconv>

#include "api/route_table.hpp"

namespace gantry::api {

namespace {

std::string_view trimmed(std::string_view text) {
  auto first = text.find_first_not_of(" \t\r\n\v\f");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n\v\f") - first + 1);
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = char(c + 32);
  return out;
}

} // namespace

bool request_view::flag(std::string_view key) const {
  auto value = lower_case(trimmed(head.query_value(key)));
  return !(value.empty() || value == "0" || value == "no" || value == "false" || value == "none");
}

bool request_view::flag_or(std::string_view key, bool absent) const { return head.has_query(key) ? flag(key) : absent; }

string_list request_view::all(std::string_view key) const {
  string_list out;
  for (const auto& [k, v] : head.query)
    if (k == key) out.push_back(v);
  return out;
}

result<std::optional<std::int64_t>> request_view::integer(std::string_view key) const {
  auto text = head.query_value(key);
  if (text.empty()) return std::optional<std::int64_t>();
  auto digits = text;
  if (digits.size() > 1 && digits[0] == '+' && digits[1] != '-') digits.remove_prefix(1);
  std::int64_t value = 0;
  auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (code == std::errc::result_out_of_range)
    return error{errc::invalid_parameter, 0, "strconv.Atoi: parsing " + go_quoted(text) + ": value out of range"};
  if (code != std::errc() || end != digits.data() + digits.size())
    return error{errc::invalid_parameter, 0, "strconv.Atoi: parsing " + go_quoted(text) + ": invalid syntax"};
  return std::optional(value);
}

result<std::optional<unix_nanos>> request_view::timestamp(std::string_view key) const {
  auto text = head.query_value(key);
  if (text.empty()) return std::optional<unix_nanos>();
  auto when = parse_unix_timestamp(text);
  if (!when)
    return error{errc::invalid_parameter, 0, "strconv.ParseInt: parsing " + go_quoted(text) + ": invalid syntax"};
  return when;
}

std::string go_quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out + "\"";
}

result<> check_json_content_type(const request_head& head) {
  auto given = head.header("content-type");
  if (given.empty()) {
    if (!head.has_body) return {};
    return error{errc::invalid_parameter, 0, "malformed Content-Type header (): mime: no media type"};
  }
  auto type = lower_case(trimmed(given.substr(0, given.find(';'))));
  if (type == "application/json") return {};
  return error{errc::invalid_parameter, 0,
               "unsupported Content-Type header (" + std::string(given) + "): must be 'application/json'"};
}

} // namespace gantry::api
