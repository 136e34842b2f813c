/// Config and the parts of HostConfig that Docker checks on every platform: working directory, stop signal,
/// environment, health check, restart policy, annotations (behaviours 54-56, 98, 101).
#include "api/create_checks.hpp"

namespace gantry::api {
namespace {

constexpr std::int64_t healthcheck_duration_min_ns = 1'000'000;

result<> check_working_dir(container_config& c) {
  if (c.working_dir.empty()) return {};
  if (!c.working_dir.starts_with('/'))
    return bad_request("the working directory '" + c.working_dir + "' is invalid, it needs to be an absolute path");
  c.working_dir = clean_path(c.working_dir);
  return {};
}

result<> check_env(const container_config& c) {
  for (const auto& entry : c.env)
    if (entry.empty() || entry.front() == '=') return bad_request("invalid environment variable: " + entry);
  return {};
}

result<> check_healthcheck(const container_config& c, std::vector<std::string>& warnings) {
  if (!c.healthcheck) return {};
  const auto& h = *c.healthcheck;
  const std::pair<const char*, std::int64_t> durations[] = {{"Interval", h.interval_ns},
                                                            {"Timeout", h.timeout_ns},
                                                            {"StartPeriod", h.start_period_ns},
                                                            {"StartInterval", h.start_interval_ns}};
  for (const auto& [name, duration] : durations)
    if (duration != 0 && duration < healthcheck_duration_min_ns)
      return bad_request(std::string(name) + " in Healthcheck cannot be less than 1ms");
  if (h.retries < 0) return bad_request("Retries in Healthcheck cannot be negative");
  const bool runs_something = h.test && !h.test->empty() && h.test->front() != "NONE";
  if (runs_something) warnings.push_back("This version of Gantry keeps the health check but does not run it.");
  return {};
}

result<> check_restart_policy(const restart_policy& p) {
  const bool known = p.name == "no" || p.name == "always" || p.name == "unless-stopped";
  if (p.name.empty()) return {};
  if (known) {
    if (p.maximum_retry_count == 0) return {};
    std::string text = "invalid restart policy: maximum retry count can only be used with 'on-failure'";
    if (p.maximum_retry_count < 0) text += " and cannot be negative";
    return bad_request(text);
  }
  if (p.name != "on-failure")
    return bad_request("invalid restart policy: unknown policy '" + p.name +
                       "'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'");
  if (p.maximum_retry_count < 0) return bad_request("invalid restart policy: maximum retry count cannot be negative");
  return {};
}

/// A NUL ends a C string: what follows one would be checked here but not seen by the kernel.
bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }
bool has_nul(const string_list& list) {
  for (const auto& s : list)
    if (has_nul(s)) return true;
  return false;
}
bool has_nul(const string_map& map) {
  for (const auto& [k, v] : map)
    if (has_nul(k) || has_nul(v)) return true;
  return false;
}
template <class T>
bool has_nul(const std::optional<T>& maybe) {
  return maybe && has_nul(*maybe);
}

result<> no_nul(std::string_view member, const auto& value) {
  if (!has_nul(value)) return {};
  return bad_request("invalid " + std::string(member) + ": contains a NUL character");
}

result<> check_config_texts(const container_config& c) {
  GANTRY_TRYV(no_nul("Hostname", c.hostname));
  GANTRY_TRYV(no_nul("Domainname", c.domainname));
  GANTRY_TRYV(no_nul("User", c.user));
  GANTRY_TRYV(no_nul("Env", c.env));
  GANTRY_TRYV(no_nul("Cmd", c.cmd));
  GANTRY_TRYV(no_nul("Entrypoint", c.entrypoint));
  GANTRY_TRYV(no_nul("WorkingDir", c.working_dir));
  GANTRY_TRYV(no_nul("Volumes", c.volumes));
  return {};
}

result<> check_mount_texts(const host_config& h) {
  GANTRY_TRYV(no_nul("Binds", h.binds));
  GANTRY_TRYV(no_nul("Tmpfs", h.tmpfs));
  for (const auto& m : h.mounts) {
    GANTRY_TRYV(no_nul("Mounts", m.source));
    GANTRY_TRYV(no_nul("Mounts", m.target));
  }
  for (const auto& d : h.devices) {
    GANTRY_TRYV(no_nul("Devices", d.path_on_host));
    GANTRY_TRYV(no_nul("Devices", d.path_in_container));
  }
  return {};
}

result<> check_host_texts(const host_config& h) {
  GANTRY_TRYV(check_mount_texts(h));
  GANTRY_TRYV(no_nul("CgroupParent", h.cgroup_parent));
  GANTRY_TRYV(no_nul("Sysctls", h.sysctls));
  GANTRY_TRYV(no_nul("GroupAdd", h.group_add));
  GANTRY_TRYV(no_nul("ExtraHosts", h.extra_hosts));
  GANTRY_TRYV(no_nul("SecurityOpt", h.security_opt));
  GANTRY_TRYV(no_nul("MaskedPaths", h.masked_paths));
  GANTRY_TRYV(no_nul("ReadonlyPaths", h.readonly_paths));
  return {};
}

result<> at_most(std::string_view what, std::size_t count, std::size_t limit) {
  if (count <= limit) return {};
  return bad_request("too many " + std::string(what) + ": " + std::to_string(count) + ", at most " +
                     std::to_string(limit));
}

result<> check_counts(const host_config& h) {
  GANTRY_TRYV(at_most("mounts", h.binds.size() + h.mounts.size() + h.tmpfs.size(), mounts_max));
  GANTRY_TRYV(at_most("devices", h.devices.size() + h.device_cgroup_rules.size(), devices_max));
  GANTRY_TRYV(at_most("ulimits", h.ulimits.size(), ulimits_max));
  GANTRY_TRYV(at_most("groups", h.group_add.size(), groups_max));
  return {};
}

} // namespace

/// What stands before Docker's own order: texts and counts that nothing behind this point need doubt.
result<> check_shapes(const create_check& c) {
  GANTRY_TRYV(check_config_texts(c.request.config));
  GANTRY_TRYV(check_host_texts(c.request.host));
  return check_counts(c.request.host);
}

result<> check_config(const create_check& c) {
  auto& config = c.request.config;
  GANTRY_TRYV(check_working_dir(config));
  if (!config.stop_signal.empty()) GANTRY_TRYV(parse_signal(config.stop_signal));
  GANTRY_TRYV(check_env(config));
  return check_healthcheck(config, c.warnings);
}

result<> check_host_config(const create_check& c) {
  const auto& h = c.request.host;
  const bool restarts = !h.restart.name.empty() && h.restart.name != "no";
  if (h.auto_remove && restarts) return bad_request("can't create 'AutoRemove' container with restart policy");
  GANTRY_TRYV(check_mounts(c));
  GANTRY_TRYV(check_extra_hosts(h));
  GANTRY_TRYV(check_port_bindings(h));
  GANTRY_TRYV(check_restart_policy(h.restart));
  if (h.annotations.contains(""))
    return bad_request("invalid Annotations: the empty string is not permitted as an annotation key");
  return {};
}

} // namespace gantry::api
