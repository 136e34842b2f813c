/// `validate_and_complete`: the order of the checks, and the defaults that stand in the record afterwards.
#include "api/create_checks.hpp"

#include <algorithm>
#include <array>

namespace gantry::api {
namespace {

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

/// Daemon ulimits stand under the request's own (behaviours 118).
void add_default_ulimits(host_config& h, const std::vector<ulimit>& defaults) {
  for (const auto& fallback : defaults) {
    const auto same = [&](const ulimit& u) { return u.name == fallback.name; };
    if (std::none_of(h.ulimits.begin(), h.ulimits.end(), same)) h.ulimits.push_back(fallback);
  }
}

std::string default_cgroupns(const host_config& h, const host_facts& host) {
  // On v1 a private cgroup namespace does not fit a privileged container, which sees the host's hierarchies.
  if (h.privileged && !host.cgroup_v2) return "host";
  if (!host.default_cgroupns_mode.empty()) return host.default_cgroupns_mode;
  return host.cgroup_v2 ? "private" : "host";
}

/// Containers that share the host's pids or memory, or all of the host, run without SELinux labels.
void disable_labels_where_shared(host_config& h) {
  if (!h.privileged && h.pid_mode != "host" && h.ipc_mode != "host") return;
  const auto is_label = [](const std::string& option) { return option == "label" || option.starts_with("label="); };
  if (std::none_of(h.security_opt.begin(), h.security_opt.end(), is_label)) h.security_opt.push_back("label=disable");
}

/// Behaviours 51.
void fill_defaults(create_request& request, const host_facts& host) {
  constexpr std::int64_t shares_min = 2, shares_max = 262144; // kernel/sched/sched.h
  auto& h = request.host;
  if (h.cpu_shares > 0) h.cpu_shares = std::clamp(h.cpu_shares, shares_min, shares_max);
  if (h.memory > 0 && h.memory_swap == 0)
    h.memory_swap = h.memory > std::numeric_limits<std::int64_t>::max() / 2 ? -1 : h.memory * 2;
  if (h.shm_size == 0) h.shm_size = host.default_shm_size;
  if (h.ipc_mode.empty()) h.ipc_mode = host.default_ipc_mode;
  if (h.cgroupns_mode.empty()) h.cgroupns_mode = default_cgroupns(h, host);
  disable_labels_where_shared(h);
  if (!h.oom_kill_disable && host.oom_kill_disable_supported) h.oom_kill_disable = false;
  if (h.restart.name.empty()) h.restart.name = "no";
  add_default_ulimits(h, host.default_ulimits);
}

} // namespace

result<std::vector<std::string>> validate_and_complete(create_request& request, const host_facts& host,
                                                       api_version version) {
  std::vector<std::string> warnings;
  const create_check c{request, host, version, warnings};
  using step = result<> (*)(const create_check&);
  constexpr std::array<step, 8> before_defaults{check_shapes, check_network_mode, check_realtime,  apply_version_rules,
                                                check_config, check_host_config,  check_resources, check_modes};
  constexpr std::array<step, 4> after_defaults{check_endpoints, check_log_config, check_mount_points, check_supported};
  for (const auto check : before_defaults) GANTRY_TRYV(check(c));
  fill_defaults(request, host);
  for (const auto check : after_defaults) GANTRY_TRYV(check(c));
  if (!request.name.empty()) GANTRY_TRYV(validate_container_name(request.name));
  return warnings;
}

result<> validate_container_name(std::string_view name) {
  auto text = name;
  if (text.starts_with('/')) text.remove_prefix(1);
  const auto allowed = [](char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; };
  if (text.size() >= 2 && is_alphanumeric(text.front()) && std::all_of(text.begin(), text.end(), allowed)) return {};
  return bad_request("Invalid container name (" + std::string(name) + "), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
}

error lacks(const std::string& what) {
  return {errc::not_implemented, 0, "this version of Gantry does not support " + what};
}

std::string clean_path(std::string_view path) {
  const bool rooted = path.starts_with('/');
  std::vector<std::string_view> kept;
  std::size_t at = 0;
  while (at <= path.size()) {
    const auto end = std::min(path.find('/', at), path.size());
    const auto part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part != "..")
      kept.push_back(part);
    else if (!kept.empty() && kept.back() != "..")
      kept.pop_back();
    else if (!rooted)
      kept.push_back(part);
  }
  std::string out = rooted ? "/" : "";
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (i != 0) out.push_back('/');
    out += kept[i];
  }
  return out.empty() ? "." : out;
}

std::string quoted(std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string out = "\"";
  for (const char ch : text) {
    const auto c = static_cast<unsigned char>(ch);
    if (c == '"' || c == '\\')
      (out += '\\') += ch;
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (c == '\r')
      out += "\\r";
    else if (c < 0x20 || c == 0x7f)
      ((out += "\\x") += hex[c >> 4]) += hex[c & 15];
    else
      out += ch;
  }
  return out += '"';
}

std::optional<bool> parse_go_bool(std::string_view text) {
  for (const std::string_view yes : {"1", "t", "T", "TRUE", "true", "True"})
    if (text == yes) return true;
  for (const std::string_view no : {"0", "f", "F", "FALSE", "false", "False"})
    if (text == no) return false;
  return std::nullopt;
}

} // namespace gantry::api
