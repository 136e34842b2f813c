/// HostConfig from and to JSON. Source: spec/engine-api-v1.51.yaml, definitions HostConfig and Resources; the order of
/// the members follows the Go struct that Docker encodes.
#include "api/container_json_parts.hpp"

#include <limits>

namespace gantry::api {
namespace {

void read_weight_devices(json_object& in, std::string_view name, std::vector<weight_device>& out) {
  in.each_object(name, [&](json_object& d) {
    d.read("Path", out.emplace_back().path);
    d.read("Weight", out.back().weight);
  });
}

void read_throttle_devices(json_object& in, std::string_view name, std::vector<throttle_device>& out) {
  in.each_object(name, [&](json_object& d) {
    d.read("Path", out.emplace_back().path);
    d.read("Rate", out.back().rate);
  });
}

void read_devices(json_object& in, host_config& out) {
  in.each_object("Devices", [&](json_object& d) {
    auto& device = out.devices.emplace_back();
    d.read("PathOnHost", device.path_on_host);
    d.read("PathInContainer", device.path_in_container);
    d.read("CgroupPermissions", device.cgroup_permissions);
  });
  in.read("DeviceCgroupRules", out.device_cgroup_rules);
  in.each_object("DeviceRequests", [&](json_object& d) {
    auto& request = out.device_requests.emplace_back();
    d.read("Driver", request.driver);
    d.read("Count", request.count);
    d.read("DeviceIDs", request.device_ids);
    d.read("Capabilities", request.capabilities);
    d.read("Options", request.options);
  });
}

void read_resources(json_object& in, host_config& out) {
  in.read("CpuShares", out.cpu_shares);
  in.read("Memory", out.memory);
  in.read("NanoCpus", out.nano_cpus);
  in.read("CgroupParent", out.cgroup_parent);
  in.read("BlkioWeight", out.blkio_weight);
  read_weight_devices(in, "BlkioWeightDevice", out.blkio_weight_device);
  read_throttle_devices(in, "BlkioDeviceReadBps", out.blkio_device_read_bps);
  read_throttle_devices(in, "BlkioDeviceWriteBps", out.blkio_device_write_bps);
  read_throttle_devices(in, "BlkioDeviceReadIOps", out.blkio_device_read_iops);
  read_throttle_devices(in, "BlkioDeviceWriteIOps", out.blkio_device_write_iops);
  in.read("CpuPeriod", out.cpu_period);
  in.read("CpuQuota", out.cpu_quota);
  in.read("CpuRealtimePeriod", out.cpu_realtime_period);
  in.read("CpuRealtimeRuntime", out.cpu_realtime_runtime);
  in.read("CpusetCpus", out.cpuset_cpus);
  in.read("CpusetMems", out.cpuset_mems);
  read_devices(in, out);
  in.read("MemoryReservation", out.memory_reservation);
  in.read("MemorySwap", out.memory_swap);
  in.read("MemorySwappiness", out.memory_swappiness);
  in.read("OomKillDisable", out.oom_kill_disable);
  in.read("PidsLimit", out.pids_limit);
  in.each_object("Ulimits", [&](json_object& u) {
    auto& limit = out.ulimits.emplace_back();
    u.read("Name", limit.name);
    u.read("Soft", limit.soft);
    u.read("Hard", limit.hard);
  });
}

void read_port_bindings(json_object& in, host_config& out) {
  in.each_member("PortBindings", [&](std::string_view port, json_element list) {
    auto& bindings = out.port_bindings[std::string(port)];
    bindings.clear(); // the last of several wins
    if (list.is_null()) return;
    simdjson::dom::array items;
    if (list.get(items) != simdjson::SUCCESS) return in.mismatch("PortBindings", list, "[]nat.PortBinding");
    for (const json_element e : items) {
      json_object binding(e, in.path() + ".PortBindings");
      binding.read("HostIp", bindings.emplace_back().host_ip);
      binding.read("HostPort", bindings.back().host_port);
      if (const auto read = binding.finish(); read.has_error()) in.fail(read.error());
    }
  });
}

/// [height, width], as Go decodes into an array of two: missing numbers are 0, further ones ignored.
void read_console_size(json_object& in, host_config& out) {
  const auto found = in.find("ConsoleSize");
  if (!found) return;
  simdjson::dom::array items;
  if (found->get(items) != simdjson::SUCCESS) return in.mismatch("ConsoleSize", *found, "[2]uint");
  std::uint32_t* const sizes[] = {&out.console_rows, &out.console_columns};
  std::size_t at = 0;
  for (const json_element e : items) {
    if (at == std::size(sizes)) break;
    std::uint64_t number = 0;
    if (e.get(number) != simdjson::SUCCESS || number > std::numeric_limits<std::uint32_t>::max())
      return in.mismatch("ConsoleSize", e, "uint");
    *sizes[at++] = static_cast<std::uint32_t>(number);
  }
}

/// Capabilities too may come as one string.
void read_word_list(json_object& in, std::string_view name, string_list& out) {
  std::optional<string_list> words;
  in.read_words(name, words);
  if (words) out = std::move(*words);
}

/// What only Windows has is refused when it is asked for, and kept nowhere.
void check_windows_members(json_object& in) {
  std::string isolation;
  std::uint64_t bandwidth = 0, operations = 0;
  in.read("Isolation", isolation);
  in.read("IOMaximumBandwidth", bandwidth);
  in.read("IOMaximumIOps", operations);
  const auto refuse = [&](std::string text) { in.fail({errc::invalid_parameter, 0, std::move(text)}); };
  if (!isolation.empty() && isolation != "default")
    refuse("invalid isolation (" + isolation + "): linux only supports 'default'");
  if (bandwidth != 0) refuse("invalid option: QoS maximum bandwidth configuration is not supported on linux");
  if (operations != 0) refuse("invalid option: QoS maximum IOPs configuration is not supported on linux");
}

// Writing. `sparse` knows the form: in records it leaves out what is empty.

class sparse {
public:
  sparse(json_out& out, shape form) : out_(out), all_(form == shape::inspect) {}

