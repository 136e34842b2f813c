/// Commands that change containers, or say one thing about them: stop, restart, kill, rm, wait, rename, top, prune.
#include "cli/command.hpp"
#include "cli/table.hpp"
#include "cli/values.hpp"

namespace gantry::cli {

namespace json = boost::json;

namespace {

struct stop_flags {
  std::string signal;
  std::optional<std::int64_t> timeout_s, time_s;
};

/// stop and restart differ in the verb alone.
result<int> stop_or_restart(command_context& context, const command& self, const string_list& arguments,
                            const char* verb) {
  stop_flags given;
  flag_set flags;
  flags.text(given.signal, "signal", 's', "Signal to send to the container");
  flags.integer(given.timeout_s, "timeout", 't', "Seconds to wait before killing the container");
  flags.integer(given.time_s, "time", 0, "");
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  const auto timeout = given.timeout_s ? given.timeout_s : given.time_s;
  return for_each_argument(context, parsed.rest, [&](const std::string& name) -> result<> {
    target where{"/containers/", name, verb};
    where.with_if(!given.signal.empty(), "signal", given.signal);
    if (timeout) where.with("t", std::to_string(*timeout));
    GANTRY_TRYV(context.engine.post(where));
    context.out << name << '\n';
    return {};
  });
}

} // namespace

result<int> stop_command(command_context& context, const command& self, const string_list& arguments) {
  return stop_or_restart(context, self, arguments, "/stop");
}

result<int> restart_command(command_context& context, const command& self, const string_list& arguments) {
  return stop_or_restart(context, self, arguments, "/restart");
}

result<int> kill_command(command_context& context, const command& self, const string_list& arguments) {
  std::string signal;
  flag_set flags;
  flags.text(signal, "signal", 's', "Signal to send to the container");
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  return for_each_argument(context, parsed.rest, [&](const std::string& name) -> result<> {
    target where{"/containers/", name, "/kill"};
    GANTRY_TRYV(context.engine.post(where.with_if(!signal.empty(), "signal", signal)));
    context.out << name << '\n';
    return {};
  });
}

result<int> rm_command(command_context& context, const command& self, const string_list& arguments) {
  bool force = false, volumes = false, link = false;
  flag_set flags;
  flags.boolean(force, "force", 'f', "Force the removal of a running container (uses SIGKILL)");
  flags.boolean(volumes, "volumes", 'v', "Remove anonymous volumes associated with the container");
  flags.boolean(link, "link", 'l', "Remove the specified link");
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  return for_each_argument(context, parsed.rest, [&](std::string name) -> result<> {
    while (name.starts_with('/')) name.erase(0, 1);
    if (name.empty()) return error{errc::invalid_parameter, 0, "container name cannot be empty"};
    target where{"/containers/", name};
    where.with_if(force, "force", "1").with_if(volumes, "v", "1").with_if(link, "link", "1");
    auto removed = context.engine.remove(where);
    // With force the wish is fulfilled when it is gone already; docker says so on stderr and succeeds.
    if (removed.has_error() && force && removed.error().code == errc::not_found) {
      context.err << removed.error().message << '\n';
      return {};
    }
    if (removed.has_error()) return std::move(removed).error();
    context.out << name << '\n';
    return {};
  });
}

result<int> wait_command(command_context& context, const command& self, const string_list& arguments) {
  flag_set flags;
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  return for_each_argument(context, parsed.rest, [&](const std::string& name) -> result<> {
    GANTRY_TRY(reply, context.engine.post(target{"/containers/", name, "/wait"}));
    if (const auto failed = member::text(reply, {"Error", "Message"}); !failed.empty())
      return error{errc::internal, 0, failed};
    context.out << member::number(reply, {"StatusCode"}) << '\n';
    return {};
  });
}

result<int> rename_command(command_context& context, const command& self, const string_list& arguments) {
  flag_set flags;
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  target where{"/containers/", parsed.rest[0], "/rename"};
  auto renamed = context.engine.post(where.with("name", parsed.rest[1]));
  if (renamed.has_value()) return 0;
  context.err << renamed.error().message << '\n';
  return error{renamed.error().code, 0, "Error: failed to rename container named " + parsed.rest[0]};
}

result<int> top_command(command_context& context, const command& self, const string_list& arguments) {
  flag_set flags;
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  std::string ps_arguments;
  for (std::size_t i = 1; i < parsed.rest.size(); ++i) ps_arguments += (i > 1 ? " " : "") + parsed.rest[i];
  target where{"/containers/", parsed.rest[0], "/top"};
  GANTRY_TRY(reply, context.engine.get(where.with_if(!ps_arguments.empty(), "ps_args", ps_arguments)));
  std::vector<std::string> lines;
  const auto add = [&](const json::array& cells) {
    std::string line;
    for (const auto& cell : cells)
      line += (&cell == cells.data() ? "" : "\t") + (cell.is_string() ? std::string(cell.as_string()) : "");
    lines.push_back(std::move(line));
  };
  if (const auto* titles = member::list(reply, {"Titles"})) add(*titles);
  if (const auto* processes = member::list(reply, {"Processes"}))
    for (const auto& process : *processes)
      if (process.is_array()) add(process.as_array());
  context.out << align_columns(lines, 20, 3);
  return 0;
}

result<int> container_prune_command(command_context& context, const command& self, const string_list& arguments) {
  bool force = false;
  string_list filter;
  flag_set flags;
  flags.boolean(force, "force", 'f', "Do not prompt for confirmation");
  add_filter_flag(flags, filter, 0);
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  const std::string filters = filters_json(filter);
  if (!force &&
      !confirm(context, "WARNING! This will remove all stopped containers.\nAre you sure you want to continue?"))
    return 0;
  target where{"/containers/prune"};
  GANTRY_TRY(reply, context.engine.post(where.with_if(!filter.empty(), "filters", filters)));
  if (const auto* gone = member::list(reply, {"ContainersDeleted"}); gone != nullptr && !gone->empty()) {
    context.out << "Deleted Containers:\n";
    for (const auto& id : *gone)
      if (id.is_string()) context.out << std::string_view(id.as_string()) << '\n';
    context.out << '\n';
  }
  context.out << "Total reclaimed space: " << human_size(static_cast<double>(member::number(reply, {"SpaceReclaimed"})))
              << '\n';
  return 0;
}

} // namespace gantry::cli
