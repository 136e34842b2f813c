/// Docker's ContainerConfig and HostConfig as the engine keeps them. Absent and empty differ only where Docker makes a
/// difference (std::optional). Source: spec/engine-api-v1.51.yaml, definitions ContainerConfig, HostConfig, Resources.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gantry::api {

using string_list = std::vector<std::string>;
using string_map = std::map<std::string, std::string>;

struct health_config {
  std::optional<string_list> test;
  std::int64_t interval_ns = 0, timeout_ns = 0, start_period_ns = 0, start_interval_ns = 0;
  std::int64_t retries = 0;
  friend bool operator==(const health_config&, const health_config&) = default;
};

struct container_config {
  std::string hostname, domainname, user;
  bool attach_stdin = false, attach_stdout = false, attach_stderr = false;
  string_list exposed_ports; ///< sorted "80/tcp"
  bool tty = false, open_stdin = false, stdin_once = false;
  string_list env;
  std::optional<string_list> cmd;
  std::optional<health_config> healthcheck;
  bool args_escaped = false;
  std::string image;
  string_list volumes; ///< sorted container paths
  std::string working_dir;
  std::optional<string_list> entrypoint;
  bool network_disabled = false;
  std::string mac_address;
  std::optional<string_list> on_build;
  string_map labels;
  std::string stop_signal;
  std::optional<std::int64_t> stop_timeout_s;
  std::optional<string_list> shell;
  friend bool operator==(const container_config&, const container_config&) = default;
};

struct device_mapping {
  std::string path_on_host, path_in_container, cgroup_permissions;
  friend bool operator==(const device_mapping&, const device_mapping&) = default;
};
struct ulimit {
  std::string name;
  std::int64_t soft = 0, hard = 0;
  friend bool operator==(const ulimit&, const ulimit&) = default;
};
struct weight_device {
  std::string path;
  std::uint32_t weight = 0;
  friend bool operator==(const weight_device&, const weight_device&) = default;
};
struct throttle_device {
  std::string path;
  std::uint64_t rate = 0;
  friend bool operator==(const throttle_device&, const throttle_device&) = default;
};
struct device_request {
  std::string driver;
  std::int64_t count = 0;
  string_list device_ids;
  std::vector<string_list> capabilities;
  string_map options;
  friend bool operator==(const device_request&, const device_request&) = default;
};
struct port_binding {
  std::string host_ip, host_port;
  friend bool operator==(const port_binding&, const port_binding&) = default;
};
struct log_config {
  std::string type;
  string_map options;
  friend bool operator==(const log_config&, const log_config&) = default;
};
struct restart_policy {
  std::string name; ///< "", "no", "always", "unless-stopped", "on-failure"
  std::int64_t maximum_retry_count = 0;
  friend bool operator==(const restart_policy&, const restart_policy&) = default;
};

/// HostConfig.Mounts, one entry.
struct mount_request {
  std::string target, source, type; ///< type: bind, volume, tmpfs, image, npipe, cluster
  bool read_only = false;
  std::string consistency;
  struct bind_options {
    std::string propagation;
    bool non_recursive = false, create_mountpoint = false;
    bool read_only_non_recursive = false, read_only_force_recursive = false;
    friend bool operator==(const bind_options&, const bind_options&) = default;
  };
  std::optional<bind_options> bind;
  struct volume_options {
    bool no_copy = false;
    string_map labels;
    std::string driver_name;
    string_map driver_options;
    std::string subpath;
    friend bool operator==(const volume_options&, const volume_options&) = default;
  };
  std::optional<volume_options> volume;
  struct tmpfs_options {
    std::int64_t size_bytes = 0;
    std::uint32_t mode = 0;
    std::vector<string_list> options;
    friend bool operator==(const tmpfs_options&, const tmpfs_options&) = default;
  };
  std::optional<tmpfs_options> tmpfs;
  friend bool operator==(const mount_request&, const mount_request&) = default;
};

struct host_config {
  // Resources
  std::int64_t cpu_shares = 0, memory = 0;
  std::string cgroup_parent;
  std::uint16_t blkio_weight = 0;
  std::vector<weight_device> blkio_weight_device;
  std::vector<throttle_device> blkio_device_read_bps, blkio_device_write_bps, blkio_device_read_iops,
      blkio_device_write_iops;
  std::int64_t cpu_period = 0, cpu_quota = 0, cpu_realtime_period = 0, cpu_realtime_runtime = 0;
  std::string cpuset_cpus, cpuset_mems;
  std::vector<device_mapping> devices;
  string_list device_cgroup_rules;
  std::vector<device_request> device_requests;
  std::int64_t memory_reservation = 0, memory_swap = 0;
  std::optional<std::int64_t> memory_swappiness;
  std::int64_t nano_cpus = 0;
  std::optional<bool> oom_kill_disable;
  std::optional<bool> init;
  std::optional<std::int64_t> pids_limit;
  std::vector<ulimit> ulimits;

  // HostConfig itself
  string_list binds;
  std::string container_id_file;
  log_config log;
  std::string network_mode;
  std::map<std::string, std::vector<port_binding>> port_bindings; ///< "80/tcp" -> bindings
  restart_policy restart;
  bool auto_remove = false;
  std::string volume_driver;
  string_list volumes_from;
  std::vector<mount_request> mounts;
  std::uint32_t console_rows = 0, console_columns = 0;
  string_map annotations;
  string_list cap_add, cap_drop;
  std::string cgroupns_mode;
  string_list dns, dns_options, dns_search;
  string_list extra_hosts, group_add;
  std::string ipc_mode, cgroup;
  string_list links;
  std::int64_t oom_score_adj = 0;
  std::string pid_mode;
  bool privileged = false, publish_all_ports = false, readonly_rootfs = false;
  string_list security_opt;
  string_map storage_opt;
  string_map tmpfs;
  std::string uts_mode, userns_mode;
  std::int64_t shm_size = 0;
  string_map sysctls;
  std::string runtime;
  std::optional<string_list> masked_paths, readonly_paths; ///< absent: defaults; empty: none
  friend bool operator==(const host_config&, const host_config&) = default;
};

/// NetworkingConfig.EndpointsConfig, one entry: kept and shown; networks other than none, host and bridge come later.
struct endpoint_config {
  string_list links, aliases;
  std::string mac_address, ipv4_address, ipv6_address;
  string_map driver_opts;
  std::int64_t gw_priority = 0;
  friend bool operator==(const endpoint_config&, const endpoint_config&) = default;
};

struct create_request {
  std::string name;     ///< query parameter, "" for a generated one
  std::string platform; ///< query parameter
  container_config config;
  host_config host;
  std::map<std::string, endpoint_config> endpoints;
  friend bool operator==(const create_request&, const create_request&) = default;
};

/// An image's configuration, as the OCI image-spec calls it: what create merges and inspect shows.
struct image_history {
  std::int64_t created_ns = 0;
  std::string created_by, author, comment;
  bool empty_layer = false;
};
struct image_config {
  std::string architecture, variant, os, os_version, author, comment, docker_version;
  std::string created; ///< as written in the config
  container_config config;
  std::vector<image_history> history;
  string_list diff_ids;
};

} // namespace gantry::api
