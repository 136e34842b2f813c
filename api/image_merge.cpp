/// What a container takes from its image (behaviours 42-44).
#include "api/container_json.hpp"

#include <algorithm>

namespace gantry::api {
namespace {

std::string_view name_of(std::string_view env) { return env.substr(0, env.find('=')); }

void merge_env(string_list& env, const string_list& image) {
  if (env.empty()) {
    env = image;
    return;
  }
  for (const auto& entry : image) {
    const auto same_name = [&](const std::string& e) { return name_of(e) == name_of(entry); };
    if (std::none_of(env.begin(), env.end(), same_name)) env.push_back(entry);
  }
}

void merge_sorted(string_list& list, const string_list& image) {
  list.insert(list.end(), image.begin(), image.end());
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

/// A request's entrypoint, even an empty one, hides the image's; when it is not empty it hides the image's command too.
void merge_command(container_config& config, const container_config& image) {
  const bool has_entrypoint = config.entrypoint && !config.entrypoint->empty();
  if (has_entrypoint) return;
  if (!config.cmd || config.cmd->empty()) {
    config.cmd = image.cmd;
    config.args_escaped = image.args_escaped;
  }
  if (!config.entrypoint) config.entrypoint = image.entrypoint;
}

void merge_healthcheck(container_config& config, const container_config& image) {
  if (!image.healthcheck) return;
  if (!config.healthcheck) {
    config.healthcheck = image.healthcheck;
    return;
  }
  auto& own = *config.healthcheck;
  const auto& theirs = *image.healthcheck;
  if (!own.test || own.test->empty()) own.test = theirs.test;
  const auto fill = [](std::int64_t& mine, std::int64_t other) {
    if (mine == 0) mine = other;
  };
  fill(own.interval_ns, theirs.interval_ns);
  fill(own.timeout_ns, theirs.timeout_ns);
  fill(own.start_period_ns, theirs.start_period_ns);
  fill(own.start_interval_ns, theirs.start_interval_ns);
  fill(own.retries, theirs.retries);
}

} // namespace

result<> merge_image_config(container_config& config, const container_config& image) {
  if (config.user.empty()) config.user = image.user;
  merge_sorted(config.exposed_ports, image.exposed_ports);
  merge_env(config.env, image.env);
  config.labels.insert(image.labels.begin(), image.labels.end());
  merge_command(config, image);
  merge_healthcheck(config, image);
  if (config.working_dir.empty()) config.working_dir = image.working_dir;
  // Docker makes an anonymous volume for each of these; without volumes they stay directories of the container.
  merge_sorted(config.volumes, image.volumes);
  if (config.stop_signal.empty()) config.stop_signal = image.stop_signal;

  // [""] is how a client clears the image's entrypoint.
  if (config.entrypoint && config.entrypoint->size() == 1 && config.entrypoint->front().empty())
    config.entrypoint.reset();
  const auto is_empty = [](const std::optional<string_list>& words) { return !words || words->empty(); };
  if (is_empty(config.entrypoint) && is_empty(config.cmd))
    return error{errc::invalid_parameter, 0, "no command specified"};
  return {};
}

} // namespace gantry::api