  void text(std::string_view name, const std::string& v) const {
    if (all_ || !v.empty()) out_.member(name, v);
  }
  void flag(std::string_view name, bool v) const {
    if (all_ || v) out_.member(name, v);
  }
  template <class Integer>
  void number(std::string_view name, Integer v) const {
    if (all_ || v != 0) out_.member(name, v);
  }
  void list(std::string_view name, const string_list& v) const {
    if (all_ || !v.empty()) out_.member_or_null(name, v);
  }
  /// Go's omitempty: left out in both forms.
  void map(std::string_view name, const string_map& v) const {
    if (!v.empty()) out_.member(name, v);
  }
  template <class T>
  void maybe(std::string_view name, const std::optional<T>& v) const {
    if (all_ || v) out_.member(name, v);
  }
  /// Lists of objects: inspect shows [] (what clients send) or null, as `empty` says.
  template <class T, class Write>
  void objects(std::string_view name, const std::vector<T>& v, std::string_view empty, Write write) const {
    if (v.empty() && !all_) return;
    out_.key(name);
    if (v.empty() && empty == "null") return out_.null();
    out_.begin_array();
    for (const auto& item : v) {
      out_.begin_object();
      write(item);
      out_.end_object();
    }
    out_.end_array();
  }
  [[nodiscard]] bool all() const noexcept { return all_; }

private:
  json_out& out_;
  bool all_;
};

void write_log(json_out& out, const host_config& h, shape form) {
  if (form == shape::record && h.log == log_config{}) return;
  out.key("LogConfig").begin_object();
  out.member("Type", h.log.type);
  if (form == shape::inspect || !h.log.options.empty()) out.member("Config", h.log.options);
  out.end_object();
}

void write_port_bindings(json_out& out, const host_config& h, shape form) {
  if (form == shape::record && h.port_bindings.empty()) return;
  out.key("PortBindings").begin_object();
  for (const auto& [port, bindings] : h.port_bindings) {
    out.key(port).begin_array();
    for (const auto& b : bindings) {
      out.begin_object();
      out.member("HostIp", b.host_ip);
      out.member("HostPort", b.host_port);
      out.end_object();
    }
    out.end_array();
  }
  out.end_object();
}

void write_restart(json_out& out, const host_config& h, shape form) {
  if (form == shape::record && h.restart == restart_policy{}) return;
  out.key("RestartPolicy").begin_object();
  out.member("Name", h.restart.name);
  out.member("MaximumRetryCount", h.restart.maximum_retry_count);
  out.end_object();
}

void write_console_size(json_out& out, const host_config& h, shape form) {
  if (form == shape::record && h.console_rows == 0 && h.console_columns == 0) return;
  out.key("ConsoleSize").begin_array();
  out.value(h.console_rows);
  out.value(h.console_columns);
  out.end_array();
}

void write_general(json_out& out, const host_config& h, shape form) {
  const sparse s(out, form);
  s.list("Binds", h.binds);
  s.text("ContainerIDFile", h.container_id_file);
  write_log(out, h, form);
  s.text("NetworkMode", h.network_mode);
  write_port_bindings(out, h, form);
  write_restart(out, h, form);
  s.flag("AutoRemove", h.auto_remove);
  s.text("VolumeDriver", h.volume_driver);
  s.list("VolumesFrom", h.volumes_from);
  write_console_size(out, h, form);
  s.map("Annotations", h.annotations);
}

/// Docker shows [] for the lists that the daemon reads again from its disk (behaviours 228).
void write_dns(json_out& out, const host_config& h, shape form) {
  const sparse s(out, form);
  const auto list = [&](std::string_view name, const string_list& v) {
    if (s.all() || !v.empty()) out.member(name, v);
  };
  list("Dns", h.dns);
  list("DnsOptions", h.dns_options);
  list("DnsSearch", h.dns_search);
}

void write_unix(json_out& out, const host_config& h, shape form) {
  const sparse s(out, form);
  s.list("CapAdd", h.cap_add);
  s.list("CapDrop", h.cap_drop);
  s.text("CgroupnsMode", h.cgroupns_mode);
  write_dns(out, h, form);
  s.list("ExtraHosts", h.extra_hosts);
  s.list("GroupAdd", h.group_add);
  s.text("IpcMode", h.ipc_mode);
  s.text("Cgroup", h.cgroup);
  s.list("Links", h.links);
  s.number("OomScoreAdj", h.oom_score_adj);
  s.text("PidMode", h.pid_mode);
  s.flag("Privileged", h.privileged);
  s.flag("PublishAllPorts", h.publish_all_ports);
  s.flag("ReadonlyRootfs", h.readonly_rootfs);
  s.list("SecurityOpt", h.security_opt);
  s.map("StorageOpt", h.storage_opt);
  s.map("Tmpfs", h.tmpfs);
  s.text("UTSMode", h.uts_mode);
  s.text("UsernsMode", h.userns_mode);
  s.number("ShmSize", h.shm_size);
  s.map("Sysctls", h.sysctls);
  if (!h.runtime.empty()) out.member("Runtime", h.runtime);
  if (s.all()) out.member("Isolation", "");
}

void write_blkio(json_out& out, const host_config& h, shape form) {
  const sparse s(out, form);
  s.number("BlkioWeight", h.blkio_weight);
  s.objects("BlkioWeightDevice", h.blkio_weight_device, "[]", [&](const weight_device& d) {
    out.member("Path", d.path);
    out.member("Weight", d.weight);
  });
  const auto throttle = [&](std::string_view name, const std::vector<throttle_device>& devices) {
    s.objects(name, devices, "[]", [&](const throttle_device& d) {
      out.member("Path", d.path);
      out.member("Rate", d.rate);
    });
  };
  throttle("BlkioDeviceReadBps", h.blkio_device_read_bps);
  throttle("BlkioDeviceWriteBps", h.blkio_device_write_bps);
  throttle("BlkioDeviceReadIOps", h.blkio_device_read_iops);
  throttle("BlkioDeviceWriteIOps", h.blkio_device_write_iops);
}

void write_devices(json_out& out, const host_config& h, shape form) {
  const sparse s(out, form);
  s.objects("Devices", h.devices, "[]", [&](const device_mapping& d) {
    out.member("PathOnHost", d.path_on_host);
    out.member("PathInContainer", d.path_in_container);
    out.member("CgroupPermissions", d.cgroup_permissions);
  });
  s.list("DeviceCgroupRules", h.device_cgroup_rules);
  s.objects("DeviceRequests", h.device_requests, "null", [&](const device_request& d) {
    out.member("Driver", d.driver);
    out.member("Count", d.count);
    out.member_or_null("DeviceIDs", d.device_ids);
    out.key("Capabilities").begin_array();
    for (const auto& all_of : d.capabilities) out.value(all_of);
    out.end_array();
    out.member("Options", d.options);
  });
}

void write_resources(json_out& out, const host_config& h, shape form) {
  const sparse s(out, form);
  s.number("CpuShares", h.cpu_shares);
  s.number("Memory", h.memory);
  s.number("NanoCpus", h.nano_cpus);
  s.text("CgroupParent", h.cgroup_parent);
  write_blkio(out, h, form);
  s.number("CpuPeriod", h.cpu_period);
  s.number("CpuQuota", h.cpu_quota);
  s.number("CpuRealtimePeriod", h.cpu_realtime_period);
  s.number("CpuRealtimeRuntime", h.cpu_realtime_runtime);
  s.text("CpusetCpus", h.cpuset_cpus);
  s.text("CpusetMems", h.cpuset_mems);
  write_devices(out, h, form);
  s.number("MemoryReservation", h.memory_reservation);
  s.number("MemorySwap", h.memory_swap);
  s.maybe("MemorySwappiness", h.memory_swappiness);
  s.maybe("OomKillDisable", h.oom_kill_disable);
  s.maybe("PidsLimit", h.pids_limit);
  s.objects("Ulimits", h.ulimits, "[]", [&](const ulimit& u) {
    out.member("Name", u.name);
    out.member("Hard", u.hard);
    out.member("Soft", u.soft);
  });
  if (!s.all()) return;
  for (const char* windows_only : {"CpuCount", "CpuPercent", "IOMaximumIOps", "IOMaximumBandwidth"})
    out.member(windows_only, 0);
}

/// Inspect shows the default paths where the request left them out; a privileged container has none (behaviours 52).
void write_paths(json_out& out, std::string_view name, const std::optional<string_list>& paths,
                 const string_list& defaults, const host_config& h, shape form) {
  if (paths) return out.member(name, *paths);
  if (form == shape::record) return;
  if (h.privileged)
    out.key(name).null();
  else
    out.member(name, defaults);
}

} // namespace

const string_list& default_masked_paths() {
  static const string_list paths{"/proc/asound",     "/proc/acpi",        "/proc/interrupts",
                                 "/proc/kcore",      "/proc/keys",        "/proc/latency_stats",
                                 "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
                                 "/proc/scsi",       "/sys/firmware",     "/sys/devices/virtual/powercap"};
  return paths;
}

const string_list& default_readonly_paths() {
  static const string_list paths{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  return paths;
}

void read_host_config(json_object& in, host_config& out) {
  in.read("Binds", out.binds);
  in.read("ContainerIDFile", out.container_id_file);
  in.object("LogConfig", [&](json_object& log) {
    log.read("Type", out.log.type);
    log.read("Config", out.log.options);
  });
  in.read("NetworkMode", out.network_mode);
  read_port_bindings(in, out);
  in.object("RestartPolicy", [&](json_object& policy) {
    policy.read("Name", out.restart.name);
    policy.read("MaximumRetryCount", out.restart.maximum_retry_count);
  });
  in.read("AutoRemove", out.auto_remove);
  in.read("VolumeDriver", out.volume_driver);
  in.read("VolumesFrom", out.volumes_from);
  read_mounts(in, out.mounts);
  read_console_size(in, out);
  in.read("Annotations", out.annotations);
  read_word_list(in, "CapAdd", out.cap_add);
  read_word_list(in, "CapDrop", out.cap_drop);
  in.read("CgroupnsMode", out.cgroupns_mode);
  in.read("Dns", out.dns);
  in.read("DnsOptions", out.dns_options);
  in.read("DnsSearch", out.dns_search);
  in.read("ExtraHosts", out.extra_hosts);
  in.read("GroupAdd", out.group_add);
  in.read("IpcMode", out.ipc_mode);
  in.read("Cgroup", out.cgroup);
  in.read("Links", out.links);
  in.read("OomScoreAdj", out.oom_score_adj);
  in.read("PidMode", out.pid_mode);
  in.read("Privileged", out.privileged);
  in.read("PublishAllPorts", out.publish_all_ports);
  in.read("ReadonlyRootfs", out.readonly_rootfs);
  in.read("SecurityOpt", out.security_opt);
  in.read("StorageOpt", out.storage_opt);
  in.read("Tmpfs", out.tmpfs);
  in.read("UTSMode", out.uts_mode);
  in.read("UsernsMode", out.userns_mode);
  in.read("ShmSize", out.shm_size);
  in.read("Sysctls", out.sysctls);
  in.read("Runtime", out.runtime);
  check_windows_members(in);
  read_resources(in, out);
  in.read("MaskedPaths", out.masked_paths);
  in.read("ReadonlyPaths", out.readonly_paths);
  in.read("Init", out.init);
}

void write_host_config(json_out& out, const host_config& h, shape form) {
  out.begin_object();
  write_general(out, h, form);
  write_unix(out, h, form);
  write_resources(out, h, form);
  if (!h.mounts.empty()) {
    out.key("Mounts");
    write_mounts(out, h.mounts);
  }
  write_paths(out, "MaskedPaths", h.masked_paths, default_masked_paths(), h, form);
  write_paths(out, "ReadonlyPaths", h.readonly_paths, default_readonly_paths(), h, form);
  if (h.init) out.member("Init", *h.init);
  out.end_object();
}

result<host_config> parse_host_config(std::string_view json) {
  GANTRY_TRY(document, json_document::parse(json));
  json_object in(document.root(), "HostConfig");
  host_config host;
  read_host_config(in, host);
  GANTRY_TRYV(in.finish());
  return host;
}

std::string render_host_config(const host_config& h, shape form) {
  std::string text;
  json_out out(text);
  write_host_config(out, h, form);
  return text;
}

} // namespace gantry::api
