/// Shell patterns as Go's path.Match reads them: `*` and `?` stop at slashes, [a-z] and [^a-z], backslash escapes.
#pragma once

#include <string_view>

namespace gantry::api {

/// False for a bad pattern too. Time: pattern times text, never more.
bool glob_match(std::string_view pattern, std::string_view text);
/// False for an unclosed or empty class and a backslash at the end.
bool glob_valid(std::string_view pattern);

} // namespace gantry::api
