/// What Docker does with a container and this version of Gantry does not yet: refused by name (501), so that nobody
/// takes silence for success. Volumes are refused where mounts are read (mount_checks.cpp), log drivers in
/// log_checks.cpp.
#include "api/create_checks.hpp"

#include <algorithm>

namespace gantry::api {
namespace {

bool is_container_mode(std::string_view mode) { return mode.starts_with("container:"); }

result<> check_networks(const create_request& request) {
  const auto& h = request.host;
  const auto known = [](std::string_view name) { return name == "bridge" || name == "host" || name == "none"; };
  if (is_container_mode(h.network_mode)) return lacks("sharing another container's network: " + h.network_mode);
  if (!known(h.network_mode)) return lacks("user-defined networks: " + h.network_mode);
  for (const auto& [name, e] : request.endpoints)
    if (!known(name)) return lacks("user-defined networks: " + name);
  if (!h.links.empty()) return lacks("links: " + h.links.front());
  // With none and host there is nothing to publish on, in Docker too.
  if (h.network_mode != "bridge") return {};
  if (!h.port_bindings.empty()) return lacks("published ports: " + h.port_bindings.begin()->first);
  if (h.publish_all_ports) return lacks("published ports: PublishAllPorts");
  return {};
}

result<> check_namespaces(const host_config& h) {
  if (is_container_mode(h.ipc_mode)) return lacks("sharing another container's IPC namespace: " + h.ipc_mode);
  if (is_container_mode(h.pid_mode)) return lacks("sharing another container's PID namespace: " + h.pid_mode);
  if (!h.cgroup.empty()) return lacks("sharing another container's cgroup: " + h.cgroup);
  return {};
}

std::string request_text(const device_request& r) {
  std::string text = "could not select device driver " + quoted(r.driver) + " with capabilities: [";
  for (std::size_t i = 0; i < r.capabilities.size(); ++i) {
    text += i == 0 ? "[" : " [";
    for (std::size_t j = 0; j < r.capabilities[i].size(); ++j) (text += j == 0 ? "" : " ") += r.capabilities[i][j];
    text += ']';
  }
  return text + "]";
}

result<> check_writable_cgroups(const host_config& h) {
  for (const std::string_view option : h.security_opt) {
    if (!option.starts_with("writable-cgroups")) continue;
    const auto value = option.substr(std::min(option.size(), std::string_view("writable-cgroups=").size()));
    if (value.empty() || parse_go_bool(value).value_or(false)) return lacks("the security option: writable-cgroups");
  }
  return {};
}

} // namespace

result<> check_supported(const create_check& c) {
  const auto& h = c.request.host;
  GANTRY_TRYV(check_networks(c.request));
  GANTRY_TRYV(check_namespaces(h));
  GANTRY_TRYV(check_writable_cgroups(h));
  if (!h.volumes_from.empty()) return lacks("volumes of other containers: " + h.volumes_from.front());
  if (!h.restart.name.empty() && h.restart.name != "no") return lacks("restart policies: " + h.restart.name);
  if (!h.device_requests.empty()) return lacks("device requests: " + request_text(h.device_requests.front()));
  if (!h.storage_opt.empty()) return lacks("storage options: " + h.storage_opt.begin()->first);
  return {};
}

} // namespace gantry::api
