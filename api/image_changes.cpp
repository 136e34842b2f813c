/// `docker import --change` and commit's changes: Dockerfile lines applied to a configuration (behaviours 259).
#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "api/container_json.hpp"
#include "api/dockerfile_words.hpp"
#include "api/duration.hpp"
#include "api/exposed_ports.hpp"
#include "api/image_json.hpp"

namespace gantry::api {

namespace {

error bad(std::string message) { return {errc::invalid_parameter, 0, std::move(message)}; }

std::string quote(std::string_view text) { return std::string("\"").append(text).append("\""); }

/// Ports that all EXPOSE lines together may name, once each: every port of every protocol. [400]
constexpr std::size_t expose_ports_max = 3 * 65535;

/// "/a/./b/../c" -> "/a/c", as Go's path.Clean of an absolute path.
std::string clean_path(std::string_view path) {
  string_list parts;
  while (!path.empty()) {
    auto slash = path.find('/');
    auto part = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.emplace_back(part);
    } else if (!parts.empty()) {
      parts.pop_back();
    }
  }
  std::string out;
  for (const auto& part : parts) out.append("/").append(part);
  return out.empty() ? "/" : out;
}

struct key_value {
  std::string key, value;
};

/// Applies line after line.
class changer {
public:
  explicit changer(container_config& config)
      : config_(config), expander_([this](std::string_view name) { return variable(name); }) {
    for (std::size_t i = 0; i < config.env.size(); ++i)
      env_index_[config.env[i].substr(0, config.env[i].find('='))] = i;
    ports_.insert(config.exposed_ports.begin(), config.exposed_ports.end());
    volumes_.insert(config.volumes.begin(), config.volumes.end());
  }

  result<> apply(std::string_view line) {
    auto words = split_blanks(line.substr(0, line.find_first_of(" \t\r\v\f")));
    std::string word = words.empty() ? std::string() : words.front();
    std::string name = upper_case(word);
    auto rest = trim_blanks(line.substr(word.size()));
    for (const auto& i : instructions)
      if (i.name == name) return (this->*i.apply)(rest, name);
    return bad(word + " is not a valid change command");
  }

  static bool known(std::string_view line) {
    auto name = upper_case(line.substr(0, line.find_first_of(" \t\r\v\f")));
    return std::any_of(std::begin(instructions), std::end(instructions), [&](const auto& i) { return i.name == name; });
  }

private:
  using function = result<> (changer::*)(std::string_view rest, const std::string& name);
  struct instruction {
    std::string_view name;
    function apply;
  };
  static const instruction instructions[11];

  std::optional<std::string> variable(std::string_view name) const {
    auto at = env_index_.find(name);
    if (at == env_index_.end()) return std::nullopt;
    const auto& entry = config_.env[at->second];
    if (entry.size() == name.size()) return std::nullopt; // a name without a value
    return entry.substr(name.size() + 1);
  }

  /// The exec form is taken as it stands; the shell form is handed to the shell.
  result<string_list> command(std::string_view rest, const std::string& name) {
    GANTRY_TRYV(no_flags(rest));
    if (auto words = parse_json_words(rest)) return std::move(*words);
    if (rest.empty()) return bad(name + " requires at least one argument");
    auto shell = config_.shell && !config_.shell->empty() ? *config_.shell : string_list{"/bin/sh", "-c"};
    shell.emplace_back(rest);
    return shell;
  }

  static result<> no_flags(std::string_view rest) {
    auto word = rest.substr(0, rest.find_first_of(" \t="));
    if (word.size() > 2 && word.substr(0, 2) == "--") return bad("unknown flag: " + std::string(word));
    return {};
  }

  result<std::string> one_argument(std::string_view rest, const std::string& name) {
    GANTRY_TRYV(no_flags(rest));
    if (rest.empty()) return bad(name + " requires exactly one argument");
    return expander_.expand(rest);
  }

  /// `k=v k2="v 2"`, or the old `k the rest`.
  result<std::vector<key_value>> pairs(std::string_view rest, const std::string& name) {
    GANTRY_TRYV(no_flags(rest));
    auto words = split_words(rest);
    if (words.empty()) return bad(name + " requires at least one argument");
    std::vector<key_value> raw;
    if (words.front().find('=') == std::string::npos) {
      auto end = std::min(rest.find_first_of(" \t\r\v\f"), rest.size());
      auto value = trim_blanks(rest.substr(end));
      if (value.empty()) return bad(name + " must have two arguments");
      raw.push_back({std::string(rest.substr(0, end)), std::string(value)});
    } else {
      for (const auto& word : words) {
        auto equals = word.find('=');
        if (equals == std::string::npos)
          return bad("Syntax error - can't find = in " + quote(word) + ". Must be of the form: name=value");
        raw.push_back({word.substr(0, equals), word.substr(equals + 1)});
      }
    }
    for (auto& pair : raw) {
      GANTRY_TRY(key, expander_.expand(pair.key));
      GANTRY_TRY(value, expander_.expand(pair.value));
      if (key.empty()) return bad(name + " names can not be blank");
      pair = {std::move(key), std::move(value)};
    }
    return raw;
  }

