/// Values that flags and tables share: sizes, ulimits, key=value pairs, in the forms that docker reads and prints.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "api/container_config.hpp"
#include "io/base/result.hpp"

namespace gantry::cli {

/// "64m", "1.5g", "512": powers of 1024, case does not matter, "b" and "ib" may follow.
/// Errors: invalid_parameter `invalid size: 'X'`, `invalid suffix: 'X'`.
result<std::int64_t> parse_bytes(std::string_view text);
/// 1000-based with four significant digits, as prune reports and progress print it: "7.834MB", "0B".
std::string human_size(double bytes);
/// The same with three digits, as image and container sizes are shown: "7.83MB".
std::string human_size_three(double bytes);
/// 1024-based: "1.5GiB".
std::string binary_size(double bytes);
/// "nofile=1024:2048", "core=0". Errors: Docker's texts (`invalid ulimit argument: X`, `invalid ulimit type: X`).
result<api::ulimit> parse_ulimit(const std::string& text);
/// "k=v" -> {k, v}; nothing without a "=".
std::optional<std::pair<std::string, std::string>> split_pair(std::string_view text);
/// "1.5" CPUs -> 1500000000. Errors: `failed to parse X as a rational number`, `value is too precise`.
result<std::int64_t> parse_cpus(const std::string& text);
/// strerror(3) as Go words it: "no such file or directory".
std::string errno_text(int err);
/// True for an IPv4 or IPv6 address without a zone.
bool is_ip_address(const std::string& text);

} // namespace gantry::cli
