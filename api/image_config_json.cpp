/// The configuration inside an image, from JSON. Source: OCI image-spec config.md; Docker adds docker_version, comment
/// and, in config, Healthcheck, OnBuild and Shell.
#include "api/container_json_parts.hpp"
#include "api/image_json.hpp"

namespace gantry::api {

namespace {

error bad(std::string message) { return {errc::invalid_parameter, 0, std::move(message)}; }

void read_history(json_object& in, std::vector<image_history>& out) {
  in.each_object("history", [&](json_object& row) {
    if (out.size() == image_history_max) return row.fail(bad("image has too many rows of history"));
    auto& h = out.emplace_back();
    std::string created;
    row.read("created", created);
    h.created_ns = parse_rfc3339(created).value_or(0);
    row.read("created_by", h.created_by);
    row.read("author", h.author);
    row.read("comment", h.comment);
    row.read("empty_layer", h.empty_layer);
  });
}

void read_rootfs(json_object& in, string_list& diff_ids) {
  in.object("rootfs", [&](json_object& rootfs) {
    std::string type;
    rootfs.read("type", type);
    if (!type.empty() && type != "layers") rootfs.fail(bad("image has an unknown rootfs type: " + type));
    rootfs.read("diff_ids", diff_ids);
  });
}

} // namespace

result<image_config> parse_image_config(std::string_view json) {
  auto document = json_document::parse(json);
  if (document.has_error()) return with_context(document.error(), "image config: ");
  json_object in(document->root(), "Image");
  image_config out;
  in.read("architecture", out.architecture);
  in.read("variant", out.variant);
  in.read("os", out.os);
  in.read("os.version", out.os_version);
  in.read("author", out.author);
  in.read("comment", out.comment);
  in.read("docker_version", out.docker_version);
  in.read("created", out.created);
  in.object("config", [&](json_object& config) { read_container_config(config, out.config); });
  read_history(in, out.history);
  read_rootfs(in, out.diff_ids);
  if (auto done = in.finish(); done.has_error()) return with_context(done.error(), "image config: ");
  if (out.diff_ids.size() > image_history_max) return bad("image config: image has too many layers");
  return out;
}

} // namespace gantry::api
