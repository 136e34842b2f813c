/// Tags and removal, by Docker's rules (behaviours 240, 241; the graph-driver store's image_delete.go).
#include <algorithm>
#include <cerrno>

#include "io/base/ids.hpp"
#include "storage/image_state.hpp"

namespace gantry::storage {

namespace {

error conflict(std::string text) { return error{errc::conflict, 0, std::move(text)}; }
std::string twelve(std::string_view id) { return short_id(hex_of(id)); }

enum conflicts : unsigned {
  dependent_child = 1,
  running_container = 2,
  active_reference = 4,
  stopped_container = 8,
  hard = dependent_child | running_container,
  soft = active_reference | stopped_container,
};

struct found_conflict {
  bool used = false; ///< by a container
  error cause;
};

/// "repository" of a full reference: everything before the tag or digest.
std::string_view repository_of(std::string_view full) {
  full = full.substr(0, full.find('@'));
  const auto colon = full.rfind(':');
  return colon == full.npos || full.find('/', colon) != full.npos ? full : full.substr(0, colon);
}

/// All references are of one repository, and at most one of them is a tag. False for none.
bool is_single_reference(const stored_image& image) {
  if (image.tags.size() + image.digests.size() <= 1) return image.tags.size() + image.digests.size() == 1;
  if (image.tags.size() > 1) return false;
  const auto repository = repository_of(image.tags.empty() ? image.digests.front() : image.tags.front());
  return std::all_of(image.digests.begin(), image.digests.end(),
                     [&](const auto& d) { return repository_of(d) == repository; });
}

class removal {
public:
  removal(image_store_state& s, const image_store::usage_of& used_by) : s_(s), used_by_(used_by), next_(s.known) {}

  result<removed> by_name(const image_info& image, std::string_view text, bool force, bool no_prune) {
    GANTRY_TRY(parsed, parse_reference_with_default_tag(text));
    auto& stored = next_.images.at(image.id);
    if (!force && is_single_reference(stored)) {
      if (const auto users = used_by_(image.id); !users.empty()) {
        return conflict("conflict: unable to remove repository reference \"" + std::string(text) +
                        "\" (must force) - container " + short_id(users.front().container_id) +
                        " is using its referenced image " + twelve(image.id));
      }
    }
    if (!parsed.digest.empty()) parsed.tag.clear();
    untag(stored, parsed.full());
    drop_digests_without_tag(stored, parsed);
    if (stored.tags.empty() && stored.digests.empty()) {
      GANTRY_TRYV(remove_image(image.id, force, !no_prune, true));
    }
    return finish();
  }

  result<removed> by_id(const image_info& image, bool force, bool no_prune) {
    auto& stored = next_.images.at(image.id);
    if (is_single_reference(stored)) {
      const unsigned mask = hard | (force ? 0u : unsigned{stopped_container});
      if (auto found = find_conflict(image.id, mask)) return found->cause;
      untag_all(stored);
    }
    GANTRY_TRYV(remove_image(image.id, force, !no_prune, false));
    return finish();
  }

  result<removed> whole(const image_info& image) {
    if (auto found = find_conflict(image.id, hard | stopped_container)) return found->cause;
    untag_all(next_.images.at(image.id));
    GANTRY_TRYV(remove_image(image.id, false, true, false));
    return finish();
  }

  /// Images that only containers still needed, and those containers are gone.
  result<> kept_without_users() {
    std::vector<std::string> ids;
    for (const auto& [id, image] : next_.images) {
      if (image.info->kept && used_by_(id).empty()) ids.push_back(id);
    }
    if (ids.empty()) return {};
    for (const auto& id : ids) erase(id);
    GANTRY_TRYV(finish());
    return {};
  }

private:
  void untag(stored_image& image, const std::string& full) {
    const bool was_there = std::erase(image.tags, full) + std::erase(image.digests, full) > 0;
    if (!was_there) return;
    done_.untagged.push_back(parse_reference(full)->familiar());
    image.info = make_info(image, *image.info);
    changed_.insert(image.info->id);
  }

  void untag_all(stored_image& image) {
    for (const auto& tag : std::vector(image.tags)) untag(image, tag);
    for (const auto& digest : std::vector(image.digests)) untag(image, digest);
  }

  /// Digest references of a repository go with its last tag.
  void drop_digests_without_tag(stored_image& image, const reference& gone) {
    if (!gone.digest.empty()) return;
    const auto repository = gone.domain + "/" + gone.path;
    const auto same = [&](const std::string& full) { return repository_of(full) == repository; };
    if (std::any_of(image.tags.begin(), image.tags.end(), same)) return;
    for (const auto& digest : std::vector(image.digests)) {
      if (same(digest)) untag(image, digest);
    }
  }

