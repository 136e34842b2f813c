/// The configuration file.
#include "cli/daemon_file.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <set>

#include "io/base/unique_fd.hpp"

namespace gantry::cli {
namespace {

namespace json = boost::json;

error bad(std::string message) { return error{errc::invalid_parameter, 0, std::move(message)}; }

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3f));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

result<std::string> from_utf16(std::string_view bytes, bool big_endian) {
  const auto unit = [&](std::size_t at) -> char32_t {
    const auto first = static_cast<unsigned char>(bytes[at]), second = static_cast<unsigned char>(bytes[at + 1]);
    return big_endian ? char32_t(first) << 8 | second : char32_t(second) << 8 | first;
  };
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 2) {
    const auto broken = [&] { return bad("failed to decode configuration JSON at offset " + std::to_string(at)); };
    if (at + 1 >= bytes.size()) return broken();
    char32_t c = unit(at);
    if (c >= 0xdc00 && c < 0xe000) return broken();
    if (c >= 0xd800 && c < 0xdc00) {
      if (at + 3 >= bytes.size()) return broken();
      const char32_t low = unit(at + 2);
      if (low < 0xdc00 || low >= 0xe000) return broken();
      c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
      at += 2;
    }
    append_utf8(out, c);
  }
  return out;
}

result<std::string> read_whole(const std::string& path) {
  unique_fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    const int err = errno;
    return sys_error("open " + path, err, err == ENOENT ? errc::not_found : errc::invalid_parameter);
  }
  std::string content;
  std::array<char, 16384> block;
  for (;;) {
    const ssize_t got = ::read(fd.get(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sys_error("read " + path, errno, errc::invalid_parameter);
    if (got == 0) return content;
    content.append(block.data(), static_cast<std::size_t>(got));
    if (content.size() > daemon_file_bytes_max)
      return bad("larger than " + std::to_string(daemon_file_bytes_max) + " bytes");
  }
}

result<json::object> parse_object(std::string_view text) {
  boost::system::error_code code;
  json::value value = json::parse(text, code);
  if (code) return bad("parse JSON: " + code.message());
  if (!value.is_object()) return bad("json: cannot unmarshal the file into Go value of type config.Config");
  return std::move(value.as_object());
}

/// `proxies` is a member that holds plain keys; dockerd lifts them to the top.
void flatten(json::object& config) {
  auto* proxies = config.if_contains("proxies");
  if (proxies == nullptr || !proxies->is_object()) return;
  const json::object inner = proxies->as_object();
  config.erase("proxies");
  for (const auto& [key, value] : inner) config[key] = value;
}

bool is_flag_name(std::string_view name) {
  for (const auto& option : daemon_option_table())
    if (name == option.flag) return true;
  return false;
}

result<> check_conflicts(const json::object& config, const std::map<std::string, std::string>& flags) {
  std::string conflicts;
  for (const auto& [key, flag_value] : flags) {
    const auto* value = config.if_contains(key);
    if (value == nullptr || key == "runtimes") continue; // runtimes may come from both
    const bool secret = key == "http-proxy" || key == "https-proxy";
    const std::string shown = show_value(*value);
    conflicts += (conflicts.empty() ? "" : ", ") + key +
                 ": (from flag: " + (secret ? mask_credentials(flag_value) : flag_value) +
                 ", from file: " + (secret ? mask_credentials(shown) : shown) + ")";
  }
  if (conflicts.empty()) return {};
  return bad("the following directives are specified both as a flag and in the configuration file: " + conflicts);
}

} // namespace

std::string mask_credentials(const std::string& url) {
  const auto scheme = url.find("://");
  if (scheme == std::string::npos) return url;
  const auto from = scheme + 3;
  const auto end = std::min(url.find_first_of("/?#", from), url.size());
  const auto at = url.rfind('@', end);
  if (at == std::string::npos || at < from) return url;
  return url.substr(0, from) + "xxxxx:xxxxx" + url.substr(at);
}

result<std::string> decode_byte_order_mark(std::string_view bytes) {
  if (bytes.starts_with("\xef\xbb\xbf")) return std::string(bytes.substr(3));
  if (bytes.starts_with("\xff\xfe")) return from_utf16(bytes.substr(2), false);
  if (bytes.starts_with("\xfe\xff")) return from_utf16(bytes.substr(2), true);
  return std::string(bytes);
}

result<std::map<const daemon_option*, json::value>> parse_daemon_file(std::string_view bytes,
                                                                      const std::map<std::string, std::string>& flags,
                                                                      std::vector<std::string>& notices) {
  std::map<const daemon_option*, json::value> values;
  GANTRY_TRY(text, decode_byte_order_mark(bytes));
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return values;
  GANTRY_TRY(config, parse_object(text));
  flatten(config);
  // The older name of the same setting.
  if (config.contains("host-gateway-ip")) {
    if (config.contains("host-gateway-ips"))
      return bad("host-gateway-ip and host-gateway-ips must not both be specified in the config file");
    config["host-gateway-ips"] = json::array{config["host-gateway-ip"]};
    config.erase("host-gateway-ip");
  }
  std::set<std::string> unknown;
  for (const auto& [key, value] : config)
    if (find_daemon_option(key) == nullptr && !is_flag_name(key)) unknown.insert(key);
  if (!unknown.empty()) {
    std::string list;
    for (const auto& key : unknown) list += (list.empty() ? "" : ", ") + key;
    return bad("the following directives don't match any configuration option: " + list);
  }
  GANTRY_TRYV(check_conflicts(config, flags));
  for (const auto& [key, value] : config) {
    const auto* option = find_daemon_option(key);
    if (option == nullptr) {
      // The name of a flag whose key is spelled otherwise ("host" for "hosts"): dockerd takes it and reads nothing.
      notices.push_back("\"" + std::string(key) +
                        "\" in the configuration file is ignored: it is the name of a flag, "
                        "not a key");
      continue;
    }
    if (value.is_null()) continue;
    GANTRY_TRY(checked, check_file_value(*option, value));
    values.emplace(option, std::move(checked));
  }
  return values;
}

result<std::map<const daemon_option*, json::value>> read_daemon_file(const std::string& path,
                                                                     const std::map<std::string, std::string>& flags,
                                                                     std::vector<std::string>& notices) {
  GANTRY_TRY(bytes, read_whole(path));
  return parse_daemon_file(bytes, flags, notices);
}

} // namespace gantry::cli
