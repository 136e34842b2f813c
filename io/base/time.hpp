/// Points in time as nanoseconds since 1970-01-01T00:00:00Z, and their texts in Docker's forms.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gantry {

/// Nanoseconds since the epoch; 0 is "never", shown as 0001-01-01T00:00:00Z.
using unix_nanos = std::int64_t;

unix_nanos now_nanos() noexcept;

/// RFC 3339 with the shortest fraction, as Go's time.RFC3339Nano: "2026-11-23T20:24:41.5Z". 0 gives the zero time.
std::string format_rfc3339_nano(unix_nanos t);

/// RFC 3339 with exactly nine digits of fraction, as the `timestamps` option of logs prints it.
std::string format_rfc3339_nine(unix_nanos t);

/// RFC 3339 with any offset and up to nine digits of fraction.
std::optional<unix_nanos> parse_rfc3339(std::string_view text);

/// "1136073600.000000001": unix seconds with an optional fraction, as logs and events take since and until.
std::optional<unix_nanos> parse_unix_timestamp(std::string_view text);

} // namespace gantry
