#include "runtime/cgroup.hpp"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <set>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

#include "runtime/cgroup_limits.hpp"
#include "runtime/files.hpp"

namespace gantry::runtime {

namespace {

constexpr std::size_t group_file_bytes_max = 1u << 20;

/// mkdir of a group and of its parents. In a cpuset every level gets its parent's processors and nodes, because a
/// group without any refuses processes.
class group_maker {
public:
  group_maker(const cgroup_layout::hierarchy& h, bool v2)
      : h_(h), v2_(v2), cpuset_(has_controller(h.controllers, "cpuset")) {}

  result<unique_fd> make(const std::string& path) const {
    const std::string full = h_.mount_point + path;
    if (::mkdir(full.c_str(), 0755) != 0 && errno != EEXIST) {
      if (errno != ENOENT) return sys_error("cgroup: mkdir `" + full + "`", errno);
      const auto slash = path.rfind('/');
      if (slash == std::string::npos || slash == 0) return sys_error("cgroup: mkdir `" + full + "`", ENOENT);
      GANTRY_TRYV(make(path.substr(0, slash)));
      if (::mkdir(full.c_str(), 0755) != 0 && errno != EEXIST) return sys_error("cgroup: mkdir `" + full + "`", errno);
    }
    unique_fd dir{::open(full.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (!dir) return sys_error("cgroup: open `" + full + "`", errno);
    if (cpuset_ && !v2_) GANTRY_TRYV(inherit_cpuset(dir.get(), full));
    return dir;
  }

private:
  static result<> inherit_cpuset(int dirfd, const std::string& name) {
    for (const char* file : {"cpuset.cpus", "cpuset.mems"}) {
      GANTRY_TRY(own, read_file_at(dirfd, file, group_file_bytes_max));
      if (own.find_first_not_of(" \n") != std::string::npos) continue;
      GANTRY_TRY(parents, read_file_at(dirfd, (std::string("../") + file).c_str(), group_file_bytes_max));
      if (const int err = write_file_at(dirfd, file, parents))
        return sys_error("cgroup: write " + name + "/" + file, err);
    }
    return {};
  }

  const cgroup_layout::hierarchy& h_;
  bool v2_, cpuset_;
};

bool is_needed(const cgroup_layout& layout, const cgroup_layout::hierarchy& h, const pb::Resources& r) {
  for (const char* always : {"devices", "memory", "cpu", "cpuacct", "pids"})
    if (has_controller(h.controllers, always)) return true;
  if (has_controller(h.controllers, "cpuset")) return !r.cpuset_cpus().empty() || !r.cpuset_mems().empty();
  if (has_controller(h.controllers, "blkio")) return r.has_blkio_weight() || r.blkio_devices_size() > 0;
  // Where there is a unified hierarchy its cgroup.freeze does this (Linux 5.2).
  if (has_controller(h.controllers, "freezer")) return layout.unified_mount_point.empty();
  return false;
}

result<> join_v1(const cgroup_layout::hierarchy& h, const pb::Cgroup& cgroup) {
  GANTRY_TRY(dir, group_maker(h, false).make(cgroup.path()));
  GANTRY_TRYV(limit_v1(h, dir.get(), cgroup.resources(), group_age::fresh));
  // "0" into `tasks`, not into cgroup.procs: for a single thread that moves itself the kernel skips the lock of thread
  // groups, whose writer waits for an RCU grace period (cgroup_procs_write_start). This process has one thread.
  if (const int err = write_file_at(dir.get(), "tasks", "0"))
    return sys_error("cgroup: join " + h.controllers + " `" + cgroup.path() + "`", err);
  return {};
}

/// Passes the controllers that limits need down to the group. One by one: a controller that is absent or still bound to
/// v1 must not keep the others away; a limit that then lacks its file says so.
void enable_controllers(const std::string& mount_point, const std::string& path) {
  for (std::size_t at = 0; at != std::string::npos && at < path.size(); at = path.find('/', at + 1)) {
    const std::string dir = mount_point + path.substr(0, at);
    const unique_fd fd{::open(dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (!fd) return;
    if (write_file_at(fd.get(), "cgroup.subtree_control", "+cpu +memory +pids +io +cpuset") == 0) continue;
    for (const char* one : {"+cpu", "+memory", "+pids", "+io", "+cpuset"})
      (void)write_file_at(fd.get(), "cgroup.subtree_control", one);
  }
}

void for_each_mount_point(const cgroup_layout& layout, auto&& each) {
  if (!layout.unified_mount_point.empty()) each(layout.unified_mount_point);
  for (const auto& h : layout.hierarchies) each(h.mount_point);
}

std::vector<std::string> subdirectories(const std::string& path) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), ::closedir);
  if (!dir) return names;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (entry->d_type == DT_DIR && name != "." && name != "..") names.push_back(name);
  }
  return names;
}

/// A group that a container nested deeper than this is not walked: paths end at PATH_MAX anyway.
constexpr int group_depth_max = 64;

/// 0 or the errno of the last failure, after one try at each group.
int remove_tree(const std::string& path, int depth = 0) {
  if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return 0;
  const int err = errno;
  if (err != EBUSY || depth >= group_depth_max) return err;
  for (const auto& name : subdirectories(path)) (void)remove_tree(path + "/" + name, depth + 1);
  return ::rmdir(path.c_str()) == 0 || errno == ENOENT ? 0 : errno;
}

int signal_tree(const std::string& path, int signal, int depth = 0) {
  int found = 0;
  const unique_fd dir{::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!dir || depth >= group_depth_max) return 0;
  auto procs = read_file_at(dir.get(), "cgroup.procs", group_file_bytes_max);
  if (procs.has_value()) {
    std::string_view left = *procs;
    while (!left.empty()) {
      const auto end = std::min(left.find('\n'), left.size());
      const auto pid = std::strtol(std::string(left.substr(0, end)).c_str(), nullptr, 10);
      left.remove_prefix(std::min(end + 1, left.size()));
      if (pid > 1 && ::kill(static_cast<pid_t>(pid), signal) == 0) ++found; // 0: not in our pid namespace
    }
  }
  for (const auto& name : subdirectories(path)) found += signal_tree(path + "/" + name, signal, depth + 1);
  return found;
}

const cgroup_layout::hierarchy* find_hierarchy(const cgroup_layout& layout, std::string_view controller) {
  for (const auto& h : layout.hierarchies)
    if (has_controller(h.controllers, controller)) return &h;
  return nullptr;
}

} // namespace

result<unique_fd> create_unified(const cgroup_layout& layout, const pb::Cgroup& cgroup) {
  if (layout.unified_mount_point.empty() || cgroup.path().empty()) return unique_fd{};
  const bool v2 = layout.mode == cgroup_layout::kind::v2;
  const cgroup_layout::hierarchy h{"", layout.unified_mount_point};
  GANTRY_TRY(dir, group_maker(h, true).make(cgroup.path()));
  if (v2) {
    struct stat st {};
    // The parents keep what was enabled once; a group that can limit memory has had it done.
    if (::fstatat(dir.get(), "memory.max", &st, 0) != 0 || ::fstatat(dir.get(), "pids.max", &st, 0) != 0)
      enable_controllers(layout.unified_mount_point, cgroup.path());
    GANTRY_TRYV(limit_v2(dir.get(), cgroup.resources(), group_age::fresh));
  }
  return dir;
}

result<> create_and_join(const cgroup_layout& layout, const pb::Cgroup& cgroup, unified_group unified) {
  if (cgroup.path().empty()) return {};
  if (unified == unified_group::join) {
    GANTRY_TRY(dir, create_unified(layout, cgroup));
    if (dir)
      if (const int err = write_file_at(dir.get(), "cgroup.procs", "0"))
        return sys_error("cgroup: join `" + cgroup.path() + "`", err);
  }
  for (const auto& h : layout.hierarchies)
    if (is_needed(layout, h, cgroup.resources())) GANTRY_TRYV(join_v1(h, cgroup));
  return {};
}

result<> update_limits(const cgroup_layout& layout, const pb::Cgroup& cgroup) {
  const auto open_group = [&](const std::string& mount_point) {
    return unique_fd{::open((mount_point + cgroup.path()).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  };
  if (layout.mode == cgroup_layout::kind::v2) {
    const auto dir = open_group(layout.unified_mount_point);
    if (!dir) return sys_error("cgroup: open `" + cgroup.path() + "`", errno, errc::not_found);
    return limit_v2(dir.get(), cgroup.resources(), group_age::existing);
  }
  for (const auto& h : layout.hierarchies)
    if (const auto dir = open_group(h.mount_point))
      GANTRY_TRYV(limit_v1(h, dir.get(), cgroup.resources(), group_age::existing));
  return {};
}

bool oom_killed(const cgroup_layout& layout, std::string_view path) {
  const auto* memory = find_hierarchy(layout, "memory");
  const std::string dir = (memory != nullptr ? memory->mount_point : layout.unified_mount_point) + std::string(path);
  const auto text = read_file_at(
      AT_FDCWD, (dir + (memory != nullptr ? "/memory.oom_control" : "/memory.events")).c_str(), group_file_bytes_max);
  if (text.has_error()) return false;
  const auto at = text->find("oom_kill ");
  return at != std::string::npos && std::strtoull(text->c_str() + at + 9, nullptr, 10) > 0;
}

result<> signal_all(const cgroup_layout& layout, std::string_view path, int signal) {
  if (signal == SIGKILL && !layout.unified_mount_point.empty()) {
    const std::string file = layout.unified_mount_point + std::string(path) + "/cgroup.kill"; // Linux 5.14
    if (write_file_at(AT_FDCWD, file.c_str(), "1") == 0) return {};
  }
  const auto* pids = find_hierarchy(layout, "pids");
  const std::string& mount_point = !layout.unified_mount_point.empty() ? layout.unified_mount_point
                                   : pids != nullptr                   ? pids->mount_point
                                                                       : layout.hierarchies.front().mount_point;
  // A process may fork while it is read: SIGKILL is repeated until nobody is found, other signals go out once.
  for (int round = 0; round < 64; ++round)
    if (signal_tree(mount_point + std::string(path), signal) == 0 || signal != SIGKILL) break;
  return {};
}

result<> remove(const cgroup_layout& layout, std::string_view path) {
  if (path.empty() || path == "/") return error{errc::invalid_parameter, EINVAL, "cgroup: remove the root"};
  constexpr timespec pause{0, 1'000'000};
  auto left = remove_wait_max / std::chrono::milliseconds(1);
  int failed = 0;
  for_each_mount_point(layout, [&](const std::string& mount_point) {
    const std::string group = mount_point + std::string(path);
    int err = remove_tree(group);
    for (; err == EBUSY && left > 0; --left) {
      ::nanosleep(&pause, nullptr);
      err = remove_tree(group);
    }
    if (err != 0) failed = err;
  });
  if (failed == 0) return {};
  return sys_error("cgroup: remove `" + std::string(path) + "`", failed,
                   failed == EBUSY ? errc::conflict : errc::internal);
}

std::vector<std::string> children(const cgroup_layout& layout, std::string_view path) {
  std::set<std::string> names;
  for_each_mount_point(layout, [&](const std::string& mount_point) {
    for (auto& name : subdirectories(mount_point + std::string(path))) names.insert(std::move(name));
  });
  return {names.begin(), names.end()};
}

} // namespace gantry::runtime
