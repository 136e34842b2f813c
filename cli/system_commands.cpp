/// events, info, version: the engine as a whole.
#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>

#include "cli/command.hpp"
#include "cli/format_template.hpp"
#include "cli/progress.hpp"
#include "cli/values.hpp"

namespace gantry::cli {

namespace json = boost::json;

namespace {

/// "2026-11-23T20:24:41.000000001Z", in the zone of the machine.
std::string event_time(std::int64_t nanos) {
  const auto seconds = static_cast<std::time_t>(nanos / 1000000000);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  std::array<char, 40> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &local);
  std::string fraction = std::to_string(nanos % 1000000000);
  fraction.insert(0, 9 - fraction.size(), '0');
  if (local.tm_gmtoff == 0) return std::string(text.data()) + "." + fraction + "Z";
  std::array<char, 8> zone{};
  std::strftime(zone.data(), zone.size(), "%z", &local);
  return std::string(text.data()) + "." + fraction + std::string(zone.data(), 3) + ":" + (zone.data() + 3);
}

std::string event_line(const json::value& event) {
  std::string line = event_time(member::number(event, {"timeNano"})) + " " + member::text(event, {"Type"}) + " " +
                     member::text(event, {"Action"}) + " " + member::text(event, {"Actor", "ID"});
  std::vector<std::string> attributes;
  if (const auto* map = member::object(event, {"Actor", "Attributes"}))
    for (const auto& [key, value] : *map) attributes.push_back(std::string(key) + "=" + print_value(value));
  std::sort(attributes.begin(), attributes.end());
  if (attributes.empty()) return line;
  line += " (";
  for (const auto& attribute : attributes) line += (&attribute == attributes.data() ? "" : ", ") + attribute;
  return line + ")";
}

/// One value for "json" or a template.
result<> print_formatted(std::ostream& out, const std::string& format, const json::value& value) {
  if (format == "json") {
    out << json::serialize(value) << '\n';
    return {};
  }
  GANTRY_TRY(pattern, format_template::parse(unescape_format(format)));
  GANTRY_TRY(line, pattern.render(value));
  out << line << '\n';
  return {};
}

json::object client_facts(const std::string& api_version) {
  return {{"Version", "0.1.0"}, {"ApiVersion", api_version}, {"DefaultAPIVersion", "1.51"},
          {"Os", "linux"},      {"Arch", "amd64"},           {"Context", "default"}};
}

void print_client(std::ostream& out, const json::object& client) {
  const auto text = [&](const char* key) { return print_value(client.at(key)); };
  out << "Client: Gantry\n Version:           " << text("Version") << "\n API version:       " << text("ApiVersion");
  if (text("ApiVersion") != text("DefaultAPIVersion")) out << " (downgraded from " << text("DefaultAPIVersion") << ")";
  out << "\n OS/Arch:           " << text("Os") << "/" << text("Arch") << "\n Context:           default\n";
}

void print_component(std::ostream& out, const json::value& component) {
  out << " " << member::text(component, {"Name"}) << ":\n";
  const auto line = [&](const char* name, const std::string& value) {
    if (!value.empty())
      out << "  " << name << ":" << std::string(17 - std::string_view(name).size(), ' ') << value << '\n';
  };
  const auto detail = [&](const char* key) { return member::text(component, {"Details", key}); };
  line("Version", member::text(component, {"Version"}));
  if (!detail("ApiVersion").empty())
    line("API version", detail("ApiVersion") + " (minimum version " + detail("MinAPIVersion") + ")");
  line("Go version", detail("GoVersion"));
  line("Git commit", detail("GitCommit"));
  line("Built", detail("BuildTime"));
  if (!detail("Os").empty()) line("OS/Arch", detail("Os") + "/" + detail("Arch"));
  line("Kernel version", detail("KernelVersion"));
  if (!detail("Experimental").empty()) line("Experimental", detail("Experimental"));
}

std::string joined(const json::value& v, std::initializer_list<std::string_view> path, const char* separator) {
  std::string text;
  if (const auto* list = member::list(v, path))
    for (const auto& item : *list) text += (text.empty() ? "" : separator) + print_value(item);
  return text;
}

/// "name=seccomp,profile=builtin" is shown as a name with its settings below.
void print_security(std::ostream& out, const json::value& info) {
  const auto* options = member::list(info, {"SecurityOptions"});
  if (options == nullptr || options->empty()) return;
  out << " Security Options:\n";
  for (const auto& option : *options) {
    const std::string text = print_value(option);
    for (std::size_t from = 0; from <= text.size();) {
      const auto comma = std::min(text.find(',', from), text.size());
      const auto pair = split_pair(text.substr(from, comma - from));
      if (pair && pair->first == "name")
        out << "  " << pair->second << '\n';
      else if (pair)
        out << "   " << static_cast<char>(std::toupper(static_cast<unsigned char>(pair->first[0])))
            << pair->first.substr(1) << ": " << pair->second << '\n';
      from = comma + 1;
    }
  }
}

/// What `info` shows of the engine's words, in docker's order.
void print_info(std::ostream& out, const json::value& info) {
  const auto text = [&](const char* head, const char* key) {
    if (const auto value = member::text(info, {key}); !value.empty()) out << " " << head << ": " << value << '\n';
  };
  const auto number = [&](const char* head, const char* key) {
    out << head << ": " << member::number(info, {key}) << '\n';
  };
  const auto boolean = [&](const char* head, const char* key) {
    out << " " << head << ": " << (member::is_true(info, {key}) ? "true" : "false") << '\n';
  };
  const auto list = [&](const char* head, const json::array* values, const char* indent) {
    if (values == nullptr || values->empty()) return;
    out << indent << head << ":\n";
    for (const auto& value : *values) out << indent << " " << print_value(value) << '\n';
  };
  number(" Containers", "Containers");
  number("  Running", "ContainersRunning");
  number("  Paused", "ContainersPaused");
  number("  Stopped", "ContainersStopped");
  number(" Images", "Images");
  text("Server Version", "ServerVersion");
  text("Storage Driver", "Driver");
  if (const auto* status = member::list(info, {"DriverStatus"}))
    for (const auto& pair : *status)
      if (pair.is_array() && pair.as_array().size() == 2)
        out << "  " << print_value(pair.as_array()[0]) << ": " << print_value(pair.as_array()[1]) << '\n';
  text("Logging Driver", "LoggingDriver");
  text("Cgroup Driver", "CgroupDriver");
  text("Cgroup Version", "CgroupVersion");
  out << " Plugins:\n";
  for (const char* kind : {"Volume", "Network", "Log"})
    out << "  " << kind << ": " << joined(info, {"Plugins", kind}, " ") << '\n';
  if (const auto state = member::text(info, {"Swarm", "LocalNodeState"}); !state.empty())
    out << " Swarm: " << state << '\n';
  if (const auto* runtimes = member::object(info, {"Runtimes"})) {
    out << " Runtimes:";
    for (const auto& [name, runtime] : *runtimes) out << " " << std::string_view(name);
    out << '\n';
  }
  text("Default Runtime", "DefaultRuntime");
  text("Init Binary", "InitBinary");
  print_security(out, info);
  text("Kernel Version", "KernelVersion");
  text("Operating System", "OperatingSystem");
  text("OSType", "OSType");
  text("Architecture", "Architecture");
  number(" CPUs", "NCPU");
  out << " Total Memory: " << binary_size(static_cast<double>(member::number(info, {"MemTotal"}))) << '\n';
  text("Name", "Name");
  text("ID", "ID");
  text("Docker Root Dir", "DockerRootDir");
  boolean("Debug Mode", "Debug");
  text("HTTP Proxy", "HttpProxy");
  text("HTTPS Proxy", "HttpsProxy");
  text("No Proxy", "NoProxy");
  list("Labels", member::list(info, {"Labels"}), " ");
  boolean("Experimental", "ExperimentalBuild");
  list("Insecure Registries", member::list(info, {"RegistryConfig", "InsecureRegistryCIDRs"}), " ");
  list("Registry Mirrors", member::list(info, {"RegistryConfig", "Mirrors"}), " ");
  boolean("Live Restore Enabled", "LiveRestoreEnabled");
}

} // namespace

