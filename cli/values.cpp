/// Readers and printers of small values.
#include "cli/values.hpp"

#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#include "cli/flags.hpp"

namespace gantry::cli {
namespace {

error bad(std::string message) { return error{errc::invalid_parameter, 0, std::move(message)}; }

std::string with_unit(double value, double base, const char* const* units, int last, int digits) {
  int at = 0;
  while (value >= base && at < last) {
    value /= base;
    ++at;
  }
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*g%s", digits, value, units[at]);
  return text.data();
}

constexpr const char* decimal_units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
constexpr const char* binary_units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"};

constexpr std::string_view ulimit_names[] = {"as",      "core",     "cpu",        "data",   "fsize", "locks",
                                             "memlock", "msgqueue", "nice",       "nofile", "nproc", "rss",
                                             "rtprio",  "rttime",   "sigpending", "stack"};

bool known_ulimit(std::string_view name) {
  for (auto known : ulimit_names)
    if (known == name) return true;
  return false;
}

} // namespace

result<std::int64_t> parse_bytes(std::string_view text) {
  const auto invalid = [&] { return bad("invalid size: '" + std::string(text) + "'"); };
  const auto end_of_number = text.find_last_of("0123456789. ");
  if (end_of_number == std::string_view::npos) return invalid();
  std::string_view number = text.substr(0, end_of_number + 1), suffix = text.substr(end_of_number + 1);
  if (number.ends_with(' ')) number.remove_suffix(1);
  double value = 0;
  auto [end, code] = std::from_chars(number.data(), number.data() + number.size(), value, std::chars_format::fixed);
  if (code != std::errc{} || end != number.data() + number.size() || value < 0) return invalid();
  if (suffix.empty()) return static_cast<std::int64_t>(value);
  std::string lower(suffix);
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  constexpr std::string_view letters = "bkmgtp";
  const auto power = letters.find(lower[0]);
  const auto rest = std::string_view(lower).substr(1);
  if (power == std::string_view::npos || (power == 0 ? !rest.empty() : !rest.empty() && rest != "b" && rest != "ib"))
    return bad("invalid suffix: '" + lower + "'");
  value *= std::pow(1024.0, static_cast<double>(power));
  if (value > 9.2e18) return invalid();
  return static_cast<std::int64_t>(value);
}

std::string human_size(double bytes) { return with_unit(bytes, 1000, decimal_units, 8, 4); }
std::string human_size_three(double bytes) { return with_unit(bytes, 1000, decimal_units, 8, 3); }
std::string binary_size(double bytes) { return with_unit(bytes, 1024, binary_units, 8, 4); }

result<api::ulimit> parse_ulimit(const std::string& text) {
  const auto pair = split_pair(text);
  if (!pair) return bad("invalid ulimit argument: " + text);
  if (!known_ulimit(pair->first)) return bad("invalid ulimit type: " + pair->first);
  const auto colon = pair->second.find(':');
  if (colon != std::string::npos && pair->second.find(':', colon + 1) != std::string::npos)
    return bad("too many limit values - " + pair->second + ", can only have up to two, `soft[:hard]`");
  const auto limit = [](const std::string& word) -> result<std::int64_t> {
    if (auto value = parse_integer(word)) return *value;
    return bad("strconv.ParseInt: parsing \"" + word + "\": invalid syntax");
  };
  GANTRY_TRY(soft, limit(pair->second.substr(0, colon)));
  std::int64_t hard = soft;
  if (colon != std::string::npos) {
    GANTRY_TRY(given, limit(pair->second.substr(colon + 1)));
    hard = given;
  }
  if (hard != -1 && (soft == -1 || soft > hard)) {
    if (soft == -1)
      return bad("ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: " +
                 std::to_string(hard));
    return bad("ulimit soft limit must be less than or equal to hard limit: " + std::to_string(soft) + " > " +
               std::to_string(hard));
  }
  return api::ulimit{pair->first, soft, hard};
}

std::optional<std::pair<std::string, std::string>> split_pair(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  return std::pair{std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

result<std::int64_t> parse_cpus(const std::string& text) {
  const auto invalid = [&] { return bad("failed to parse " + text + " as a rational number"); };
  if (text.empty() || text.find_first_not_of("0123456789.") != std::string::npos) return invalid();
  const auto point = text.find('.');
  std::string whole = text.substr(0, point), fraction = point == std::string::npos ? "" : text.substr(point + 1);
  if (whole.empty() && fraction.empty()) return invalid();
  if (fraction.find('.') != std::string::npos || whole.size() > 9) return invalid();
  while (fraction.size() > 9 && fraction.back() == '0') fraction.pop_back();
  if (fraction.size() > 9) return bad("value is too precise");
  fraction.append(9 - fraction.size(), '0');
  return parse_integer(whole.empty() ? "0" : whole).value_or(0) * 1000000000 + parse_integer(fraction).value_or(0);
}

std::string errno_text(int err) {
  std::string text = std::strerror(err);
  // "No such file" but "RPC ...": only a lone capital is a sentence's.
  if (text.size() > 1 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a' && text[1] <= 'z')
    text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

bool is_ip_address(const std::string& text) {
  std::array<unsigned char, 16> address{};
  return inet_pton(AF_INET, text.c_str(), address.data()) == 1 ||
         inet_pton(AF_INET6, text.c_str(), address.data()) == 1;
}

} // namespace gantry::cli
