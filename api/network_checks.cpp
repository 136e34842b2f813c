/// Network mode, endpoints, ports and extra hosts (behaviours 62, 64, 132, 152, 166).
#include "api/create_checks.hpp"
#include "api/exposed_ports.hpp"

#include <arpa/inet.h>

namespace gantry::api {
namespace {

bool is_container_mode(std::string_view mode) { return mode.starts_with("container:"); }
bool is_predefined(std::string_view name) {
  return name == "bridge" || name == "host" || name == "none" || name == "default";
}

bool is_ip_address(const std::string& text) {
  unsigned char address[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, text.c_str(), address) == 1 || ::inet_pton(AF_INET6, text.c_str(), address) == 1;
}

result<> check_container_mode(const container_config& config, const host_config& h) {
  if (h.network_mode == "container:")
    return bad_request("invalid net mode: invalid container format container:<name|id>");
  if (!config.hostname.empty()) return bad_request("conflicting options: hostname and the network mode");
  if (!h.links.empty())
    return bad_request("conflicting options: container type network can't be used with links. This would result in "
                       "undefined behavior");
  if (!h.dns.empty()) return bad_request("conflicting options: dns and the network mode");
  if (!h.extra_hosts.empty()) return bad_request("conflicting options: custom host-to-IP mapping and the network mode");
  if (!h.port_bindings.empty() || h.publish_all_ports)
    return bad_request("conflicting options: port publishing and the container type network mode");
  if (!config.exposed_ports.empty())
    return bad_request("conflicting options: port exposing and the container type network mode");
  return {};
}

/// What a predefined network cannot give an endpoint (behaviours 152).
result<> check_endpoint(const std::string& name, const endpoint_config& e) {
  std::string problems;
  const auto add = [&](const char* text) { (problems += '\n') += text; };
  const auto address = [&](const std::string& ip, const char* family) {
    if (!ip.empty() && !is_ip_address(ip)) add((std::string("invalid ") + family + " address: " + ip).c_str());
  };
  if (!e.ipv4_address.empty() || !e.ipv6_address.empty())
    add("user specified IP address is supported on user defined networks only");
  if (!e.aliases.empty()) add("network-scoped alias is supported only for containers in user defined networks");
  address(e.ipv4_address, "IPv4");
  address(e.ipv6_address, "IPv6");
  if (problems.empty()) return {};
  return bad_request("invalid config for network " + name + ": invalid endpoint settings:" + problems);
}

/// A container joins another network than its mode's only if both can be joined.
result<> check_match(const std::string& mode, const std::string& name) {
  if (name == mode) return {};
  if (mode == "host" || is_container_mode(mode))
    return bad_request("container sharing network namespace with another container or host cannot be connected to any "
                       "other network");
  if (mode == "none" || name == "none")
    return bad_request("container cannot be connected to multiple networks with one of the networks in private (none) "
                       "mode");
  if (name == "host")
    return bad_request("cannot connect container to host network - container must be created in host network mode");
  return {};
}

} // namespace

result<> check_network_mode(const create_check& c) {
  const auto& config = c.request.config;
  const auto& h = c.request.host;
  if (is_container_mode(h.network_mode)) return check_container_mode(config, h);
  if (h.uts_mode == "host" && !config.hostname.empty())
    return bad_request("conflicting options: hostname and the UTS mode");
  if (h.network_mode == "host" && !h.links.empty())
    return bad_request("conflicting options: host type networking can't be used with links. This would result in "
                       "undefined behavior");
  return {};
}

result<> check_endpoints(const create_check& c) {
  const auto& mode = c.request.host.network_mode;
  for (const auto& [name, e] : c.request.endpoints) {
    GANTRY_TRYV(check_match(mode, name));
    if (is_predefined(name)) GANTRY_TRYV(check_endpoint(name, e));
  }
  return {};
}

result<> check_port_bindings(const host_config& h) {
  for (const auto& [port, bindings] : h.port_bindings) {
    if (!parse_port_range(port)) return bad_request("invalid port specification: " + quoted(port));
    for (const auto& b : bindings)
      if (!b.host_port.empty() && (b.host_port.find('/') != std::string::npos || !parse_port_range(b.host_port)))
        return bad_request("invalid port specification: " + quoted(b.host_port));
  }
  return {};
}

result<> check_extra_hosts(const host_config& h) {
  for (const auto& entry : h.extra_hosts) {
    const auto colon = entry.find(':');
    if (colon == std::string::npos || colon == 0) return bad_request("bad format for add-host: " + quoted(entry));
    const auto address = entry.substr(colon + 1);
    if (address != "host-gateway" && !is_ip_address(address))
      return bad_request("invalid IP address in add-host: " + quoted(address));
  }
  return {};
}

} // namespace gantry::api
