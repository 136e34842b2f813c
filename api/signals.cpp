/// Signal names and numbers as Docker takes them (behaviours 79). Source: signal(7), Linux on x86-64 and arm64.
#include "api/container_json.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace gantry::api {
namespace {

struct named_signal {
  std::string_view name;
  int number;
};

constexpr std::array<named_signal, 36> names{{
    {"ABRT", 6},    {"ALRM", 14},   {"BUS", 7},   {"CHLD", 17}, {"CLD", 17},   {"CONT", 18},
    {"FPE", 8},     {"HUP", 1},     {"ILL", 4},   {"INT", 2},   {"IO", 29},    {"IOT", 6},
    {"KILL", 9},    {"PIPE", 13},   {"POLL", 29}, {"PROF", 27}, {"PWR", 30},   {"QUIT", 3},
    {"SEGV", 11},   {"STKFLT", 16}, {"STOP", 19}, {"SYS", 31},  {"TERM", 15},  {"TRAP", 5},
    {"TSTP", 20},   {"TTIN", 21},   {"TTOU", 22}, {"URG", 23},  {"USR1", 10},  {"USR2", 12},
    {"VTALRM", 26}, {"WINCH", 28},  {"XCPU", 24}, {"XFSZ", 25}, {"RTMIN", 34}, {"RTMAX", 64},
}};

/// The C library keeps 32 and 33 for itself, so the first one for programs is 34.
constexpr int rt_min = 34, rt_max = 64, offset_max = 15;

error invalid(std::string_view text) { return {errc::invalid_parameter, 0, "invalid signal: " + std::string(text)}; }

/// Go's strconv.Atoi: an optional sign and digits, nothing else.
std::optional<long long> parse_number(std::string_view text) {
  if (text.size() > 1 && text.front() == '+' && text[1] != '-') text.remove_prefix(1);
  long long number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// "RTMIN+3", "RTMAX-14".
int real_time(std::string_view name) {
  if (name.size() < 7) return 0;
  int offset = 0;
  const auto digits = name.substr(6);
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), offset);
  // One spelling a signal: no sign, no leading zero, as in Docker's table.
  if (ec != std::errc() || end != digits.data() + digits.size() || digits.front() == '0' || offset < 1) return 0;
  if (name.starts_with("RTMIN+") && offset <= offset_max) return rt_min + offset;
  if (name.starts_with("RTMAX-") && offset < offset_max) return rt_max - offset;
  return 0;
}

} // namespace

result<int> parse_signal(std::string_view text) {
  if (const auto number = parse_number(text)) {
    if (*number == 0) return invalid(text);
    if (*number < 0 || *number > rt_max)
      return error{errc::invalid_parameter, 0, "The linux daemon does not support signal " + std::to_string(*number)};
    return static_cast<int>(*number);
  }
  std::string upper(text);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  std::string_view name = upper;
  if (name.starts_with("SIG")) name.remove_prefix(3);
  const auto found = std::find_if(names.begin(), names.end(), [&](const auto& s) { return s.name == name; });
  if (found != names.end()) return found->number;
  if (const int number = real_time(name)) return number;
  return invalid(text);
}

} // namespace gantry::api
