#include "api/routes.hpp"

#include <iterator>

#include "api/route_table.hpp"

namespace gantry::api {

namespace {

constexpr body_use none = body_use::none, json = body_use::json, stream = body_use::stream;

constexpr route_row missing(std::string_view method, std::string_view pattern, std::string_view what,
                            body_use body = none) {
  return {method, pattern, body, nullptr, absence::missing, what};
}
constexpr route_row swarm(std::string_view method, std::string_view pattern) {
  return {method, pattern, none, nullptr, absence::swarm};
}
constexpr route_row experimental(std::string_view method, std::string_view pattern) {
  return {method, pattern, none, nullptr, absence::experimental};
}

/// All of spec/endpoints.tsv. The first row that fits wins, so fixed paths stand before those with {}.
constexpr route_row table[] = {
    {"HEAD", "/_ping", none, parse_ping},
    {"GET", "/_ping", none, parse_ping},
    {"GET", "/version", none, parse_version_call},
    {"GET", "/info", none, parse_info},
    {"GET", "/events", none, parse_events},

    {"GET", "/containers/json", none, parse_list_containers},
    {"POST", "/containers/create", json, parse_create_container},
    {"POST", "/containers/prune", none, parse_prune_containers},
    {"GET", "/containers/{id}/json", none, parse_inspect_container},
    {"POST", "/containers/{id}/start", none, parse_start_container},
    {"POST", "/containers/{id}/attach", none, parse_attach_container},
    {"POST", "/containers/{id}/wait", none, parse_wait_container},
    {"POST", "/containers/{id}/stop", none, parse_stop_container},
    {"POST", "/containers/{id}/kill", none, parse_kill_container},
    {"POST", "/containers/{id}/restart", none, parse_restart_container},
    {"POST", "/containers/{id}/rename", none, parse_rename_container},
    {"POST", "/containers/{id}/resize", none, parse_resize_container},
    {"GET", "/containers/{id}/attach/ws", none, parse_attach_websocket},
    {"GET", "/containers/{id}/logs", none, parse_container_logs},
    {"GET", "/containers/{id}/top", none, parse_container_top},
    experimental("GET", "/containers/{id}/checkpoints"),
    experimental("POST", "/containers/{id}/checkpoints"),
    experimental("DELETE", "/containers/{id}/checkpoints/{checkpoint}"),
    {"DELETE", "/containers/{id}", none, parse_remove_container},
    missing("GET", "/containers/{id}/changes", "container changes (diff)"),
    missing("GET", "/containers/{id}/export", "container export"),
    missing("GET", "/containers/{id}/stats", "container stats"),
    missing("POST", "/containers/{id}/update", "container update", json),
    missing("POST", "/containers/{id}/pause", "container pause"),
    missing("POST", "/containers/{id}/unpause", "container unpause"),
    missing("HEAD", "/containers/{id}/archive", "container archive (cp)"),
    missing("GET", "/containers/{id}/archive", "container archive (cp)"),
    missing("PUT", "/containers/{id}/archive", "container archive (cp)", stream),
    missing("POST", "/containers/{id}/exec", "exec", json),
    missing("POST", "/exec/{id}/start", "exec", json),
    missing("POST", "/exec/{id}/resize", "exec"),
    missing("GET", "/exec/{id}/json", "exec"),
    missing("POST", "/commit", "commit", json),

    {"GET", "/images/json", none, parse_list_images},
    {"POST", "/images/create", stream, parse_create_image},
    {"POST", "/images/load", stream, parse_load_images},
    {"POST", "/images/prune", none, parse_prune_images},
    missing("GET", "/images/search", "image search"),
    missing("GET", "/images/get", "image save"),
    {"GET", "/images/{name}/json", none, parse_inspect_image},
    {"GET", "/images/{name}/history", none, parse_image_history},
    {"POST", "/images/{name}/tag", none, parse_tag_image},
    {"DELETE", "/images/{name}", none, parse_remove_image},
    missing("POST", "/images/{name}/push", "image push"),
    missing("GET", "/images/{name}/get", "image save"),
    missing("GET", "/distribution/{name}/json", "distribution inspect"),
    missing("POST", "/auth", "registry login", json),

    missing("POST", "/build", "build", stream),
    missing("POST", "/build/prune", "build cache prune"),
    missing("POST", "/build/cancel", "build"),
    missing("POST", "/session", "BuildKit session"),
    missing("POST", "/grpc", "BuildKit control"),
    missing("GET", "/system/df", "disk usage (df)"),

    missing("GET", "/volumes", "volume list"),
    missing("POST", "/volumes/create", "volume create", json),
    missing("POST", "/volumes/prune", "volume prune"),
    {"GET", "/volumes/{name}", none, nullptr, absence::absent_volume},
    missing("PUT", "/volumes/{name}", "volume update", json),
    missing("DELETE", "/volumes/{name}", "volume remove"),

    missing("GET", "/networks", "network list"),
    missing("GET", "/networks/", "network list"),
    missing("POST", "/networks/create", "network create", json),
    missing("POST", "/networks/prune", "network prune"),
    missing("POST", "/networks/{id}/connect", "network connect", json),
    missing("POST", "/networks/{id}/disconnect", "network disconnect", json),
    {"GET", "/networks/{id}", none, nullptr, absence::absent_network},
    missing("DELETE", "/networks/{id}", "network remove"),

    missing("GET", "/plugins", "plugin list"),
    missing("GET", "/plugins/privileges", "plugin install"),
    missing("POST", "/plugins/pull", "plugin install", json),
    missing("POST", "/plugins/create", "plugin create", stream),
    {"GET", "/plugins/{name}/json", none, nullptr, absence::absent_plugin},
    missing("POST", "/plugins/{name}/enable", "plugin enable"),
    missing("POST", "/plugins/{name}/disable", "plugin disable"),
    missing("POST", "/plugins/{name}/upgrade", "plugin upgrade", json),
    missing("POST", "/plugins/{name}/push", "plugin push"),
    missing("POST", "/plugins/{name}/set", "plugin set", json),
    missing("DELETE", "/plugins/{name}", "plugin remove"),

    missing("POST", "/swarm/init", "swarm", json),
    missing("POST", "/swarm/join", "swarm", json),
    {"POST", "/swarm/leave", none, nullptr, absence::swarm_leave},
    swarm("GET", "/swarm"),
    swarm("POST", "/swarm/update"),
    swarm("GET", "/swarm/unlockkey"),
    swarm("POST", "/swarm/unlock"),
    swarm("GET", "/nodes"),
    swarm("POST", "/nodes/{id}/update"),
    swarm("GET", "/nodes/{id}"),
    swarm("DELETE", "/nodes/{id}"),
    swarm("GET", "/services"),
    swarm("POST", "/services/create"),
    swarm("GET", "/services/{id}/logs"),
    swarm("POST", "/services/{id}/update"),
    swarm("GET", "/services/{id}"),
    swarm("DELETE", "/services/{id}"),
    swarm("GET", "/tasks"),
    swarm("GET", "/tasks/{id}/logs"),
    swarm("GET", "/tasks/{id}"),
    swarm("GET", "/secrets"),
    swarm("POST", "/secrets/create"),
    swarm("POST", "/secrets/{id}/update"),
    swarm("GET", "/secrets/{id}"),
    swarm("DELETE", "/secrets/{id}"),
    swarm("GET", "/configs"),
    swarm("POST", "/configs/create"),
    swarm("POST", "/configs/{id}/update"),
    swarm("GET", "/configs/{id}"),
    swarm("DELETE", "/configs/{id}"),

    missing("GET", "/debug/vars", "debug"),
    missing("GET", "/debug/pprof/", "debug"),
    missing("GET", "/debug/pprof/{name}", "debug"),
};

constexpr route_row options_row{"OPTIONS", "", none, parse_options};
constexpr std::size_t options_route = std::size(table);

const route_row& row_at(std::size_t route) { return route == options_route ? options_row : table[route]; }

/// Takes `path` apart by `pattern`. Each {x} takes as much as what follows it leaves, and at least one character.
bool match(std::string_view pattern, std::string_view path, std::map<std::string, std::string>& out) {
  auto open = pattern.find('{');
  if (open == std::string_view::npos) return path == pattern;
  if (path.substr(0, open) != pattern.substr(0, open)) return false;
  auto close = pattern.find('}', open);
  std::string name(pattern.substr(open + 1, close - open - 1));
  auto tail = pattern.substr(close + 1);
  path.remove_prefix(open);
  auto fixed = tail.substr(0, tail.find('{'));
  for (auto at = fixed.empty() ? path.size() : path.rfind(fixed); at != std::string_view::npos && at > 0;
       at = path.rfind(fixed, at - 1)) {
    if (match(tail, path.substr(at), out)) {
      out[name] = path.substr(0, at);
      return true;
    }
    if (fixed.empty()) break;
  }
  return false;
}

error absent(const route_row& row, const std::map<std::string, std::string>& arguments) {
  auto named = [&](const char* argument) { return arguments.at(argument); };
  switch (row.why) {
  case absence::none:
    break;
  case absence::missing:
    return {errc::not_implemented, 0, std::string(row.what) + " is not implemented yet in this version of Gantry"};
  case absence::experimental:
    return {errc::not_implemented, 0,
            "This experimental feature is disabled by default. Start the Docker daemon in experimental mode in order "
            "to enable it."};
  case absence::swarm:
    return {errc::unavailable, 0,
            "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node "
            "to swarm and try again."};
  case absence::swarm_leave:
    return {errc::unavailable, 0, "This node is not part of a swarm"};
  // There are none of these yet, and 404 says so in the words that `docker inspect NAME` looks for as it tries each
  // kind.
  case absence::absent_volume:
    return {errc::not_found, 0, "get " + named("name") + ": no such volume"};
  case absence::absent_network:
    return {errc::not_found, 0, "network " + named("id") + " not found"};
  case absence::absent_plugin:
    return {errc::not_found, 0, "plugin \"" + named("name") + "\" not found"};
  }
  return {errc::internal, 0, "route without a parser"};
}

std::string to_text(api_version v) { return std::to_string(v.major) + "." + std::to_string(v.minor); }

result<api_version> check_version(const request_head& head) {
  if (!head.version_text) return api_version_max;
  const auto& text = *head.version_text;
  auto version = parse_version(text);
  if (version < api_version_min)
    return error{errc::invalid_parameter, 0,
                 "client version " + text + " is too old. Minimum supported API version is " +
                     to_text(api_version_min) + ", please upgrade your client to a newer version"};
  if (version > api_version_max)
    return error{errc::invalid_parameter, 0,
                 "client version " + text + " is too new. Maximum supported API version is " +
                     to_text(api_version_max)};
  return version;
}

} // namespace

api_version parse_version(std::string_view text) noexcept {
  int parts[2] = {0, 0};
  std::size_t part = 0;
  for (char c : text) {
    if (c == '.') {
      if (++part == 2) break; // a third number makes no difference between versions we serve
    } else if (c >= '0' && c <= '9') {
      parts[part] = std::min(parts[part] * 10 + (c - '0'), 1'000'000);
    }
  }
  return {parts[0], parts[1]};
}

result<routed> route(const request_head& head) {
  routed out;
  if (head.method == "OPTIONS") {
    out.route = options_route;
  } else {
    bool found = false;
    for (std::size_t i = 0; i < std::size(table) && !found; ++i) {
      if (table[i].method != head.method || !match(table[i].pattern, head.path, out.path_arguments)) continue;
      out.route = i;
      found = true;
    }
    if (!found) return error{errc::not_found, 0, std::string(page_not_found)};
  }
  const auto& row = row_at(out.route);
  GANTRY_TRY(version, check_version(head));
  if (version < row.min) return error{errc::not_found, 0, std::string(page_not_found)};
  if (row.parse == nullptr) return absent(row, out.path_arguments);
  out.version = version;
  out.body = row.body;
  return out;
}

result<call> parse_call(const routed& where, const request_head& head, std::string_view body) {
  return row_at(where.route).parse(request_view{where, head, body});
}

} // namespace gantry::api
