/// Capabilities, security options and namespace modes (behaviours 60, 61, 64).
#include "api/create_checks.hpp"

#include <algorithm>
#include <array>

namespace gantry::api {
namespace {

/// capabilities(7), in the kernel's order.
constexpr std::array<std::string_view, 41> capability_names{"CAP_CHOWN",
                                                            "CAP_DAC_OVERRIDE",
                                                            "CAP_DAC_READ_SEARCH",
                                                            "CAP_FOWNER",
                                                            "CAP_FSETID",
                                                            "CAP_KILL",
                                                            "CAP_SETGID",
                                                            "CAP_SETUID",
                                                            "CAP_SETPCAP",
                                                            "CAP_LINUX_IMMUTABLE",
                                                            "CAP_NET_BIND_SERVICE",
                                                            "CAP_NET_BROADCAST",
                                                            "CAP_NET_ADMIN",
                                                            "CAP_NET_RAW",
                                                            "CAP_IPC_LOCK",
                                                            "CAP_IPC_OWNER",
                                                            "CAP_SYS_MODULE",
                                                            "CAP_SYS_RAWIO",
                                                            "CAP_SYS_CHROOT",
                                                            "CAP_SYS_PTRACE",
                                                            "CAP_SYS_PACCT",
                                                            "CAP_SYS_ADMIN",
                                                            "CAP_SYS_BOOT",
                                                            "CAP_SYS_NICE",
                                                            "CAP_SYS_RESOURCE",
                                                            "CAP_SYS_TIME",
                                                            "CAP_SYS_TTY_CONFIG",
                                                            "CAP_MKNOD",
                                                            "CAP_LEASE",
                                                            "CAP_AUDIT_WRITE",
                                                            "CAP_AUDIT_CONTROL",
                                                            "CAP_SETFCAP",
                                                            "CAP_MAC_OVERRIDE",
                                                            "CAP_MAC_ADMIN",
                                                            "CAP_SYSLOG",
                                                            "CAP_WAKE_ALARM",
                                                            "CAP_BLOCK_SUSPEND",
                                                            "CAP_AUDIT_READ",
                                                            "CAP_PERFMON",
                                                            "CAP_BPF",
                                                            "CAP_CHECKPOINT_RESTORE"};

/// "net_admin" -> "CAP_NET_ADMIN"; "all" -> "ALL".
std::string normal_capability(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  if (name == "ALL" || name.starts_with("CAP_")) return name;
  return "CAP_" + name;
}

result<> check_names(const char* member, const string_list& names) {
  for (const auto& name : names) {
    const auto normal = normal_capability(name);
    if (normal == "ALL") continue;
    if (std::find(capability_names.begin(), capability_names.end(), normal) == capability_names.end())
      return bad_request(std::string("invalid ") + member + ": unknown capability: " + quoted(normal));
  }
  return {};
}

result<> check_security_option(const std::string& option) {
  if (option == "no-new-privileges" || option == "disable" || option == "writable-cgroups") return {};
  auto at = option.find('=');
  if (at == std::string::npos) at = option.find(':'); // the old separator
  if (at == std::string::npos) return bad_request("invalid --security-opt 1: " + quoted(option));
  const auto key = option.substr(0, at), value = option.substr(at + 1);
  // A profile for AppArmor is accepted where the host has none, as Docker does: there is nobody to enforce it.
  if (key == "label" || key == "apparmor" || key == "seccomp") return {};
  if ((key == "no-new-privileges" || key == "writable-cgroups") && parse_go_bool(value)) return {};
  return bad_request("invalid --security-opt 2: " + quoted(option));
}

bool is_container_mode(std::string_view mode) { return mode.starts_with("container:"); }

bool is_ipc_mode(const std::string& m) {
  return m.empty() || m == "none" || m == "private" || m == "host" || m == "shareable" || is_container_mode(m);
}

bool is_pid_mode(const std::string& m) {
  return m.empty() || m == "host" || (is_container_mode(m) && m != "container:");
}

result<> check_host_numbers(const host_config& h) {
  if (h.shm_size < 0) return bad_request("SHM size can not be less than 0");
  if (h.uts_mode != "" && h.uts_mode != "host") return bad_request("invalid UTS mode: " + h.uts_mode);
  if (h.oom_score_adj < -1000 || h.oom_score_adj > 1000)
    return bad_request("Invalid value " + std::to_string(h.oom_score_adj) +
                       ", range for oom score adj is [-1000, 1000]");
  return {};
}

/// ".." would lead out of the engine's part of the cgroup tree.
result<> check_cgroup_parent(const std::string& parent) {
  if (("/" + parent + "/").find("/../") == std::string::npos) return {};
  return bad_request("invalid cgroup parent: " + parent);
}

result<> check_runtime(host_config& h, const host_facts& host) {
  if (h.runtime.empty()) h.runtime = host.default_runtime;
  if (h.runtime != host.default_runtime) return bad_request("unknown or invalid runtime name: " + h.runtime);
  return {};
}

bool is_number_or_star(std::string_view text) {
  if (text == "*") return true;
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_access(std::string_view text) {
  return !text.empty() && text.size() <= 3 && text.find_first_not_of("rwm") == std::string_view::npos;
}

/// "c 13:* rwm": ^([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})$
bool is_device_rule(std::string_view rule) {
  if (rule.size() < 7 || std::string_view("acb").find(rule[0]) == std::string_view::npos || rule[1] != ' ')
    return false;
  const auto rest = rule.substr(2);
  const auto colon = rest.find(':'), blank = rest.find(' ');
  if (colon == std::string_view::npos || blank == std::string_view::npos || blank < colon) return false;
  return is_number_or_star(rest.substr(0, colon)) && is_number_or_star(rest.substr(colon + 1, blank - colon - 1)) &&
         is_access(rest.substr(blank + 1));
}

result<> check_devices(const host_config& h) {
  for (const auto& d : h.devices) {
    if (!d.path_on_host.starts_with('/')) return bad_request(d.path_on_host + " is not an absolute path");
    if (!d.cgroup_permissions.empty() && !is_access(d.cgroup_permissions))
      return bad_request("invalid device mode: " + d.cgroup_permissions);
  }
  for (const auto& rule : h.device_cgroup_rules)
    if (!is_device_rule(rule)) return bad_request("invalid device cgroup rule format: '" + rule + "'");
  return {};
}

} // namespace

result<> check_capabilities(const host_config& h) {
  GANTRY_TRYV(check_names("CapAdd", h.cap_add));
  return check_names("CapDrop", h.cap_drop);
}

result<> check_security_options(const host_config& h) {
  for (const auto& option : h.security_opt) GANTRY_TRYV(check_security_option(option));
  return {};
}

result<> check_modes(const create_check& c) {
  auto& h = c.request.host;
  if (!is_ipc_mode(h.ipc_mode)) return bad_request("invalid IPC mode: " + h.ipc_mode);
  if (!is_pid_mode(h.pid_mode)) return bad_request("invalid PID mode: " + h.pid_mode);
  GANTRY_TRYV(check_host_numbers(h));
  if (h.userns_mode != "" && h.userns_mode != "host") return bad_request("invalid userns mode: " + h.userns_mode);
  if (h.network_mode == "host" && !h.port_bindings.empty())
    c.warnings.push_back("Published ports are discarded when using host network mode");
  GANTRY_TRYV(check_cgroup_parent(h.cgroup_parent));
  GANTRY_TRYV(check_runtime(h, c.host));
  GANTRY_TRYV(check_tmpfs(h));
  const auto& ns = h.cgroupns_mode;
  if (ns != "" && ns != "private" && ns != "host") return bad_request("invalid cgroup namespace mode: " + ns);
  if (ns == "private" && !c.host.cgroup_namespaces)
    c.warnings.push_back("Your kernel does not support cgroup namespaces.  Cgroup namespace setting discarded.");
  return check_devices(h);
}

} // namespace gantry::api
