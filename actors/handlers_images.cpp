// Calls about images: list, inspect, history, tag, remove and prune.
#include "actors/handlers.hpp"

namespace gantry::actors {

namespace {

using image_ptr = std::shared_ptr<const storage::image_info>;

result<api::image_view> view_of(services& s, const storage::image_info& image, bool with_dirs) {
  api::image_view v;
  v.id = image.id;
  v.parent = image.parent;
  if (auto prepared = s.prepared_images.find(image.id)) {
    v.config = prepared->config;
    if (with_dirs) v.lower_dirs = prepared->lower_dirs;
  } else {
    GANTRY_TRY(config, api::parse_image_config(image.config));
    v.config = std::move(config);
  }
  v.repo_tags = image.repo_tags;
  v.repo_digests = image.repo_digests;
  v.size_bytes = image.size_bytes;
  for (auto& layer : image.layers) v.layer_sizes.push_back(layer.size_bytes);
  v.created = image.created;
  v.last_tagged = image.last_tagged;
  return v;
}

std::int64_t containers_of(services& s, const std::string& image_id) {
  std::int64_t count = 0;
  for (auto& view : s.containers.views()) count += view->definition->image_id == image_id ? 1 : 0;
  return count;
}

std::optional<image_ptr> find(connection& c, const std::string& name) {
  auto found = c.svc().images->images()->find(name);
  if (found.has_value()) return std::move(found).value();
  c.reply_error(found.error());
  return std::nullopt;
}

void publish_removed(services& s, const std::string& image_id, const storage::removed& r) {
  for (auto& name : r.untagged) publish_image_event(s, "untag", image_id, name);
  for (auto& id : r.deleted) {
    s.prepared_images.erase(id);
    publish_image_event(s, "delete", id, id);
  }
}

} // namespace

void publish_image_event(services& s, std::string action, const std::string& id, const std::string& name) {
  api::event e;
  e.type = "image";
  e.action = std::move(action);
  e.id = id;
  if (auto image = s.images->images()->find(id); image.has_value())
    if (auto config = api::parse_image_config((*image)->config); config.has_value())
      e.attributes = config->config.labels;
  e.attributes["name"] = name;
  s.events.publish(std::move(e));
}

void handle(connection& c, api::list_images call) {
  auto& s = c.svc();
  std::vector<api::image_view> views;
  for (auto& image : s.images->images()->all()) {
    auto view = view_of(s, *image, false);
    if (view.has_value()) views.push_back(std::move(view).value());
  }
  auto kept = api::filter_images(call, std::move(views), now_nanos());
  if (kept.has_error()) return c.reply_error(kept.error());
  c.reply_json(api::render_image_list(*kept, c.version()));
}

void handle(connection& c, api::inspect_image call) {
  auto image = find(c, call.name);
  if (!image) return;
  auto view = view_of(c.svc(), **image, true);
  if (view.has_error()) return c.reply_error(view.error());
  view->containers = containers_of(c.svc(), view->id);
  c.reply_json(api::render_image_inspect(*view, c.version()));
}

void handle(connection& c, api::image_history_of call) {
  auto image = find(c, call.name);
  if (!image) return;
  auto view = view_of(c.svc(), **image, false);
  if (view.has_error()) return c.reply_error(view.error());
  c.reply_json(api::render_image_history(*view));
}

void handle(connection& c, api::tag_image call) {
  auto image = find(c, call.name);
  if (!image) return;
  auto& s = c.svc();
  c.in_pool<bool>(
      [&s, call, id = (*image)->id]() -> result<bool> {
        GANTRY_TRYV(s.images->tag(id, call.repository, call.tag));
        auto name = call.repository + ":" + (call.tag.empty() ? "latest" : call.tag);
        publish_image_event(s, "tag", id, name);
        return true;
      },
      [&c](result<bool> r) { r.has_error() ? c.reply_error(r.error()) : c.reply_status(201); });
}

void handle(connection& c, api::remove_image call) {
  auto image = find(c, call.name);
  if (!image) return;
  auto& s = c.svc();
  c.in_pool<storage::removed>(
      [&s, call, id = (*image)->id]() -> result<storage::removed> {
        GANTRY_TRY(r, s.images->remove(call.name, call.force, call.no_prune, s.image_usage()));
        publish_removed(s, id, r);
        return r;
      },
      [&c](result<storage::removed> r) {
        if (r.has_error()) return c.reply_error(r.error());
        c.reply_json(api::render_image_removed(r->untagged, r->deleted));
      });
}

namespace {

result<storage::removed> prune(services& s, const api::filters& filter) {
  auto dangling = filter.find("dangling");
  bool all = dangling != filter.end() && !dangling->second.empty() &&
             (*dangling->second.begin() == "false" || *dangling->second.begin() == "0");
  auto others = filter; // until and label, as for every prune
  others.erase("dangling");
  storage::removed total;
  for (auto& image : s.images->images()->all()) {
    if (!all && !image->repo_tags.empty()) continue;
    if (containers_of(s, image->id) > 0) continue;
    auto config = api::parse_image_config(image->config);
    auto labels = config.has_value() ? config->config.labels : api::string_map{};
    GANTRY_TRY(match, api::matches_prune(others, labels, image->created, now_nanos()));
    if (!match) continue;
    auto r = s.images->remove_image(image->id, s.image_usage());
    if (r.has_error()) continue; // taken into use meanwhile, or a parent of one that is
    publish_removed(s, image->id, *r);
    total.untagged.insert(total.untagged.end(), r->untagged.begin(), r->untagged.end());
    total.deleted.insert(total.deleted.end(), r->deleted.begin(), r->deleted.end());
    total.reclaimed_bytes += r->reclaimed_bytes;
  }
  api::event e;
  e.type = "image";
  e.action = "prune";
  e.attributes["reclaimed"] = std::to_string(total.reclaimed_bytes);
  s.events.publish(std::move(e));
  return total;
}

} // namespace

void handle(connection& c, api::prune_images call) {
  c.in_pool<storage::removed>([&s = c.svc(), filter = call.filter] { return prune(s, filter); },
                              [&c](result<storage::removed> r) {
                                if (r.has_error()) return c.reply_error(r.error());
                                c.reply_json(api::render_images_pruned(r->untagged, r->deleted, r->reclaimed_bytes));
                              });
}

} // namespace gantry::actors
