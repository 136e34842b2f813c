/// record_images: from layers that stand in ingest/ to images that exist.
#include <algorithm>
#include <cerrno>
#include <set>

#include "io/base/defer.hpp"
#include "storage/image_state.hpp"
#include "storage/trash.hpp"

namespace gantry::storage {

namespace fs = std::filesystem;

namespace {

class recording {
public:
  recording(image_store_state& s, const std::vector<new_image>& images, const ready_layers& ready,
            const layer_serials& relied_on)
      : s_(s), images_(images), ready_(ready), relied_on_(relied_on), next_(s.known) {}

  result<recorded> run() {
    find_missing();
    if (!done_.missing_layers.empty()) return std::move(done_);
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
        const auto known = s_.known.layers.find(chain);
        const auto relied = relied_on_.find(chain);
        const bool is_known = known != s_.known.layers.end();
        if (relied != relied_on_.end() && !(is_known && known->second.serial == relied->second)) {
          done_.missing_layers.push_back(chain);
        } else if (!is_known && ready_.contains(chain)) {
          wanted_.insert(chain);
        } else if (!is_known) {
          done_.missing_layers.push_back(chain);
        }
      }
    }
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
    next_.layers.insert_or_assign(chain, ready.layer).first->second.serial = ++s_.last_serial;
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
  const layer_serials& relied_on_;
  catalog next_;
  recorded done_;
  std::set<std::string> wanted_, changed_images_;
  std::vector<fs::path> moved_;
};

} // namespace

result<recorded> record_images(image_store_state& s, const std::vector<new_image>& images, const ready_layers& ready,
                               const layer_serials& relied_on) {
  std::lock_guard lock(s.mutex);
  return recording(s, images, ready, relied_on).run();
}

} // namespace gantry::storage
