/// LogConfig (behaviours 53, 207): the daemon's defaults, and the options that the driver knows.
#include "api/create_checks.hpp"

#include <algorithm>
#include <array>

namespace gantry::api {
namespace {

constexpr std::array<std::string_view, 8> json_file_options{"max-file",     "max-size", "compress",  "labels",
                                                            "labels-regex", "env",      "env-regex", "tag"};
/// Docker's other drivers: their names are right, only this version lacks them.
constexpr std::array<std::string_view, 9> later_drivers{"local",   "syslog", "journald", "gelf",   "fluentd",
                                                        "awslogs", "splunk", "etwlogs",  "gcplogs"};

bool is_one_of(std::string_view word, const auto& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// go-units RAMInBytes: "512k", "1.5GiB". Only the form is checked.
bool is_size(std::string_view text) {
  const auto digits = text.find_first_not_of("0123456789.");
  const auto number = text.substr(0, digits);
  if (number.empty() || number.front() == '.' || number.back() == '.' ||
      std::count(number.begin(), number.end(), '.') > 1)
    return false;
  auto unit = digits == std::string_view::npos ? std::string_view() : text.substr(digits);
  if (unit.starts_with(' ')) unit.remove_prefix(1);
  std::string lower(unit);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return static_cast<char>(c | 0x20); });
  if (lower.empty() || lower == "b") return true;
  return std::string_view("kmgtp").find(lower[0]) != std::string_view::npos &&
         (lower.size() == 1 || lower.substr(1) == "b" || lower.substr(1) == "ib");
}

/// Options that every driver takes.
result<> check_mode_options(const string_map& options) {
  const auto mode = options.find("mode");
  const bool non_blocking = mode != options.end() && mode->second == "non-blocking";
  if (mode != options.end() && !mode->second.empty() && mode->second != "blocking" && !non_blocking)
    return bad_request("logger: logging mode not supported: " + mode->second);
  const auto buffer = options.find("max-buffer-size");
  if (buffer == options.end()) return {};
  if (!non_blocking) return bad_request("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  if (!is_size(buffer->second))
    return bad_request("error parsing option max-buffer-size: invalid size: '" + buffer->second + "'");
  return {};
}

} // namespace

result<> check_log_config(const create_check& c) {
  auto& log = c.request.host.log;
  if (log.type.empty()) log.type = c.host.default_log_driver;
  if (log.type == c.host.default_log_driver)
    log.options.insert(c.host.default_log_options.begin(), c.host.default_log_options.end());
  if (log.type == "none") return {};
  if (is_one_of(log.type, later_drivers)) return lacks("the log driver: " + log.type);
  if (log.type != "json-file") return bad_request("logger: no log driver named '" + log.type + "' is registered");
  GANTRY_TRYV(check_mode_options(log.options));
  for (const auto& [name, value] : log.options)
    if (name != "mode" && name != "max-buffer-size" && !is_one_of(name, json_file_options))
      return bad_request("unknown log opt '" + name + "' for json-file log driver");
  return {};
}

} // namespace gantry::api
