/// Flags, then file, then environment; each checked where it comes from.
#include "cli/daemon_options.hpp"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <unistd.h>

#include "api/calls.hpp"
#include "cli/daemon_file.hpp"
#include "cli/daemon_table.hpp"
#include "cli/flags.hpp"
#include "cli/values.hpp"

namespace gantry::cli {
namespace {

namespace json = boost::json;

error bad(std::string message) { return error{errc::invalid_parameter, 0, std::move(message)}; }

/// Every value that was given, by flag or by file: rows that have no key go by their flag's name.
struct given_values {
  std::map<const daemon_option*, json::value> flags, file;

  [[nodiscard]] const json::value* find(std::string_view flag_name) const {
    for (const auto* from : {&flags, &file})
      for (const auto& [option, value] : *from)
        if (flag_name == option->flag) return &value;
    return nullptr;
  }
  [[nodiscard]] bool is_true(std::string_view flag_name) const {
    const auto* value = find(flag_name);
    return value != nullptr && value->is_bool() && value->as_bool();
  }
  [[nodiscard]] std::string text(std::string_view flag_name) const {
    const auto* value = find(flag_name);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
  }
};

flag_set daemon_flags(given_values& given) {
  flag_set flags;
  for (const auto& option : daemon_option_table()) {
    if (*option.flag == '\0') continue;
    static constexpr const char* value_names[] = {"",    "string", "int",  "bytes",   "list",   "map",
                                                  "map", "ulimit", "pool", "runtime", "option", "map"};
    flags.add({option.flag, option.shorthand, value_names[static_cast<int>(option.kind)], option.help,
               option.kind == option_kind::boolean ? "true" : "", "",
               [&given, &option](const std::string& text) -> result<> {
                 return add_flag_value(option, text, given.flags[&option]);
               }});
  }
  return flags;
}

/// A flag's value as the conflict text shows it: numbers whole, sizes with their unit.
std::string show_flag_value(const daemon_option& option, const json::value& value) {
  if (option.kind == option_kind::integer) return std::to_string(value.as_int64());
  if (option.kind == option_kind::bytes) return binary_size(static_cast<double>(value.as_int64()));
  return show_value(value);
}

std::string as_flag_or_key(const daemon_option& option, bool from_flag) {
  return from_flag ? std::string("--") + option.flag : std::string("\"") + option.key + "\"";
}

result<> apply_all(daemon_options& options, const given_values& given) {
  for (const bool from_flag : {false, true}) {
    for (const auto& [option, value] : from_flag ? given.flags : given.file) {
      if (option->apply != nullptr) {
        if (auto done = option->apply(options.config, value); done.has_error()) {
          if (!from_flag) return std::move(done).error();
          return bad("invalid argument " + show_flag_value(*option, value) + " for --" + option->flag + ": " +
                     done.error().message);
        }
      }
      if (*option->no_effect != '\0')
        options.notices.push_back(as_flag_or_key(*option, from_flag) +
                                  " is accepted, but has no effect: " + option->no_effect);
    }
  }
  return {};
}

/// Later uses of the same key win; the same key with two values is an error (GetConflictFreeLabels).
result<> check_labels(const std::vector<std::string>& labels) {
  std::map<std::string, std::string> seen;
  for (const auto& label : labels) {
    const auto pair = split_pair(label);
    if (!pair || pair->first.empty()) return bad("bad attribute format: " + label);
    const auto [it, fresh] = seen.insert(*pair);
    if (!fresh && it->second != pair->second)
      return bad("conflict labels for " + pair->first + "=" + pair->second + " and " + pair->first + "=" + it->second);
  }
  return {};
}

result<> check_mirrors(const std::vector<std::string>& mirrors) {
  for (const auto& mirror : mirrors) {
    const auto invalid = [&](const std::string& why) {
      return bad("invalid mirror: " + why + " in \"" + mirror + "\"");
    };
    const auto scheme = mirror.find("://");
    if (scheme == std::string::npos || (mirror.substr(0, scheme) != "http" && mirror.substr(0, scheme) != "https"))
      return invalid("unsupported scheme");
    const std::string rest = mirror.substr(scheme + 3);
    if (rest.find_first_of("?#") != std::string::npos) return invalid("query or fragment");
    if (rest.substr(0, rest.find('/')).find('@') != std::string::npos) return invalid("username/password not allowed");
    if (rest.empty() || rest[0] == '/') return invalid("no host");
  }
  return {};
}

result<> check_config(actors::engine_config& c) {
  GANTRY_TRYV(check_labels(c.labels));
  GANTRY_TRYV(check_mirrors(c.registry_mirrors));
  for (const auto& address : c.dns)
    if (!is_ip_address(address)) return bad("IP address is not correctly formatted: " + address);
  for (auto& host : c.hosts) {
    GANTRY_TRY(normal, normalize_host(host));
    host = std::move(normal);
  }
  if (c.default_runtime != "gantry" && c.default_runtime != "runc")
    return bad("specified default runtime '" + c.default_runtime + "' does not exist");
  for (const auto* directory : {&c.data_root, &c.run_root})
    if (directory->empty() || directory->front() != '/') return bad("`" + *directory + "` must be an absolute path");
  return {};
}

/// Rules over several settings at once.
result<> check_together(const given_values& given) {
  if (given.find("api-cors-header") != nullptr && !given.text("api-cors-header").empty())
    return bad("DEPRECATED: The \"api-cors-header\" config parameter and the dockerd \"--api-cors-header\" option have "
               "been removed; use a reverse proxy if you need CORS headers");
  if (const auto* plugins = given.find("authorization-plugin"); plugins != nullptr && !plugins->as_array().empty())
    // Ignoring it would leave open what was meant to be closed.
    return bad("authorization plugins are not built in yet: remove --authorization-plugin");
  if (given.is_true("tls") || given.is_true("tlsverify"))
    return bad("TLS is not built in yet: remove --tls and --tlsverify, and put a TLS proxy in front of a tcp host");
  if (!given.text("bridge").empty() && !given.text("bip").empty())
    return bad("You specified -b & --bip, mutually exclusive options. Please specify only one");
  const auto is_false = [&](const char* name) { return given.find(name) != nullptr && !given.is_true(name); };
  if (is_false("iptables") && is_false("icc"))
    return bad("You specified --iptables=false with --icc=false. ICC=false uses iptables to function. "
               "Please set --icc or --iptables to true");
  return {};
}

/// Behaviours 308. The delays that dockerd puts before listening are left out: they protect nobody.
result<> check_tcp_hosts(daemon_options& options, const given_values& given) {
  for (const auto& host : options.config.hosts) {
    if (!host.starts_with("tcp://")) continue;
    if (const char* wanted = std::getenv("DOCKER_TLS_VERIFY");
        wanted != nullptr && *wanted != '\0' && given.find("tlsverify") == nullptr)
      return bad("DOCKER_TLS_VERIFY is set, but TLS is not built in yet: unset it to listen on " + host +
                 " without authentication");
    const auto warn = [&](const char* text) { options.notices.push_back(text + (" host=\"" + host + "\"")); };
    warn("Binding to IP address without --tlsverify is insecure and gives root access on this machine to everyone who "
         "has access to your network.");
    warn("Binding to an IP address, even on localhost, can also give access to scripts run in a browser. Be safe out "
         "there!");
    if (given.find("tls") != nullptr || given.find("tlsverify") != nullptr) continue;
    warn("[DEPRECATION NOTICE] In future versions this will be a hard failure preventing the daemon from starting! "
         "Learn more at: https://docs.docker.com/go/api-security/");
    warn("You can override this by explicitly specifying '--tls=false' or '--tlsverify=false'");
  }
  return {};
}

std::string environment(std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  return {};
}

result<> check_api_version(const std::string& text) {
  const auto point = text.find('.');
  if (text.empty()) return bad("value is empty");
  if (text[0] == 'v' || text[0] == 'V') return bad("API version must be provided without \"v\" prefix");
  const auto major = parse_integer(text.substr(0, point));
  const auto minor =
      point == std::string::npos ? std::optional<std::int64_t>(0) : parse_integer(text.substr(point + 1));
  if (!major || !minor || *major < 0 || *minor < 0 || *major > 1000 || *minor > 1000)
    return bad("`" + text + "` is not an API version");
  const api::api_version version{static_cast<int>(*major), static_cast<int>(*minor)};
  if (version < api::api_version_min) return bad("minimum supported API version is 1.24: " + text);
  if (version > api::api_version_max) return bad("maximum supported API version is 1.51: " + text);
  return {};
}

result<> read_environment(actors::engine_config& c, const given_values& given) {
  if (const char* minimum = std::getenv("DOCKER_MIN_API_VERSION"); minimum != nullptr && *minimum != '\0') {
    if (auto checked = check_api_version(minimum); checked.has_error())
      return with_context(std::move(checked).error(), "invalid DOCKER_MIN_API_VERSION: ");
    c.api_version_min = minimum;
  } else {
    GANTRY_TRYV(check_api_version(c.api_version_min));
  }
  if (given.find("http-proxy") == nullptr) c.http_proxy = environment({"HTTP_PROXY", "http_proxy"});
  if (given.find("https-proxy") == nullptr) c.https_proxy = environment({"HTTPS_PROXY", "https_proxy"});
  if (given.find("no-proxy") == nullptr) c.no_proxy = environment({"NO_PROXY", "no_proxy"});
  return {};
}

/// Where the configuration is looked for when no file is named.
constexpr const char* default_files[] = {"/etc/gantry/daemon.json", "/etc/docker/daemon.json"};

void choose_file(daemon_options& options, const given_values& given) {
  options.config_file = given.text("config-file");
  options.config_file_explicit = given.find("config-file") != nullptr;
  if (options.config_file_explicit) return;
  for (const char* candidate : default_files) {
    options.config_file = candidate;
    if (::access(candidate, F_OK) == 0) return;
  }
}

/// The file's settings by row. A missing file that nobody named is an empty one.
result<std::map<const daemon_option*, json::value>> read_file(const daemon_options& options, const std::string& file,
                                                              std::vector<std::string>& notices) {
  auto read = read_daemon_file(file, options.flags, notices);
  if (read.has_value()) return std::move(read).value();
  if (read.error().code == errc::not_found && !options.config_file_explicit)
    return std::map<const daemon_option*, json::value>{};
  return bad("unable to configure the Docker daemon with file " + file + ": " + read.error().message);
}

} // namespace

result<daemon_options> parse_daemon_options(int argc, const char* const* argv) {
  daemon_options options;
  given_values given;
  flag_set flags = daemon_flags(given);
  auto rest = flags.parse(string_list(argv + std::min(argc, 1), argv + argc), interspersed::yes);
  if (rest.has_error()) return bad(rest.error().message + "\nSee 'gantryd --help'.");
  options.show_help = given.is_true("help");
  options.show_version = given.is_true("version");
  options.validate_only = given.is_true("validate");
  if (options.show_help || options.show_version) return options;
  if (!rest->empty()) return bad("\"gantryd\" accepts no arguments.\nSee 'gantryd --help'.");

  for (const auto& [option, value] : given.flags)
    if (*option->key != '\0') options.flags[option->key] = show_flag_value(*option, value);
  choose_file(options, given);
  if (!options.config_file.empty()) {
    GANTRY_TRY(values, read_file(options, options.config_file, options.notices));
    given.file = std::move(values);
  }
  GANTRY_TRYV(apply_all(options, given));
  if (options.config.hosts.empty()) options.config.hosts = actors::engine_config{}.hosts;
  GANTRY_TRYV(check_together(given));
  GANTRY_TRYV(check_config(options.config));
  GANTRY_TRYV(read_environment(options.config, given));
  GANTRY_TRYV(check_tcp_hosts(options, given));
  return options;
}

result<actors::engine_config> reload(const daemon_options& options, const std::string& file) {
  std::vector<std::string> notices;
  GANTRY_TRY(values, read_file(options, file.empty() ? options.config_file : file, notices));
  actors::engine_config changed = options.config;
  for (const auto& [option, value] : values)
    if (option->reloadable && option->apply != nullptr) GANTRY_TRYV(option->apply(changed, value));
  if (auto checked = check_config(changed); checked.has_error())
    return with_context(std::move(checked).error(), "file configuration validation failed: ");
  return changed;
}

log::level effective_log_level(const actors::engine_config& config) noexcept {
  return config.debug ? std::max(config.log_level, log::level::debug) : config.log_level;
}

std::string print_usage() {
  given_values unused;
  return "Usage:  gantryd [OPTIONS]\n\nA container engine that answers Docker's API.\n\nOptions:\n" +
         daemon_flags(unused).usage();
}

result<std::string> normalize_host(const std::string& text) {
  const auto invalid = [&](const std::string& why) { return bad("invalid bind address (" + text + "): " + why); };
  if (text.empty()) return std::string("unix:///var/run/docker.sock");
  const auto separator = text.find("://");
  const std::string protocol = separator == std::string::npos ? "tcp" : text.substr(0, separator);
  std::string address = separator == std::string::npos ? text : text.substr(separator + 3);
  if (protocol == "fd") return "fd://" + address;
  if (protocol == "unix") {
    if (address.empty()) address = "/var/run/docker.sock";
    if (address.front() != '/') return invalid("a unix socket needs an absolute path");
    return "unix://" + address;
  }
  if (protocol != "tcp") return invalid("unsupported proto '" + protocol + "'");
  if (address.find_first_of("/?#@ ") != std::string::npos) return invalid("should not contain a path element");
  if (address.empty()) return std::string("tcp://localhost:2375");
  const auto bracket = address.rfind(']');
  const auto colon = address.rfind(':');
  const bool has_port = colon != std::string::npos && (bracket == std::string::npos || colon > bracket);
  if (bracket == std::string::npos && std::count(address.begin(), address.end(), ':') > 1)
    return invalid("too many colons in address");
  const std::string host = has_port ? address.substr(0, colon) : address;
  const std::string port = has_port ? address.substr(colon + 1) : "2375";
  const auto number = parse_integer(port.empty() ? "2375" : port);
  if (!number || *number < 0 || *number > 65535) return invalid("invalid port: " + port);
  return "tcp://" + (host.empty() ? "localhost" : host) + ":" + std::to_string(*number);
}

result<> require_root() {
  if (::geteuid() == 0) return {};
  return error{errc::forbidden, 0, "gantryd needs to be started with root privileges"};
}

} // namespace gantry::cli
