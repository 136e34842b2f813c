/// The body of POST /containers/create from the flags of `run` and `create`. Only what was given is in it: an absent
/// member means the engine's default.
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "cli/container_flags.hpp"
#include "cli/values.hpp"

namespace gantry::cli {

namespace json = boost::json;

namespace {

error bad(std::string message) { return error{errc::invalid_parameter, 0, std::move(message)}; }

/// Files that flags name are written by hand: env files, label files, seccomp profiles.
constexpr std::size_t file_bytes_max = 4u << 20;

json::array as_array(const string_list& list) { return json::array(list.begin(), list.end()); }

void put(json::object& o, const char* key, const std::string& value) {
  if (!value.empty()) o[key] = value;
}
void put(json::object& o, const char* key, std::int64_t value) {
  if (value != 0) o[key] = value;
}
void put(json::object& o, const char* key, const std::optional<std::int64_t>& value) {
  if (value) o[key] = *value;
}
void put(json::object& o, const char* key, bool value) {
  if (value) o[key] = true;
}
void put(json::object& o, const char* key, const string_list& value) {
  if (!value.empty()) o[key] = as_array(value);
}
void put(json::object& o, const char* key, json::object value) {
  if (!value.empty()) o[key] = std::move(value);
}

json::object as_object(const std::vector<std::pair<std::string, std::string>>& pairs) {
  json::object o;
  for (const auto& [key, value] : pairs) o[key] = value;
  return o;
}

result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in || std::filesystem::is_directory(path))
    return bad("open " + path + ": " + errno_text(std::filesystem::exists(path) ? EACCES : ENOENT));
  std::string content(file_bytes_max + 1, '\0');
  in.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(static_cast<std::size_t>(in.gcount()));
  if (content.size() > file_bytes_max)
    return bad("read " + path + ": larger than " + std::to_string(file_bytes_max) + " bytes");
  return content;
}

string_list lines_of(const std::string& content) {
  string_list lines;
  std::stringstream stream(content.starts_with("\xef\xbb\xbf") ? content.substr(3) : content);
  for (std::string line; std::getline(stream, line);) {
    if (line.ends_with('\r')) line.pop_back();
    line.erase(0, std::min(line.find_first_not_of(" \t"), line.size()));
    if (!line.empty() && line[0] != '#') lines.push_back(std::move(line));
  }
  return lines;
}

// --- parts of the body

result<> put_env(json::object& body, const container_flags& f) {
  string_list env;
  for (const auto& file : f.env_files) {
    GANTRY_TRY(lines, read_env_file(file));
    env.insert(env.end(), lines.begin(), lines.end());
  }
  for (const auto& entry : f.env) {
    const char* value = entry.find('=') == std::string::npos ? std::getenv(entry.c_str()) : nullptr;
    // A name that is not set here is sent as it is: the engine then takes it out of the image's environment.
    env.push_back(value != nullptr ? entry + "=" + value : entry);
  }
  put(body, "Env", env);
  return {};
}

result<> put_labels(json::object& body, const container_flags& f) {
  json::object labels;
  string_list all;
  for (const auto& file : f.label_files) {
    GANTRY_TRY(content, read_file(file));
    const auto lines = lines_of(content);
    all.insert(all.end(), lines.begin(), lines.end());
  }
  all.insert(all.end(), f.labels.begin(), f.labels.end());
  for (const auto& label : all) {
    const auto pair = split_pair(label).value_or(std::pair{label, std::string()});
    labels[pair.first] = pair.second;
  }
  put(body, "Labels", std::move(labels));
  return {};
}

void put_attach(json::object& body, const container_flags& f) {
  const auto given = [&](const char* stream) {
    return std::find(f.attach.begin(), f.attach.end(), stream) != f.attach.end();
  };
  const bool attach_stdin = f.interactive || given("stdin");
  const bool both = f.attach.empty();
  body["AttachStdin"] = attach_stdin;
  body["AttachStdout"] = both || given("stdout");
  body["AttachStderr"] = both || given("stderr");
  body["Tty"] = f.tty;
  body["OpenStdin"] = f.interactive;
  body["StdinOnce"] = f.interactive && attach_stdin;
}

