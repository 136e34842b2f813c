/// inspect: objects as the engine describes them, whole or by a template.
#include <ostream>

#include "cli/command.hpp"
#include "cli/format_template.hpp"

namespace gantry::cli {

namespace json = boost::json;

namespace {

/// Four blanks a level, as docker indents; the order of members is the engine's.
void pretty(std::string& out, const json::value& value, std::size_t depth) {
  const std::string inner((depth + 1) * 4, ' '), outer(depth * 4, ' ');
  const auto each = [&](const auto& container, const auto& print, char open, char close) {
    out += open;
    bool first = true;
    for (const auto& item : container) {
      out += first ? "\n" : ",\n";
      first = false;
      out += inner;
      print(item);
    }
    if (!first) out += "\n" + outer;
    out += close;
  };
  if (value.is_object()) {
    each(
        value.as_object(),
        [&](const auto& item) {
          out += json::serialize(json::value(item.key())) + ": ";
          pretty(out, item.value(), depth + 1);
        },
        '{', '}');
  } else if (value.is_array()) {
    each(
        value.as_array(), [&](const auto& item) { pretty(out, item, depth + 1); }, '[', ']');
  } else {
    out += json::serialize(value);
  }
}

enum class object_type { any, container, image };

result<json::value> find_object(command_context& context, const std::string& name, object_type type, bool size) {
  if (type != object_type::image) {
    target where{"/containers/", name, "/json"};
    auto container = context.engine.get(where.with_if(size, "size", "1"));
    if (container.has_value() || container.error().code != errc::not_found || type == object_type::container)
      return container;
  }
  auto image = context.engine.get(target{"/images/", name, "/json"});
  if (image.has_error() && image.error().code == errc::not_found && type == object_type::any)
    return error{errc::not_found, 0, "Error: No such object: " + name};
  return image;
}

} // namespace

result<int> inspect_command(command_context& context, const command& self, const string_list& arguments) {
  std::string format, type;
  bool size = false;
  flag_set flags;
  flags.text(format, "format", 'f', "Format output using a custom template: 'json' or a template");
  flags.text(type, "type", 0, "Only inspect objects of the given type");
  flags.boolean(size, "size", 's', "Display total file sizes if the type is container");
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  const std::string name(self.name);
  if (type.empty() && name.starts_with("container ")) type = "container";
  if (type.empty() && name.starts_with("image ")) type = "image";
  object_type wanted = object_type::any;
  if (type == "container")
    wanted = object_type::container;
  else if (type == "image")
    wanted = object_type::image;
  else if (!type.empty())
    return error{errc::invalid_parameter, 0, "\"" + type + "\" is not a valid value for --type"};

  std::optional<format_template> pattern;
  if (!format.empty() && format != "json") {
    GANTRY_TRY(read, format_template::parse(format));
    pattern = std::move(read);
  }
  json::array found;
  std::string lines, failures;
  for (const auto& argument : parsed.rest) {
    auto object = find_object(context, argument, wanted, size);
    if (object.has_error()) {
      failures += object.error().message + "\n";
      continue;
    }
    if (pattern) {
      GANTRY_TRY(line, pattern->render(*object));
      lines += line + "\n";
    } else {
      found.push_back(std::move(*object));
    }
  }
  if (pattern) {
    context.out << (lines.empty() ? "\n" : lines);
  } else if (format == "json") {
    context.out << json::serialize(found) << '\n';
  } else {
    std::string text;
    pretty(text, found, 0);
    context.out << text << '\n';
  }
  if (failures.empty()) return 0;
  context.out.flush();
  context.err << failures;
  return 1;
}

} // namespace gantry::cli