  result<> cmd(std::string_view rest, const std::string& name) {
    GANTRY_TRY(words, command(rest, name));
    config_.cmd = std::move(words);
    cmd_set_ = true;
    return {};
  }

  /// A new entrypoint makes an inherited Cmd meaningless; one set by these lines stays.
  result<> entrypoint(std::string_view rest, const std::string& name) {
    GANTRY_TRY(words, command(rest, name));
    config_.entrypoint.reset();
    if (!words.empty()) config_.entrypoint = std::move(words);
    if (!cmd_set_) config_.cmd.reset();
    return {};
  }

  result<> env(std::string_view rest, const std::string& name) {
    GANTRY_TRY(all, pairs(rest, name));
    // Expanded before the first is set: a line sees the variables of the lines before it, not its own.
    for (auto& [key, value] : all) {
      auto [at, fresh] = env_index_.try_emplace(key, config_.env.size());
      if (fresh) config_.env.emplace_back();
      config_.env[at->second] = key + "=" + value;
    }
    return {};
  }

  result<> label(std::string_view rest, const std::string& name) {
    GANTRY_TRY(all, pairs(rest, name));
    for (auto& [key, value] : all) config_.labels[key] = value;
    return {};
  }

  result<> expose(std::string_view rest, const std::string& name) {
    GANTRY_TRYV(no_flags(rest));
    if (rest.empty()) return bad(name + " requires at least one argument");
    for (const auto& word : split_blanks(rest)) {
      GANTRY_TRY(expanded, expander_.expand(word));
      for (const auto& text : split_blanks(expanded)) {
        auto range = parse_port_range(text);
        if (!range || range->first == 0) return bad("Invalid containerPort: " + text);
        expose_count_ += range->last - range->first + 1u;
        if (expose_count_ > expose_ports_max) return bad("too many exposed ports");
        for (unsigned port = range->first; port <= range->last; ++port)
          ports_.insert(std::to_string(port) + "/" + range->protocol);
      }
    }
    return {};
  }

  result<> volume(std::string_view rest, const std::string& name) {
    GANTRY_TRYV(no_flags(rest));
    auto paths = parse_json_words(rest).value_or(split_blanks(rest));
    if (paths.empty()) return bad(name + " requires at least one argument");
    for (const auto& path : paths) {
      GANTRY_TRY(expanded, expander_.expand(path));
      auto bare = trim_blanks(expanded);
      if (bare.empty()) return bad("VOLUME specified can not be an empty string");
      volumes_.emplace(bare);
    }
    return {};
  }

  result<> user(std::string_view rest, const std::string& name) {
    GANTRY_TRY(value, one_argument(rest, name));
    config_.user = std::move(value);
    return {};
  }

  result<> workdir(std::string_view rest, const std::string& name) {
    GANTRY_TRY(value, one_argument(rest, name));
    bool absolute = !value.empty() && value[0] == '/';
    config_.working_dir = clean_path(absolute ? value : config_.working_dir + "/" + value);
    return {};
  }

  result<> stop_signal(std::string_view rest, const std::string& name) {
    GANTRY_TRY(value, one_argument(rest, name));
    GANTRY_TRYV(parse_signal(value));
    config_.stop_signal = std::move(value);
    return {};
  }