result<> put_health(json::object& body, const container_flags& f) {
  const bool any = !f.health_command.empty() || f.health_interval_ns || f.health_timeout_ns ||
                   f.health_start_period_ns || f.health_start_interval_ns || f.health_retries;
  json::object health;
  if (f.no_healthcheck) {
    if (any) return bad("--no-healthcheck conflicts with --health-* options");
    health["Test"] = json::array{"NONE"};
  } else if (any) {
    if (!f.health_command.empty()) health["Test"] = json::array{"CMD-SHELL", f.health_command};
    for (const auto& [name, value] :
         {std::pair{"interval", f.health_interval_ns}, std::pair{"timeout", f.health_timeout_ns},
          std::pair{"retries", f.health_retries}, std::pair{"start-period", f.health_start_period_ns},
          std::pair{"start-interval", f.health_start_interval_ns}})
      if (value && *value < 0) return bad(std::string("--health-") + name + " cannot be negative");
    put(health, "Interval", f.health_interval_ns);
    put(health, "Timeout", f.health_timeout_ns);
    put(health, "Retries", f.health_retries);
    put(health, "StartPeriod", f.health_start_period_ns);
    put(health, "StartInterval", f.health_start_interval_ns);
  }
  put(body, "Healthcheck", std::move(health));
  return {};
}

void put_volumes(json::object& body, json::object& host, const container_flags& f) {
  json::object anonymous;
  string_list binds;
  for (std::string volume : f.volumes) {
    const auto colon = volume.find(':');
    if (colon == std::string::npos) {
      anonymous[volume] = json::object{};
      continue;
    }
    if (volume[0] == '.')
      volume = std::filesystem::absolute(volume.substr(0, colon)).lexically_normal().string() + volume.substr(colon);
    binds.push_back(volume);
  }
  json::object tmpfs;
  for (const auto& mount : f.tmpfs) {
    const auto colon = mount.find(':');
    tmpfs[mount.substr(0, colon)] = colon == std::string::npos ? "" : mount.substr(colon + 1);
  }
  put(body, "Volumes", std::move(anonymous));
  put(host, "Binds", binds);
  put(host, "Tmpfs", std::move(tmpfs));
  if (!f.mounts.empty()) host["Mounts"] = f.mounts;
  put(host, "VolumesFrom", f.volumes_from);
  put(host, "VolumeDriver", f.volume_driver);
  put(host, "ReadonlyRootfs", f.read_only);
}

bool is_user_network(const std::string& name) {
  return !name.empty() && name != "default" && name != "bridge" && name != "host" && name != "none" &&
         !name.starts_with("container:");
}

result<> put_networks(json::object& body, json::object& host, const container_flags& f) {
  std::vector<std::pair<std::string, json::object>> networks;
  for (const auto& text : f.networks) {
    GANTRY_TRY(network, parse_network(text));
    networks.push_back(std::move(network));
  }
  if (networks.empty()) networks.emplace_back("default", json::object{});
  // The flags for one endpoint go to the first network.
  auto& first = networks.front();
  json::object addresses;
  put(addresses, "IPv4Address", f.ipv4);
  put(addresses, "IPv6Address", f.ipv6);
  put(first.second, "IPAMConfig", std::move(addresses));
  put(first.second, "Aliases", f.network_aliases);
  put(first.second, "MacAddress", f.mac_address);
  if (is_user_network(first.first)) put(first.second, "Links", f.links);
  json::object endpoints;
  std::set<std::string> names;
  for (auto& [name, settings] : networks) {
    if (!names.insert(name).second) return bad("network \"" + name + "\" is specified multiple times");
    if (!settings.empty() || networks.size() > 1) endpoints[name] = std::move(settings);
  }
  host["NetworkMode"] = networks.front().first;
  put(host, "Links", f.links);
  body["NetworkingConfig"] = json::object{{"EndpointsConfig", std::move(endpoints)}};
  return {};
}

result<> put_ports(json::object& body, json::object& host, const container_flags& f) {
  json::object bindings, exposed;
  for (const auto& text : f.publish) GANTRY_TRYV(add_published_port(text, bindings, exposed));
  for (const auto& text : f.expose) GANTRY_TRYV(add_exposed_ports(text, exposed));
  put(body, "ExposedPorts", std::move(exposed));
  put(host, "PortBindings", std::move(bindings));
  put(host, "PublishAllPorts", f.publish_all);
  put(host, "Dns", f.dns);
  put(host, "DnsOptions", f.dns_options);
  put(host, "DnsSearch", f.dns_search);
  put(host, "ExtraHosts", f.extra_hosts);
  return {};
}

