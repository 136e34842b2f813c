/// NetworkSettings.Networks of inspect and of the list: what the request said of each endpoint. This version connects
/// containers to none, host, or a bridge that offers only the loopback interface, so the addresses are empty.
/// Source: spec/engine-api-v1.51.yaml, definition EndpointSettings.
#include "api/container_json_parts.hpp"

namespace gantry::api {
namespace {

void write_ipam(json_out& out, const endpoint_config& e) {
  out.key("IPAMConfig");
  if (e.ipv4_address.empty() && e.ipv6_address.empty()) return out.null();
  out.begin_object();
  if (!e.ipv4_address.empty()) out.member("IPv4Address", e.ipv4_address);
  if (!e.ipv6_address.empty()) out.member("IPv6Address", e.ipv6_address);
  out.end_object();
}

void write_endpoint_settings(json_out& out, const endpoint_config& e) {
  out.begin_object();
  write_ipam(out, e);
  out.member_or_null("Links", e.links);
  out.member_or_null("Aliases", e.aliases);
  out.member("MacAddress", e.mac_address);
  out.member_or_null("DriverOpts", e.driver_opts);
  out.member("GwPriority", e.gw_priority);
  for (const char* name : {"NetworkID", "EndpointID", "Gateway", "IPAddress"}) out.member(name, "");
  out.member("IPPrefixLen", 0);
  for (const char* name : {"IPv6Gateway", "GlobalIPv6Address"}) out.member(name, "");
  out.member("GlobalIPv6PrefixLen", 0);
  out.key("DNSNames").null();
  out.end_object();
}

} // namespace

void write_networks(json_out& out, const container_view& view, api_version) {
  static const endpoint_config nothing_said;
  const auto& definition = *view.definition;
  const auto& mode = definition.host.network_mode;
  out.begin_object();
  for (const auto& [name, e] : definition.endpoints) {
    out.key(name);
    write_endpoint_settings(out, e);
  }
  if (!mode.empty() && !mode.starts_with("container:") && !definition.endpoints.contains(mode)) {
    out.key(mode);
    write_endpoint_settings(out, nothing_said);
  }
  out.end_object();
}

} // namespace gantry::api
