/// Which mounts a container gets, in which order: Docker's own, those of the request, and the files that the engine
/// generates.
#include <algorithm>
#include <map>

#include "actors/spec_mounts.hpp"
#include "actors/spec_text.hpp"

namespace gantry::actors {

using namespace text;

namespace {

using runtime::pb::Mount;

constexpr std::int64_t shm_bytes_default = 67108864;

Mount make_mount(const std::string& destination, const char* type, const std::string& source,
                 const api::string_list& options) {
  Mount m;
  m.set_destination(destination);
  m.set_type(type);
  m.set_source(source);
  for (const auto& o : options) m.add_options(o);
  return m;
}

bool is_below(const std::string& path, const std::string& parent) { return path.starts_with(parent + "/"); }

std::string ipc_mode_of(const spec_inputs& in) {
  return in.definition.host.ipc_mode.empty() ? in.ipc_mode_default : in.definition.host.ipc_mode;
}

/// /dev/shm and /dev/mqueue by IPC mode (behaviours 123).
void add_ipc_mounts(const spec_inputs& in, std::vector<Mount>& out) {
  const std::string mode = ipc_mode_of(in);
  const api::string_list flags = {"nosuid", "noexec", "nodev"};
  if (mode == "host") {
    // A mount of its own shows the host's queues too, because they belong to the IPC namespace; the host need not have
    // one to bind.
    out.push_back(make_mount("/dev/mqueue", "mqueue", "mqueue", flags));
    out.push_back(make_mount("/dev/shm", "bind", "/dev/shm", {"rbind", "rprivate"}));
    return;
  }
  out.push_back(make_mount("/dev/mqueue", "mqueue", "mqueue", flags));
  if (mode == "none") return;
  if (!in.shared_shm_path.empty() && mode != "private") {
    out.push_back(make_mount("/dev/shm", "bind", in.shared_shm_path, {"rbind", "rprivate"}));
    return;
  }
  const auto size = in.definition.host.shm_size > 0 ? in.definition.host.shm_size : shm_bytes_default;
  out.push_back(make_mount("/dev/shm", "tmpfs", "shm",
                           {"nosuid", "noexec", "nodev", "mode=1777", "size=" + std::to_string(size)}));
}

std::vector<Mount> default_mounts(const spec_inputs& in, const security_options& options) {
  const bool privileged = in.definition.host.privileged;
  const char* sys_access = privileged ? "rw" : "ro";
  const char* cgroup_access = privileged || options.writable_cgroups ? "rw" : "ro";
  std::vector<Mount> out;
  out.push_back(make_mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}));
  out.push_back(make_mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
  out.push_back(make_mount("/dev/pts", "devpts", "devpts",
                           {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}));
  out.push_back(make_mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", sys_access}));
  out.push_back(make_mount("/sys/fs/cgroup", "cgroup", "cgroup", {cgroup_access, "nosuid", "noexec", "nodev"}));
  add_ipc_mounts(in, out);
  return out;
}

Mount bind_mount(const user_mount& m) {
  Mount out = make_mount(m.shown.destination, "bind", m.shown.source, {m.recursive ? "rbind" : "bind"});
  if (!m.shown.rw) {
    out.add_options("ro");
    if (m.recursive && m.recursive_read_only) out.add_options("rro");
  }
  out.add_options(m.shown.propagation.empty() ? "rprivate" : m.shown.propagation);
  out.set_create_source(m.create_source);
  return out;
}

/// The request's mounts. Volumes have their host path from the definition, which also knows those of VolumesFrom.
result<std::vector<Mount>> user_mounts(const spec_inputs& in) {
  const auto& definition = in.definition;
  GANTRY_TRY(parsed, parse_user_mounts(definition.config, definition.host));
  std::map<std::string, const api::mount_point*> known;
  for (const auto& m : definition.mounts) known.emplace(clean_path(m.destination), &m);
  std::vector<Mount> out;
  for (auto& m : parsed) {
    const auto found = known.find(m.shown.destination);
    if (m.shown.type == "volume") {
      if (found == known.end() || found->second->source.empty())
        return error{errc::not_implemented, 0,
                     "mount volume at `" + m.shown.destination + "`: volumes are not supported yet"};
      m.shown.source = found->second->source;
    }
    if (found != known.end()) known.erase(found);
    if (m.shown.type == "tmpfs")
      out.push_back(make_mount(m.shown.destination, "tmpfs", "tmpfs", m.tmpfs_options));
    else
      out.push_back(bind_mount(m));
  }
  for (const auto& [destination, shown] : known) {
    if (shown->source.empty() || shown->type == "tmpfs") continue;
    user_mount m;
    m.shown = *shown;
    m.shown.destination = destination;
    out.push_back(bind_mount(m));
  }
  return out;
}

/// /etc/hosts, /etc/hostname, /etc/resolv.conf, but where the request mounts its own.
void add_file_mounts(const spec_inputs& in, std::vector<Mount>& out) {
  const auto& d = in.definition;
  const std::pair<const char*, const std::string*> files[] = {
      {"/etc/resolv.conf", &d.resolv_conf_path}, {"/etc/hostname", &d.hostname_path}, {"/etc/hosts", &d.hosts_path}};
  for (const auto& [destination, path] : files) {
    const bool taken =
        std::any_of(out.begin(), out.end(), [&](const Mount& m) { return m.destination() == destination; });
    if (taken || path->empty()) continue;
    Mount m = make_mount(destination, "bind", *path, {"bind", "rprivate"});
    if (d.host.readonly_rootfs) m.add_options("ro");
    out.push_back(std::move(m));
  }
}

std::size_t depth(const Mount& m) {
  return static_cast<std::size_t>(std::count(m.destination().begin(), m.destination().end(), '/'));
}

} // namespace

result<> fill_mounts(const spec_inputs& in, const security_options& options, runtime::pb::Spec& spec) {
  GANTRY_TRY(users, user_mounts(in));
  const auto replaced = [&](const Mount& m) {
    return std::any_of(users.begin(), users.end(), [&](const Mount& u) {
      return u.destination() == m.destination() || (u.destination() == "/dev" && is_below(m.destination(), "/dev"));
    });
  };
  for (auto& m : default_mounts(in, options))
    if (!replaced(m)) *spec.add_mounts() = std::move(m);
  add_file_mounts(in, users);
  std::stable_sort(users.begin(), users.end(), [](const Mount& a, const Mount& b) { return depth(a) < depth(b); });
  for (auto& m : users) *spec.add_mounts() = std::move(m);
  return {};
}

} // namespace gantry::actors
