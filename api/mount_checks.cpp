/// Binds, Mounts and Tmpfs: Docker's rules and words for them (behaviours 177, 182-186, 191).
#include "api/create_checks.hpp"

#include <algorithm>
#include <set>

namespace gantry::api {
namespace {

constexpr const char* target_is_root = "invalid specification: destination can't be '/'";

std::string forward_slashes(std::string path) {
  std::replace(path.begin(), path.end(), '\\', '/');
  return path;
}

/// Why a path cannot be mounted on, or mounted; "" when it can.
std::string root_problem(const std::string& path) {
  return clean_path(forward_slashes(path)) == "/" ? target_is_root : "";
}
std::string absolute_problem(const std::string& path) {
  if (forward_slashes(path).starts_with('/')) return "";
  return "invalid mount path: '" + path + "' mount path must be absolute";
}

bool is_propagation(std::string_view word) {
  for (const std::string_view mode : {"private", "rprivate", "slave", "rslave", "shared", "rshared"})
    if (word == mode) return true;
  return false;
}

/// Words of a bind's mode, one of each group at most.
bool is_mode(std::string_view mode) {
  int access = 0, label = 0, propagation = 0, copy = 0, consistency = 0;
  if (mode.empty()) return true;
  for (std::size_t at = 0; at <= mode.size();) {
    const auto end = std::min(mode.find(',', at), mode.size());
    const auto word = mode.substr(at, end - at);
    at = end + 1;
    if (word == "ro" || word == "rw")
      ++access;
    else if (word == "z" || word == "Z")
      ++label;
    else if (is_propagation(word))
      ++propagation;
    else if (word == "nocopy")
      ++copy;
    else if (word == "consistent" || word == "cached" || word == "delegated")
      ++consistency;
    else
      return false;
  }
  return access <= 1 && label <= 1 && propagation <= 1 && copy <= 1 && consistency <= 1;
}

/// "[source:]destination[:mode]" in its parts.
struct bind_text {
  std::string source, destination, mode;
};

string_list split_bind(const std::string& raw) {
  string_list parts;
  std::size_t at = 0;
  while (parts.size() < 3) { // a fourth part takes the rest
    const auto colon = raw.find(':', at);
    if (colon == std::string::npos) break;
    parts.push_back(raw.substr(at, colon - at));
    at = colon + 1;
  }
  parts.push_back(raw.substr(at));
  return parts;
}

result<bind_text> parse_bind(const std::string& raw) {
  const auto invalid = bad_request("invalid volume specification: '" + raw + "'");
  const auto parts = split_bind(raw);
  if (parts.size() > 3 || parts[0].empty()) return invalid;
  if (parts.size() == 1) return bind_text{"", parts[0], ""};
  if (parts.size() == 2 && is_mode(parts[1])) return invalid; // "/foo:rw": a destination and a mode
  bind_text bind{parts[0], parts[1], parts.size() == 3 ? parts[2] : ""};
  if (!is_mode(bind.mode)) return bad_request("invalid mode: " + bind.mode);
  return bind;
}

error mount_error(const std::string& type, const std::string& problem) {
  return bad_request("invalid mount config for type " + quoted(type) + ": " + problem);
}

std::string target_problem(const std::string& target) {
  if (target.empty()) return "field Target must not be empty";
  auto problem = root_problem(target);
  return problem.empty() ? absolute_problem(target) : problem;
}

result<> check_bind_destination(const std::string& raw, const bind_text& bind) {
  const char* const type = bind.source.starts_with('/') ? "bind" : "volume";
  const auto problem = target_problem(bind.destination);
  if (problem.empty()) return {};
  return with_context(mount_error(type, problem), "invalid volume specification: '" + raw + "': ");
}

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

/// The commonest mistake is a relative path, which reads as a volume's name (behaviours 177).
result<> check_volume_name(const std::string& name) {
  if (name.size() == 1)
    return bad_request("create " + name +
                       ": volume name is too short, names should be at least two alphanumeric characters");
  const auto allowed = [](char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; };
  if (is_alphanumeric(name.front()) && std::all_of(name.begin(), name.end(), allowed)) return {};
  return bad_request("create " + name + ": " + quoted(name) +
                     " includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are "
                     "allowed. If you intended to pass a host directory, use absolute path");
}

std::string bind_problem(const mount_request& m, const host_facts& host) {
  if (m.source.empty()) return "field Source must not be empty";
  if (m.bind && !m.bind->propagation.empty() && !is_propagation(m.bind->propagation))
    return "invalid propagation mode: " + m.bind->propagation;
  if (m.volume) return "field VolumeOptions must not be specified";
  if (m.bind && m.bind->read_only_force_recursive && m.bind->read_only_non_recursive)
    return "mount options conflict: BindOptions.ReadOnlyNonRecursive and BindOptions.ReadOnlyForceRecursive";
  auto problem = absolute_problem(m.source);
  if (!problem.empty()) return problem;
  const bool may_create = m.bind && m.bind->create_mountpoint;
  if (!may_create && host.path_exists && !host.path_exists(m.source))
    return "bind source path does not exist: " + m.source;
  return "";
}

std::string tmpfs_options_problem(const mount_request::tmpfs_options& o) {
  for (const auto& words : o.options) {
    if (words.empty() || words.size() > 2) return "invalid option array length";
    if (words[0] != "exec" && words[0] != "noexec") return "invalid option: " + words[0];
  }
  return "";
}

std::string mount_tmpfs_problem(const mount_request& m) {
  if (m.bind) return "field BindOptions must not be specified";
  if (!m.source.empty()) return "field Source must not be specified";
  return m.tmpfs ? tmpfs_options_problem(*m.tmpfs) : "";
}

bool is_local_path(const std::string& path) { // Go's filepath.IsLocal
  const auto clean = clean_path(path);
  return !path.empty() && !path.starts_with('/') && clean != ".." && !clean.starts_with("../");
}

std::string mount_volume_problem(const mount_request& m) {
  if (m.bind) return "field BindOptions must not be specified";
  if (m.volume && !m.volume->subpath.empty()) {
    if (m.source.empty()) return "must not set Subpath when using anonymous volumes";
    if (!is_local_path(m.volume->subpath)) return "subpath must be a relative path within the volume";
  }
  if (m.read_only && m.source.empty()) return "must not set ReadOnly mode when using anonymous volumes";
  return "";
}

std::string mount_problem(const mount_request& m, const host_facts& host) {
  auto problem = target_problem(m.target);
  if (!problem.empty()) return problem;
  if (m.type == "bind") return bind_problem(m, host);
  if (m.type == "tmpfs") return mount_tmpfs_problem(m);
  if (m.type == "volume") return mount_volume_problem(m);
  if (m.type == "image") return m.source.empty() ? "field Source must not be empty" : "";
  return "mount type unknown";
}

error duplicate(const std::string& destination) { return bad_request("Duplicate mount point: " + destination); }

/// Volumes come with a later version; anonymous ones too.
error volume_lacking(const std::string& name) {
  if (name.empty()) return lacks("anonymous volumes");
  return lacks("named volumes: " + name);
}

} // namespace

result<> check_tmpfs(const host_config& h) {
  for (const auto& [destination, options] : h.tmpfs) {
    const auto problem = root_problem(destination);
    if (!problem.empty()) return bad_request(problem);
    const auto relative = absolute_problem(destination);
    if (!relative.empty()) return bad_request(relative);
  }
  return {};
}

result<> check_mounts(const create_check& c) {
  for (const auto& m : c.request.host.mounts) {
    const auto problem = mount_problem(m, c.host);
    if (!problem.empty()) return mount_error(m.type, problem);
  }
  return {};
}

result<> check_mount_points(const create_check& c) {
  const auto& h = c.request.host;
  GANTRY_TRYV(check_security_options(h));
  std::set<std::string> destinations;
  for (const auto& raw : h.binds) {
    GANTRY_TRY(bind, parse_bind(raw));
    GANTRY_TRYV(check_bind_destination(raw, bind));
    const auto destination = clean_path(bind.destination);
    if (!bind.source.starts_with('/')) {
      if (!bind.source.empty()) GANTRY_TRYV(check_volume_name(bind.source));
      return volume_lacking(bind.source);
    }
    if (h.tmpfs.contains(destination) || !destinations.insert(destination).second) return duplicate(destination);
  }
  for (const auto& m : h.mounts) {
    if (m.type == "volume") return volume_lacking(m.source);
    if (m.type == "image") return lacks("mounts of images: " + m.source);
    const auto destination = clean_path(m.target);
    if (h.tmpfs.contains(destination) || !destinations.insert(destination).second) return duplicate(m.target);
  }
  return {};
}

} // namespace gantry::api
