/// Docker's own archive form, of 1.10 to today: manifest.json = [{Config, RepoTags, Layers, Parent?}]. Layers are
/// `<id>/layer.tar` (some of them links to another's) up to Docker 24, `blobs/sha256/<hex>` since 25.
#include "storage/archive_images.hpp"

#include "storage/json_in.hpp"

namespace gantry::storage {

namespace {

error bad(std::string text) { return error{errc::invalid_parameter, 0, std::move(text)}; }

result<reference> parse_tag(const std::string& text) {
  auto parsed = parse_reference(text);
  if (parsed.has_error()) return with_context(parsed.error(), "tag `" + text.substr(0, 256) + "`: ");
  if (parsed->tag.empty() || !parsed->digest.empty()) return bad("invalid tag \"" + text.substr(0, 256) + "\"");
  return parsed;
}

result<archive_image> read_item(const archive_spool& spool, simdjson::dom::element item) {
  archive_image image;
  const auto config_path = json_string(item, "Config");
  const auto* config = spool.find(config_path);
  if (!config) return bad("open `" + config_path.substr(0, 256) + "`: the archive does not hold it");
  GANTRY_TRY(layers, json_strings(item, "Layers", layers_per_image_max));
  for (const auto& path : layers) {
    const auto* layer = spool.find(path);
    if (!layer) return bad("open `" + path.substr(0, 256) + "`: the archive does not hold it");
    image.layers.push_back(layer);
  }
  GANTRY_TRY(tags, json_strings(item, "RepoTags", tags_per_image_max));
  for (const auto& text : tags) {
    GANTRY_TRY(tag, parse_tag(text));
    image.tags.push_back(std::move(tag));
  }
  image.parent = json_string(item, "Parent");
  GANTRY_TRYV(set_config(image, spool, *config));
  return image;
}

} // namespace

result<> set_config(archive_image& image, const archive_spool& spool, const spooled_file& config) {
  GANTRY_TRY(text, spool.read_text(config, json_bytes_max));
  image.config = std::move(text);
  image.id = config.digest;
  GANTRY_TRY(parsed, parse_image_config(image.config));
  image.parsed = std::move(parsed);
  if (image.parsed.diff_ids.size() != image.layers.size()) {
    return bad("invalid manifest, layers length mismatch: expected " + std::to_string(image.parsed.diff_ids.size()) +
               ", got " + std::to_string(image.layers.size()));
  }
  return {};
}

result<std::vector<archive_image>> read_docker_archive(const archive_spool& spool, const spooled_file& manifest) {
  GANTRY_TRY(text, spool.read_text(manifest, json_bytes_max));
  GANTRY_TRY(document, json_document::parse(text, "manifest.json"));
  if (document.root().is_null()) return bad("invalid manifest, manifest cannot be null (but can be [])");
  simdjson::dom::array items;
  if (document.root().get(items)) return bad("invalid manifest, manifest.json is not a list");
  std::vector<archive_image> images;
  for (const auto item : items) {
    if (images.size() == images_per_archive_max) return bad("manifest.json: more than 1000 images");
    GANTRY_TRY(image, read_item(spool, item));
    images.push_back(std::move(image));
  }
  return images;
}

result<std::vector<archive_image>> read_archive_images(const archive_spool& spool) {
  if (const auto* manifest = spool.find("manifest.json")) return read_docker_archive(spool, *manifest);
  if (const auto* index = spool.find("index.json")) return read_oci_layout(spool, *index);
  if (spool.find("repositories")) {
    return bad("an archive of a Docker older than 1.10 (`repositories` without manifest.json) is not supported");
  }
  return bad("not an image archive: neither manifest.json nor index.json is there");
}

} // namespace gantry::storage
