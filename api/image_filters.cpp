/// Which images a list shows (behaviours 224), and how much of each is shared.
#include <algorithm>
#include <map>
#include <set>

#include "api/filters.hpp"
#include "api/glob.hpp"
#include "api/image_json.hpp"

namespace gantry::api {

namespace {

/// "alpine:3.20" and "alpine@sha256:.." -> "alpine".
std::string_view name_of(std::string_view reference) {
  reference = reference.substr(0, reference.find('@'));
  auto colon = reference.rfind(':');
  auto slash = reference.rfind('/');
  if (colon == std::string_view::npos || (slash != std::string_view::npos && slash > colon)) return reference;
  return reference.substr(0, colon);
}

/// The familiar form, with the default tag.
std::string familiar(std::string_view reference) {
  for (std::string_view prefix : {"index.docker.io/", "docker.io/"})
    if (reference.substr(0, prefix.size()) == prefix) reference.remove_prefix(prefix.size());
  if (reference.substr(0, 8) == "library/") reference.remove_prefix(8);
  std::string out(reference);
  if (out.find('@') == std::string::npos && name_of(out) == out) out += ":latest";
  return out;
}

bool contains(const string_list& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

/// The image that `before` or `since` names: by reference, id, or unique prefix of an id.
result<const image_view*> find_image(const std::vector<image_view>& views, const std::string& text) {
  auto reference = familiar(text);
  for (const auto& v : views)
    if (contains(v.repo_tags, reference) || contains(v.repo_digests, reference) || v.id == text) return &v;
  std::string prefix = text.compare(0, 7, "sha256:") == 0 ? text : "sha256:" + text;
  const image_view* found = nullptr;
  for (const auto& v : views) {
    if (prefix.size() <= 7 || v.id.compare(0, prefix.size(), prefix) != 0) continue;
    if (found != nullptr) return error{errc::invalid_parameter, 0, "multiple IDs found with provided prefix: " + text};
    found = &v;
  }
  if (found == nullptr) return error{errc::not_found, 0, "No such image: " + reference};
  return found;
}

/// Numbers for chains of layers: the same for the same layers from the bottom up.
class chain_numbers {
public:
  std::vector<std::size_t> of(const image_view& v) {
    std::vector<std::size_t> out;
    std::size_t parent = 0;
    for (const auto& diff : v.config.diff_ids) {
      parent = numbers_.try_emplace({parent, diff}, numbers_.size() + 1).first->second;
      out.push_back(parent);
    }
    return out;
  }

private:
  std::map<std::pair<std::size_t, std::string>, std::size_t> numbers_;
};

void count_shared(std::vector<image_view>& views) {
  chain_numbers chains;
  std::map<std::size_t, int> uses;
  for (const auto& v : views)
    for (auto chain : chains.of(v)) ++uses[chain];
  for (auto& v : views) {
    v.shared_size = 0;
    auto chain = chains.of(v);
    for (std::size_t i = 0; i < chain.size() && i < v.layer_sizes.size(); ++i)
      if (uses[chain[i]] > 1) v.shared_size += v.layer_sizes[i];
  }
}

struct image_filter {
  const filters& f;
  bool all = false, dangling_given = false, dangling_only = false;
  unix_nanos before = 0, since = 0;
  std::optional<unix_nanos> until;
  std::set<std::string> parents;
  const std::set<std::string>& references;

  static result<image_filter> make(const list_images& query, const std::vector<image_view>& views, unix_nanos now) {
    image_filter out{query.filter, query.all, false, false, 0, 0, {}, {}, filter_values(query.filter, "reference")};
    GANTRY_TRY(dangling, filter_flag(query.filter, "dangling", false));
    out.dangling_given = has_filter(query.filter, "dangling");
    out.dangling_only = dangling;
    GANTRY_TRY(until, filter_until(query.filter, now));
    out.until = until;
    for (const auto& name : filter_values(query.filter, "before")) {
      GANTRY_TRY(image, find_image(views, name));
      out.before = image->created;
    }
    for (const auto& name : filter_values(query.filter, "since")) {
      GANTRY_TRY(image, find_image(views, name));
      out.since = image->created;
    }
    for (const auto& pattern : out.references)
      if (!glob_valid(pattern)) return error{errc::invalid_parameter, 0, "syntax error in pattern"};
    for (const auto& v : views)
      if (!v.parent.empty()) out.parents.insert(v.parent);
    return out;
  }

  [[nodiscard]] bool fits_reference(std::string_view reference) const {
    return std::any_of(references.begin(), references.end(), [&](const auto& pattern) {
      return glob_match(pattern, reference) || glob_match(pattern, name_of(reference));
    });
  }

  /// Takes the names that no `reference` fits off the view.
  void keep_matching_names(image_view& v) const {
    if (references.empty()) return;
    auto unfit = [&](const std::string& reference) { return !fits_reference(reference); };
    std::erase_if(v.repo_tags, unfit);
    std::erase_if(v.repo_digests, unfit);
  }

  [[nodiscard]] bool shows(image_view& v) const {
    if (has_filter(f, "before") && v.created >= before) return false;
    if (has_filter(f, "since") && v.created <= since) return false;
    if (until && v.created > *until) return false;
    if (!matches_labels(f, "label", v.config.config.labels)) return false;
    bool has_children = parents.count(v.id) != 0;
    if (dangling_only && (has_children || !v.repo_tags.empty())) return false;
    keep_matching_names(v);
    if (!v.repo_tags.empty() || !v.repo_digests.empty()) return true;
    return !(!all && has_children) && !(dangling_given && !dangling_only) && references.empty();
  }
};

} // namespace

result<std::vector<image_view>> filter_images(const list_images& query, std::vector<image_view> views, unix_nanos now) {
  GANTRY_TRYV(check_filter_keys(query.filter, {"dangling", "label", "before", "since", "reference", "until"}));
  GANTRY_TRY(filter, image_filter::make(query, views, now));
  if (query.shared_size) count_shared(views);
  std::vector<image_view> out;
  for (auto& v : views)
    if (filter.shows(v)) out.push_back(std::move(v));
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.created > b.created; });
  return out;
}

} // namespace gantry::api
