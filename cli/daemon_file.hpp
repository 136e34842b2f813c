/// daemon.json: from bytes to checked values, with dockerd's rules on unknown keys and on conflicts with flags.
#pragma once

#include <boost/json.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/daemon_table.hpp"

namespace gantry::cli {

/// A configuration is written by hand: anything larger is a mistake (or another file).
inline constexpr std::size_t daemon_file_bytes_max = 1u << 20;

/// `flags`: daemon.json key of each flag given -> its value as shown. Notices: keys that are accepted but never read.
/// Errors: not_found (no such file) · invalid_parameter.
result<std::map<const daemon_option*, boost::json::value>>
read_daemon_file(const std::string& path, const std::map<std::string, std::string>& flags,
                 std::vector<std::string>& notices);

/// The same from the file's bytes.
result<std::map<const daemon_option*, boost::json::value>>
parse_daemon_file(std::string_view bytes, const std::map<std::string, std::string>& flags,
                  std::vector<std::string>& notices);

/// UTF-8 of bytes that may start with a byte-order mark (UTF-8, UTF-16 of either order).
/// Errors: invalid_parameter `failed to decode configuration JSON at offset N`.
result<std::string> decode_byte_order_mark(std::string_view bytes);

/// A proxy URL as it may be shown: user and password become xxxxx.
std::string mask_credentials(const std::string& url);

} // namespace gantry::cli
