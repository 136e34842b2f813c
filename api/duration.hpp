/// Durations as Go writes and reads them ("1h30m", "500ms"), and as go-units tells them to people ("About a minute").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "io/base/time.hpp"

namespace gantry::api {

/// Go's time.ParseDuration: "300ms", "-1.5h", "2h45m"; units ns us ms s m h. Nothing for anything else, or when it does
/// not fit 64 bits of nanoseconds.
std::optional<std::int64_t> parse_go_duration(std::string_view text);

/// go-units HumanDuration: "Less than a second", "1 second", "59 seconds", "About a minute", "5 minutes", "About an
/// hour", "3 hours", "2 days", "2 weeks", "3 months", "2 years".
std::string human_duration(std::int64_t nanoseconds);

/// A time as filters and `since`/`until` give it: a Go duration before `now`, RFC 3339, its shorter forms
/// ("2006-01-02T15:04", "2006-01-02", zone optional: then UTC), or unix seconds with a fraction.
std::optional<unix_nanos> parse_time_or_duration(std::string_view text, unix_nanos now);

} // namespace gantry::api
