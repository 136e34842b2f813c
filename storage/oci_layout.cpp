/// OCI image layout: index.json -> manifests, possibly through nested indexes, of which the linux/amd64 ones are taken.
/// Source: image-spec image-layout.md, image-index.md, manifest.md.
#include "storage/archive_images.hpp"

#include <algorithm>
#include <set>

#include "storage/json_in.hpp"

namespace gantry::storage {

namespace {

using simdjson::dom::element;

error bad(std::string text) { return error{errc::invalid_parameter, 0, std::move(text)}; }

constexpr std::string_view index_types[] = {"application/vnd.oci.image.index.v1+json",
                                            "application/vnd.docker.distribution.manifest.list.v2+json"};
constexpr std::string_view manifest_types[] = {"application/vnd.oci.image.manifest.v1+json",
                                               "application/vnd.docker.distribution.manifest.v2+json"};
constexpr std::string_view layer_type_prefixes[] = {
    "application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar", "application/vnd.docker.image.rootfs.foreign.diff.tar"};
constexpr std::string_view name_annotation = "io.containerd.image.name";
constexpr std::string_view ref_annotation = "org.opencontainers.image.ref.name";

bool is_one_of(std::string_view text, std::span<const std::string_view> all) {
  return std::find(all.begin(), all.end(), text) != all.end();
}

/// Absent is "any"; "unknown" is an attestation, which is no image.
bool platform_fits(element descriptor) {
  element platform;
  if (descriptor["platform"].get(platform) || !platform.is_object()) return true;
  const auto os = json_string(platform, "os");
  const auto architecture = json_string(platform, "architecture");
  return (os.empty() || os == "linux") && (architecture.empty() || architecture == "amd64");
}

/// The full name if there is one; a reference annotation only when it names a repository, not a bare tag.
std::optional<reference> tag_of(element descriptor) {
  element annotations;
  if (descriptor["annotations"].get(annotations) || !annotations.is_object()) return {};
  auto name = json_string(annotations, name_annotation);
  if (name.empty()) {
    name = json_string(annotations, ref_annotation);
    if (name.find_first_of("/:") == name.npos) return {};
  }
  auto parsed = parse_reference_with_default_tag(name);
  if (parsed.has_error() || !parsed->digest.empty()) return {};
  return *parsed;
}

class layout_reader {
public:
  explicit layout_reader(const archive_spool& spool) : spool_(spool) {}

  result<std::vector<archive_image>> read(const spooled_file& index) {
    GANTRY_TRYV(read_index(index, "index.json", {}, 1));
    if (images_.empty()) return bad("no matching manifest for linux/amd64 in the manifest list entries");
    return std::move(images_);
  }

private:
  result<> read_index(const spooled_file& file, std::string_view name, const std::optional<reference>& tag,
                      std::size_t depth) {
    if (depth > index_nesting_max) return bad("index `" + std::string(name) + "`: nested too deep");
    GANTRY_TRY(text, spool_.read_text(file, json_bytes_max));
    GANTRY_TRY(document, json_document::parse(text, name));
    simdjson::dom::array manifests;
    if (document.root()["manifests"].get(manifests)) return bad("`" + std::string(name) + "`: `manifests` is missing");
    for (const auto descriptor : manifests) {
      if (!descriptor.is_object()) return bad("`" + std::string(name) + "`: a manifest is not an object");
      if (!platform_fits(descriptor)) continue;
      auto own = tag_of(descriptor);
      GANTRY_TRYV(read_descriptor(descriptor, own ? own : tag, depth));
    }
    return {};
  }

  /// Follows a descriptor. A digest cannot contain itself, so a cycle shows as a blob whose content does not match;
  /// what many indexes share is read once for each tag, so that indexes of indexes cannot multiply the work.
  result<> read_descriptor(element descriptor, const std::optional<reference>& tag, std::size_t depth) {
    const auto digest = json_string(descriptor, "digest");
    if (!is_sha256_digest(digest)) return bad("descriptor: `" + digest.substr(0, 128) + "` is not a sha256 digest");
    GANTRY_TRY(blob, spool_.find_blob(digest));
    element size;
    if (!descriptor["size"].get(size) && json_number(descriptor, "size") != blob->size) {
      return bad("blob `" + digest + "`: its size is not what the descriptor says");
    }
    if (!seen_.insert(digest + " " + (tag ? tag->full() : "")).second) return {};
    const auto type = json_string(descriptor, "mediaType");
    if (is_one_of(type, index_types)) {
      return read_index(*blob, digest, tag, depth + 1);
    }
    if (is_one_of(type, manifest_types)) return read_manifest(*blob, digest, tag);
    return bad("descriptor `" + digest + "`: unknown media type `" + type.substr(0, 128) + "`");
  }

  result<> read_manifest(const spooled_file& file, const std::string& name, const std::optional<reference>& tag) {
    GANTRY_TRY(text, spool_.read_text(file, json_bytes_max));
    GANTRY_TRY(document, json_document::parse(text, name));
    element config;
    if (document.root()["config"].get(config) || !config.is_object()) return bad("`" + name + "`: `config` is missing");
    GANTRY_TRY(config_blob, spool_.find_blob(json_string(config, "digest")));
    archive_image image;
    simdjson::dom::array layers;
    if (document.root()["layers"].get(layers)) return bad("`" + name + "`: `layers` is missing");
    for (const auto layer : layers) {
      if (image.layers.size() == layers_per_image_max)
        return bad("`" + name + "`: more layers than an overlay can have");
      const auto type = json_string(layer, "mediaType");
      const bool known = std::any_of(std::begin(layer_type_prefixes), std::end(layer_type_prefixes),
                                     [&](auto prefix) { return type.starts_with(prefix); });
      // Artifacts (charts, signatures, attestations) are manifests too, but nothing that a container could run.
      if (!known) return bad("`" + name + "`: layer of unknown media type `" + type.substr(0, 128) + "`");
      GANTRY_TRY(blob, spool_.find_blob(json_string(layer, "digest")));
      image.layers.push_back(blob);
    }
    GANTRY_TRYV(set_config(image, spool_, *config_blob));
    // A manifest without a platform in its descriptor tells by its config.
    if (!image.parsed.architecture.empty() && image.parsed.architecture != "amd64") return {};
    return keep(std::move(image), tag);
  }

  result<> keep(archive_image image, const std::optional<reference>& tag) {
    auto same = std::find_if(images_.begin(), images_.end(), [&](const auto& i) { return i.id == image.id; });
    if (same == images_.end()) {
      if (images_.size() == images_per_archive_max) return bad("index.json: more than 1000 images");
      same = images_.insert(images_.end(), std::move(image));
    }
    const bool known = tag && std::any_of(same->tags.begin(), same->tags.end(),
                                          [&](const auto& t) { return t.full() == tag->full(); });
    if (tag && !known) same->tags.push_back(*tag);
    return {};
  }

  const archive_spool& spool_;
  std::vector<archive_image> images_;
  std::set<std::string> seen_;
};

} // namespace

result<std::vector<archive_image>> read_oci_layout(const archive_spool& spool, const spooled_file& index) {
  return layout_reader(spool).read(index);
}

} // namespace gantry::storage
