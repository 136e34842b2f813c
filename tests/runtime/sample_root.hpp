/// A container of static busybox for tests and benches: what Docker would ask for by default, in a directory of its
/// own.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <unistd.h>

#include "runtime/cgroup.hpp"
#include "runtime/proto/spec.pb.h"

namespace gantry::runtime::testing {

/// Docker's fourteen (behaviours 111).
inline constexpr std::uint64_t default_capabilities = 0x00000000a80425fb;

/// A layer with busybox under `base`, made anew; removed with everything below at the end.
class sample_root {
public:
  explicit sample_root(std::string base);
  ~sample_root();
  sample_root(const sample_root&) = delete;
  sample_root& operator=(const sample_root&) = delete;

  /// False when this machine has no static busybox or the caller is not root; `why` says so.
  [[nodiscard]] static bool possible(std::string& why);

  [[nodiscard]] const std::string& base() const noexcept { return base_; }
  /// The image's only layer.
  [[nodiscard]] std::string layer() const { return base_ + "/layer"; }

  /// Docker's defaults: mounts, masks, capabilities, sysctls, network none, groups below "/gantry-test-<pid>".
  [[nodiscard]] pb::Spec make_spec(const std::string& name, std::initializer_list<std::string> args) const;
  void remove_upper(const pb::Spec& spec) const;
  [[nodiscard]] std::string cgroup_parent() const;

private:
  std::string base_;
};

namespace fs = std::filesystem;

namespace detail {

inline constexpr const char* busybox = "/bin/busybox";

inline void add_mount(pb::Spec& spec, const char* destination, const char* type, const char* source,
                      std::initializer_list<const char*> options) {
  auto& mount = *spec.add_mounts();
  mount.set_destination(destination);
  mount.set_type(type);
  mount.set_source(source);
  for (const char* o : options) mount.add_options(o);
}

inline void add_default_mounts(pb::Spec& spec) {
  add_mount(spec, "/proc", "proc", "proc", {"nosuid", "noexec", "nodev"});
  add_mount(spec, "/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"});
  add_mount(spec, "/dev/pts", "devpts", "devpts",
            {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"});
  add_mount(spec, "/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"});
  add_mount(spec, "/sys/fs/cgroup", "cgroup", "cgroup", {"ro", "nosuid", "noexec", "nodev"});
  add_mount(spec, "/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"});
  add_mount(spec, "/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=67108864"});
}

inline void add_default_paths(pb::Spec& spec) {
  for (const char* path : {"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys",
                           "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
                           "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"})
    spec.add_masked_paths(path);
  for (const char* path : {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"})
    spec.add_readonly_paths(path);
}

} // namespace detail

inline bool sample_root::possible(std::string& why) {
  if (::geteuid() != 0)
    why = "root is needed";
  else if (!fs::exists(detail::busybox))
    why = "a static /bin/busybox is needed";
  else
    return true;
  return false;
}

inline sample_root::sample_root(std::string base) : base_(std::move(base)) {
  fs::remove_all(base_);
  for (const char* dir : {"bin", "dev", "proc", "sys", "etc", "tmp", "root", "home/ada"})
    fs::create_directories(layer() + "/" + dir);
  fs::copy_file(detail::busybox, layer() + "/bin/busybox");
  for (const char* name :
       {"sh",   "true",     "false",         "cat", "echo",  "id",   "ls",       "sleep",  "stat",   "mount", "touch",
        "grep", "readlink", "pwd",           "tty", "stty",  "env",  "hostname", "sysctl", "find",   "dd",    "mkdir",
        "ps",   "chmod",    "chown",         "rm",  "mknod", "kill", "umount",   "wc",     "head",   "tail",  "ip",
        "test", "ln",       "dnsdomainname", "cut", "sort",  "sync", "printf",   "nproc",  "ulimit", "od",    "tr"})
    fs::create_symlink("busybox", layer() + "/bin/" + name);
  std::ofstream(layer() + "/etc/passwd") << "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1001:Ada:/home/ada:/bin/sh\n";
  std::ofstream(layer() + "/etc/group") << "root:x:0:root\nwheel:x:10:root,ada\nada:x:1001:\nstaff:x:50:ada\n";
}

inline sample_root::~sample_root() {
  std::error_code ignored;
  fs::remove_all(base_, ignored);
  if (auto layout = cgroup_layout::detect(); layout.has_value()) (void)remove(*layout, cgroup_parent());
}

inline std::string sample_root::cgroup_parent() const { return "/gantry-test-" + std::to_string(::getpid()); }

inline pb::Spec sample_root::make_spec(const std::string& name, std::initializer_list<std::string> args) const {
  pb::Spec spec;
  auto& process = *spec.mutable_process();
  for (const auto& a : args) process.add_args(a);
  process.add_env("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  process.add_env("HOSTNAME=" + name);
  process.set_cwd("/");
  auto& caps = *process.mutable_capabilities();
  caps.set_bounding(default_capabilities);
  caps.set_permitted(default_capabilities);
  caps.set_effective(default_capabilities);
  process.set_oom_score_adj(0);
  auto& root = *spec.mutable_root();
  root.add_lower_dirs(layer());
  root.set_upper_dir(base_ + "/c/" + name + "/upper");
  root.set_work_dir(base_ + "/c/" + name + "/work");
  spec.set_hostname(name);
  spec.mutable_namespaces();
  spec.mutable_namespaces()->mutable_cgroup()->set_mode(pb::Namespaces::HOST);
  (*spec.mutable_sysctl())["net.ipv4.ip_unprivileged_port_start"] = "0";
  (*spec.mutable_sysctl())["net.ipv4.ping_group_range"] = "0 2147483647";
  spec.mutable_cgroup()->set_path(cgroup_parent() + "/" + name);
  detail::add_default_mounts(spec);
  detail::add_default_paths(spec);
  return spec;
}

inline void sample_root::remove_upper(const pb::Spec& spec) const {
  std::error_code ignored;
  fs::remove_all(fs::path(spec.root().upper_dir()).parent_path(), ignored);
}

} // namespace gantry::runtime::testing