  result<> on_build(std::string_view rest, const std::string& name) {
    GANTRY_TRYV(no_flags(rest));
    if (rest.empty()) return bad(name + " requires at least one argument");
    auto trigger = upper_case(rest.substr(0, rest.find_first_of(" \t\r\v\f")));
    if (trigger == "ONBUILD") return bad("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (trigger == "MAINTAINER" || trigger == "FROM") return bad(trigger + " isn't allowed as an ONBUILD trigger");
    if (!config_.on_build) config_.on_build.emplace();
    config_.on_build->emplace_back(rest);
    return {};
  }

  result<> healthcheck(std::string_view rest, const std::string& name) {
    health_config health;
    GANTRY_TRY(test, health_options(rest, health));
    if (test.empty()) return bad(name + " requires at least one argument");
    auto type = upper_case(test.substr(0, test.find_first_of(" \t")));
    auto args = trim_blanks(test.substr(type.size()));
    if (type == "NONE") {
      if (!args.empty()) return bad("HEALTHCHECK NONE takes no arguments");
      health.test = string_list{"NONE"};
    } else if (type == "CMD") {
      auto words = parse_json_words(args);
      if (args.empty() || (words && words->empty())) return bad("Missing command after HEALTHCHECK CMD");
      health.test = words ? string_list{"CMD"} : string_list{"CMD-SHELL", std::string(args)};
      if (words) health.test->insert(health.test->end(), words->begin(), words->end());
    } else {
      return bad("Unknown type " + quote(type) + " in HEALTHCHECK (try CMD)");
    }
    config_.healthcheck = std::move(health);
    return {};
  }

  /// Takes `--interval=30s` and its like off the front.
  static result<std::string_view> health_options(std::string_view rest, health_config& out) {
    while (rest.substr(0, 2) == "--") {
      auto end = std::min(rest.find_first_of(" \t\r\v\f"), rest.size());
      auto option = rest.substr(2, end - 2);
      rest = trim_blanks(rest.substr(end));
      auto name = option.substr(0, option.find('='));
      auto value = name.size() < option.size() ? option.substr(name.size() + 1) : std::string_view();
      GANTRY_TRYV(health_option(name, value, out));
    }
    return rest;
  }

  static result<> health_option(std::string_view name, std::string_view value, health_config& out) {
    static constexpr struct {
      std::string_view name;
      std::int64_t health_config::*member;
    } durations[] = {{"interval", &health_config::interval_ns},
                     {"timeout", &health_config::timeout_ns},
                     {"start-period", &health_config::start_period_ns},
                     {"start-interval", &health_config::start_interval_ns}};
    for (const auto& d : durations) {
      if (d.name != name) continue;
      auto nanos = parse_go_duration(value);
      if (!nanos) return bad("time: invalid duration " + quote(value));
      if (*nanos != 0 && *nanos < 1'000'000) return bad("Interval " + quote(name) + " cannot be less than 1ms");
      out.*d.member = *nanos;
      return {};
    }
    if (name != "retries") return bad("unknown flag: --" + std::string(name));
    auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), out.retries);
    if (code != std::errc() || end != value.data() + value.size() || out.retries > 1'000'000'000)
      return bad("strconv.ParseInt: parsing " + quote(value) + ": invalid syntax");
    if (out.retries < 0) return bad("--retries cannot be negative (" + std::to_string(out.retries) + ")");
    return {};
  }

public:
  /// Ports and volumes are kept apart while lines come: a range may hold every port, many times over.
  void finish() {
    config_.exposed_ports.assign(ports_.begin(), ports_.end());
    config_.volumes.assign(volumes_.begin(), volumes_.end());
  }

private:
  container_config& config_;
  std::map<std::string, std::size_t, std::less<>> env_index_; ///< name -> place in env
  word_expander expander_;
  std::set<std::string> ports_, volumes_;
  std::size_t expose_count_ = 0;
  bool cmd_set_ = false;
};

const changer::instruction changer::instructions[11] = {
    {"CMD", &changer::cmd},          {"ENTRYPOINT", &changer::entrypoint},   {"ENV", &changer::env},
    {"EXPOSE", &changer::expose},    {"HEALTHCHECK", &changer::healthcheck}, {"LABEL", &changer::label},
    {"ONBUILD", &changer::on_build}, {"STOPSIGNAL", &changer::stop_signal},  {"USER", &changer::user},
    {"VOLUME", &changer::volume},    {"WORKDIR", &changer::workdir},
};

} // namespace

result<> apply_changes(container_config& config, const string_list& changes) {
  std::string text;
  for (const auto& change : changes) text.append(change).push_back('\n');
  auto lines = split_dockerfile(text);
  // As Docker does, every instruction's name is judged before the first is applied.
  for (const auto& line : lines)
    if (!changer::known(line.text))
      return bad(line.text.substr(0, line.text.find_first_of(" \t\r\v\f")) + " is not a valid change command");
  container_config changed = config;
  changer c(changed);
  for (const auto& line : lines)
    if (auto done = c.apply(line.text); done.has_error())
      return with_context(done.error(), "dockerfile parse error on line " + std::to_string(line.number) + ": ");
  c.finish();
  config = std::move(changed);
  return {};
}

} // namespace gantry::api
