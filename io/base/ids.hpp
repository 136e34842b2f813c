/// Ids as Docker writes them: 64 lower-case hex characters, shortened to 12.
#pragma once

#include <string>
#include <string_view>

namespace gantry {

/// 64 lower-case hex characters from the kernel's random source. The first 12 are never all digits, because they become
/// the default hostname, which must not look like a number (behaviours 47). Thread: any.
std::string random_id();

/// The first 12 characters: how people see an id.
inline std::string short_id(std::string_view id) { return std::string(id.substr(0, 12)); }

/// True for 64 lower-case hex characters.
bool is_full_id(std::string_view text) noexcept;

} // namespace gantry
