/// What gantryd is told on its command line and in daemon.json, read by dockerd's rules into one engine_config.
/// Not here: doing any of it. Source: spec/daemon-flags.tsv; behaviours 302, 303, 307-310, 313.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "actors/engine_config.hpp"
#include "io/base/result.hpp"

namespace gantry::cli {

struct daemon_options {
  actors::engine_config config;
  bool show_version = false, show_help = false, validate_only = false;
  std::vector<std::string> notices; ///< accepted, but without effect here, or unwise: to be logged as warnings

  std::string config_file;                  ///< the file that was read, or is to be read at a reload; may be absent
  bool config_file_explicit = false;        ///< --config-file was given: then the file must exist
  std::map<std::string, std::string> flags; ///< daemon.json key of each flag given -> its value, for conflicts
};

/// Reads flags, then the configuration file, then the environment (DOCKER_MIN_API_VERSION, the proxy variables).
/// With show_help or show_version nothing else is looked at.
/// Errors: invalid_parameter, with dockerd's texts; the caller prints them on stderr and exits 1.
result<daemon_options> parse_daemon_options(int argc, const char* const* argv);

/// SIGHUP: reads `file` again ("" : options.config_file) and gives the configuration with the reloadable settings that
/// the file holds. All others stay. Errors: invalid_parameter; then the old settings stay, as a whole.
result<actors::engine_config> reload(const daemon_options& options, const std::string& file = {});

/// The threshold that the log really has: --debug lowers --log-level to debug.
[[nodiscard]] log::level effective_log_level(const actors::engine_config& config) noexcept;

/// What `gantryd --help` prints.
std::string print_usage();

/// What --validate prints on stderr when all is well.
inline constexpr const char* configuration_ok = "configuration OK";

/// A host as listeners take it: "unix:///path", "tcp://host:port" (the port filled in), "fd://...".
/// Errors: invalid_parameter `invalid bind address (X): ...`.
result<std::string> normalize_host(const std::string& text);

/// Errors: forbidden, when the process is not root.
result<> require_root();

} // namespace gantry::cli
