/// The log's two line forms, as logrus writes them, and their escaping: what clients and images put into a message can
/// neither break a line nor steer a terminal.
#include "io/base/log.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <poll.h>
#include <unistd.h>

#include "io/base/time.hpp"
#include "io/base/utf8.hpp"

namespace gantry::log {

namespace {

/// A longer value is cut: an image's label or a client's path may be megabytes. A line then stays within one write.
constexpr std::size_t value_bytes_max = 16 * 1024;

/// How long a line may wait for a full pipe (a stopped `docker logs`-like reader) before it is dropped.
constexpr int full_pipe_wait_ms = 100;

std::atomic<level> threshold_now{level::info};
std::atomic<format> format_now{format::text};

/// logrus spells it so; "warn" is only accepted.
constexpr std::array<std::string_view, 7> level_names{"panic", "fatal", "error", "warning", "info", "debug", "trace"};

void put_hex(std::string& out, std::string_view prefix, std::uint32_t value, int digits) {
  static constexpr char hex[] = "0123456789abcdef";
  out += prefix;
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) out += hex[value >> shift & 15];
}

/// Code points that a terminal may act on or that a reader cannot see: C1 controls, line separators, direction marks.
bool is_unprintable(std::uint32_t rune) noexcept {
  return rune < 0x20 || (rune >= 0x7f && rune < 0xa0) || rune == 0xad || (rune >= 0x200b && rune <= 0x200f) ||
         (rune >= 0x2028 && rune <= 0x202e) || (rune >= 0x2060 && rune <= 0x206f) || rune == 0xfeff ||
         (rune >= 0xfff0 && rune <= 0xfffb) || rune >= 0xe0000;
}

/// The letter after the backslash for what both forms shorten, else 0.
char short_escape(std::uint32_t rune) noexcept {
  switch (rune) {
  case '"':
    return '"';
  case '\\':
    return '\\';
  case '\n':
    return 'n';
  case '\r':
    return 'r';
  case '\t':
    return 't';
  case '\b':
    return 'b';
  case '\f':
    return 'f';
  default:
    return 0;
  }
}

/// Cuts at a code point's start, so that the cut itself does not make invalid text.
std::string_view cut(std::string_view value, bool& was_cut) noexcept {
  was_cut = value.size() > value_bytes_max;
  if (!was_cut) return value;
  std::size_t size = value_bytes_max;
  while (size > value_bytes_max - 4 && (static_cast<unsigned char>(value[size]) & 0xc0) == 0x80) --size;
  return value.substr(0, size);
}

/// Walks over `value` and lets `put_rune` and `put_invalid` write, then marks a cut.
template <class PutRune, class PutInvalid>
void put_quoted(std::string& out, std::string_view value, PutRune put_rune, PutInvalid put_invalid) {
  bool was_cut = false;
  auto rest = cut(value, was_cut);
  out += '"';
  while (!rest.empty()) {
    const auto step = decode_utf8(rest);
    const auto raw = rest.substr(0, step.bytes);
    if (!step.valid) {
      put_invalid(static_cast<unsigned char>(raw[0]));
    } else if (const char letter = short_escape(step.rune)) {
      out += '\\';
      out += letter;
    } else {
      put_rune(step.rune, raw);
    }
    rest.remove_prefix(step.bytes);
  }
  if (was_cut) out += "...";
  out += '"';
}

/// As Go's strconv.Quote.
void put_text_quoted(std::string& out, std::string_view value) {
  auto rune = [&out](std::uint32_t r, std::string_view raw) {
    if (!is_unprintable(r))
      out += raw;
    else if (r < 0x80)
      put_hex(out, "\\x", r, 2);
    else if (r < 0x10000)
      put_hex(out, "\\u", r, 4);
    else
      put_hex(out, "\\U", r, 8);
  };
  put_quoted(out, value, rune, [&out](unsigned char byte) { put_hex(out, "\\x", byte, 2); });
}

/// As Go's encoding/json, which also escapes what HTML or JavaScript would act on.
void put_json_quoted(std::string& out, std::string_view value) {
  auto rune = [&out](std::uint32_t r, std::string_view raw) {
    const bool html = r == '<' || r == '>' || r == '&';
    if (!html && (r >= 0x10000 || !is_unprintable(r)))
      out += raw;
    else
      put_hex(out, "\\u", r, 4);
  };
  put_quoted(out, value, rune, [&out](unsigned char) { out += "\\ufffd"; });
}

/// logrus leaves a value bare when it is made of these alone.
bool is_bare(std::string_view value) noexcept {
  if (value.size() > value_bytes_max) return false;
  for (char c : value) {
    const bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!alphanumeric && (c == '\0' || std::string_view("-._/@^+").find(c) == std::string_view::npos)) return false;
  }
  return true;
}

void put_text_field(std::string& out, std::string_view key, std::string_view value) {
  if (!out.empty()) out += ' ';
  out += key;
  out += '=';
  if (is_bare(value))
    out += value;
  else
    put_text_quoted(out, value);
}

void put_json_field(std::string& out, std::string_view key, std::string_view value) {
  out += out.empty() ? '{' : ',';
  put_json_quoted(out, key);
  out += ':';
  put_json_quoted(out, value);
}

/// A field must not replace the line's own members.
bool is_reserved(std::string_view key) noexcept { return key == "time" || key == "level" || key == "msg"; }

void write_line(std::string_view line) noexcept {
  while (!line.empty()) {
    const auto written = ::write(STDERR_FILENO, line.data(), line.size());
    if (written > 0) {
      line.remove_prefix(static_cast<std::size_t>(written));
      continue;
    }
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) { // someone made the shared stderr O_NONBLOCK, and its pipe is full
      pollfd ready{STDERR_FILENO, POLLOUT, 0};
      if (::poll(&ready, 1, full_pipe_wait_ms) > 0) continue;
    }
    return; // nobody reads: the engine does not stop for its log
  }
}

} // namespace

std::string format_line(format form, unix_nanos at_time, level at, std::string_view message,
                        std::initializer_list<field> fields) {
  const auto put = form == format::text ? put_text_field : put_json_field;
  std::string line;
  line.reserve(128 + message.size());
  put(line, "time", format_rfc3339_nine(at_time));
  put(line, "level", level_names[static_cast<std::size_t>(at)]);
  put(line, "msg", message);
  for (const auto& [key, value] : fields) {
    if (is_reserved(key))
      put(line, "fields." + std::string(key), value);
    else
      put(line, key, value);
  }
  line += form == format::text ? "\n" : "}\n";
  return line;
}

void configure(level threshold, format form) noexcept {
  threshold_now.store(threshold, std::memory_order_relaxed);
  format_now.store(form, std::memory_order_relaxed);
}

bool enabled(level at) noexcept { return at <= threshold_now.load(std::memory_order_relaxed); }

bool parse_level(std::string_view text, level& out) noexcept {
  auto same = [text](std::string_view name) {
    if (text.size() != name.size()) return false;
    for (std::size_t i = 0; i < name.size(); ++i) {
      const char c = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] + ('a' - 'A')) : text[i];
      if (c != name[i]) return false;
    }
    return true;
  };
  for (std::size_t i = 0; i < level_names.size(); ++i) {
    if (same(level_names[i]) || (static_cast<level>(i) == level::warn && same("warn"))) {
      out = static_cast<level>(i);
      return true;
    }
  }
  return false;
}

void write(level at, std::string_view message, std::initializer_list<field> fields) {
  if (!enabled(at)) return;
  write_line(format_line(format_now.load(std::memory_order_relaxed), now_nanos(), at, message, fields));
}

} // namespace gantry::log
