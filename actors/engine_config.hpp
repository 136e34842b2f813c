/// What an engine is told at its start: dockerd's flags and daemon.json keys after they were read and checked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "api/container_config.hpp"
#include "io/base/log.hpp"
#include "io/reactor.hpp"

namespace gantry::actors {

struct engine_config {
  std::vector<std::string> hosts{"unix:///var/run/docker.sock"}; ///< "unix:///path", "tcp://host:port", "fd://"
  std::string group = "docker";                                  ///< owner of unix sockets
  std::string data_root = "/var/lib/gantry";
  std::string run_root = "/run/gantry";
  std::string pidfile = "/var/run/docker.pid"; ///< "" for none
  std::string shim_path;                       ///< "" : gantry-shim beside gantryd, then in PATH
  std::string init_path;                       ///< for --init; "" : docker-init, tini, catatonit in the usual places
  io::backend reactor = io::backend::automatic;
  unsigned workers = 0; ///< 0: one for each processor
  log::level log_level = log::level::info;
  log::format log_format = log::format::text;
  bool debug = false;
  bool experimental = false;
  bool live_restore = false; ///< containers outlive an orderly stop of the engine; they always outlive a kill
  std::int64_t shutdown_timeout_s = 15;
  api::string_list labels;
  std::string cgroup_parent = "/gantry";
  std::string default_cgroupns_mode; ///< "" : private on v2, host on v1
  std::string default_ipc_mode = "private";
  std::int64_t default_shm_size = 67108864;
  std::vector<api::ulimit> default_ulimits;
  bool init = false;
  bool no_new_privileges = false;
  std::string seccomp_profile; ///< "" or "builtin", "unconfined", or a file's path
  std::string log_driver = "json-file";
  api::string_map log_options;
  api::string_list dns, dns_options, dns_search;
  std::string http_proxy, https_proxy, no_proxy;
  api::string_list insecure_registries, registry_mirrors;
  std::string default_runtime = "gantry";
  std::string api_version_min = "1.24";
};

} // namespace gantry::actors
