#include "actors/host_probe.hpp"

#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#ifndef GANTRY_VERSION
#define GANTRY_VERSION "0.1.0"
#endif

namespace gantry::actors {

namespace {

std::string first_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

/// A value of /etc/os-release, unquoted.
std::string os_release(const std::string& key) {
  std::ifstream in("/etc/os-release");
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key + "=")) continue;
    auto value = line.substr(key.size() + 1);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    return value;
  }
  return {};
}

std::int64_t memory_bytes() {
  struct sysinfo info {};
  return ::sysinfo(&info) == 0 ? static_cast<std::int64_t>(info.totalram) * info.mem_unit : 0;
}

/// True when a hierarchy (or the unified one) has this controller.
bool has_controller(const runtime::cgroup_layout& cgroups, const std::string& name) {
  auto listed = [&](std::string text, char separator) {
    std::istringstream in(text);
    for (std::string word; std::getline(in, word, separator);)
      if (word == name) return true;
    return false;
  };
  for (auto& h : cgroups.hierarchies)
    if (listed(h.controllers, ',')) return true;
  return cgroups.mode == runtime::cgroup_layout::kind::v2 &&
         listed(first_line(cgroups.unified_mount_point + "/cgroup.controllers"), ' ');
}

/// True when a v1 controller offers this file.
bool v1_offers(const runtime::cgroup_layout& cgroups, const std::string& controller, const std::string& file) {
  for (auto& h : cgroups.hierarchies)
    if (("," + h.controllers + ",").find("," + controller + ",") != std::string::npos)
      return std::filesystem::exists(h.mount_point + "/" + file);
  return false;
}

bool swap_limit_supported(const runtime::cgroup_layout& cgroups) {
  if (cgroups.mode == runtime::cgroup_layout::kind::v2) return has_controller(cgroups, "memory");
  return v1_offers(cgroups, "memory", "memory.memsw.limit_in_bytes");
}

} // namespace

api::host_facts probe_host(const engine_config& config, const runtime::cgroup_layout& cgroups) {
  api::host_facts f;
  bool v2 = cgroups.mode == runtime::cgroup_layout::kind::v2;
  f.cpus = std::max(1u, std::thread::hardware_concurrency());
  f.cpuset_available = first_line("/sys/devices/system/cpu/online");
  f.mems_available = first_line("/sys/devices/system/node/online");
  if (f.mems_available.empty()) f.mems_available = "0";
  f.memory_bytes = memory_bytes();
  f.cgroup_v2 = v2;
  f.memory_supported = has_controller(cgroups, "memory");
  f.memory_swap_supported = swap_limit_supported(cgroups);
  f.pids_supported = has_controller(cgroups, "pids");
  f.cpuset_supported = has_controller(cgroups, "cpuset");
  f.blkio_supported = has_controller(cgroups, v2 ? "io" : "blkio");
  f.cpu_shares_supported = has_controller(cgroups, "cpu");
  f.cpu_cfs_supported = v2 ? f.cpu_shares_supported : v1_offers(cgroups, "cpu", "cpu.cfs_quota_us");
  f.cpu_realtime_supported = !v2 && v1_offers(cgroups, "cpu", "cpu.rt_runtime_us");
  f.oom_kill_disable_supported = f.swappiness_supported = !v2;
  f.cgroup_namespaces = std::filesystem::exists("/proc/self/ns/cgroup");
  f.default_runtime = config.default_runtime;
  f.default_shm_size = config.default_shm_size;
  f.default_ipc_mode = config.default_ipc_mode;
  f.default_cgroupns_mode = config.default_cgroupns_mode;
  f.default_log_driver = config.log_driver;
  f.default_log_options = config.log_options;
  f.default_ulimits = config.default_ulimits;
  f.default_init = config.init;
  f.no_new_privileges = config.no_new_privileges;
  f.path_exists = [](const std::string& path) {
    struct stat s {};
    return ::lstat(path.c_str(), &s) == 0;
  };
  return f;
}

api::engine_facts probe_engine(const engine_config& config, const runtime::cgroup_layout& cgroups,
                               const std::string& engine_id, std::string_view reactor) {
  api::engine_facts f;
  utsname names{};
  ::uname(&names);
  f.gantry_version = GANTRY_VERSION;
  f.kernel_version = names.release;
  f.name = names.nodename;
  f.operating_system = os_release("PRETTY_NAME");
  f.os_version = os_release("VERSION_ID");
  f.id = engine_id;
  f.data_root = config.data_root;
  f.cpus = std::max(1u, std::thread::hardware_concurrency());
  f.memory_bytes = memory_bytes();
  bool v2 = cgroups.mode == runtime::cgroup_layout::kind::v2;
  f.cgroup_version = v2 ? "2" : "1";
  f.reactor = reactor;
  f.debug = config.debug;
  f.experimental = config.experimental;
  f.live_restore = config.live_restore;
  f.default_runtime = config.default_runtime;
  f.log_driver = config.log_driver;
  f.http_proxy = config.http_proxy;
  f.https_proxy = config.https_proxy;
  f.no_proxy = config.no_proxy;
  f.labels = config.labels;
  f.registry_mirrors = config.registry_mirrors;
  f.insecure_registry_cidrs = {"::1/128", "127.0.0.0/8"};
  f.security_options = {"name=seccomp,profile=" +
                        (config.seccomp_profile.empty() ? std::string("builtin") : config.seccomp_profile)};
  if (std::filesystem::exists("/proc/self/ns/cgroup")) f.security_options.push_back("name=cgroupns");
  f.memory_limit = has_controller(cgroups, "memory");
  f.swap_limit = swap_limit_supported(cgroups);
  f.cpu_cfs = v2 || v1_offers(cgroups, "cpu", "cpu.cfs_quota_us");
  f.cpu_shares = has_controller(cgroups, "cpu");
  f.cpuset = has_controller(cgroups, "cpuset");
  f.pids_limit = has_controller(cgroups, "pids");
  f.oom_kill_disable = !v2;
  f.ipv4_forwarding = first_line("/proc/sys/net/ipv4/ip_forward") == "1";
  f.warnings = {"WARNING: bridge networks are not implemented in this version of Gantry: containers on the default "
                "network have a loopback interface only"};
  if (!f.swap_limit) f.warnings.push_back("WARNING: No swap limit support");
  return f;
}

std::string find_program(const std::string& name) {
  std::error_code e;
  auto self = std::filesystem::read_symlink("/proc/self/exe", e);
  std::vector<std::filesystem::path> places{self.parent_path(), self.parent_path() / "../runtime",
                                            self.parent_path() / "../libexec/gantry"};
  std::istringstream path(::getenv("PATH") != nullptr ? ::getenv("PATH") : "");
  for (std::string directory; std::getline(path, directory, ':');) places.emplace_back(directory);
  for (auto& place : places)
    if (auto candidate = place / name; ::access(candidate.c_str(), X_OK) == 0)
      return std::filesystem::weakly_canonical(candidate, e).string();
  return {};
}

std::string find_init(const std::string& configured) {
  if (!configured.empty() && configured.find('/') != std::string::npos) return configured;
  std::vector<std::string> names = configured.empty()
                                       ? std::vector<std::string>{"docker-init", "tini-static", "catatonit"}
                                       : std::vector<std::string>{configured};
  for (auto& name : names) {
    if (auto found = find_program(name); !found.empty()) return found;
    for (auto* directory :
         {"/usr/libexec/docker/", "/usr/local/libexec/docker/", "/usr/libexec/podman/", "/usr/lib/podman/"})
      if (auto path = directory + name; ::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

} // namespace gantry::actors
