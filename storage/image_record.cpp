/// record_images: from layers that stand in ingest/ to images that exist.
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <set>

#include "io/base/defer.hpp"
#include "storage/image_state.hpp"
#include "storage/merged_view.hpp"
#include "storage/trash.hpp"
#include "storage/tree.hpp"

namespace gantry::storage {

namespace fs = std::filesystem;

namespace {

class recording {
public:
  recording(image_store_state& s, const std::vector<new_image>& images, const ready_layers& ready)
      : s_(s), images_(images), ready_(ready), next_(s.known) {}

  result<recorded> run() {
    find_missing();
    if (!done_.missing_layers.empty()) return std::move(done_);
    for (const auto& image : images_) GANTRY_TRYV(describe_implied(image));
    defer undo([this] { put_away_moved(); });
    for (const auto& chain : wanted_) GANTRY_TRYV(move_in(chain));
    for (const auto& image : images_) add(image);
    for (const auto& image : images_) link_parent(image);
    std::vector<change> changes;
    for (const auto& chain : wanted_) changes.push_back(put_layer(next_.layers.at(chain)));
    for (const auto& id : changed_images_) changes.push_back(put_image(next_.images.at(id)));
    GANTRY_TRYV(s_.options.step("commit"));
    GANTRY_TRYV(s_.commit(std::move(changes), std::move(next_)));
    undo.release();
    return std::move(done_);
  }

private:
  void find_missing() {
    for (const auto& image : images_) {
      for (const auto& chain : image.chain_ids) {
        if (s_.known.layers.contains(chain)) continue;
        if (ready_.contains(chain)) wanted_.insert(chain);
        else done_.missing_layers.push_back(chain);
      }
    }
  }

  /// A directory that a layer only implied looks as the layers below have it. Must run before anything is moved.
  result<> describe_implied(const new_image& image) {
    std::vector<fs::path> below; // topmost first
    for (const auto& chain : image.chain_ids) {
      const bool fresh = wanted_.contains(chain);
      const auto root = fresh ? ready_.find(chain)->second.directory / "fs" : s_.layout.layer_fs(chain);
      if (fresh && !below.empty() && described_.insert(chain).second) {
        GANTRY_TRYV(describe_directories(root, below, ready_.find(chain)->second.implied_directories));
      }
      below.insert(below.begin(), root);
    }
    return {};
  }

  static result<> describe_directories(const fs::path& layer, const std::vector<fs::path>& below,
                                       const std::vector<std::string>& implied) {
    if (implied.empty()) return {};
    GANTRY_TRY(root, open_directory(layer));
    GANTRY_TRY(view, merged_view::open(below));
    for (const auto& path : implied) {
      GANTRY_TRY(from, view.find(path));
      if (!from || !S_ISDIR(from->info.st_mode)) continue;
      auto to = open_in_root(root.get(), path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      if (to.has_error()) continue; // replaced later in the same archive
      GANTRY_TRYV(copy_directory_attributes(*from, to->get()));
    }
    return {};
  }

  result<> move_in(const std::string& chain) {
    GANTRY_TRYV(s_.options.step("rename layer"));
    const auto& ready = ready_.find(chain)->second;
    const auto place = s_.layout.layer(chain);
    GANTRY_TRYV(move_to_trash(s_.layout.root, place)); // no record names it: left by a removal that failed half-way
    if (::rename(ready.directory.c_str(), place.c_str()) != 0) {
      return sys_error("move layer to `" + place.string() + "`", errno);
    }
    moved_.push_back(place);
    next_.layers.insert_or_assign(chain, ready.layer);
    return {};
  }

  void put_away_moved() {
    for (const auto& place : moved_) (void)move_to_trash(s_.layout.root, place);
  }

  void add(const new_image& image) {
    auto& stored = next_.images[image.id];
    image_info info;
    if (stored.info) {
      info = *stored.info;
    } else {
      info.id = image.id;
      info.config = image.config;
      info.created = image.parsed.created;
      for (const auto& chain : image.chain_ids) {
        info.layers.push_back(next_.layers.at(chain).info);
        info.size_bytes += info.layers.back().size_bytes;
      }
    }
    info.kept = false;
    if (image.last_tagged != 0) info.last_tagged = image.last_tagged;
    for (const auto& tag : image.tags) take_tag(tag, image.id);
    stored.info = make_info(stored, info);
    changed_images_.insert(image.id);
  }

  void take_tag(const std::string& tag, const std::string& id) {
    auto* before = next_.find_tag(tag);
    auto& stored = next_.images.at(id);
    if (before == &stored) return;
    if (before) {
      std::erase(before->tags, tag);
      before->info = make_info(*before, *before->info);
      done_.moved.push_back({tag, before->info->id});
      changed_images_.insert(before->info->id);
    }
    stored.tags.push_back(tag);
  }

  /// A parent is believed only if it has one step of history less: so no circle can come out of an archive.
  void link_parent(const new_image& image) {
    const auto parent = next_.images.find(image.parent);
    if (image.parent.empty() || parent == next_.images.end()) return;
    auto parsed = parse_image_config(parent->second.info->config);
    if (parsed.has_error() || parsed->history_count + 1 != image.parsed.history_count) return;
    auto& stored = next_.images.at(image.id);
    auto info = *stored.info;
    info.parent = image.parent;
    stored.info = make_info(stored, info);
  }

  image_store_state& s_;
  const std::vector<new_image>& images_;
  const ready_layers& ready_;
  catalog next_;
  recorded done_;
  std::set<std::string> wanted_, described_, changed_images_;
  std::vector<fs::path> moved_;
};

} // namespace

result<recorded> record_images(image_store_state& s, const std::vector<new_image>& images, const ready_layers& ready) {
  std::lock_guard lock(s.mutex);
  return recording(s, images, ready).run();
}

} // namespace gantry::storage
