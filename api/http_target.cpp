#include "api/http_target.hpp"

namespace gantry::api {

namespace {

error bad_target(std::string message) { return error{errc::invalid_parameter, 0, std::move(message)}; }

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// "/v1.43/info" -> "1.43" and "/info". Only digits and dots make a version; "/volumes" and "/v1.43" alone are paths.
void take_version(std::string& path, std::optional<std::string>& version) {
  if (path.compare(0, 2, "/v") != 0) return;
  auto end = path.find_first_not_of("0123456789.", 2);
  if (end == std::string::npos || end == 2 || path[end] != '/') return;
  version = path.substr(2, end - 2);
  path.erase(0, end);
}

result<> split_query(std::string_view query, request_head& head) {
  while (!query.empty()) {
    auto end = query.find('&');
    auto pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (pair.empty()) continue;
    auto equals = pair.find('=');
    GANTRY_TRY(key, percent_decode(pair.substr(0, equals), true));
    std::string value;
    if (equals != std::string_view::npos) {
      GANTRY_TRY(decoded, percent_decode(pair.substr(equals + 1), true));
      value = std::move(decoded);
    }
    head.query.emplace_back(std::move(key), std::move(value));
  }
  return {};
}

} // namespace

result<std::string> percent_decode(std::string_view text, bool plus_is_blank) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+' && plus_is_blank) {
      c = ' ';
    } else if (c == '%') {
      int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0)
        return bad_target(std::string("invalid URL escape \"").append(text.substr(i, 3)).append("\""));
      c = char(high * 16 + low);
      i += 2;
    }
    if (c == '\0') return bad_target("invalid URL escape \"%00\"");
    out.push_back(c);
  }
  return out;
}

result<> split_target(std::string_view target, request_head& head) {
  head.target = target;
  if (target == "*") {
    head.path = target;
    return {};
  }
  // absolute-form: proxies and some clients send it; RFC 9112 3.2.2 asks servers to take it.
  if (auto scheme = target.find("://"); scheme != std::string_view::npos && scheme < target.find_first_of("/?")) {
    auto path = target.find_first_of("/?", scheme + 3);
    target.remove_prefix(path == std::string_view::npos ? target.size() : path);
    if (target.empty()) target = "/";
  }
  if (auto fragment = target.find('#'); fragment != std::string_view::npos) target = target.substr(0, fragment);
  auto question = target.find('?');
  auto path = target.substr(0, question);
  if (path.empty() || path[0] != '/') return bad_target("malformed request target");
  GANTRY_TRY(decoded, percent_decode(path, false));
  head.path = std::move(decoded);
  take_version(head.path, head.version_text);
  if (question == std::string_view::npos) return {};
  return split_query(target.substr(question + 1), head);
}

} // namespace gantry::api
