/// See image_config.hpp.
#include "storage/image_config.hpp"

#include "storage/json_in.hpp"
#include "storage/reference.hpp"

namespace gantry::storage {

namespace {
error bad(std::string text) { return error{errc::invalid_parameter, 0, "image configuration: " + std::move(text)}; }
} // namespace

result<image_config> parse_image_config(std::string_view json) {
  GANTRY_TRY(document, json_document::parse(json, "image configuration"));
  const auto root = document.root();
  if (!root.is_object()) return bad("not an object");
  simdjson::dom::element rootfs;
  if (root["rootfs"].get(rootfs) || !rootfs.is_object()) return bad("`rootfs` is missing");
  if (const auto type = json_string(rootfs, "type"); type != "layers") return bad("unknown rootfs type `" + type + "`");
  image_config parsed;
  GANTRY_TRY(diff_ids, json_strings(rootfs, "diff_ids", layers_per_image_max));
  for (const auto& id : diff_ids) {
    if (!is_sha256_digest(id)) return bad("`" + id.substr(0, 128) + "` is not a diff id");
  }
  parsed.diff_ids = std::move(diff_ids);
  parsed.os = json_string(root, "os");
  parsed.architecture = json_string(root, "architecture");
  if (!parsed.os.empty() && parsed.os != "linux") {
    return bad("operating system \"" + parsed.os.substr(0, 64) + "\" cannot be used on this platform");
  }
  parsed.created = parse_rfc3339(json_string(root, "created")).value_or(0);
  simdjson::dom::array history;
  if (!root["history"].get(history)) {
    for ([[maybe_unused]] const auto item : history) ++parsed.history_count; // size() saturates at 2^24
  }
  return parsed;
}

} // namespace gantry::storage
