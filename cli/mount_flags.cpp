/// --mount, --network, --device and --publish: flags with a small language of their own.
#include <algorithm>
#include <cctype>
#include <filesystem>

#include "cli/container_flags.hpp"
#include "cli/values.hpp"

namespace gantry::cli {

namespace json = boost::json;

namespace {

error bad(std::string message) { return error{errc::invalid_parameter, 0, std::move(message)}; }

/// The member object of that name, made when it is absent.
json::object& sub(json::object& parent, std::string_view name) {
  auto& value = parent[name];
  if (!value.is_object()) value = json::object{};
  return value.as_object();
}

result<bool> bool_value(const std::string& key, const std::string& value) {
  if (auto b = parse_bool(value)) return *b;
  return bad("invalid value for " + key + ": " + value);
}

/// What a mount's fields build up, beside the mount itself.
struct mount_state {
  json::object mount{{"Type", "volume"}};
  bool recursive_read_only = false;
};

result<> set_bind_recursive(mount_state& s, const std::string& value) {
  auto& options = sub(s.mount, "BindOptions");
  if (value == "enabled") return {};
  if (value == "disabled") {
    options["NonRecursive"] = true;
  } else if (value == "writable") {
    options["ReadOnlyNonRecursive"] = true;
  } else if (value == "readonly") {
    options["ReadOnlyForceRecursive"] = true;
    s.recursive_read_only = true;
  } else {
    return bad("invalid value for bind-recursive: " + value +
               " (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")");
  }
  return {};
}

result<> set_pair(json::object& into, const std::string& field, const std::string& value) {
  const auto pair = split_pair(value).value_or(std::pair{value, std::string()});
  if (pair.first.empty()) return bad("invalid " + field + ": " + value);
  into[pair.first] = pair.second;
  return {};
}

result<> set_tmpfs(mount_state& s, const std::string& key, const std::string& value) {
  if (key == "tmpfs-size") {
    const auto size = parse_bytes(value);
    if (size.has_error()) return bad("invalid value for " + key + ": " + value);
    sub(s.mount, "TmpfsOptions")["SizeBytes"] = *size;
    return {};
  }
  std::int64_t mode = 0;
  for (const char c : value) {
    if (c < '0' || c > '7' || mode > 07777) return bad("invalid value for " + key + ": " + value);
    mode = mode * 8 + (c - '0');
  }
  sub(s.mount, "TmpfsOptions")["Mode"] = mode;
  return {};
}

result<> set_mount_field(mount_state& s, const std::string& key, const std::string& value) {
  auto& m = s.mount;
  if (key == "type") {
    std::string lower = value;
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    m["Type"] = lower;
  } else if (key == "source" || key == "src") {
    const bool relative = value == "." || value.starts_with("./") || value.starts_with("../");
    m["Source"] = relative ? std::filesystem::absolute(value).lexically_normal().string() : value;
  } else if (key == "target" || key == "dst" || key == "destination") {
    m["Target"] = value;
  } else if (key == "readonly" || key == "ro") {
    GANTRY_TRY(on, bool_value(key, value));
    m["ReadOnly"] = on;
  } else if (key == "consistency") {
    m["Consistency"] = value;
  } else if (key == "bind-propagation") {
    sub(m, "BindOptions")["Propagation"] = value;
  } else if (key == "bind-nonrecursive") {
    GANTRY_TRY(on, bool_value(key, value));
    sub(m, "BindOptions")["NonRecursive"] = on;
  } else if (key == "bind-create-src" || key == "bind-create-mountpoint") {
    GANTRY_TRY(on, bool_value(key, value));
    sub(m, "BindOptions")["CreateMountpoint"] = on;
  } else if (key == "bind-recursive") {
    return set_bind_recursive(s, value);
  } else if (key == "volume-subpath") {
    sub(m, "VolumeOptions")["Subpath"] = value;
  } else if (key == "volume-nocopy") {
    GANTRY_TRY(on, bool_value(key, value));
    sub(m, "VolumeOptions")["NoCopy"] = on;
  } else if (key == "volume-label") {
    return set_pair(sub(sub(m, "VolumeOptions"), "Labels"), key, value);
  } else if (key == "volume-driver") {
    sub(sub(m, "VolumeOptions"), "DriverConfig")["Name"] = value;
  } else if (key == "volume-opt") {
    return set_pair(sub(sub(sub(m, "VolumeOptions"), "DriverConfig"), "Options"), key, value);
  } else if (key == "image-subpath") {
    sub(m, "ImageOptions")["Subpath"] = value;
  } else if (key == "tmpfs-size" || key == "tmpfs-mode") {
    return set_tmpfs(s, key, value);
  } else {
    return bad("unexpected key '" + key + "' in '" + key + "=" + value + "'");
  }
  return {};
}

result<> check_mount(const mount_state& s) {
  const auto& m = s.mount;
  const std::string type(m.at("Type").as_string());
  const auto* target = m.if_contains("Target");
  if (type.empty()) return bad("type is required");
  if (target == nullptr || target->as_string().empty()) return bad("target is required");
  for (const auto& [member, owner] : {std::pair{"VolumeOptions", "volume"}, std::pair{"BindOptions", "bind"},
                                      std::pair{"TmpfsOptions", "tmpfs"}, std::pair{"ImageOptions", "image"}})
    if (m.contains(member) && type != owner)
      return bad(std::string("cannot mix '") + owner + "-*' options with mount type '" + type + "'");
  if (s.recursive_read_only) {
    const auto* read_only = m.if_contains("ReadOnly");
    if (read_only == nullptr || !read_only->as_bool())
      return bad("option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction");
    const auto* propagation = m.at("BindOptions").as_object().if_contains("Propagation");
    if (propagation == nullptr || propagation->as_string() != "rprivate")
      return bad("option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in "
                 "conjunction");
  }
  return {};
}

} // namespace

result<string_list> split_csv(const std::string& text) {
  string_list fields;
  std::size_t at = 0;
  for (;;) {
    std::string field;
    if (at < text.size() && text[at] == '"') {
      for (++at;; ++at) {
        if (at >= text.size()) return bad("parse error on line 1: extraneous or missing \" in quoted-field");
        if (text[at] != '"') {
          field += text[at];
        } else if (at + 1 < text.size() && text[at + 1] == '"') {
          field += text[at++];
        } else {
          ++at;
          break;
        }
      }
      if (at < text.size() && text[at] != ',')
        return bad("parse error on line 1: extraneous or missing \" in quoted-field");
    } else {
      const auto comma = std::min(text.find(',', at), text.size());
      field = text.substr(at, comma - at);
      if (field.find('"') != std::string::npos) return bad("parse error on line 1: bare \" in non-quoted-field");
      at = comma;
    }
    fields.push_back(std::move(field));
    if (at >= text.size()) return fields;
    ++at;
  }
}

result<json::object> parse_mount(const std::string& text) {
  GANTRY_TRY(fields, split_csv(text));
  mount_state state;
  for (const auto& field : fields) {
    auto pair = split_pair(field);
    if (!pair) {
      static constexpr std::string_view switches[] = {"readonly", "ro", "volume-nocopy", "bind-nonrecursive",
                                                      "bind-create-src"};
      if (std::find(std::begin(switches), std::end(switches), field) == std::end(switches))
        return bad("invalid field '" + field + "' must be a key=value pair");
      pair = {field, "true"};
    }
    for (char& c : pair->first) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    GANTRY_TRYV(set_mount_field(state, pair->first, pair->second));
  }
  GANTRY_TRYV(check_mount(state));
  return std::move(state.mount);
}

result<std::pair<std::string, json::object>> parse_network(const std::string& text) {
  if (text.find('=') == std::string::npos) return std::pair{text, json::object{}};
  GANTRY_TRY(fields, split_csv(text));
  std::pair<std::string, json::object> network;
  auto& endpoint = network.second;
  for (const auto& field : fields) {
    const auto pair = split_pair(field);
    if (!pair || pair->first.empty()) return bad("invalid field " + field);
    const auto& [key, value] = *pair;
    if (key == "name") {
      network.first = value;
    } else if (key == "alias") {
      if (!endpoint.contains("Aliases")) endpoint["Aliases"] = json::array{};
      endpoint["Aliases"].as_array().emplace_back(value);
    } else if (key == "ip") {
      sub(endpoint, "IPAMConfig")["IPv4Address"] = value;
    } else if (key == "ip6") {
      sub(endpoint, "IPAMConfig")["IPv6Address"] = value;
    } else if (key == "mac-address") {
      endpoint["MacAddress"] = value;
    } else if (key == "driver-opt") {
      GANTRY_TRYV(set_pair(sub(endpoint, "DriverOpts"), key, value));
    } else if (key == "gw-priority") {
      const auto priority = parse_integer(value);
      if (!priority) return bad("invalid gw-priority: " + value);
      endpoint["GwPriority"] = *priority;
    } else {
      return bad("invalid field key " + key);
    }
  }
  if (network.first.empty()) return bad("network name/id is not specified");
  return network;
}

result<json::object> parse_device(const std::string& text) {
  string_list parts;
  for (std::size_t from = 0;;) {
    const auto colon = text.find(':', from);
    parts.push_back(text.substr(from, colon == std::string::npos ? colon : colon - from));
    if (colon == std::string::npos) break;
    from = colon + 1;
  }
  const auto is_mode = [](const std::string& word) {
    return !word.empty() && word.size() <= 3 && word.find_first_not_of("rwm") == std::string::npos;
  };
  if (parts.size() > 3) return bad("bad format for path: " + text);
  if (parts[0].empty()) return bad("invalid device specification: " + text);
  std::string inside = parts[0], permissions = "rwm";
  if (parts.size() == 3) {
    inside = parts[1];
    permissions = parts[2];
    if (!is_mode(permissions)) return bad("bad mode specified: " + permissions);
  } else if (parts.size() == 2) {
    (is_mode(parts[1]) ? permissions : inside) = parts[1];
  }
  return json::object{{"PathOnHost", parts[0]}, {"PathInContainer", inside}, {"CgroupPermissions", permissions}};
}

} // namespace gantry::cli
