/// image_index: lookups over all images of one moment.
#include "storage/image_store.hpp"

#include <algorithm>

#include "io/base/ids.hpp"
#include "storage/layout.hpp"

namespace gantry::storage {

namespace {
constexpr std::size_t hex_digits = 64;

bool is_hex_prefix(std::string_view s) {
  return !s.empty() && s.size() <= hex_digits && s.find_first_not_of("0123456789abcdef") == s.npos;
}
} // namespace

image_index::image_index(std::vector<std::shared_ptr<const image_info>> images) : images_(std::move(images)) {
  for (const auto& image : images_) {
    by_id_.emplace(hex_of(image->id), image);
    if (image->kept) continue;
    for (const auto& name : image->repo_tags) by_name_.emplace(name, image);
    for (const auto& name : image->repo_digests) by_name_.emplace(name, image);
    if (!image->parent.empty()) parents_.insert(image->parent);
  }
  std::erase_if(images_, [](const auto& image) { return image->kept; });
  std::sort(images_.begin(), images_.end(), [](const auto& a, const auto& b) {
    return a->created != b->created ? a->created > b->created : a->id < b->id;
  });
}

bool image_index::has_children(std::string_view image_id) const { return parents_.contains(image_id); }

std::shared_ptr<const image_info> image_index::find_for_container(std::string_view image_id) const {
  const auto found = by_id_.find(hex_of(image_id));
  return found == by_id_.end() ? nullptr : found->second;
}

result<std::shared_ptr<const image_info>> image_index::find_prefix(std::string_view hex) const {
  std::shared_ptr<const image_info> found;
  for (auto at = by_id_.lower_bound(hex); at != by_id_.end() && at->first.starts_with(hex); ++at) {
    if (at->second->kept) continue;
    if (found)
      return error{errc::invalid_parameter, 0,
                   "ambiguous reference: `" + std::string(hex) + "` begins several image ids"};
    found = at->second;
  }
  return found;
}

/// The order is Docker's: a name before an id prefix, so that an image tagged "cafe" is not hidden by an id.
result<std::shared_ptr<const image_info>> image_index::find(std::string_view text) const {
  const auto missing = [](std::string_view name) {
    return error{errc::not_found, 0, "No such image: " + std::string(name)};
  };
  if (is_full_id(text) || is_sha256_digest(text)) {
    auto image = find_for_container(text);
    if (!image || image->kept) return missing("sha256:" + std::string(hex_of(text)));
    return image;
  }
  GANTRY_TRY(parsed, parse_reference_with_default_tag(text));
  auto lookup = parsed;
  if (!lookup.digest.empty()) lookup.tag.clear(); // the digest says which: behaviours 238
  if (const auto named = by_name_.find(lookup.familiar()); named != by_name_.end()) return named->second;
  const auto hex = text.starts_with("sha256:") ? text.substr(7) : text;
  if (is_hex_prefix(hex)) {
    GANTRY_TRY(image, find_prefix(hex));
    if (image) return image;
  }
  return missing(parsed.familiar());
}

} // namespace gantry::storage