result<> put_devices(json::object& host, const container_flags& f) {
  json::array devices;
  for (const auto& text : f.devices) {
    GANTRY_TRY(device, parse_device(text));
    devices.push_back(std::move(device));
  }
  if (!devices.empty()) host["Devices"] = std::move(devices);
  put(host, "DeviceCgroupRules", f.device_cgroup_rules);
  if (!f.device_read_bps.empty()) host["BlkioDeviceReadBps"] = f.device_read_bps;
  if (!f.device_write_bps.empty()) host["BlkioDeviceWriteBps"] = f.device_write_bps;
  if (!f.device_read_iops.empty()) host["BlkioDeviceReadIOps"] = f.device_read_iops;
  if (!f.device_write_iops.empty()) host["BlkioDeviceWriteIOps"] = f.device_write_iops;
  if (!f.blkio_weight_devices.empty()) host["BlkioWeightDevice"] = f.blkio_weight_devices;
  if (!f.gpus.empty()) host["DeviceRequests"] = f.gpus;
  return {};
}

void put_limits(json::object& host, const container_flags& f) {
  put(host, "Memory", f.memory);
  put(host, "MemoryReservation", f.memory_reservation);
  put(host, "MemorySwap", f.memory_swap);
  if (f.memory_swappiness && *f.memory_swappiness != -1) host["MemorySwappiness"] = *f.memory_swappiness;
  put(host, "ShmSize", f.shm_size);
  put(host, "NanoCpus", f.nano_cpus);
  put(host, "CpuShares", f.cpu_shares);
  put(host, "CpuPeriod", f.cpu_period);
  put(host, "CpuQuota", f.cpu_quota);
  put(host, "CpuRealtimePeriod", f.cpu_rt_period);
  put(host, "CpuRealtimeRuntime", f.cpu_rt_runtime);
  put(host, "CpusetCpus", f.cpuset_cpus);
  put(host, "CpusetMems", f.cpuset_mems);
  put(host, "PidsLimit", f.pids_limit);
  put(host, "BlkioWeight", f.blkio_weight);
  put(host, "OomScoreAdj", f.oom_score_adj);
  put(host, "OomKillDisable", f.oom_kill_disable);
  put(host, "CgroupParent", f.cgroup_parent);
  json::array ulimits;
  for (const auto& u : f.ulimits) ulimits.push_back(json::object{{"Name", u.name}, {"Soft", u.soft}, {"Hard", u.hard}});
  if (!ulimits.empty()) host["Ulimits"] = std::move(ulimits);
}

/// Upper case with CAP_, each once, sorted.
string_list capabilities(const string_list& given) {
  std::set<std::string> names;
  for (std::string name : given) {
    for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    if (name != "ALL" && name != "RESET" && !name.starts_with("CAP_")) name.insert(0, "CAP_");
    names.insert(name);
  }
  return {names.begin(), names.end()};
}

result<std::string> seccomp_option(const std::string& value) {
  if (value == "builtin" || value == "unconfined") return "seccomp=" + value;
  auto content = read_file(value);
  if (content.has_error()) return bad("opening seccomp profile (" + value + ") failed: " + content.error().message);
  boost::system::error_code code;
  const json::value profile = json::parse(*content, code);
  if (code) return bad("compacting json for seccomp profile (" + value + ") failed: " + code.message());
  return "seccomp=" + json::serialize(profile);
}

result<> put_security(json::object& host, const container_flags& f) {
  string_list options;
  for (const auto& text : f.security_options) {
    if (text == "systempaths=unconfined") {
      host["MaskedPaths"] = json::array{};
      host["ReadonlyPaths"] = json::array{};
      continue;
    }
    auto separator = text.find('=');
    if (separator == std::string::npos && text != "no-new-privileges") separator = text.find(':');
    const std::string key = text.substr(0, separator);
    const std::string value = separator == std::string::npos ? "" : text.substr(separator + 1);
    if (value.empty() && key != "no-new-privileges") return bad("Invalid --security-opt: \"" + text + "\"");
    if (key == "seccomp") {
      GANTRY_TRY(profile, seccomp_option(value));
      options.push_back(std::move(profile));
    } else {
      options.push_back(text);
    }
  }
  put(host, "SecurityOpt", options);
  put(host, "Privileged", f.privileged);
  put(host, "CapAdd", capabilities(f.cap_add));
  put(host, "CapDrop", capabilities(f.cap_drop));
  return {};
}