result<int> events_command(command_context& context, const command& self, const string_list& arguments) {
  std::string since, until, format;
  string_list filter;
  flag_set flags;
  flags.text(since, "since", 0, "Show all events created since timestamp");
  flags.text(until, "until", 0, "Stream events until this timestamp");
  add_filter_flag(flags, filter, 'f');
  flags.text(format, "format", 0, "Format output using a custom template: 'json' or a template");
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  GANTRY_TRY(from, api_timestamp(since));
  GANTRY_TRY(to, api_timestamp(until));
  std::optional<format_template> pattern;
  if (!format.empty() && format != "json") {
    GANTRY_TRY(read, format_template::parse(unescape_format(format)));
    pattern = std::move(read);
  }
  target where{"/events"};
  where.with_if(!from.empty(), "since", from).with_if(!to.empty(), "until", to);
  where.with_if(!filter.empty(), "filters", filters_json(filter));
  json_stream objects;
  result<> shown;
  GANTRY_TRYV(context.engine.stream("GET", where, [&](std::string_view bytes) {
    shown = objects.feed(bytes, [&](const json::value& event) -> result<> {
      if (format == "json") {
        context.out << json::serialize(event) << std::endl;
      } else if (pattern) {
        GANTRY_TRY(line, pattern->render(event));
        context.out << line << std::endl;
      } else {
        context.out << event_line(event) << std::endl;
      }
      return {};
    });
    return shown.has_value() && context.out.good();
  }));
  if (shown.has_error()) return std::move(shown).error();
  return 0;
}

