/// GET /containers/{id}/json. Source: spec/engine-api-v1.51.yaml, definitions ContainerInspectResponse, ContainerState,
/// NetworkSettings; members and their order as Docker 28 writes them (behaviours 127, 227-229).
#include "api/container_json_parts.hpp"

namespace gantry::api {
namespace {

/// A typical document is 5 KiB; one allocation does.
constexpr std::size_t inspect_bytes_typical = 6u << 10;

void write_state(json_out& out, const container_state& s) {
  out.key("State").begin_object();
  out.member("Status", to_string(s.status));
  out.member("Running", s.is_running());
  out.member("Paused", s.status == container_status::paused);
  out.member("Restarting", s.status == container_status::restarting);
  out.member("OOMKilled", s.oom_killed);
  out.member("Dead", s.status == container_status::dead);
  out.member("Pid", s.pid);
  out.member("ExitCode", s.exit_code);
  out.member("Error", s.error);
  out.member("StartedAt", format_rfc3339_nano(s.started_at));
  out.member("FinishedAt", format_rfc3339_nano(s.finished_at));
  out.end_object();
}

/// The last apparmor option given; "" where none is: this version sets no profile by itself.
std::string_view apparmor_profile(const host_config& h) {
  std::string_view profile;
  for (const std::string_view option : h.security_opt)
    if (option.starts_with("apparmor=") || option.starts_with("apparmor:")) profile = option.substr(9);
  return profile;
}

void write_graph_driver(json_out& out, const container_definition& d) {
  std::string lower;
  for (const auto& dir : d.lower_dirs) {
    if (!lower.empty()) lower.push_back(':');
    lower += dir;
  }
  out.key("GraphDriver").begin_object();
  out.key("Data").begin_object();
  out.member("ID", d.id);
  out.member("LowerDir", lower);
  out.member("MergedDir", d.merged_dir);
  out.member("UpperDir", d.upper_dir);
  out.member("WorkDir", d.work_dir);
  out.end_object();
  out.member("Name", "overlay2");
  out.end_object();
}

/// Exposed ports are listed, unpublished, while the container runs with a network of its own (behaviours 172).
void write_ports(json_out& out, const container_view& view) {
  const auto& d = *view.definition;
  out.key("Ports").begin_object();
  if (view.state.is_running() && d.host.network_mode == "bridge")
    for (const auto& port : d.config.exposed_ports) out.key(port).null();
  out.end_object();
}

void write_network_settings(json_out& out, const container_view& view, api_version version) {
  out.key("NetworkSettings").begin_object();
  for (const char* name : {"Bridge", "SandboxID", "SandboxKey"}) out.member(name, "");
  write_ports(out, view);
  out.member("HairpinMode", false);
  out.member("LinkLocalIPv6Address", "");
  out.member("LinkLocalIPv6PrefixLen", 0);
  out.key("SecondaryIPAddresses").null();
  out.key("SecondaryIPv6Addresses").null();
  // These mirror the network `bridge`, which has no addresses yet (behaviours 229).
  for (const char* name : {"EndpointID", "Gateway", "GlobalIPv6Address"}) out.member(name, "");
  out.member("GlobalIPv6PrefixLen", 0);
  out.member("IPAddress", "");
  out.member("IPPrefixLen", 0);
  for (const char* name : {"IPv6Gateway", "MacAddress"}) out.member(name, "");
  out.key("Networks");
  write_networks(out, view, version);
  out.end_object();
}

void write_definition(json_out& out, const container_view& view) {
  const auto& d = *view.definition;
  out.member("Image", d.image_id);
  out.member("ResolvConfPath", d.resolv_conf_path);
  out.member("HostnamePath", d.hostname_path);
  out.member("HostsPath", d.hosts_path);
  out.member("LogPath", d.log_path);
  out.member("Name", "/" + view.name);
  out.member("RestartCount", view.restart_count);
  out.member("Driver", "overlay2");
  out.member("Platform", d.os);
  out.member("MountLabel", "");
  out.member("ProcessLabel", "");
  out.member("AppArmorProfile", apparmor_profile(d.host));
  out.key("ExecIDs").null();
}

} // namespace

std::string_view to_string(container_status s) noexcept {
  switch (s) {
  case container_status::created:
    return "created";
  case container_status::running:
    return "running";
  case container_status::paused:
    return "paused";
  case container_status::restarting:
    return "restarting";
  case container_status::removing:
    return "removing";
  case container_status::exited:
    return "exited";
  case container_status::dead:
    return "dead";
  }
  return "";
}

std::string render_inspect(const container_view& view, api_version version, std::int64_t size_rw,
                           std::int64_t size_root_fs) {
  const auto& d = *view.definition;
  std::string text;
  text.reserve(inspect_bytes_typical);
  json_out out(text);
  out.begin_object();
  out.member("Id", d.id);
  out.member("Created", format_rfc3339_nano(d.created));
  out.member("Path", d.path);
  out.member("Args", d.args);
  write_state(out, view.state);
  write_definition(out, view);
  out.key("HostConfig");
  write_host_config(out, d.host, shape::inspect);
  write_graph_driver(out, d);
  if (size_rw >= 0) out.member("SizeRw", size_rw);
  if (size_root_fs >= 0) out.member("SizeRootFs", size_root_fs);
  out.key("Mounts");
  write_mount_points(out, d.mounts);
  out.key("Config");
  write_container_config(out, d.config, shape::inspect);
  write_network_settings(out, view, version);
  out.end_object();
  return text += '\n';
}

} // namespace gantry::api
