/// From what Docker's API knows of a container to what the launcher takes: `container_definition` -> runtime::pb::Spec.
/// Pure functions: no file is read, no clock, no actor. What the host looks like comes in `spec_inputs`.
/// Source: behaviours sections 3, 8, 9, 13; runtime-spec 1.2 config.md.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/container_view.hpp"
#include "io/base/result.hpp"
#include "runtime/proto/spec.pb.h"

namespace gantry::actors {

/// A device node of the host, as a lookup gives it.
struct host_device {
  std::string path; ///< on the host
  char type = 'c';  ///< 'c', 'b' or 'p'
  std::int64_t major = 0, minor = 0;
  std::uint32_t file_mode = 0666, uid = 0, gid = 0;
};

/// Finds the nodes below a host path: one for a node, all below it for a directory. Errors: not_found.
using device_lookup = std::function<result<std::vector<host_device>>(const std::string& path)>;

/// Compiles a seccomp profile (JSON text) for these capabilities; the engine passes a function with a cache, because
/// a compilation costs milliseconds. Unset: runtime::compile_seccomp is called each time.
using seccomp_compiler = std::function<result<std::string>(std::string_view profile_json, std::uint64_t capabilities)>;

/// What the host is, read once by the engine at its start (`host_facts::read`).
struct host_facts {
  bool cgroup_v2 = false;
  bool swap_limit = true; ///< this kernel counts swap for control groups
  unsigned cpus = 1;
  std::string hostname;
  std::string resolv_conf;                         ///< the text that containers start from; "" when there is none
  std::string etc_hosts;                           ///< the host's /etc/hosts
  std::vector<std::string> thermal_throttle_paths; ///< existing /sys/devices/system/cpu/cpuN/thermal_throttle

  /// Blocks: reads a few small files. For 127.0.0.53 alone it takes systemd-resolved's own file (behaviours 133).
  static host_facts read();
};

struct spec_inputs {
  const api::container_definition& definition;
  const host_facts& host;
  std::string cgroup_path;        ///< "<cgroup_parent>/<id>"
  std::string init_path;          ///< static init program for --init; "" when there is none
  bool init_default = false;      ///< daemon's --init
  bool no_new_privileges = false; ///< daemon's default
  std::string ipc_mode_default = "private";
  std::string cgroupns_mode_default; ///< "": private on v2, host on v1
  std::string seccomp_profile;       ///< daemon's default: "" is built in, "unconfined", or a profile's JSON text
  std::vector<api::ulimit> default_ulimits;
  api::string_list dns, dns_options, dns_search; ///< daemon's defaults
  /// Namespaces of other containers, for `container:<id>` modes: "/proc/<pid>/ns/<kind>", or a kept namespace file.
  std::string network_namespace_path, ipc_namespace_path, pid_namespace_path;
  /// Host path of the /dev/shm to share with an IPC donor ("container:" and "shareable" modes); "" for an own tmpfs.
  std::string shared_shm_path;
  /// What `host-gateway` in ExtraHosts stands for; none: such an entry is refused.
  std::vector<std::string> host_gateway_addresses;
  seccomp_compiler compile_seccomp;
  device_lookup lookup_device; ///< unset: stat(2) on the host
};

/// Errors, with Docker's texts: invalid_parameter (the request cannot be carried out), not_implemented.
result<runtime::pb::Spec> compile_spec(const spec_inputs& inputs);

/// HostConfig.Binds, Mounts, Tmpfs and Config.Volumes as inspect's Mounts[] shows them (tmpfs of HostConfig.Tmpfs is
/// not shown by Docker and left out). Named volumes come back with an empty `source` and a `name` ("" for an anonymous
/// one): whoever keeps volumes fills these in. Call it at create: it is also the check of behaviours 182 to 186.
/// Errors: invalid_parameter.
result<std::vector<api::mount_point>> resolve_mounts(const api::container_config& config, const api::host_config& host);

/// The host paths that must exist before a start: sources of Mounts entries of type bind without CreateMountpoint. The
/// caller stats them (in the pool) at create; a missing one is `missing_bind_source(path)`.
std::vector<std::string> required_bind_sources(const api::host_config& host);
error missing_bind_source(std::string_view path);

/// Checks of a create request that need no image and no file: limits (behaviours 57), capabilities (60), security
/// options (61), modes, ulimits, devices, sysctls, extra hosts. Fills nothing in. Gives Docker's warnings.
/// Errors: invalid_parameter.
result<std::vector<std::string>> check_host_config(const api::container_config& config, const api::host_config& host,
                                                   const host_facts& facts);

/// The capabilities that a request asks for: bit n is capability n (behaviours 60, 111). Errors: invalid_parameter.
result<std::uint64_t> resolve_capabilities(const api::host_config& host);

} // namespace gantry::actors
