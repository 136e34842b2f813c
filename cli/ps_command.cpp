/// ps: the list of containers.
#include <algorithm>
#include <ctime>

#include "cli/command.hpp"
#include "cli/format_template.hpp"
#include "cli/table.hpp"
#include "cli/values.hpp"

namespace gantry::cli {

namespace json = boost::json;

namespace {

const std::vector<std::pair<std::string, std::string>> headers{{"ID", "CONTAINER ID"},
                                                               {"Names", "NAMES"},
                                                               {"Image", "IMAGE"},
                                                               {"Command", "COMMAND"},
                                                               {"CreatedAt", "CREATED AT"},
                                                               {"RunningFor", "CREATED"},
                                                               {"Ports", "PORTS"},
                                                               {"State", "STATE"},
                                                               {"Status", "STATUS"},
                                                               {"Size", "SIZE"},
                                                               {"Labels", "LABELS"},
                                                               {"Mounts", "MOUNTS"},
                                                               {"LocalVolumes", "LOCAL VOLUMES"},
                                                               {"Networks", "NETWORKS"},
                                                               {"Platform", "PLATFORM"}};

constexpr const char* plain_table =
    "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t"
    "{{.Names}}";

/// The first `length` characters, the last of them an ellipsis when it was cut.
std::string ellipsis(const std::string& text, std::size_t length) {
  std::size_t characters = 0, cut = text.size();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) == 0x80) continue;
    if (characters == length - 1) cut = i;
    if (++characters > length) return text.substr(0, cut) + "…";
  }
  return text;
}

/// As Go's %q for what commands hold.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else
      out += c;
  }
  return out + "\"";
}

std::string names_of(const json::value& container, bool no_trunc) {
  std::string names;
  if (const auto* list = member::list(container, {"Names"}))
    for (const auto& item : *list) {
      if (!item.is_string()) continue;
      std::string name(item.as_string());
      if (name.starts_with('/')) name.erase(0, 1);
      // A legacy link ("/parent/alias") is shown in full only.
      if (!no_trunc && name.find('/') != std::string::npos) continue;
      names += (names.empty() ? "" : ",") + name;
    }
  return names;
}

std::string image_of(const json::value& container, bool no_trunc) {
  const std::string image = member::text(container, {"Image"});
  if (image.empty()) return "<no image>";
  if (no_trunc) return image;
  const std::string id = member::text(container, {"ImageID"});
  if (image == id || (image.starts_with("sha256:") && image.size() == 71))
    return image.substr(image.starts_with("sha256:") ? 7 : 0, 12);
  if (const auto at = image.find("@sha256:"); at != std::string::npos) {
    // A digest reference is shown by its tag or its name.
    return image.substr(0, at);
  }
  return image;
}

std::string ports_of(const json::value& container) {
  struct port {
    std::string address, protocol;
    std::int64_t inside, outside;
  };
  std::vector<port> ports;
  if (const auto* list = member::list(container, {"Ports"}))
    for (const auto& item : *list)
      ports.push_back({member::text(item, {"IP"}), member::text(item, {"Type"}), member::number(item, {"PrivatePort"}),
                       member::number(item, {"PublicPort"})});
  std::sort(ports.begin(), ports.end(), [](const port& a, const port& b) {
    return std::tie(a.inside, a.protocol, a.address, a.outside) < std::tie(b.inside, b.protocol, b.address, b.outside);
  });
  std::string text;
  for (const auto& p : ports) {
    std::string one = std::to_string(p.inside) + "/" + p.protocol;
    if (p.outside != 0) {
      const bool v6 = p.address.find(':') != std::string::npos;
      one = (v6 ? "[" + p.address + "]" : p.address) + ":" + std::to_string(p.outside) + "->" + one;
    }
    text += (text.empty() ? "" : ", ") + one;
  }
  return text;
}

std::string labels_of(const json::value& container) {
  std::vector<std::string> labels;
  if (const auto* map = member::object(container, {"Labels"}))
    for (const auto& [key, value] : *map)
      labels.push_back(std::string(key) + "=" + (value.is_string() ? std::string(value.as_string()) : ""));
  std::sort(labels.begin(), labels.end());
  std::string text;
  for (const auto& label : labels) text += (text.empty() ? "" : ",") + label;
  return text;
}

