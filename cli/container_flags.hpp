/// The flags of `run` and `create`: what they are, and what body of POST /containers/create they mean.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/container_config.hpp"
#include "cli/flags.hpp"
#include "io/base/result.hpp"

namespace gantry::cli {

/// The flags as given; empty or absent: not given.
struct container_flags {
  // the process
  string_list env, env_files, labels, label_files, group_add;
  std::string user, working_dir, hostname, domainname, stop_signal;
  std::optional<std::string> entrypoint;
  std::optional<std::int64_t> stop_timeout_s;
  bool interactive = false, tty = false;
  std::optional<bool> init;
  string_list attach;
  // health
  std::string health_command;
  std::optional<std::int64_t> health_interval_ns, health_timeout_ns, health_start_period_ns, health_start_interval_ns,
      health_retries;
  bool no_healthcheck = false;
  // files
  string_list volumes, tmpfs, volumes_from;
  boost::json::array mounts;
  std::string volume_driver;
  bool read_only = false;
  string_list storage_options;
  // network
  string_list networks, network_aliases, publish, expose, links, dns, dns_options, dns_search, extra_hosts;
  bool publish_all = false;
  std::string ipv4, ipv6, mac_address;
  // limits
  std::int64_t memory = 0, memory_reservation = 0, memory_swap = 0, shm_size = 0, nano_cpus = 0;
  std::int64_t cpu_shares = 0, cpu_period = 0, cpu_quota = 0, cpu_rt_period = 0, cpu_rt_runtime = 0, pids_limit = 0;
  std::int64_t blkio_weight = 0, oom_score_adj = 0;
  std::optional<std::int64_t> memory_swappiness;
  bool oom_kill_disable = false;
  std::string cpuset_cpus, cpuset_mems, cgroup_parent;
  std::vector<api::ulimit> ulimits;
  string_list devices, device_cgroup_rules;
  boost::json::array device_read_bps, device_write_bps, device_read_iops, device_write_iops, blkio_weight_devices,
      gpus; ///< as the body has them
  // rights and namespaces
  string_list cap_add, cap_drop, security_options;
  bool privileged = false;
  std::string pid_mode, ipc_mode, uts_mode, userns_mode, cgroupns_mode, runtime, isolation;
  std::vector<std::pair<std::string, std::string>> sysctls, annotations;
  // the container as a thing
  bool remove_on_exit = false;
  std::string restart = "no";
  std::string log_driver;
  string_list log_options;
};

/// What is asked for besides the body.
struct create_options {
  std::string name, platform, cidfile, pull = "missing";
  bool quiet = false;
};

/// Values are checked while flags are parsed, where docker does so too.
void add_container_flags(flag_set& flags, container_flags& into);
void add_create_flags(flag_set& flags, create_options& into);

/// The body. Reads env files, label files and a seccomp profile, and the environment for `-e NAME`.
/// Errors: invalid_parameter, with docker's texts (conflicting options, modes, ports, files that cannot be read).
result<boost::json::object> create_body(const container_flags& flags, const std::string& image,
                                        const string_list& command);

/// One --mount: "type=bind,src=/a,dst=/b,readonly". Errors: invalid_parameter.
result<boost::json::object> parse_mount(const std::string& text);
/// A --network: "name" or "name=n,alias=a,ip=...". Gives the name and the endpoint's settings.
result<std::pair<std::string, boost::json::object>> parse_network(const std::string& text);
/// --publish and --expose into HostConfig.PortBindings and ExposedPorts.
result<> add_published_port(const std::string& text, boost::json::object& bindings, boost::json::object& exposed);
result<> add_exposed_ports(const std::string& text, boost::json::object& exposed);
/// One --device. Errors: invalid_parameter `invalid device specification: X`.
result<boost::json::object> parse_device(const std::string& text);
/// Fields of a comma-separated record with quotes, as Go's csv package reads it.
result<string_list> split_csv(const std::string& text);

/// Lines NAME=VALUE, NAME (from the environment, dropped when not set there) and # comments.
/// Errors: invalid_parameter `open F: ...`, `poorly formatted environment: ...`.
result<string_list> read_env_file(const std::string& path);

} // namespace gantry::cli
