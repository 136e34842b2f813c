/// images, history, rmi, tag, image prune: images that are here already.
#include <algorithm>

#include "api/duration.hpp"
#include "cli/command.hpp"
#include "cli/progress.hpp"
#include "cli/table.hpp"
#include "cli/values.hpp"

namespace gantry::cli {

namespace json = boost::json;

namespace {

constexpr const char* none = "<none>";

std::string shown_id(const std::string& id, bool no_trunc) {
  if (no_trunc) return id;
  return id.substr(id.starts_with("sha256:") ? 7 : 0, 12);
}

struct image_name {
  std::string repository = none, tag = none, digest = none;
};

std::vector<image_name> names_of(const json::value& image, bool digests) {
  std::vector<std::string> tags, by_digest;
  for (const auto& [key, into] : {std::pair{"RepoTags", &tags}, std::pair{"RepoDigests", &by_digest}})
    if (const auto* list = member::list(image, {key}))
      for (const auto& item : *list)
        if (item.is_string() && item.as_string().find("<none>") == json::string::npos)
          into->emplace_back(item.as_string());
  std::vector<image_name> names;
  for (const auto& reference : tags) {
    const auto [repository, tag] = split_tag(reference);
    image_name name{repository, tag.empty() ? none : tag, none};
    if (digests)
      for (const auto& d : by_digest)
        if (d.substr(0, d.find('@')) == repository) name.digest = d.substr(d.find('@') + 1);
    names.push_back(name);
  }
  if (names.empty())
    for (const auto& d : by_digest) {
      names.push_back({d.substr(0, d.find('@')), none, d.substr(d.find('@') + 1)});
      if (!digests) break;
    }
  if (names.empty()) names.emplace_back();
  return names;
}

const std::vector<std::pair<std::string, std::string>> image_headers{{"Repository", "REPOSITORY"},
                                                                     {"Tag", "TAG"},
                                                                     {"Digest", "DIGEST"},
                                                                     {"ID", "IMAGE ID"},
                                                                     {"CreatedSince", "CREATED"},
                                                                     {"CreatedAt", "CREATED AT"},
                                                                     {"Size", "SIZE"},
                                                                     {"Containers", "CONTAINERS"},
                                                                     {"VirtualSize", "SIZE"},
                                                                     {"SharedSize", "SHARED SIZE"},
                                                                     {"UniqueSize", "UNIQUE SIZE"}};

std::string prune_filters(bool all, const string_list& filter) {
  string_list with_dangling = filter;
  with_dangling.push_back(all ? "dangling=false" : "dangling=true");
  return filters_json(with_dangling);
}

result<> print_removed(command_context& context, const json::value& list) {
  if (!list.is_array()) return {};
  for (const auto& item : list.as_array()) {
    if (const auto id = member::text(item, {"Deleted"}); !id.empty())
      context.out << "Deleted: " << id << '\n';
    else
      context.out << "Untagged: " << member::text(item, {"Untagged"}) << '\n';
  }
  return {};
}

} // namespace

result<int> images_command(command_context& context, const command& self, const string_list& arguments) {
  bool all = false, quiet = false, no_trunc = false, digests = false;
  std::string format;
  string_list filter;
  flag_set flags;
  flags.boolean(all, "all", 'a', "Show all images (default hides intermediate images)");
  flags.boolean(quiet, "quiet", 'q', "Only show image IDs");
  flags.boolean(no_trunc, "no-trunc", 0, "Don't truncate output");
  flags.boolean(digests, "digests", 0, "Show digests");
  add_filter_flag(flags, filter, 'f');
  flags.text(format, "format", 0, "Format output: table, 'table TEMPLATE', json, or a template");
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  if (!parsed.rest.empty()) filter.push_back("reference=" + parsed.rest[0]);
  target where{"/images/json"};
  where.with_if(all, "all", "1").with_if(digests, "digests", "1");
  GANTRY_TRY(reply, context.engine.get(where.with_if(!filter.empty(), "filters", filters_json(filter))));
  std::vector<json::object> rows;
  if (reply.is_array())
    for (const auto& image : reply.as_array()) {
      const auto created = member::number(image, {"Created"});
      for (const auto& name : names_of(image, digests))
        rows.push_back({{"Repository", name.repository},
                        {"Tag", name.tag},
                        {"Digest", name.digest},
                        {"ID", shown_id(member::text(image, {"Id"}), no_trunc)},
                        {"CreatedSince", age_text(created)},
                        {"CreatedAt", full_time(created)},
                        {"Size", human_size_three(static_cast<double>(member::number(image, {"Size"})))},
                        {"VirtualSize", human_size(static_cast<double>(member::number(image, {"Size"})))},
                        {"Containers", "N/A"},
                        {"SharedSize", "N/A"},
                        {"UniqueSize", "N/A"}});
    }
  if (quiet && (format.empty() || format.starts_with("table"))) format = "{{.ID}}";
  list_format how;
  how.headers = image_headers;
  how.default_table = std::string("table {{.Repository}}\t{{.Tag}}\t") + (digests ? "{{.Digest}}\t" : "") +
                      "{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
  GANTRY_TRYV(print_list(context.out, how, format, rows));
  return 0;
}

result<int> history_command(command_context& context, const command& self, const string_list& arguments) {
  bool human = true, no_trunc = false, quiet = false;
  std::string format;
  flag_set flags;
  flags.boolean(human, "human", 'H', "Print sizes and dates in human readable format");
  flags.boolean(no_trunc, "no-trunc", 0, "Don't truncate output");
  flags.boolean(quiet, "quiet", 'q', "Only show image IDs");
  flags.text(format, "format", 0, "Format output: table, 'table TEMPLATE', json, or a template");
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  GANTRY_TRY(reply, context.engine.get(target{"/images/", parsed.rest[0], "/history"}));
  std::vector<json::object> rows;
  if (reply.is_array())
    for (const auto& layer : reply.as_array()) {
      const auto created = member::number(layer, {"Created"});
      const auto size = member::number(layer, {"Size"});
      std::string by = member::text(layer, {"CreatedBy"});
      std::replace(by.begin(), by.end(), '\t', ' ');
      if (!no_trunc && by.size() > 45) by = by.substr(0, 44) + "…";
      const std::string at = format_rfc3339_nano(created * 1000000000);
      rows.push_back({{"ID", shown_id(member::text(layer, {"Id"}), no_trunc)},
                      {"CreatedSince", human ? age_text(created) : at},
                      {"CreatedAt", at},
                      {"CreatedBy", by},
                      {"Size", human ? human_size_three(static_cast<double>(size)) : std::to_string(size)},
                      {"Comment", member::text(layer, {"Comment"})}});
    }
  if (quiet) format = "{{.ID}}";
  list_format how;
  how.headers = {{"ID", "IMAGE"},
                 {"CreatedSince", human ? "CREATED" : "CREATED AT"},
                 {"CreatedAt", "CREATED AT"},
                 {"CreatedBy", "CREATED BY"},
                 {"Size", "SIZE"},
                 {"Comment", "COMMENT"}};
  how.default_table = "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";
  GANTRY_TRYV(print_list(context.out, how, format, rows));
  return 0;
}

result<int> tag_command(command_context& context, const command& self, const string_list& arguments) {
  flag_set flags;
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  const auto [repository, tag] = split_tag(parsed.rest[1]);
  target where{"/images/", parsed.rest[0], "/tag"};
  GANTRY_TRYV(context.engine.post(where.with("repo", repository).with("tag", tag.empty() ? "latest" : tag)));
  return 0;
}

result<int> rmi_command(command_context& context, const command& self, const string_list& arguments) {
  bool force = false, no_prune = false;
  flag_set flags;
  flags.boolean(force, "force", 'f', "Force removal of the image");
  flags.boolean(no_prune, "no-prune", 0, "Do not delete untagged parents");
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  return for_each_argument(context, parsed.rest, [&](const std::string& name) -> result<> {
    target where{"/images/", name};
    auto removed = context.engine.remove(where.with_if(force, "force", "1").with_if(no_prune, "noprune", "1"));
    if (removed.has_error() && force && removed.error().code == errc::not_found) {
      context.err << removed.error().message << '\n';
      return {};
    }
    if (removed.has_error()) return std::move(removed).error();
    return print_removed(context, *removed);
  });
}

result<int> image_prune_command(command_context& context, const command& self, const string_list& arguments) {
  bool force = false, all = false;
  string_list filter;
  flag_set flags;
  flags.boolean(force, "force", 'f', "Do not prompt for confirmation");
  flags.boolean(all, "all", 'a', "Remove all unused images, not just dangling ones");
  add_filter_flag(flags, filter, 0);
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  const char* what = all ? "WARNING! This will remove all images without at least one container associated to them."
                         : "WARNING! This will remove all dangling images.";
  if (!force && !confirm(context, std::string(what) + "\nAre you sure you want to continue?")) return 0;
  target where{"/images/prune"};
  GANTRY_TRY(reply, context.engine.post(where.with("filters", prune_filters(all, filter))));
  if (const auto* gone = member::at(reply, {"ImagesDeleted"});
      gone != nullptr && gone->is_array() && !gone->as_array().empty()) {
    context.out << "Deleted Images:\n";
    for (const auto& item : gone->as_array()) {
      const auto id = member::text(item, {"Deleted"});
      context.out << (id.empty() ? "untagged: " + member::text(item, {"Untagged"}) : "deleted: " + id) << '\n';
    }
    context.out << '\n';
  }
  context.out << "Total reclaimed space: " << human_size(static_cast<double>(member::number(reply, {"SpaceReclaimed"})))
              << '\n';
  return 0;
}

} // namespace gantry::cli
