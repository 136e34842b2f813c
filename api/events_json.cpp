/// Events as JSON, and which of them a client's filters let through (behaviours 214-220).
#include "api/filters.hpp"
#include "api/json_write.hpp"
#include "api/system_json.hpp"

namespace gantry::api {

namespace {

namespace json = boost::json;

constexpr std::int64_t nanos_per_second = 1'000'000'000;

/// "alpine:3.20" -> "alpine", "host:5000/x" -> itself: the tag is what follows the last colon of the last component.
std::string_view without_tag(std::string_view reference) {
  auto digest = reference.find('@');
  if (digest != std::string_view::npos) reference = reference.substr(0, digest);
  auto colon = reference.rfind(':');
  auto slash = reference.rfind('/');
  if (colon == std::string_view::npos || (slash != std::string_view::npos && slash > colon)) return reference;
  return reference.substr(0, colon);
}

const std::string& attribute(const event& e, const std::string& name) {
  static const std::string none;
  auto it = e.attributes.find(name);
  return it == e.attributes.end() ? none : it->second;
}

bool matches_action(const filters& f, const event& e) {
  const auto& wanted = filter_values(f, "event");
  if (wanted.empty() || wanted.count(e.action)) return true;
  // These carry a command or a state in the action (behaviours 217), so a filter names only how they begin.
  for (std::string_view prefix : {"exec_create", "exec_start", "health_status"})
    if (e.action.compare(0, prefix.size(), prefix) == 0) return matches_prefix(f, "event", e.action);
  return false;
}

/// Filter `container=x` and its like: by ID or name, exactly or by prefix. As in Docker, the event's type is not asked:
/// that is what the filter `type` is for.
bool matches_object(const filters& f, const event& e, const std::string& type) {
  return matches_prefix(f, type, e.id) || matches_prefix(f, type, attribute(e, "name"));
}

bool matches_image(const filters& f, const event& e) {
  if (!has_filter(f, "image") || filter_values(f, "image").empty()) return true;
  const std::string& name = attribute(e, e.type == "image" ? "name" : "image");
  return matches_exactly(f, "image", e.id) || matches_exactly(f, "image", name) ||
         matches_exactly(f, "image", without_tag(e.id)) || matches_exactly(f, "image", without_tag(name));
}

} // namespace

std::string render_event(const event& e, api_version version) {
  if (e.type == "image" && e.action == "create" && version < api_version{1, 46}) return {};
  json::object out;
  bool legacy = e.type == "container" || e.type == "image";
  if (legacy) {
    out["status"] = e.action;
    out["id"] = e.id;
    if (e.type == "container" && !attribute(e, "image").empty()) out["from"] = attribute(e, "image");
  }
  out["Type"] = e.type;
  out["Action"] = e.action;
  out["Actor"] = json::object{{"ID", e.id}, {"Attributes", json_map(e.attributes)}};
  out["scope"] = "local";
  out["time"] = e.time / nanos_per_second;
  out["timeNano"] = e.time;
  return json_line(out);
}

result<> check_event_filters(const filters& f) {
  return check_filter_keys(f, {"type", "event", "scope", "label", "container", "image", "volume", "network", "plugin",
                               "node", "service", "secret", "config", "daemon"});
}

bool matches(const filters& f, const event& e) {
  if (!matches_exactly(f, "type", e.type) || !matches_exactly(f, "scope", "local") || !matches_action(f, e))
    return false;
  if (!matches_labels(f, "label", e.attributes)) return false;
  for (const char* type : {"container", "volume", "network", "plugin", "node", "service", "secret", "config", "daemon"})
    if (!matches_object(f, e, type)) return false;
  return matches_image(f, e);
}

} // namespace gantry::api
