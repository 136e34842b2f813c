/// The engine's own log, on stderr, one line a record, in the two forms dockerd has: logrus text
/// (`time="..." level=info msg="..."`) and JSON. A line's fields start with the id it is about and end with the error.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "io/base/time.hpp"

namespace gantry::log {

enum class level { panic, fatal, error, warn, info, debug, trace };
enum class format { text, json };

using field = std::pair<std::string_view, std::string_view>;

/// Sets threshold and form for the whole process. Thread: call before other threads log, or from any thread to reload
/// the threshold.
void configure(level threshold, format form) noexcept;
[[nodiscard]] bool enabled(level at) noexcept;
/// "warn" or "warning" -> level; nothing for an unknown word (in: any case).
bool parse_level(std::string_view text, level& out) noexcept;

/// One write(2) a record, so that lines of several threads do not mix. Thread: any.
void write(level at, std::string_view message, std::initializer_list<field> fields = {});

/// The line that `write` would write, with its newline: for tests, and for logs that go elsewhere. Thread: any.
std::string format_line(format form, unix_nanos at_time, level at, std::string_view message,
                        std::initializer_list<field> fields);

inline void error(std::string_view m, std::initializer_list<field> f = {}) { write(level::error, m, f); }
inline void warn(std::string_view m, std::initializer_list<field> f = {}) { write(level::warn, m, f); }
inline void info(std::string_view m, std::initializer_list<field> f = {}) { write(level::info, m, f); }
inline void debug(std::string_view m, std::initializer_list<field> f = {}) {
  if (enabled(level::debug)) write(level::debug, m, f);
}

} // namespace gantry::log
