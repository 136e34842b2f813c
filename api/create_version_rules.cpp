/// What a create request means in older versions of the API, before anything is checked (behaviours 281-285).
#include "api/create_checks.hpp"

#include <utility>

namespace gantry::api {
namespace {

constexpr std::string_view endpoint_sysctls = "com.docker.network.endpoint.sysctls";

/// "default" is another word for the default network, in the mode and among the endpoints.
void rename_default_network(create_request& request) {
  auto& mode = request.host.network_mode;
  if (!mode.empty() && mode != "default") return;
  mode = "bridge";
  const auto found = request.endpoints.find("default");
  if (found == request.endpoints.end()) return;
  auto endpoint = std::move(found->second);
  request.endpoints.erase(found);
  request.endpoints["bridge"] = std::move(endpoint);
}

void forget_newer_members(const create_check& c) {
  auto& h = c.request.host;
  if (c.before(25)) h.auto_remove = false; // the client removes the container itself
  if (c.before(40)) {
    for (auto& m : h.mounts)
      if (m.bind) m.bind->non_recursive = false;
    if (h.ipc_mode.empty()) h.ipc_mode = "shareable";
  }
  if (c.before(41)) {
    if (!c.host.cgroup_v2 && h.cgroupns_mode.empty()) h.cgroupns_mode = "host";
    c.request.platform.clear();
  }
  if (c.before(42)) h.console_rows = h.console_columns = 0;
  if (c.before(43)) h.annotations.clear();
  if (c.before(44) && c.request.config.healthcheck) c.request.config.healthcheck->start_interval_ns = 0;
  if (c.before(48))
    for (auto& [name, e] : c.request.endpoints) e.gw_priority = 0;
}

result<> check_mount_options(const mount_request& m) {
  const auto wrong = [&](const char* options) {
    return bad_request(std::string(options) + " must not be specified on mount type " + quoted(m.type));
  };
  if (m.volume && m.type != "volume") return wrong("VolumeOptions");
  if (m.bind && m.type != "bind") return wrong("BindOptions");
  if (m.tmpfs && m.type != "tmpfs") return wrong("TmpfsOptions");
  return {};
}

/// Options of another type were tolerated before 1.42.
void forget_mixed_options(mount_request& m) {
  if (m.type != "volume") m.volume.reset();
  if (m.type != "tmpfs") m.tmpfs.reset();
  if (m.bind) m.bind->create_mountpoint = false;
}

result<> apply_mount_rules(const create_check& c) {
  for (auto& m : c.request.host.mounts) {
    if (c.before(42))
      forget_mixed_options(m);
    else
      GANTRY_TRYV(check_mount_options(m));
    if (c.before(44) && m.type == "bind") {
      if (m.bind && m.bind->read_only_force_recursive)
        return bad_request("BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer");
      // Read-only mounts were not recursive then.
      if (m.read_only) {
        if (!m.bind) m.bind = mount_request::bind_options{};
        m.bind->read_only_non_recursive = true;
      }
    }
    if (c.before(45) && m.volume && !m.volume->subpath.empty())
      return bad_request("VolumeOptions.Subpath needs API v1.45 or newer");
    if (c.before(48) && m.type == "image") return bad_request("Mount type \"Image\" needs API v1.48 or newer");
  }
  return {};
}

result<> check_endpoint_count(const create_check& c) {
  if (!c.before(44) || c.request.endpoints.size() <= 1) return {};
  std::string names;
  for (const auto& [name, e] : c.request.endpoints) {
    if (!names.empty()) names += ", ";
    names += name;
  }
  return bad_request("Container cannot be created with multiple network endpoints: " + names);
}

/// The endpoint that settings of the whole container are meant for.
result<endpoint_config*> main_endpoint(const create_check& c) {
  auto& endpoints = c.request.endpoints;
  const auto& mode = c.request.host.network_mode;
  if (endpoints.empty()) return &endpoints[mode];
  if (c.before(44)) return &endpoints.begin()->second;
  if (const auto found = endpoints.find(mode); found != endpoints.end()) return &found->second;
  return bad_request("HostConfig.NetworkMode must match the identity of a network in NetworkSettings.Networks");
}

bool has_own_network(std::string_view mode) {
  return mode != "host" && mode != "none" && !mode.starts_with("container:");
}

result<> migrate_mac_address(const create_check& c) {
  auto& mac = c.request.config.mac_address;
  const bool own = has_own_network(c.request.host.network_mode);
  if (c.before(44)) {
    if (mac.empty()) {
      for (auto& [name, e] : c.request.endpoints) e.mac_address.clear();
      return {};
    }
    if (!own) return bad_request("conflicting options: mac-address and the network mode");
    GANTRY_TRY(endpoint, main_endpoint(c));
    endpoint->mac_address = mac;
    return {};
  }
  if (mac.empty()) return {};
  if (own) {
    auto endpoint = main_endpoint(c);
    if (endpoint.has_error())
      return with_context(endpoint.error(), "unable to migrate container-wide MAC address to a specific network: ");
    if (endpoint.value()->mac_address.empty())
      endpoint.value()->mac_address = mac;
    else if (endpoint.value()->mac_address != mac)
      return bad_request("the container-wide MAC address must match the endpoint-specific MAC address for the main "
                         "network, or be left empty");
  }
  c.warnings.push_back("The container-wide MacAddress field is now deprecated. It should be specified in "
                       "EndpointsConfig instead.");
  mac.clear();
  return {};
}

/// The interface in "net.ipv4.conf.eth0.forwarding"; "" for a sysctl of no interface.
std::string_view interface_of(std::string_view sysctl) {
  if (!sysctl.starts_with("net.")) return {};
  std::size_t begin = 4;
  for (int part = 0; part < 2; ++part) {
    const auto dot = sysctl.find('.', begin);
    if (dot == std::string_view::npos) return {};
    begin = dot + 1;
  }
  const auto end = sysctl.find('.', begin);
  if (end == std::string_view::npos || !sysctl.substr(begin).starts_with("eth")) return {};
  return sysctl.substr(begin, end - begin);
}

/// Sysctls of an interface belong to its endpoint; before 1.48 those of eth0 are moved there (behaviours 156).
result<> migrate_sysctls(const create_check& c) {
  auto& h = c.request.host;
  if (h.network_mode == "host" || h.network_mode.starts_with("container:")) return {};
  for (const auto& [name, v] : h.sysctls) {
    const auto interface = interface_of(name);
    if (interface.empty()) continue;
    if (!c.before(48))
      return bad_request("interface specific sysctl setting " + quoted(name) +
                         " must be supplied using driver option '" + std::string(endpoint_sysctls) + "'");
    if (interface != "eth0")
      return bad_request("unable to determine network endpoint for sysctl " + name + ", use driver option '" +
                         std::string(endpoint_sysctls) + "' to set per-interface sysctls");
    return lacks("sysctls of a network interface: " + name);
  }
  return {};
}

} // namespace

result<> apply_version_rules(const create_check& c) {
  rename_default_network(c.request);
  forget_newer_members(c);
  GANTRY_TRYV(apply_mount_rules(c));
  GANTRY_TRYV(check_endpoint_count(c));
  GANTRY_TRYV(migrate_mac_address(c));
  GANTRY_TRYV(migrate_sysctls(c));
  // 0 and below mean no limit.
  auto& pids = c.request.host.pids_limit;
  if (pids && *pids <= 0) pids.reset();
  return {};
}

} // namespace gantry::api
