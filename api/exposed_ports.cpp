/// Reading port texts; see exposed_ports.hpp.
#include "api/exposed_ports.hpp"

#include <algorithm>
#include <charconv>

namespace gantry::api {
namespace {

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

} // namespace

std::optional<port_range> parse_port_range(std::string_view text) {
  const auto slash = text.find('/');
  port_range range{0, 0, "tcp"};
  if (slash != std::string_view::npos) {
    range.protocol = text.substr(slash + 1);
    std::transform(range.protocol.begin(), range.protocol.end(), range.protocol.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (range.protocol.empty()) range.protocol = "tcp";
    if (range.protocol != "tcp" && range.protocol != "udp" && range.protocol != "sctp") return std::nullopt;
  }
  const auto numbers = text.substr(0, slash);
  const auto dash = numbers.find('-');
  const auto first = parse_port(numbers.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_port(numbers.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  range.first = *first;
  range.last = *last;
  return range;
}

std::vector<exposed_port> live_ports(const container_view& view) {
  std::vector<exposed_port> ports;
  const auto& d = *view.definition;
  if (!view.state.is_running() || d.host.network_mode != "bridge") return ports;
  for (const auto& text : d.config.exposed_ports)
    // A range stands for itself only where it is one port: Docker's ParsePort takes nothing else.
    if (const auto range = parse_port_range(text); range && range->first == range->last)
      ports.push_back({range->first, range->protocol});
  return ports;
}

} // namespace gantry::api
