/// The small replies about containers: create, wait, top, prune. All end with a newline (behaviours 14).
#include "api/container_json.hpp"
#include "api/json_out.hpp"

namespace gantry::api {

std::string render_created(std::string_view id, const std::vector<std::string>& warnings) {
  std::string text;
  json_out out(text);
  out.begin_object();
  out.member("Id", id);
  out.member("Warnings", warnings); // never null
  out.end_object();
  return text += '\n';
}

std::string render_wait(std::int64_t status_code, std::string_view error_message) {
  std::string text;
  json_out out(text);
  out.begin_object();
  if (!error_message.empty()) {
    out.key("Error").begin_object();
    out.member("Message", error_message);
    out.end_object();
  }
  out.member("StatusCode", status_code);
  out.end_object();
  return text += '\n';
}

std::string render_top(const string_list& titles, const std::vector<string_list>& rows) {
  std::string text;
  json_out out(text);
  out.begin_object();
  out.key("Processes").begin_array();
  for (const auto& row : rows) out.value(row);
  out.end_array();
  out.member("Titles", titles);
  out.end_object();
  return text += '\n';
}

std::string render_containers_pruned(const string_list& ids, std::int64_t reclaimed_bytes) {
  std::string text;
  json_out out(text);
  out.begin_object();
  out.member_or_null("ContainersDeleted", ids);
  out.member("SpaceReclaimed", reclaimed_bytes);
  out.end_object();
  return text += '\n';
}

} // namespace gantry::api
