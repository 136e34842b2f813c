/// How this host mounts its control groups, from /proc/self/mountinfo (proc_pid_mountinfo(5)).
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <string_view>
#include <vector>

#include "runtime/cgroup.hpp"
#include "runtime/files.hpp"

namespace gantry::runtime {

namespace {

/// A host with thousands of mounts has a few MB of these.
constexpr std::size_t mountinfo_bytes_max = 64u << 20;

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const auto end = std::min(text.find(by), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

/// Blanks and the like stand as \040 in the table.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// Controllers among a superblock's options: what is not one of the general words.
std::string controllers_of(std::string_view options) {
  std::string out;
  for (const auto word : split(options, ',')) {
    if (word == "rw" || word == "ro" || word == "xattr" || word == "noprefix" || word == "clone_children" ||
        word.starts_with("release_agent=") || word == "none" || word == "favordynmods" || word == "cpuset_v2_mode")
      continue;
    out += (out.empty() ? "" : ",") + std::string(word);
  }
  return out;
}

} // namespace

result<cgroup_layout> cgroup_layout::detect() {
  GANTRY_TRY(table, read_file_at(AT_FDCWD, "/proc/self/mountinfo", mountinfo_bytes_max));
  cgroup_layout layout;
  for (const auto line : split(table, '\n')) {
    const auto dash = line.find(" - ");
    if (dash == std::string_view::npos) continue;
    const auto left = split(line.substr(0, dash), ' ');
    const auto right = split(line.substr(dash + 3), ' ');
    if (left.size() < 5 || right.empty()) continue;
    const auto mount_point = unescape(left[4]);
    if (right[0] == "cgroup2" && layout.unified_mount_point.empty()) {
      layout.unified_mount_point = mount_point;
    } else if (right[0] == "cgroup" && right.size() >= 3) {
      const auto controllers = controllers_of(right[2]);
      const bool known = std::any_of(layout.hierarchies.begin(), layout.hierarchies.end(),
                                     [&](const hierarchy& h) { return h.controllers == controllers; });
      if (!known) layout.hierarchies.push_back({controllers, mount_point});
    }
  }
  if (layout.hierarchies.empty() && layout.unified_mount_point.empty())
    return error{errc::unavailable, ENOENT, "no control groups are mounted (is /sys/fs/cgroup there?)"};
  layout.mode = layout.hierarchies.empty() ? kind::v2 : layout.unified_mount_point.empty() ? kind::v1 : kind::hybrid;
  return layout;
}

} // namespace gantry::runtime
