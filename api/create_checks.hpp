/// The steps of `validate_and_complete`, in Docker's order (behaviours 40). Each takes the request as the steps before
/// it left it. Private to api/.
#pragma once

#include <string>
#include <vector>

#include "api/container_json.hpp"

namespace gantry::api {

struct create_check {
  create_request& request;
  const host_facts& host;
  api_version version;
  std::vector<std::string>& warnings;

  [[nodiscard]] bool before(int minor) const { return version < api_version{1, minor}; }
};

/// Limits on what a container may ask for; each item costs the engine, the shim or the kernel something at every start.
inline constexpr std::size_t mounts_max = 4096;  ///< Binds, Mounts and Tmpfs together [400]
inline constexpr std::size_t devices_max = 1024; ///< and device cgroup rules [400]
inline constexpr std::size_t ulimits_max = 64;   ///< the kernel knows 16 [400]
inline constexpr std::size_t groups_max = 65536; ///< NGROUPS_MAX [400]

/// create_version_rules.cpp: what older API versions meant, and where the default network's names lead.
result<> check_shapes(const create_check& c);
result<> apply_version_rules(const create_check& c);

/// config_checks.cpp
result<> check_config(const create_check& c);
result<> check_host_config(const create_check& c);

/// resource_checks.cpp
result<> check_resources(const create_check& c);
result<> check_realtime(const create_check& c);

/// security_checks.cpp
result<> check_capabilities(const host_config& h);
result<> check_security_options(const host_config& h);
result<> check_modes(const create_check& c);

/// network_checks.cpp
result<> check_network_mode(const create_check& c);
result<> check_endpoints(const create_check& c);
result<> check_port_bindings(const host_config& h);
result<> check_extra_hosts(const host_config& h);

/// mount_checks.cpp
result<> check_mounts(const create_check& c);
result<> check_tmpfs(const host_config& h);
result<> check_mount_points(const create_check& c);

/// log_checks.cpp
result<> check_log_config(const create_check& c);

/// unsupported.cpp: what this version of Gantry lacks, said by name.
result<> check_supported(const create_check& c);

inline error bad_request(std::string message) { return {errc::invalid_parameter, 0, std::move(message)}; }
error lacks(const std::string& what);

/// Go's path.Clean.
std::string clean_path(std::string_view path);
/// Go's %q for the texts that reach clients: quotes and backslashes escaped, control bytes as \x...
std::string quoted(std::string_view text);
/// Go's strconv.ParseBool.
std::optional<bool> parse_go_bool(std::string_view text);

} // namespace gantry::api
