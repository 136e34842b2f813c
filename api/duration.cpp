#include "api/duration.hpp"

#include <cmath>
#include <cstdio>

namespace gantry::api {

namespace {

constexpr std::int64_t microsecond = 1000, millisecond = 1000 * microsecond, second = 1000 * millisecond,
                       minute = 60 * second, hour = 60 * minute;

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// The unit at the head of `text`, in nanoseconds, and taken off it; 0 when there is none.
std::int64_t take_unit(std::string_view& text) {
  static constexpr struct {
    std::string_view name;
    std::int64_t nanos;
  } units[] = {{"ns", 1},
               {"us", microsecond},
               {"\xC2\xB5s", microsecond},
               {"\xCE\xBCs", microsecond},
               {"ms", millisecond},
               {"s", second},
               {"m", minute},
               {"h", hour}};
  std::size_t end = 0;
  while (end < text.size() && text[end] != '.' && !is_digit(text[end])) ++end;
  for (const auto& u : units)
    if (u.name == text.substr(0, end)) {
      text.remove_prefix(end);
      return u.nanos;
    }
  return 0;
}

/// "2006-01-02[T15[:04[:05[.999]]]][Z|+07:00]" filled up to a full RFC 3339.
std::optional<unix_nanos> parse_short_rfc3339(std::string_view text) {
  if (text.size() < 10) return std::nullopt;
  std::string full(text.substr(0, 10));
  text.remove_prefix(10);
  std::string clock, zone;
  if (!text.empty() && (text[0] == 'T' || text[0] == 't')) {
    text.remove_prefix(1);
    auto end = text.find_first_of("Zz+-");
    clock = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end);
    if (clock.empty()) return std::nullopt;
  } else {
    clock = "00";
  }
  zone = text.empty() ? "Z" : std::string(text);
  if (clock.size() == 2) clock += ":00";
  if (clock.size() == 5) clock += ":00";
  return parse_rfc3339(full + "T" + clock + zone);
}

} // namespace

std::optional<std::int64_t> parse_go_duration(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  __int128 total = 0;
  constexpr __int128 limit = __int128(1) << 63;
  while (!text.empty()) {
    __int128 whole = 0, fraction = 0, scale = 1;
    std::size_t digits = 0;
    for (; !text.empty() && is_digit(text[0]); text.remove_prefix(1), ++digits)
      if ((whole = whole * 10 + (text[0] - '0')) > limit) return std::nullopt;
    if (!text.empty() && text[0] == '.') {
      text.remove_prefix(1);
      for (; !text.empty() && is_digit(text[0]); text.remove_prefix(1), ++digits)
        if (scale < 1'000'000'000'000'000) { // finer than a nanosecond of an hour is lost, as in Go
          fraction = fraction * 10 + (text[0] - '0');
          scale *= 10;
        }
    }
    std::int64_t unit = digits == 0 ? 0 : take_unit(text);
    if (unit == 0) return std::nullopt;
    total += whole * unit + fraction * unit / scale;
    if (total > limit) return std::nullopt;
  }
  if (negative) return std::int64_t(-total);
  if (total == limit) return std::nullopt;
  return std::int64_t(total);
}

std::string human_duration(std::int64_t nanoseconds) {
  auto count = [](std::int64_t n, const char* unit) { return std::to_string(n) + unit; };
  std::int64_t seconds = nanoseconds / second;
  if (seconds < 1) return "Less than a second";
  if (seconds == 1) return "1 second";
  if (seconds < 60) return count(seconds, " seconds");
  std::int64_t minutes = nanoseconds / minute;
  if (minutes == 1) return "About a minute";
  if (minutes < 60) return count(minutes, " minutes");
  std::int64_t hours = std::llround(double(nanoseconds) / double(hour));
  if (hours == 1) return "About an hour";
  if (hours < 48) return count(hours, " hours");
  if (hours < 24 * 7 * 2) return count(hours / 24, " days");
  if (hours < 24 * 30 * 2) return count(hours / 24 / 7, " weeks");
  if (hours < 24 * 365 * 2) return count(hours / 24 / 30, " months");
  return count(nanoseconds / hour / 24 / 365, " years");
}

std::optional<unix_nanos> parse_time_or_duration(std::string_view text, unix_nanos now) {
  if (auto d = parse_go_duration(text)) {
    unix_nanos then = 0;
    if (__builtin_sub_overflow(now, *d, &then)) return std::nullopt;
    return then;
  }
  if (auto t = parse_short_rfc3339(text)) return t;
  if (text.find('-') != std::string_view::npos) return std::nullopt;
  return parse_unix_timestamp(text);
}

} // namespace gantry::api