std::string mounts_of(const json::value& container, bool no_trunc) {
  std::string text;
  if (const auto* list = member::list(container, {"Mounts"}))
    for (const auto& mount : *list) {
      std::string name = member::text(mount, {"Name"});
      if (name.empty()) name = member::text(mount, {"Source"});
      if (!no_trunc) name = ellipsis(name, 15);
      text += (text.empty() ? "" : ",") + name;
    }
  return text;
}

std::string networks_of(const json::value& container) {
  std::string text;
  if (const auto* map = member::object(container, {"NetworkSettings", "Networks"}))
    for (const auto& [name, settings] : *map) text += (text.empty() ? "" : ",") + std::string(name);
  return text;
}

std::string size_of(const json::value& container) {
  const auto own = member::number(container, {"SizeRw"}), whole = member::number(container, {"SizeRootFs"});
  std::string text = human_size_three(static_cast<double>(own));
  if (whole > 0) text += " (virtual " + human_size_three(static_cast<double>(whole)) + ")";
  return text;
}

json::object row_of(const json::value& container, bool no_trunc) {
  const std::string id = member::text(container, {"Id"});
  const auto created = member::number(container, {"Created"});
  std::string command = member::text(container, {"Command"});
  if (!no_trunc) command = ellipsis(command, 20);
  std::int64_t local_volumes = 0;
  if (const auto* list = member::list(container, {"Mounts"}))
    local_volumes = std::count_if(list->begin(), list->end(),
                                  [](const auto& mount) { return member::text(mount, {"Driver"}) == "local"; });
  return {{"ID", no_trunc ? id : id.substr(0, 12)},
          {"Names", names_of(container, no_trunc)},
          {"Image", image_of(container, no_trunc)},
          {"Command", quoted(command)},
          {"CreatedAt", full_time(created)},
          {"RunningFor", age_text(created)},
          {"Ports", ports_of(container)},
          {"State", member::text(container, {"State"})},
          {"Status", member::text(container, {"Status"})},
          {"Size", size_of(container)},
          {"Labels", labels_of(container)},
          {"Mounts", mounts_of(container, no_trunc)},
          {"LocalVolumes", std::to_string(local_volumes)},
          {"Networks", networks_of(container)},
          {"Platform", nullptr}};
}

} // namespace

result<int> ps_command(command_context& context, const command& self, const string_list& arguments) {
  bool all = false, quiet = false, latest = false, no_trunc = false, size = false;
  std::int64_t last = -1;
  std::string format;
  string_list filter;
  flag_set flags;
  flags.boolean(all, "all", 'a', "Show all containers (default shows just running)");
  flags.boolean(quiet, "quiet", 'q', "Only display container IDs");
  flags.boolean(latest, "latest", 'l', "Show the latest created container (includes all states)");
  flags.integer(last, "last", 'n', "Show n last created containers (includes all states)");
  flags.boolean(no_trunc, "no-trunc", 0, "Don't truncate output");
  flags.boolean(size, "size", 's', "Display total file sizes");
  add_filter_flag(flags, filter, 'f');
  flags.text(format, "format", 0, "Format output: table, 'table TEMPLATE', json, or a template");
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  const std::string filters = filters_json(filter);
  if (latest) last = 1;
  // A template that shows sizes needs them; they cost the engine a walk over the container's files.
  if (format.find(".Size") != std::string::npos || format.find("{{json .}}") != std::string::npos) size = true;
  target where{"/containers/json"};
  where.with_if(all, "all", "1").with_if(size, "size", "1").with_if(!filter.empty(), "filters", filters);
  where.with_if(last > 0, "limit", std::to_string(last));
  GANTRY_TRY(reply, context.engine.get(where));
  std::vector<json::object> rows;
  if (reply.is_array())
    for (const auto& container : reply.as_array()) rows.push_back(row_of(container, no_trunc));
  list_format how;
  how.headers = headers;
  how.default_table = plain_table;
  if (size) how.default_table += "\t{{.Size}}";
  if (quiet) {
    // --quiet wins over the table, and only over it.
    if (format.empty() || format.starts_with("table")) format = "{{.ID}}";
  }
  GANTRY_TRYV(print_list(context.out, how, format, rows));
  return 0;
}

} // namespace gantry::cli
