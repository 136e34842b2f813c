/// The body of POST /containers/create: Config's members at the top, HostConfig and NetworkingConfig beside them.
#include "api/container_json_parts.hpp"

#include <algorithm>
#include <array>

namespace gantry::api {
namespace {

/// Config's members: a body without any of them has no Config at all, in Go's eyes (behaviours 39).
constexpr std::array<std::string_view, 26> config_members{
    "Hostname",        "Domainname",    "User",      "AttachStdin", "AttachStdout", "AttachStderr",
    "ExposedPorts",    "Tty",           "OpenStdin", "StdinOnce",   "Env",          "Cmd",
    "Healthcheck",     "ArgsEscaped",   "Image",     "Volumes",     "WorkingDir",   "Entrypoint",
    "NetworkDisabled", "MacAddress",    "OnBuild",   "Labels",      "StopSignal",   "StopTimeout",
    "Shell",           "PublishService"};

bool has_config(const json_object& in) {
  return std::any_of(config_members.begin(), config_members.end(), [&](auto name) { return in.has(name); });
}

void read_endpoint(json_object& in, endpoint_config& out) {
  in.object("IPAMConfig", [&](json_object& ipam) {
    ipam.read("IPv4Address", out.ipv4_address);
    ipam.read("IPv6Address", out.ipv6_address);
  });
  in.read("Links", out.links);
  in.read("Aliases", out.aliases);
  in.read("MacAddress", out.mac_address);
  in.read("DriverOpts", out.driver_opts);
  in.read("GwPriority", out.gw_priority);
}

void write_endpoint(json_out& out, const endpoint_config& e) {
  out.begin_object();
  if (!e.ipv4_address.empty() || !e.ipv6_address.empty()) {
    out.key("IPAMConfig").begin_object();
    if (!e.ipv4_address.empty()) out.member("IPv4Address", e.ipv4_address);
    if (!e.ipv6_address.empty()) out.member("IPv6Address", e.ipv6_address);
    out.end_object();
  }
  if (!e.links.empty()) out.member("Links", e.links);
  if (!e.aliases.empty()) out.member("Aliases", e.aliases);
  if (!e.mac_address.empty()) out.member("MacAddress", e.mac_address);
  if (!e.driver_opts.empty()) out.member("DriverOpts", e.driver_opts);
  if (e.gw_priority != 0) out.member("GwPriority", e.gw_priority);
  out.end_object();
}

} // namespace

void read_endpoints(json_object& in, std::map<std::string, endpoint_config>& out) {
  in.each_member_object("EndpointsConfig", [&](std::string_view name, json_object& e) {
    endpoint_config endpoint;
    read_endpoint(e, endpoint);
    out[std::string(name)] = std::move(endpoint);
  });
}

result<create_request> parse_create_request(std::string_view json, api_version) {
  GANTRY_TRY(document, json_document::parse(json));
  json_object in(document.root(), "CreateRequest");
  create_request request;
  read_container_config(in, request.config);
  in.object("HostConfig", [&](json_object& h) { read_host_config(h, request.host); });
  in.object("NetworkingConfig", [&](json_object& n) { read_endpoints(n, request.endpoints); });
  GANTRY_TRYV(in.finish());
  if (!has_config(in))
    return error{errc::invalid_parameter, 0, "config cannot be empty in order to create a container"};
  return request;
}

std::string render_endpoints(const std::map<std::string, endpoint_config>& endpoints) {
  std::string text;
  json_out out(text);
  out.begin_object();
  if (!endpoints.empty()) {
    out.key("EndpointsConfig").begin_object();
    for (const auto& [name, e] : endpoints) {
      out.key(name);
      write_endpoint(out, e);
    }
    out.end_object();
  }
  out.end_object();
  return text;
}

result<std::map<std::string, endpoint_config>> parse_endpoints(std::string_view json) {
  GANTRY_TRY(document, json_document::parse(json));
  json_object in(document.root(), "NetworkingConfig");
  std::map<std::string, endpoint_config> endpoints;
  read_endpoints(in, endpoints);
  GANTRY_TRYV(in.finish());
  return endpoints;
}

} // namespace gantry::api
