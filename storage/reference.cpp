/// See reference.hpp. The grammar is that of the distribution project's reference package, read by hand: a reference is
/// [domain "/"] path [":" tag] ["@" digest].
#include "storage/reference.hpp"

#include <algorithm>

#include "io/base/ids.hpp"

namespace gantry::storage {

namespace {

constexpr std::string_view default_domain = "docker.io";
constexpr std::string_view legacy_domain = "index.docker.io";
constexpr std::string_view official_prefix = "library/";
constexpr std::size_t path_length_max = 255; // as Docker's RepositoryNameTotalLengthMax
constexpr std::size_t tag_length_max = 128;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_alnum(char c) { return is_digit(c) || is_lower(c) || is_upper(c); }
bool is_lower_alnum(char c) { return is_digit(c) || is_lower(c); }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool has_upper(std::string_view s) { return std::any_of(s.begin(), s.end(), is_upper); }

error bad(std::string text) { return error{errc::invalid_parameter, 0, std::move(text)}; }
error bad_format() { return bad("invalid reference format"); }

/// [a-zA-Z0-9] with hyphens inside.
bool is_domain_component(std::string_view s) {
  if (s.empty() || !is_alnum(s.front()) || !is_alnum(s.back())) return false;
  return std::all_of(s.begin(), s.end(), [](char c) { return is_alnum(c) || c == '-'; });
}

bool is_domain_name(std::string_view s) {
  while (true) {
    const auto dot = s.find('.');
    if (!is_domain_component(s.substr(0, dot))) return false;
    if (dot == s.npos) return true;
    s.remove_prefix(dot + 1);
  }
}

/// host [":" port], the host a name, an IPv4 address, or an IPv6 address in brackets.
bool is_domain(std::string_view s) {
  std::string_view port;
  bool has_port = false;
  if (s.starts_with('[')) {
    const auto close = s.find(']');
    if (close == s.npos || close == 1) return false;
    const auto address = s.substr(1, close - 1);
    if (!std::all_of(address.begin(), address.end(), [](char c) { return is_hex(c) || c == ':'; })) return false;
    const auto rest = s.substr(close + 1);
    if (rest.empty()) return true;
    if (rest.front() != ':') return false;
    has_port = true;
    port = rest.substr(1);
  } else {
    const auto colon = s.find(':');
    if (!is_domain_name(s.substr(0, colon))) return false;
    has_port = colon != s.npos;
    if (has_port) port = s.substr(colon + 1);
  }
  return !has_port || (!port.empty() && std::all_of(port.begin(), port.end(), is_digit));
}

/// Lower-case letters and digits, in runs joined by ".", "_", "__" or any number of "-".
bool is_path_component(std::string_view s) {
  std::size_t i = 0;
  while (true) {
    const auto run = i;
    while (i < s.size() && is_lower_alnum(s[i])) ++i;
    if (i == run) return false;
    if (i == s.size()) return true;
    const char separator = s[i++];
    if (separator == '-') {
      while (i < s.size() && s[i] == '-') ++i;
    } else if (separator == '_') {
      if (i < s.size() && s[i] == '_') ++i;
    } else if (separator != '.') {
      return false;
    }
  }
}

bool is_path(std::string_view s) {
  while (true) {
    const auto slash = s.find('/');
    if (!is_path_component(s.substr(0, slash))) return false;
    if (slash == s.npos) return true;
    s.remove_prefix(slash + 1);
  }
}

/// The algorithm's name: runs of letters and digits, each begun by a letter, joined by one of "+._-".
bool is_algorithm(std::string_view s) {
  bool at_start = true;
  for (const char c : s) {
    const bool letter = is_lower(c) || is_upper(c);
    if (at_start && !letter) return false;
    const bool joins = c == '+' || c == '.' || c == '_' || c == '-';
    if (!joins && !is_alnum(c)) return false;
    at_start = joins;
  }
  return !s.empty() && !at_start;
}

result<> check_digest(std::string_view s) {
  const auto colon = s.find(':');
  if (colon == s.npos) return bad_format();
  const auto algorithm = s.substr(0, colon);
  const auto hex = s.substr(colon + 1);
  if (!is_algorithm(algorithm) || hex.size() < 32 || !std::all_of(hex.begin(), hex.end(), is_hex)) return bad_format();
  std::size_t length = 0;
  if (algorithm == "sha256") length = 64;
  if (algorithm == "sha384") length = 96;
  if (algorithm == "sha512") length = 128;
  if (length == 0) return bad("unsupported digest algorithm");
  if (hex.size() != length) return bad("invalid checksum digest length");
  if (has_upper(hex)) return bad("invalid checksum digest format");
  return {};
}

/// The first component is a host if it could not be a path component of Docker Hub: behaviours 236.
void split_domain(std::string_view text, reference& into, std::string& remainder) {
  const auto slash = text.find('/');
  const auto first = text.substr(0, slash);
  const bool is_host =
      slash != text.npos && (first == "localhost" || first.find_first_of(".:") != first.npos || has_upper(first));
  into.domain = is_host ? first : default_domain;
  remainder = is_host ? text.substr(slash + 1) : text;
  if (into.domain == legacy_domain) into.domain = default_domain;
  if (into.domain == default_domain && remainder.find('/') == remainder.npos) {
    remainder.insert(0, official_prefix);
  }
}

} // namespace

bool is_valid_tag(std::string_view s) noexcept {
  const auto word = [](char c) { return is_alnum(c) || c == '_'; };
  if (s.empty() || s.size() > tag_length_max || !word(s.front())) return false;
  return std::all_of(s.begin(), s.end(), [&](char c) { return word(c) || c == '.' || c == '-'; });
}

bool is_sha256_digest(std::string_view s) noexcept { return s.starts_with("sha256:") && is_full_id(s.substr(7)); }

result<reference> parse_reference(std::string_view text) {
  if (is_full_id(text)) {
    return bad("invalid repository name (" + std::string(text) + "), cannot specify 64-byte hexadecimal strings");
  }
  reference parsed;
  std::string remainder;
  split_domain(text, parsed, remainder);

  std::string_view rest = remainder;
  if (const auto remote = rest.substr(0, rest.find(':')); has_upper(remote)) {
    return bad("invalid reference format: repository name (" + std::string(remote) + ") must be lowercase");
  }
  if (const auto at = rest.find('@'); at != rest.npos) {
    parsed.digest = rest.substr(at + 1);
    rest = rest.substr(0, at);
  }
  bool tagged = false;
  if (const auto colon = rest.find(':'); colon != rest.npos) {
    tagged = true;
    parsed.tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
  }
  parsed.path = rest;
  if (!is_domain(parsed.domain) || !is_path(parsed.path)) return bad_format();
  if (tagged && !is_valid_tag(parsed.tag)) return bad_format();
  if (remainder.find('@') != remainder.npos) GANTRY_TRYV(check_digest(parsed.digest));
  if (parsed.path.size() > path_length_max) return bad("repository name must not be more than 255 characters");
  return parsed;
}

result<reference> parse_reference_with_default_tag(std::string_view text) {
  GANTRY_TRY(parsed, parse_reference(text));
  if (parsed.tag.empty() && parsed.digest.empty()) parsed.tag = "latest";
  return parsed;
}

result<reference> parse_target(std::string_view repository, std::string_view tag) {
  GANTRY_TRY(target, parse_reference(repository));
  if (!target.digest.empty()) return bad("cannot import digest reference");
  if (!tag.empty() && !is_valid_tag(tag)) return bad("invalid tag format");
  if (!tag.empty()) target.tag = tag;
  if (target.tag.empty()) target.tag = "latest";
  if (target.familiar_name() == "sha256") {
    return bad("refusing to create an ambiguous tag using digest algorithm as name");
  }
  return target;
}

std::string reference::familiar_name() const {
  if (domain != default_domain) return domain + "/" + path;
  const bool official = path.starts_with(official_prefix) && path.find('/', official_prefix.size()) == path.npos;
  return official ? path.substr(official_prefix.size()) : path;
}

namespace {
std::string with_suffix(std::string name, const reference& r) {
  if (!r.tag.empty()) name += ":" + r.tag;
  if (!r.digest.empty()) name += "@" + r.digest;
  return name;
}
} // namespace

std::string reference::familiar() const { return with_suffix(familiar_name(), *this); }
std::string reference::full() const { return with_suffix(domain + "/" + path, *this); }

} // namespace gantry::storage
