/// The catalog of image_state.hpp and its records.
#include "storage/image_state.hpp"

#include <algorithm>
#include <unordered_set>

#include "io/base/log.hpp"
#include "storage/proto/records.pb.h"

namespace gantry::storage {

namespace {

constexpr std::uint32_t record_version = 1;

error newer(std::string_view id) {
  return error{errc::unavailable, 0, "read record `" + std::string(id) + "`: written by a newer engine"};
}

/// "docker.io/library/busybox:latest" -> "busybox:latest", sorted.
std::vector<std::string> familiar_names(const std::vector<std::string>& full) {
  std::vector<std::string> names;
  for (const auto& text : full) {
    if (auto parsed = parse_reference(text); parsed.has_value()) names.push_back(parsed->familiar());
  }
  std::sort(names.begin(), names.end());
  return names;
}

result<> read_layers(record_store& records, const layer_check& usable, catalog& into, std::vector<change>& drop) {
  GANTRY_TRY(rows, records.load(record_kind::layer));
  for (const auto& row : rows) {
    pb::LayerRecord r;
    if (!r.ParseFromString(row.value) || r.chain_id() != row.id) {
      log::error("layer record is damaged; dropped", {{"layer", row.id}});
      drop.push_back(erase_layer(row.id));
      continue;
    }
    if (r.version() > record_version) return newer(row.id);
    stored_layer layer;
    layer.info = {r.chain_id(), r.diff_id(), r.size_bytes()};
    layer.parent_chain_id = r.parent_chain_id();
    layer.durable = r.durable();
    if (!usable(layer)) {
      drop.push_back(erase_layer(row.id));
      continue;
    }
    into.layers.emplace(row.id, std::move(layer));
  }
  return {};
}

result<> read_images(record_store& records, catalog& into, std::vector<change>& drop) {
  GANTRY_TRY(rows, records.load(record_kind::image));
  for (const auto& row : rows) {
    pb::ImageRecord r;
    if (!r.ParseFromString(row.value) || r.id() != row.id) {
      log::error("image record is damaged; dropped", {{"image", row.id}});
      drop.push_back(erase_image(row.id));
      continue;
    }
    if (r.version() > record_version) return newer(row.id);
    image_info info;
    info.id = r.id();
    info.config = r.config();
    info.last_tagged = r.last_tagged();
    info.parent = r.parent();
    info.kept = r.kept();
    if (auto parsed = parse_image_config(info.config); parsed.has_value()) info.created = parsed->created;
    const bool complete = std::all_of(r.chain_ids().begin(), r.chain_ids().end(),
                                      [&](const auto& chain) { return into.layers.contains(chain); });
    if (!complete) {
      log::error("image has lost a layer; dropped", {{"image", row.id}});
      drop.push_back(erase_image(row.id));
      continue;
    }
    for (const auto& chain : r.chain_ids()) {
      info.layers.push_back(into.layers.at(chain).info);
      info.size_bytes += info.layers.back().size_bytes;
    }
    stored_image image;
    image.tags.assign(r.tags().begin(), r.tags().end());
    image.digests.assign(r.digests().begin(), r.digests().end());
    image.info = make_info(image, info);
    into.images.emplace(row.id, std::move(image));
  }
  return {};
}

} // namespace

std::vector<std::string> catalog::unneeded_layers() const {
  std::unordered_set<std::string_view> needed;
  for (const auto& [id, image] : images) {
    for (const auto& layer : image.info->layers) needed.insert(layer.chain_id);
  }
  std::vector<std::string> unneeded;
  for (const auto& [chain, layer] : layers) {
    if (!needed.contains(chain)) unneeded.push_back(chain);
  }
  return unneeded;
}

stored_image* catalog::find_tag(std::string_view full) {
  for (auto& [id, image] : images) {
    if (std::find(image.tags.begin(), image.tags.end(), full) != image.tags.end()) return &image;
  }
  return nullptr;
}

std::shared_ptr<const image_info> make_info(const stored_image& image, const image_info& basis) {
  auto info = std::make_shared<image_info>(basis);
  info->repo_tags = familiar_names(image.tags);
  info->repo_digests = familiar_names(image.digests);
  return info;
}

change put_image(const stored_image& image) {
  pb::ImageRecord r;
  r.set_version(record_version);
  r.set_id(image.info->id);
  r.set_config(image.info->config);
  for (const auto& layer : image.info->layers) r.add_chain_ids(layer.chain_id);
  r.set_last_tagged(image.info->last_tagged);
  r.set_parent(image.info->parent);
  r.set_kept(image.info->kept);
  for (const auto& tag : image.tags) r.add_tags(tag);
  for (const auto& digest : image.digests) r.add_digests(digest);
  return {record_kind::image, image.info->id, false, r.SerializeAsString()};
}

change put_layer(const stored_layer& layer) {
  pb::LayerRecord r;
  r.set_version(record_version);
  r.set_chain_id(layer.info.chain_id);
  r.set_diff_id(layer.info.diff_id);
  r.set_parent_chain_id(layer.parent_chain_id);
  r.set_size_bytes(layer.info.size_bytes);
  r.set_durable(layer.durable);
  return {record_kind::layer, layer.info.chain_id, false, r.SerializeAsString()};
}

change erase_image(std::string_view id) { return {record_kind::image, std::string(id), true, {}}; }
change erase_layer(std::string_view chain_id) { return {record_kind::layer, std::string(chain_id), true, {}}; }

result<catalog> read_catalog(record_store& records, const layer_check& usable, std::vector<change>& drop) {
  catalog found;
  GANTRY_TRYV(read_layers(records, usable, found, drop));
  GANTRY_TRYV(read_images(records, found, drop));
  return found;
}

} // namespace gantry::storage
