#include "actors/launch_message.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cctype>
#include <regex>

#include "io/base/ids.hpp"

namespace gantry::actors {

namespace {

/// "10m" -> bytes, as log options write sizes; the create call has checked them.
std::int64_t parse_size(const std::string& text) {
  char* end = nullptr;
  double number = std::strtod(text.c_str(), &end);
  switch (end != nullptr ? std::tolower(static_cast<unsigned char>(*end)) : 0) {
  case 'k':
    number *= 1024.0;
    break;
  case 'm':
    number *= 1024.0 * 1024;
    break;
  case 'g':
    number *= 1024.0 * 1024 * 1024;
    break;
  default:
    break;
  }
  return number < 0 ? 0 : static_cast<std::int64_t>(number);
}

std::string option(const api::string_map& options, const std::string& key) {
  auto at = options.find(key);
  return at == options.end() ? std::string{} : at->second;
}

std::vector<std::string> split_commas(const std::string& text) {
  std::vector<std::string> words;
  for (std::size_t from = 0; from <= text.size() && !text.empty();) {
    auto comma = std::min(text.find(',', from), text.size());
    if (comma > from) words.push_back(text.substr(from, comma - from));
    from = comma + 1;
  }
  return words;
}

bool matches(const std::string& pattern, const std::string& text) {
  if (pattern.empty()) return false;
  try {
    return std::regex_search(text, std::regex(pattern, std::regex::extended));
  } catch (const std::regex_error&) {
    return false; // refused at create; a record of an older engine may still hold one
  }
}

/// The "attrs" of every record: labels and environment that the log options name, and the tag (behaviours 207).
std::string log_attributes(const api::container_definition& d, std::string_view name) {
  auto& options = d.host.log.options;
  boost::json::object attributes;
  auto labels = split_commas(option(options, "labels"));
  for (auto& [key, value] : d.config.labels)
    if (std::find(labels.begin(), labels.end(), key) != labels.end() || matches(option(options, "labels-regex"), key))
      attributes[key] = value;
  auto names = split_commas(option(options, "env"));
  for (auto& entry : d.config.env) {
    auto equals = entry.find('=');
    if (equals == std::string::npos) continue;
    auto key = entry.substr(0, equals);
    if (std::find(names.begin(), names.end(), key) != names.end() || matches(option(options, "env-regex"), key))
      attributes[key] = entry.substr(equals + 1);
  }
  if (auto tag = option(options, "tag"); !tag.empty()) {
    const std::pair<std::string_view, std::string> fields[] = {{"{{.ID}}", short_id(d.id)},
                                                               {"{{.FullID}}", d.id},
                                                               {"{{.Name}}", std::string(name)},
                                                               {"{{.ImageName}}", d.image_name},
                                                               {"{{.ImageID}}", short_id(d.image_id.substr(7))},
                                                               {"{{.ImageFullID}}", d.image_id},
                                                               {"{{.DaemonName}}", "docker"}};
    for (auto& [field, value] : fields)
      for (auto at = tag.find(field); at != std::string::npos; at = tag.find(field, at + value.size()))
        tag.replace(at, field.size(), value);
    attributes["tag"] = tag;
  }
  return attributes.empty() ? std::string{} : boost::json::serialize(attributes);
}

runtime::pb::Log log_of(const api::container_definition& d, std::string_view name) {
  runtime::pb::Log log;
  if (d.host.log.type == "none") return log;
  log.set_driver(runtime::pb::Log::JSON_FILE);
  log.set_path(d.log_path);
  log.set_max_size_bytes(parse_size(option(d.host.log.options, "max-size")));
  auto files = option(d.host.log.options, "max-file");
  log.set_max_files(files.empty() ? 1 : static_cast<std::uint32_t>(std::strtoul(files.c_str(), nullptr, 10)));
  log.set_attributes_json(log_attributes(d, name));
  return log;
}

} // namespace

result<msg::shim_call> make_launch(services& s, const api::container_definition& d, std::string_view name,
                                   std::vector<msg::attach> attached) {
  spec_inputs inputs{d, s.host};
  inputs.cgroup_path = (d.host.cgroup_parent.empty() ? s.cgroup_parent : d.host.cgroup_parent) + "/" + d.id;
  inputs.init_path = s.init_path;
  inputs.init_default = s.config.init;
  inputs.no_new_privileges = s.config.no_new_privileges;
  inputs.ipc_mode_default = s.config.default_ipc_mode;
  inputs.cgroupns_mode_default = s.config.default_cgroupns_mode;
  inputs.seccomp_profile = s.seccomp_profile;
  inputs.default_ulimits = s.config.default_ulimits;
  inputs.dns = s.config.dns;
  inputs.dns_options = s.config.dns_options;
  inputs.dns_search = s.config.dns_search;
  inputs.compile_seccomp = [&s](std::string_view profile, std::uint64_t capabilities) {
    return s.seccomp.compile(profile, capabilities);
  };
  GANTRY_TRY(spec, compile_spec(inputs));

  msg::shim_call call;
  call.message = std::make_shared<runtime::pb::ToShim>();
  auto* launch = call.message->mutable_launch();
  launch->set_id(d.id);
  *launch->mutable_spec() = std::move(spec);
  *launch->mutable_log() = log_of(d, name);
  launch->set_stdin_once(d.config.stdin_once);
  for (auto& a : attached) {
    auto* options = launch->add_attaches();
    options->set_want_stdin(a.want_stdin && d.config.open_stdin);
    options->set_want_stdout(a.want_stdout);
    options->set_want_stderr(a.want_stderr);
    call.fds.push_back(std::move(a.socket));
  }
  return call;
}

int exit_code_of_start_failure(std::string_view message) {
  std::string lower(message);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  auto has = [&](const char* words) { return lower.find(words) != std::string::npos; };
  if (has("permission denied") || has("is a directory")) return 126;
  if (has("not a directory") || has("executable file not found") || has("no such file or directory") ||
      has("system cannot find the file specified") || has("failed to run runc create/exec call"))
    return 127;
  return 128;
}

} // namespace gantry::actors
