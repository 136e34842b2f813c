#include "runtime/mount_options.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <sys/mount.h>

namespace gantry::runtime {

namespace {

struct attribute_word {
  std::string_view word;
  std::uint64_t set, clear;
};

constexpr attribute_word attribute_words[] = {
    {"ro", MOUNT_ATTR_RDONLY, 0},
    {"rw", 0, MOUNT_ATTR_RDONLY},
    {"nosuid", MOUNT_ATTR_NOSUID, 0},
    {"suid", 0, MOUNT_ATTR_NOSUID},
    {"nodev", MOUNT_ATTR_NODEV, 0},
    {"dev", 0, MOUNT_ATTR_NODEV},
    {"noexec", MOUNT_ATTR_NOEXEC, 0},
    {"exec", 0, MOUNT_ATTR_NOEXEC},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
    {"diratime", 0, MOUNT_ATTR_NODIRATIME},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
    {"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
    // The three modes of atime are one field of the mask: setting one clears the others.
    {"relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"norelatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    {"noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
    {"atime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    {"nostrictatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
};

const attribute_word* find_attribute(std::string_view word) {
  const auto* found = std::find_if(std::begin(attribute_words), std::end(attribute_words),
                                   [&](const attribute_word& a) { return a.word == word; });
  return found == std::end(attribute_words) ? nullptr : found;
}

/// A later word wins over an earlier one, as in fstab.
void apply(const attribute_word& a, std::uint64_t& set, std::uint64_t& clear) {
  set = (set & ~a.clear) | a.set;
  clear = (clear & ~a.set) | a.clear;
}

} // namespace

unsigned long parse_propagation(const std::string& word, bool& recursive) {
  std::string_view plain = word;
  recursive = plain.starts_with('r');
  if (recursive) plain.remove_prefix(1);
  if (plain == "private") return MS_PRIVATE;
  if (plain == "slave") return MS_SLAVE;
  if (plain == "shared") return MS_SHARED;
  if (plain == "unbindable") return MS_UNBINDABLE;
  return 0;
}

mount_options parse_mount_options(const google::protobuf::RepeatedPtrField<std::string>& options) {
  mount_options out;
  for (const std::string& word : options) {
    if (word.empty() || word == "defaults" || word == "bind" || word == "tmpcopyup") continue;
    if (word == "rbind") {
      out.recursive_bind = true;
      continue;
    }
    bool recursive = false;
    if (const auto propagation = parse_propagation(word, recursive)) {
      out.propagation = propagation;
      out.propagation_recursive = recursive;
      continue;
    }
    if (const auto* a = find_attribute(word)) {
      apply(*a, out.set, out.clear);
      continue;
    }
    if (word.front() == 'r') {
      if (const auto* a = find_attribute(std::string_view(word).substr(1))) {
        apply(*a, out.set_recursive, out.clear_recursive);
        continue;
      }
    }
    const auto equals = word.find('=');
    if (equals == std::string::npos)
      out.data.emplace_back(word, "");
    else
      out.data.emplace_back(word.substr(0, equals), word.substr(equals + 1));
  }
  return out;
}

} // namespace gantry::runtime