result<int> info_command(command_context& context, const command& self, const string_list& arguments) {
  std::string format;
  flag_set flags;
  flags.text(format, "format", 'f', "Format output using a custom template: 'json' or a template");
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  auto info = context.engine.get(target{"/info"});
  if (!format.empty()) {
    if (info.has_error()) return std::move(info).error();
    GANTRY_TRYV(print_formatted(context.out, format, *info));
    return 0;
  }
  context.out << "Client: Gantry\n Version:    0.1.0\n Context:    default\n Debug Mode: false\n\nServer:\n";
  if (info.has_error()) {
    context.out.flush();
    context.err << info.error().message << '\n';
    return 1;
  }
  print_info(context.out, *info);
  context.out << '\n';
  context.out.flush();
  if (const auto* warnings = member::list(*info, {"Warnings"}))
    for (const auto& warning : *warnings) context.err << print_value(warning) << '\n';
  return 0;
}

result<int> version_command(command_context& context, const command& self, const string_list& arguments) {
  std::string format;
  flag_set flags;
  flags.text(format, "format", 'f', "Format output using a custom template: 'json' or a template");
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  const auto negotiated = context.engine.api_version();
  const json::object client = client_facts(negotiated.has_value() ? *negotiated : "1.51");
  auto server = context.engine.get(target{"/version"});
  if (!format.empty()) {
    json::object both{{"Client", client}};
    both["Server"] = server.has_value() ? *server : json::value();
    GANTRY_TRYV(print_formatted(context.out, format, both));
  } else {
    print_client(context.out, client);
    if (server.has_value()) {
      const std::string platform = member::text(*server, {"Platform", "Name"});
      context.out << "\nServer:" << (platform.empty() ? "" : " ") << platform << '\n';
      if (const auto* components = member::list(*server, {"Components"}))
        for (const auto& component : *components) print_component(context.out, component);
    }
  }
  if (server.has_value()) return 0;
  context.out.flush();
  context.err << server.error().message << '\n';
  return 1;
}

} // namespace gantry::cli