result<> put_modes(json::object& host, const container_flags& f) {
  if (!f.pid_mode.empty() && f.pid_mode != "host" && !f.pid_mode.starts_with("container:"))
    return bad("--pid: invalid PID mode");
  if (!f.uts_mode.empty() && f.uts_mode != "host") return bad("--uts: invalid UTS mode");
  if (!f.userns_mode.empty() && f.userns_mode != "host") return bad("--userns: invalid USER mode");
  if (!f.cgroupns_mode.empty() && f.cgroupns_mode != "host" && f.cgroupns_mode != "private")
    return bad("--cgroupns: invalid CGROUP mode");
  put(host, "PidMode", f.pid_mode);
  put(host, "IpcMode", f.ipc_mode);
  put(host, "UTSMode", f.uts_mode);
  put(host, "UsernsMode", f.userns_mode);
  put(host, "CgroupnsMode", f.cgroupns_mode);
  put(host, "Runtime", f.runtime);
  put(host, "Isolation", f.isolation);
  put(host, "Sysctls", as_object(f.sysctls));
  put(host, "Annotations", as_object(f.annotations));
  put(host, "GroupAdd", f.group_add);
  return {};
}

result<> put_storage_options(json::object& host, const container_flags& f) {
  json::object options;
  for (const auto& text : f.storage_options) {
    const auto pair = split_pair(text);
    if (!pair) return bad("invalid storage option");
    options[pair->first] = pair->second;
  }
  put(host, "StorageOpt", std::move(options));
  return {};
}

result<> put_lifecycle(json::object& host, const container_flags& f) {
  const auto colon = f.restart.find(':');
  const std::string name = f.restart.substr(0, colon);
  std::int64_t retries = 0;
  if (colon != std::string::npos) {
    if (name.empty()) return bad("invalid restart policy format: no policy provided before colon");
    const auto count = parse_integer(f.restart.substr(colon + 1));
    if (!count) return bad("invalid restart policy format: maximum retry count must be an integer");
    retries = *count;
  }
  if (f.remove_on_exit && name != "no" && !name.empty())
    return bad("conflicting options: cannot specify both --restart and --rm");
  host["RestartPolicy"] = json::object{{"Name", name}, {"MaximumRetryCount", retries}};
  put(host, "AutoRemove", f.remove_on_exit);
  if (f.log_driver == "none" && !f.log_options.empty()) return bad("invalid logging opts for driver none");
  json::object options;
  for (const auto& text : f.log_options) {
    const auto pair = split_pair(text).value_or(std::pair{text, std::string()});
    options[pair.first] = pair.second;
  }
  host["LogConfig"] = json::object{{"Type", f.log_driver}, {"Config", std::move(options)}};
  if (f.init) host["Init"] = *f.init;
  return {};
}

} // namespace

result<string_list> read_env_file(const std::string& path) {
  GANTRY_TRY(content, read_file(path));
  string_list env;
  for (const auto& line : lines_of(content)) {
    const auto equals = line.find('=');
    const std::string name = line.substr(0, equals);
    if (name.empty()) return bad("no variable name on line '" + line + "'");
    if (name.find_first_of(" \t") != std::string::npos)
      return bad("poorly formatted environment: variable '" + name + "' contains whitespaces");
    if (equals != std::string::npos) {
      env.push_back(line);
    } else if (const char* value = std::getenv(name.c_str()); value != nullptr) {
      env.push_back(name + "=" + value);
    }
  }
  return env;
}

result<json::object> create_body(const container_flags& f, const std::string& image, const string_list& command) {
  json::object body, host;
  put(body, "Hostname", f.hostname);
  put(body, "Domainname", f.domainname);
  put(body, "User", f.user);
  put_attach(body, f);
  GANTRY_TRYV(put_env(body, f));
  put(body, "Cmd", command);
  if (f.entrypoint) body["Entrypoint"] = json::array{*f.entrypoint};
  body["Image"] = image;
  put(body, "WorkingDir", f.working_dir);
  GANTRY_TRYV(put_labels(body, f));
  put(body, "StopSignal", f.stop_signal);
  put(body, "StopTimeout", f.stop_timeout_s);
  GANTRY_TRYV(put_health(body, f));
  put_volumes(body, host, f);
  GANTRY_TRYV(put_ports(body, host, f));
  GANTRY_TRYV(put_networks(body, host, f));
  GANTRY_TRYV(put_devices(host, f));
  put_limits(host, f);
  GANTRY_TRYV(put_security(host, f));
  GANTRY_TRYV(put_modes(host, f));
  GANTRY_TRYV(put_storage_options(host, f));
  GANTRY_TRYV(put_lifecycle(host, f));
  body["HostConfig"] = std::move(host);
  return body;
}

} // namespace gantry::cli
