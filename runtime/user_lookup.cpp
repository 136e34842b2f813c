#include "runtime/user_lookup.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <functional>
#include <optional>

#include "runtime/files.hpp"
#include "runtime/root_paths.hpp"

namespace gantry::runtime {

namespace {

constexpr std::int64_t id_max = (std::int64_t{1} << 31) - 1;

std::optional<std::int64_t> number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

/// A number as it stands in passwd: garbage counts as 0 there, as in Docker.
std::int64_t lenient(std::string_view text) { return number(text).value_or(0); }

error refused(std::string message) { return error{errc::invalid_parameter, 0, std::move(message)}; }

result<std::uint32_t> in_range(std::int64_t id) {
  if (id < 0 || id > id_max) return refused("uids and gids must be in range 0-2147483647");
  return static_cast<std::uint32_t>(id);
}

std::string_view trim(std::string_view s) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; };
  while (!s.empty() && blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && blank(s.back())) s.remove_suffix(1);
  return s;
}

/// The first `count` fields between colons; missing ones are empty.
std::vector<std::string_view> fields(std::string_view line, std::size_t count) {
  std::vector<std::string_view> out;
  out.reserve(count);
  while (out.size() < count) {
    const auto colon = line.find(':');
    out.push_back(line.substr(0, colon));
    line = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  }
  return out;
}

/// Calls `each` with every entry's fields until it says false.
result<> for_each_entry(std::string_view file, const char* name, std::size_t count,
                        const std::function<bool(const std::vector<std::string_view>&)>& each) {
  while (!file.empty()) {
    const auto end = std::min(file.find('\n'), file.size());
    if (end > user_line_bytes_max)
      return refused("read `" + std::string(name) + "`: a line is longer than " + std::to_string(user_line_bytes_max) +
                     " bytes");
    const auto line = trim(file.substr(0, end));
    file.remove_prefix(std::min(end + 1, file.size()));
    if (line.empty() || line.front() == '#') continue;
    if (!each(fields(line, count))) break;
  }
  return {};
}

bool lists(std::string_view members, std::string_view user) {
  while (!members.empty()) {
    const auto comma = std::min(members.find(','), members.size());
    if (trim(members.substr(0, comma)) == user) return true;
    members.remove_prefix(std::min(comma + 1, members.size()));
  }
  return false;
}

struct passwd_entry {
  std::string_view name;
  std::int64_t uid = 0, gid = 0;
  std::string_view home;
};

using passwd_match = std::function<bool(const passwd_entry&)>;

result<std::optional<passwd_entry>> find_user(std::string_view passwd, const passwd_match& match) {
  std::optional<passwd_entry> found;
  GANTRY_TRYV(for_each_entry(passwd, "/etc/passwd", 7, [&](const auto& f) {
    const passwd_entry entry{f[0], lenient(f[2]), lenient(f[3]), f[5]};
    if (match(entry)) found = entry;
    return !found;
  }));
  return found;
}

result<std::optional<std::int64_t>> find_group(std::string_view group, std::string_view name) {
  const auto gid = number(name);
  std::optional<std::int64_t> found;
  GANTRY_TRYV(for_each_entry(group, "/etc/group", 4, [&](const auto& f) {
    if (gid ? lenient(f[2]) == *gid : f[0] == name) found = lenient(f[2]);
    return !found;
  }));
  return found;
}

/// The groups that list a user, for a user text that names no group.
result<> add_memberships(std::string_view group, std::string_view user, std::vector<gid_t>& out) {
  return for_each_entry(group, "/etc/group", 4, [&](const auto& f) {
    const auto gid = lenient(f[2]);
    if (lists(f[3], user) && gid >= 0 && gid <= id_max) out.push_back(static_cast<gid_t>(gid));
    return true;
  });
}

result<> add_requested(const pb::User& user, std::string_view group, std::vector<gid_t>& out) {
  for (const auto& name : user.additional_groups()) {
    // GroupAdd looks a text up as a name or as a number, whichever an entry has.
    std::optional<std::int64_t> found;
    GANTRY_TRYV(for_each_entry(group, "/etc/group", 4, [&](const auto& f) {
      if (f[0] == name || f[2] == name) found = lenient(f[2]);
      return !found;
    }));
    if (!found) found = number(name);
    if (!found) return refused("Unable to find group " + name);
    GANTRY_TRY(gid, in_range(*found));
    out.push_back(gid);
  }
  return {};
}

/// The passwd entry of the user text (empty stands for uid 0).
result<std::optional<passwd_entry>> match_user(std::string_view text, std::string_view passwd) {
  const auto uid = text.empty() ? std::optional<std::int64_t>(0) : number(text);
  return find_user(passwd, [&](const passwd_entry& e) { return uid ? e.uid == *uid : e.name == text; });
}

} // namespace

result<resolved_user> resolve_user(const pb::User& user, std::string_view passwd, std::string_view group) {
  const std::string_view spec = user.spec();
  const auto colon = std::min(spec.find(':'), spec.size());
  const auto user_text = spec.substr(0, colon);
  const auto group_text = colon < spec.size() ? spec.substr(colon + 1) : std::string_view();

  resolved_user out;
  GANTRY_TRY(entry, match_user(user_text, passwd));
  if (entry) {
    GANTRY_TRY(uid, in_range(entry->uid));
    GANTRY_TRY(gid, in_range(entry->gid));
    out.uid = uid;
    out.gid = gid;
    if (!entry->home.empty()) out.home = entry->home;
  } else if (!user_text.empty()) {
    const auto uid = number(user_text);
    if (!uid) return refused("unable to find user " + std::string(user_text) + ": no matching entries in passwd file");
    GANTRY_TRY(checked, in_range(*uid));
    out.uid = checked;
  }

  std::vector<gid_t> supplementary;
  if (!group_text.empty()) {
    GANTRY_TRY(found, find_group(group, group_text));
    if (!found) found = number(group_text);
    if (!found)
      return refused("unable to find group " + std::string(group_text) + ": no matching entries in group file");
    GANTRY_TRY(gid, in_range(*found));
    out.gid = gid;
  } else if (entry && !entry->name.empty()) {
    GANTRY_TRYV(add_memberships(group, entry->name, supplementary));
  }
  GANTRY_TRYV(add_requested(user, group, supplementary));

  out.groups.push_back(out.gid);
  for (const gid_t g : supplementary)
    if (std::find(out.groups.begin(), out.groups.end(), g) == out.groups.end()) out.groups.push_back(g);
  return out;
}

result<resolved_user> lookup_user(int rootfd, const pb::User& user) {
  const auto load = [rootfd](const char* path) -> result<std::string> {
    // O_NONBLOCK: an image can put a fifo there, and the open must not wait for its writer.
    auto file = open_in_root(rootfd, path, O_RDONLY | O_NONBLOCK);
    if (file.has_error()) {
      if (file.error().code == errc::not_found) return std::string();
      return std::move(file).error();
    }
    return read_all(file->get(), path, user_file_bytes_max);
  };
  GANTRY_TRY(passwd, load("/etc/passwd"));
  GANTRY_TRY(group, load("/etc/group"));
  return resolve_user(user, passwd, group);
}

} // namespace gantry::runtime
