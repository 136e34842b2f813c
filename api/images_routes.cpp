/// Image calls from requests: query and path to values, with every argument checked here.
#include "api/filters.hpp"
#include "api/route_table.hpp"

namespace gantry::api {

namespace {

error bad(std::string message) { return {errc::invalid_parameter, 0, std::move(message)}; }
error not_yet(const std::string& what) {
  return {errc::not_implemented, 0, what + " is not implemented yet in this version of Gantry"};
}

} // namespace

result<call> parse_list_images(const request_view& in) {
  list_images out;
  out.all = in.flag("all");
  out.digests = in.flag("digests");
  out.shared_size = in.at_least(1, 42) && in.flag("shared-size");
  GANTRY_TRY(filter, parse_filters(in.head.query_value("filters")));
  GANTRY_TRYV(check_filter_keys(filter, {"dangling", "label", "before", "since", "reference", "until"}));
  GANTRY_TRYV(filter_flag(filter, "dangling", false));
  GANTRY_TRYV(filter_until(filter, 0));
  if (auto legacy = in.text("filter"); !legacy.empty() && !in.at_least(1, 41)) filter["reference"].insert(legacy);
  out.filter = std::move(filter);
  return out;
}

result<call> parse_inspect_image(const request_view& in) { return inspect_image{in.path_argument("name")}; }

result<call> parse_image_history(const request_view& in) { return image_history_of{in.path_argument("name")}; }

result<call> parse_tag_image(const request_view& in) {
  return tag_image{in.path_argument("name"), in.text("repo"), in.text("tag")};
}

result<call> parse_remove_image(const request_view& in) {
  const auto& name = in.path_argument("name");
  if (name.find_first_not_of(" \t\r\n") == std::string::npos) return bad("image name cannot be blank");
  return remove_image{name, in.flag("force"), in.flag("noprune")};
}

result<call> parse_prune_images(const request_view& in) {
  GANTRY_TRY(filter, parse_filters(in.head.query_value("filters")));
  GANTRY_TRYV(check_filter_keys(filter, {"dangling", "label", "label!", "until"}));
  GANTRY_TRYV(filter_flag(filter, "dangling", true));
  GANTRY_TRYV(filter_until(filter, 0));
  return prune_images{std::move(filter)};
}

result<call> parse_load_images(const request_view& in) {
  if (in.at_least(1, 48) && !in.text("platform").empty()) return not_yet("loading one platform of an image");
  return load_images{in.flag_or("quiet", true)};
}

result<call> parse_create_image(const request_view& in) {
  auto source = in.text("fromSrc");
  if (source.empty() || !in.text("fromImage").empty())
    return error{errc::not_implemented, 0, "pulling images is not implemented yet in this version of Gantry"};
  if (source != "-") return not_yet("importing an image from a URL");
  import_image out;
  out.repository = in.text("repo");
  out.tag = in.text("tag");
  out.message = in.text("message");
  if (out.message.empty()) out.message = "Imported from -";
  out.changes = in.all("changes");
  if (in.at_least(1, 32)) out.platform = in.text("platform");
  return out;
}

} // namespace gantry::api
