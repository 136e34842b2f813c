/// image_store::import: a root filesystem's tar becomes an image of one layer (behaviours 258).
#include <boost/json.hpp>

#include "storage/image_state.hpp"
#include "storage/layer_settle.hpp"

namespace gantry::storage {

namespace json = boost::json;

namespace {

error bad(std::string text) { return error{errc::invalid_parameter, 0, std::move(text)}; }

constexpr std::string_view host_architecture = "amd64";

result<std::string> make_config(const image_store::import_options& options, const std::string& diff_id,
                                unix_nanos created) {
  json::error_code failed;
  json::value config =
      options.config_json.empty() ? json::value(json::object{}) : json::parse(options.config_json, failed);
  if (failed || !config.is_object()) return bad("import: the configuration is not a JSON object");
  const auto time = format_rfc3339_nano(created);
  json::object image;
  image["architecture"] = options.architecture.empty() ? host_architecture : std::string_view(options.architecture);
  if (!options.variant.empty()) image["variant"] = options.variant;
  if (!options.comment.empty()) image["comment"] = options.comment;
  image["config"] = std::move(config);
  image["created"] = time;
  json::object history{{"created", time}};
  if (!options.comment.empty()) history["comment"] = options.comment;
  image["history"] = json::array{std::move(history)};
  image["os"] = options.os;
  image["rootfs"] = json::object{{"type", "layers"}, {"diff_ids", json::array{json::value(diff_id)}}};
  return json::serialize(image);
}

} // namespace

result<std::string> image_store::import(int source_fd, const import_options& options) {
  auto& s = *state_;
  std::vector<std::string> tags;
  if (!options.tag.empty()) {
    GANTRY_TRY(target, parse_target(options.tag, {}));
    tags.push_back(target.full());
  }
  auto imported = [&]() -> result<std::string> {
    GANTRY_TRYV(s.options.step("ingest"));
    GANTRY_TRY(ingest, ingest_dir::make(s.layout));
    GANTRY_TRY(space, space_guard::open(ingest.fd(), s.options.unpacked_bytes_max));
    fd_source raw(source_fd);
    GANTRY_TRY(layer, unpack_to(ingest.path() / "layer-0", raw, {}, {}, s.options, space));
    const auto now = now_nanos();
    new_image image;
    image.last_tagged = tags.empty() ? 0 : now;
    image.tags = tags;
    image.chain_ids = {layer.layer.info.diff_id}; // of one layer, chain and diff id are the same
    layer.layer.info.chain_id = layer.layer.info.diff_id;
    GANTRY_TRY(config, make_config(options, layer.layer.info.diff_id, now));
    image.config = std::move(config);
    image.id = sha256_of(image.config);
    GANTRY_TRY(parsed, parse_image_config(image.config));
    image.parsed = std::move(parsed);
    ready_layers ready;
    ready.emplace(image.chain_ids.front(), std::move(layer));
    // No layer can be missing: the one there is stands ready.
    GANTRY_TRYV(settle_layer(ready.begin()->second.directory / "fs", ready.begin()->second.unpacked, {}));
    GANTRY_TRYV(record_images(s, {image}, ready, {}));
    s.behind->sync_soon();
    return image.id;
  }();
  s.behind->empty_trash_soon();
  return imported;
}

} // namespace gantry::storage