  std::optional<found_conflict> find_conflict(const std::string& id, unsigned mask) {
    const auto make = [&](bool is_hard, bool used, const std::string& text) {
      return found_conflict{used, conflict("conflict: unable to delete " + twelve(id) +
                                           (is_hard ? " (cannot be forced) - " : " (must be forced) - ") + text)};
    };
    const auto users = used_by_(id);
    const auto user = [&](bool running) -> const image_store::usage* {
      const auto found = std::find_if(users.begin(), users.end(), [&](const auto& u) { return u.running == running; });
      return found == users.end() ? nullptr : &*found;
    };
    if ((mask & dependent_child) && has_children(id)) return make(true, false, "image has dependent child images");
    if (const auto* u = user(true); u && (mask & running_container)) {
      return make(true, true, "image is being used by running container " + short_id(u->container_id));
    }
    const auto& image = next_.images.at(id);
    if ((mask & active_reference) && !(image.tags.empty() && image.digests.empty())) {
      return make(false, false, "image is referenced in multiple repositories");
    }
    if (const auto* u = user(false); u && (mask & stopped_container)) {
      return make(false, true, "image is being used by stopped container " + short_id(u->container_id));
    }
    return {};
  }

  bool has_children(const std::string& id) const {
    return std::any_of(next_.images.begin(), next_.images.end(),
                       [&](const auto& i) { return i.second.info->parent == id && !i.second.info->kept; });
  }

  /// Docker's imageDeleteHelper: `quiet` after an untagging that was asked for, which is done whatever follows.
  result<> remove_image(const std::string& id, bool force, bool prune, bool quiet) {
    if (auto found = find_conflict(id, force ? unsigned{hard} : unsigned{hard} | soft)) {
      const auto& image = next_.images.at(id);
      const bool dangling = image.tags.empty() && image.digests.empty() && !has_children(id);
      if (quiet && (!dangling || found->used)) return {};
      return found->cause;
    }
    auto& stored = next_.images.at(id);
    const auto parent = stored.info->parent;
    untag_all(stored);
    done_.deleted.push_back(id);
    if (used_by_(id).empty()) {
      erase(id);
    } else {
      auto info = *stored.info;
      info.kept = true;
      stored.info = make_info(stored, info);
      changed_.insert(id);
    }
    if (!prune || parent.empty() || !next_.images.contains(parent) || next_.images.at(parent).info->kept) return {};
    return remove_image(parent, false, true, true);
  }

  void erase(const std::string& id) {
    const auto image = next_.images.find(id);
    const auto layers = image->second.info->layers;
    next_.images.erase(image);
    changed_.erase(id);
    erased_.push_back(id);
    auto unneeded = next_.unneeded_layers();
    for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
      if (std::find(unneeded.begin(), unneeded.end(), layer->chain_id) == unneeded.end()) break;
      next_.layers.erase(layer->chain_id);
      freed_.push_back(layer->chain_id);
      done_.deleted.push_back(layer->chain_id);
      done_.reclaimed_bytes += layer->size_bytes;
    }
  }

  /// Records first, files after: a kill between leaves files that no record names, which open() drops.
  result<removed> finish() {
    std::vector<change> changes;
    for (const auto& id : changed_) changes.push_back(put_image(next_.images.at(id)));
    for (const auto& id : erased_) changes.push_back(erase_image(id));
    for (const auto& chain : freed_) changes.push_back(erase_layer(chain));
    GANTRY_TRYV(s_.commit(std::move(changes), std::move(next_)));
    s_.discard(freed_, erased_);
    return std::move(done_);
  }

  image_store_state& s_;
  const image_store::usage_of& used_by_;
  catalog next_;
  removed done_;
  std::set<std::string> changed_;
  std::vector<std::string> erased_, freed_;
};

/// "sha256:abc", "abc": the text names the image by its id, not by a reference.
bool is_id_prefix(std::string_view id, std::string_view text) {
  return !text.empty() && (id.starts_with(text) || hex_of(id).starts_with(text));
}

} // namespace

result<removed> image_store::remove(std::string_view image, bool force, bool no_prune, const usage_of& used_by) {
  auto& s = *state_;
  std::lock_guard lock(s.mutex);
  GANTRY_TRY(found, images()->find(image));
  removal work(s, used_by);
  if (is_id_prefix(found->id, image)) return work.by_id(*found, force, no_prune);
  return work.by_name(*found, image, force, no_prune);
}

result<removed> image_store::remove_image(std::string_view image_id, const usage_of& used_by) {
  auto& s = *state_;
  std::lock_guard lock(s.mutex);
  GANTRY_TRY(found, images()->find(image_id));
  return removal(s, used_by).whole(*found);
}

result<> image_store::release_kept(const usage_of& used_by) {
  auto& s = *state_;
  std::lock_guard lock(s.mutex);
  return removal(s, used_by).kept_without_users();
}

result<> image_store::tag(std::string_view image, std::string_view repository, std::string_view tag) {
  GANTRY_TRY(target, parse_target(repository, tag));
  auto& s = *state_;
  std::lock_guard lock(s.mutex);
  GANTRY_TRY(found, images()->find(image));
  auto next = s.known;
  std::vector<change> changes;
  const auto full = target.full();
  auto& stored = next.images.at(found->id);
  if (auto* before = next.find_tag(full); before && before != &stored) {
    std::erase(before->tags, full);
    before->info = make_info(*before, *before->info);
    changes.push_back(put_image(*before));
  }
  if (std::find(stored.tags.begin(), stored.tags.end(), full) == stored.tags.end()) stored.tags.push_back(full);
  auto info = *stored.info;
  info.last_tagged = now_nanos();
  stored.info = make_info(stored, info);
  changes.push_back(put_image(stored));
  return s.commit(std::move(changes), std::move(next));
}

} // namespace gantry::storage
