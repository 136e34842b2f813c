/// Points in time and their texts. Only the proleptic Gregorian calendar in UTC; local time is never asked.
#include "io/base/time.hpp"

#include <array>
#include <chrono>
#include <ctime>

namespace gantry {

namespace {

constexpr std::int64_t nanos_per_second = 1'000'000'000;
constexpr std::int64_t seconds_per_day = 86'400;
constexpr std::string_view zero_time = "0001-01-01T00:00:00Z"; // Go's time.Time{}: "never"

void put(std::string& out, unsigned value, int width) {
  std::array<char, 10> digits;
  for (int i = width; i-- > 0; value /= 10) digits[static_cast<std::size_t>(i)] = static_cast<char>('0' + value % 10);
  out.append(digits.data(), static_cast<std::size_t>(width));
}

struct split_time {
  std::int64_t seconds; ///< floored
  unsigned nanos;       ///< 0..999999999
};

split_time split(unix_nanos t) noexcept {
  auto seconds = t / nanos_per_second;
  auto rest = t % nanos_per_second;
  if (rest < 0) {
    --seconds;
    rest += nanos_per_second;
  }
  return {seconds, static_cast<unsigned>(rest)};
}

/// "2026-11-23T20:24:41", no fraction and no zone yet.
std::string date_and_time(std::int64_t seconds) {
  auto days = seconds / seconds_per_day;
  auto of_day = seconds % seconds_per_day;
  if (of_day < 0) {
    --days;
    of_day += seconds_per_day;
  }
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{days}}};
  const auto clock = static_cast<unsigned>(of_day);
  std::string out;
  out.reserve(30);
  put(out, static_cast<unsigned>(static_cast<int>(date.year())), 4); // int64 nanoseconds reach from 1677 to 2262
  out += '-';
  put(out, static_cast<unsigned>(date.month()), 2);
  out += '-';
  put(out, static_cast<unsigned>(date.day()), 2);
  out += 'T';
  put(out, clock / 3600, 2);
  out += ':';
  put(out, clock / 60 % 60, 2);
  out += ':';
  put(out, clock % 60, 2);
  return out;
}

/// Takes the text apart from its front.
class scanner {
public:
  explicit scanner(std::string_view text) noexcept : rest_(text) {}

  bool take(char c) noexcept {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  /// Exactly `width` digits.
  bool number(int width, int& out) noexcept {
    if (rest_.size() < static_cast<std::size_t>(width)) return false;
    out = 0;
    for (int i = 0; i < width; ++i) {
      const char c = rest_[static_cast<std::size_t>(i)];
      if (c < '0' || c > '9') return false;
      out = out * 10 + (c - '0');
    }
    rest_.remove_prefix(static_cast<std::size_t>(width));
    return true;
  }
  /// All digits that follow.
  std::string_view digits() noexcept {
    std::size_t n = 0;
    while (n < rest_.size() && rest_[n] >= '0' && rest_[n] <= '9') ++n;
    const auto out = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return out;
  }
  [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }

private:
  std::string_view rest_;
};

/// "5" -> 500000000. Digits after the ninth must have been dealt with by the caller.
std::int64_t fraction_nanos(std::string_view digits) noexcept {
  std::int64_t out = 0;
  for (std::size_t i = 0; i < 9; ++i) out = out * 10 + (i < digits.size() ? digits[i] - '0' : 0);
  return out;
}

std::optional<unix_nanos> join(std::int64_t seconds, std::int64_t nanos) noexcept {
  std::int64_t out = 0;
  if (seconds < 0 && nanos > 0) { // so that the earliest second, whose start is out of range, still joins
    ++seconds;
    nanos -= nanos_per_second;
  }
  if (__builtin_mul_overflow(seconds, nanos_per_second, &out) || __builtin_add_overflow(out, nanos, &out))
    return std::nullopt;
  return out;
}

bool scan_date(scanner& in, std::chrono::year_month_day& out) {
  int year = 0, month = 0, day = 0;
  if (!in.number(4, year) || !in.take('-') || !in.number(2, month) || !in.take('-') || !in.number(2, day)) return false;
  out = std::chrono::year{year} / month / day;
  return out.ok();
}

bool scan_clock(scanner& in, std::int64_t& seconds) {
  int hour = 0, minute = 0, second = 0;
  if (!in.number(2, hour) || !in.take(':') || !in.number(2, minute) || !in.take(':') || !in.number(2, second))
    return false;
  seconds = hour * 3600 + minute * 60 + second;
  return hour < 24 && minute < 60 && second < 60; // Go too knows no leap second
}

bool scan_offset(scanner& in, std::int64_t& seconds) {
  seconds = 0;
  if (in.take('Z')) return true;
  const bool west = in.take('-');
  if (!west && !in.take('+')) return false;
  int hour = 0, minute = 0;
  if (!in.number(2, hour) || !in.take(':') || !in.number(2, minute) || hour > 24 || minute > 59) return false;
  seconds = (hour * 3600 + minute * 60) * (west ? -1 : 1);
  return true;
}

} // namespace

unix_nanos now_nanos() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * nanos_per_second + now.tv_nsec;
}

std::string format_rfc3339_nano(unix_nanos t) {
  if (t == 0) return std::string(zero_time);
  const auto [seconds, nanos] = split(t);
  auto out = date_and_time(seconds);
  if (nanos != 0) {
    out += '.';
    put(out, nanos, 9);
    out.erase(out.find_last_not_of('0') + 1);
  }
  out += 'Z';
  return out;
}

std::string format_rfc3339_nine(unix_nanos t) {
  if (t == 0) return "0001-01-01T00:00:00.000000000Z";
  const auto [seconds, nanos] = split(t);
  auto out = date_and_time(seconds);
  out += '.';
  put(out, nanos, 9);
  out += 'Z';
  return out;
}

std::optional<unix_nanos> parse_rfc3339(std::string_view text) {
  scanner in(text);
  std::chrono::year_month_day date;
  std::int64_t clock = 0, offset = 0, nanos = 0;
  if (!scan_date(in, date) || !in.take('T') || !scan_clock(in, clock)) return std::nullopt;
  if (in.take('.')) {
    const auto digits = in.digits();
    if (digits.empty() || digits.size() > 9) return std::nullopt;
    nanos = fraction_nanos(digits);
  }
  if (!scan_offset(in, offset) || !in.at_end()) return std::nullopt;
  if (date == std::chrono::year{1} / 1 / 1 && clock == 0 && nanos == 0 && offset == 0) return 0; // the zero time
  const auto days = std::chrono::sys_days{date}.time_since_epoch().count();
  return join(days * seconds_per_day + clock - offset, nanos);
}

std::optional<unix_nanos> parse_unix_timestamp(std::string_view text) {
  scanner in(text);
  const bool negative = in.take('-');
  const auto whole = in.digits();
  if (whole.empty()) return std::nullopt;
  std::int64_t seconds = 0;
  for (char c : whole) {
    if (__builtin_mul_overflow(seconds, 10, &seconds) || __builtin_add_overflow(seconds, c - '0', &seconds))
      return std::nullopt;
  }
  std::int64_t nanos = 0;
  if (in.take('.')) {
    const auto digits = in.digits(); // digits after the ninth are below a nanosecond and are dropped
    if (digits.empty()) return std::nullopt;
    nanos = fraction_nanos(digits);
  }
  if (!in.at_end()) return std::nullopt;
  // As Docker reads it, the fraction counts forward in time even before 1970: -1.5 is half a second before.
  return join(negative ? -seconds : seconds, nanos);
}

} // namespace gantry
