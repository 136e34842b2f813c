/// --publish and --expose: [address:][host port or range:]container port or range[/protocol].
#include <charconv>

#include "cli/container_flags.hpp"
#include "cli/values.hpp"

namespace gantry::cli {

namespace json = boost::json;

namespace {

error bad(std::string message) { return error{errc::invalid_parameter, 0, std::move(message)}; }

struct port_range {
  unsigned first = 0, last = 0;
};

std::optional<unsigned> port_number(std::string_view text) {
  unsigned value = 0;
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size() || value > 65535) return std::nullopt;
  return value;
}

std::optional<port_range> range_of(std::string_view text) {
  const auto dash = text.find('-');
  const auto first = port_number(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : port_number(text.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  return port_range{*first, *last};
}

bool known_protocol(std::string_view protocol) { return protocol == "tcp" || protocol == "udp" || protocol == "sctp"; }

struct split_port {
  std::string address, host, container, protocol = "tcp";
};

result<split_port> split(const std::string& text) {
  split_port parts;
  std::string rest = text;
  if (const auto slash = rest.rfind('/'); slash != std::string::npos) {
    parts.protocol = rest.substr(slash + 1);
    rest.resize(slash);
    for (char& c : parts.protocol) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    if (parts.protocol.empty()) parts.protocol = "tcp";
  }
  const auto last = rest.rfind(':');
  parts.container = last == std::string::npos ? rest : rest.substr(last + 1);
  if (last != std::string::npos) {
    rest.resize(last);
    const auto before = rest.rfind(':');
    parts.host = before == std::string::npos ? rest : rest.substr(before + 1);
    if (before != std::string::npos) parts.address = rest.substr(0, before);
  }
  if (parts.address.size() > 2 && parts.address.front() == '[' && parts.address.back() == ']')
    parts.address = parts.address.substr(1, parts.address.size() - 2);
  if (!parts.address.empty() && !is_ip_address(parts.address)) return bad("invalid IP address: " + parts.address);
  if (parts.container.empty()) return bad("no port specified: " + text + "<empty>");
  if (!known_protocol(parts.protocol)) return bad("invalid proto: " + parts.protocol);
  return parts;
}

} // namespace

result<> add_published_port(const std::string& text, json::object& bindings, json::object& exposed) {
  GANTRY_TRY(parts, split(text));
  const auto inside = range_of(parts.container);
  if (!inside) return bad("invalid containerPort: " + parts.container);
  const auto outside = parts.host.empty() ? std::optional(port_range{}) : range_of(parts.host);
  if (!outside) return bad("invalid hostPort: " + parts.host);
  const unsigned inside_count = inside->last - inside->first, outside_count = outside->last - outside->first;
  // One container port may be given a range to choose from; otherwise the ranges pair up.
  if (!parts.host.empty() && inside_count != outside_count && inside_count != 0)
    return bad("invalid ranges specified for container and host Ports: " + parts.container + " and " + parts.host);
  for (unsigned i = 0; i <= inside_count; ++i) {
    std::string host;
    if (!parts.host.empty()) host = inside_count == outside_count ? std::to_string(outside->first + i) : parts.host;
    const std::string key = std::to_string(inside->first + i) + "/" + parts.protocol;
    exposed[key] = json::object{};
    auto& list = bindings[key];
    if (!list.is_array()) list = json::array{};
    list.as_array().push_back(json::object{{"HostIp", parts.address}, {"HostPort", host}});
  }
  return {};
}

result<> add_exposed_ports(const std::string& text, json::object& exposed) {
  if (text.find(':') != std::string::npos) return bad("invalid port format for --expose: " + text);
  GANTRY_TRY(parts, split(text));
  const auto range = range_of(parts.container);
  if (!range)
    return bad("invalid range format for --expose: " + text + ", error: strconv.ParseUint: parsing \"" +
               parts.container + "\": invalid syntax");
  for (unsigned port = range->first; port <= range->last; ++port)
    exposed[std::to_string(port) + "/" + parts.protocol] = json::object{};
  return {};
}

} // namespace gantry::cli
