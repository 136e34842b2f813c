#include "actors/spec_mounts.hpp"

#include <algorithm>
#include <cstdio>
#include <set>

#include "actors/spec_text.hpp"

namespace gantry::actors {

using namespace text;

namespace {

/// Words of the third field of -v; of each group one may stand.
struct mode_words {
  bool read_only = false;
  std::string propagation;
};

std::optional<mode_words> parse_mode(const std::string& mode) {
  mode_words out;
  if (mode.empty()) return out;
  int rw = 0, labels = 0, propagation = 0, copy = 0, consistency = 0;
  for (const auto& word : split(mode, ',')) {
    if (word == "rw" || word == "ro") {
      ++rw;
      out.read_only = word == "ro";
    } else if (word == "z" || word == "Z")
      ++labels;
    else if (word == "nocopy")
      ++copy;
    else if (word == "consistent" || word == "cached" || word == "delegated")
      ++consistency;
    else if (word == "private" || word == "rprivate" || word == "shared" || word == "rshared" || word == "slave" ||
             word == "rslave") {
      ++propagation;
      out.propagation = word;
    } else
      return std::nullopt;
  }
  if (rw > 1 || labels > 1 || propagation > 1 || copy > 1 || consistency > 1) return std::nullopt;
  return out;
}

error mount_config_error(const std::string& type, const std::string& why) {
  return invalid("invalid mount config for type \"" + type + "\": " + why);
}

result<> check_destination(const std::string& path) {
  if (path.empty() || path.front() != '/')
    return invalid("invalid mount path: '" + path + "' mount path must be absolute");
  if (clean_path(path) == "/") return invalid("invalid specification: destination can't be '/'");
  return {};
}

bool is_volume_name(std::string_view name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  return name.size() >= 2 && plain(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return plain(c) || c == '_' || c == '.' || c == '-'; });
}

result<> check_volume_name(const std::string& name) {
  if (name.empty() || is_volume_name(name)) return {};
  if (name.size() == 1)
    return invalid("create " + name +
                   ": volume name is too short, names should be at least two alphanumeric characters");
  return invalid("create " + name + ": \"" + name +
                 "\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are "
                 "allowed. If you intended to pass a host directory, use absolute path");
}

result<user_mount> parse_bind(const std::string& raw) {
  const auto spec_error = [&] { return invalid("invalid volume specification: '" + raw + "'"); };
  const auto fields = split(raw, ':');
  if (fields.size() > 3 || fields[0].empty()) return spec_error();
  std::string source, target, mode;
  if (fields.size() == 1)
    target = fields[0];
  else
    source = fields[0], target = fields[1];
  if (fields.size() == 2 && !fields[1].empty() && parse_mode(fields[1])) return spec_error();
  if (fields.size() == 3) mode = fields[2];
  const auto words = parse_mode(mode);
  if (!words) return invalid("invalid mode: " + mode);

  user_mount out;
  const bool is_bind = !source.empty() && source.front() == '/';
  out.shown.type = is_bind ? "bind" : "volume";
  if (auto bad = check_destination(target); bad.has_error())
    return invalid("invalid volume specification: '" + raw +
                   "': " + mount_config_error(out.shown.type, bad.error().message).message);
  out.shown.destination = clean_path(target);
  out.shown.rw = !words->read_only;
  out.shown.mode = mode;
  if (is_bind) {
    out.shown.source = clean_path(source);
    out.shown.propagation = words->propagation.empty() ? "rprivate" : words->propagation;
    out.create_source = true;
  } else {
    GANTRY_TRYV(check_volume_name(source));
    out.shown.name = source;
    out.shown.driver = "local";
    if (mode.empty()) out.shown.mode = "z";
  }
  return out;
}

std::string tmpfs_size(std::int64_t bytes) {
  // The largest unit that divides it, as Docker writes it.
  constexpr std::pair<int, char> units[] = {{30, 'g'}, {20, 'm'}, {10, 'k'}};
  for (const auto& [shift, letter] : units)
    if (bytes % (std::int64_t{1} << shift) == 0) return std::to_string(bytes >> shift) + letter;
  return std::to_string(bytes);
}

constexpr const char* tmpfs_base[] = {"noexec", "nosuid", "nodev", "rprivate"};

/// Words that Docker lets through for a tmpfs: mount flags, and the filesystem's own keys.
result<> check_tmpfs_option(const std::string& option) {
  static const std::set<std::string> words = {"defaults",    "ro",
                                              "rw",          "suid",
                                              "nosuid",      "dev",
                                              "nodev",       "exec",
                                              "noexec",      "sync",
                                              "async",       "dirsync",
                                              "mand",        "nomand",
                                              "atime",       "noatime",
                                              "diratime",    "nodiratime",
                                              "relatime",    "norelatime",
                                              "strictatime", "nostrictatime",
                                              "private",     "rprivate",
                                              "shared",      "rshared",
                                              "slave",       "rslave",
                                              "unbindable",  "runbindable",
                                              "remount",     "bind",
                                              "rbind",       ""};
  static const std::set<std::string> keys = {"mode", "uid", "gid", "size", "nr_inodes", "nr_blocks", "mpol"};
  const auto equals = option.find('=');
  const bool known = equals == std::string::npos ? words.contains(option) : keys.contains(option.substr(0, equals));
  if (!known) return invalid("invalid tmpfs option [\"" + option + "\"]");
  return {};
}

result<user_mount> parse_tmpfs(const std::string& destination, const std::string& options) {
  GANTRY_TRYV(check_destination(destination));
  user_mount out;
  out.listed = false;
  out.shown.type = "tmpfs";
  out.shown.destination = clean_path(destination);
  out.tmpfs_options.assign(std::begin(tmpfs_base), std::end(tmpfs_base));
  if (!options.empty())
    for (auto& word : split(options, ',')) {
      GANTRY_TRYV(check_tmpfs_option(word));
      if (!word.empty() && word != "remount" && word != "bind" && word != "rbind") out.tmpfs_options.push_back(word);
    }
  return out;
}

result<> read_tmpfs_request(const api::mount_request& request, user_mount& out) {
  if (!request.source.empty()) return mount_config_error("tmpfs", "field Source must not be specified");
  out.tmpfs_options.assign(std::begin(tmpfs_base), std::end(tmpfs_base));
  if (request.read_only) out.tmpfs_options.emplace_back("ro");
  if (!request.tmpfs) return {};
  if (request.tmpfs->mode != 0) {
    char mode[32];
    std::snprintf(mode, sizeof mode, "mode=%o", request.tmpfs->mode);
    out.tmpfs_options.emplace_back(mode);
  }
  if (request.tmpfs->size_bytes < 0)
    return mount_config_error("tmpfs", "field TmpfsOptions.SizeBytes must not be negative");
  if (request.tmpfs->size_bytes > 0) out.tmpfs_options.push_back("size=" + tmpfs_size(request.tmpfs->size_bytes));
  for (const auto& option : request.tmpfs->options) {
    const std::string text = join(option, "=");
    if (text != "exec" && text != "noexec") return mount_config_error("tmpfs", "invalid option: " + text);
    out.tmpfs_options.push_back(text);
  }
  return {};
}

result<> read_bind_request(const api::mount_request& request, user_mount& out) {
  if (request.source.empty()) return mount_config_error("bind", "field Source must not be empty");
  if (request.source.front() != '/')
    return mount_config_error("bind", "invalid mount path: '" + request.source + "' mount path must be absolute");
  if (request.volume) return mount_config_error("bind", "field VolumeOptions must not be specified");
  out.shown.source = clean_path(request.source);
  out.shown.propagation = "rprivate";
  if (!request.bind) return {};
  const auto& bind = *request.bind;
  const auto words = parse_mode(bind.propagation);
  if (!words || words->propagation != bind.propagation)
    return mount_config_error("bind", "invalid propagation mode: " + bind.propagation);
  if (!bind.propagation.empty()) out.shown.propagation = bind.propagation;
  if (bind.read_only_force_recursive) {
    if (bind.read_only_non_recursive)
      return mount_config_error("bind", "mount options conflict: ReadOnlyNonRecursive && ReadOnlyForceRecursive");
    if (bind.propagation != "rprivate")
      return mount_config_error(
          "bind", "mount options conflict: ReadOnlyForceRecursive && BindOptions.Propagation != rprivate");
  }
  out.create_source = bind.create_mountpoint;
  out.recursive = !bind.non_recursive;
  out.recursive_read_only = !bind.read_only_non_recursive;
  return {};
}

result<> read_volume_request(const api::mount_request& request, user_mount& out) {
  if (request.bind) return mount_config_error("volume", "field BindOptions must not be specified");
  if (request.volume && !request.volume->subpath.empty()) {
    if (request.source.empty())
      return mount_config_error("volume", "must not set Subpath when using anonymous volumes");
    return error{errc::not_implemented, 0, "invalid mount config for type \"volume\": Subpath is not supported"};
  }
  GANTRY_TRYV(check_volume_name(request.source));
  out.shown.name = request.source;
  out.shown.driver = request.volume && !request.volume->driver_name.empty() ? request.volume->driver_name : "local";
  out.shown.mode = "z";
  return {};
}

result<user_mount> parse_request(const api::mount_request& request) {
  const std::string& type = request.type;
  if (request.target.empty()) return mount_config_error(type, "field Target must not be empty");
  if (auto bad = check_destination(request.target); bad.has_error())
    return mount_config_error(type, bad.error().message);
  user_mount out;
  out.shown.type = type;
  out.shown.destination = clean_path(request.target);
  out.shown.rw = !request.read_only;
  if (type == "bind")
    GANTRY_TRYV(read_bind_request(request, out));
  else if (type == "tmpfs")
    GANTRY_TRYV(read_tmpfs_request(request, out));
  else if (type == "volume")
    GANTRY_TRYV(read_volume_request(request, out));
  else if (type == "image" || type == "cluster")
    return error{errc::not_implemented, 0, "invalid mount config for type \"" + type + "\": not supported"};
  else
    return mount_config_error(type, "mount type unknown");
  return out;
}

/// Collects mounts; a destination that the request names twice is an error, one that only the image names gives way.
class mount_list {
public:
  result<> add(user_mount&& m) {
    if (!taken_.insert(m.shown.destination).second) return invalid("Duplicate mount point: " + m.shown.destination);
    mounts_.push_back(std::move(m));
    return {};
  }
  void add_if_free(user_mount&& m) {
    if (taken_.insert(m.shown.destination).second) mounts_.push_back(std::move(m));
  }
  std::vector<user_mount> take() && { return std::move(mounts_); }

private:
  std::vector<user_mount> mounts_;
  std::set<std::string> taken_;
};

} // namespace

result<std::vector<user_mount>> parse_user_mounts(const api::container_config& config, const api::host_config& host) {
  mount_list list;
  for (const auto& raw : host.binds) {
    GANTRY_TRY(m, parse_bind(raw));
    GANTRY_TRYV(list.add(std::move(m)));
  }
  for (const auto& request : host.mounts) {
    GANTRY_TRY(m, parse_request(request));
    GANTRY_TRYV(list.add(std::move(m)));
  }
  for (const auto& [destination, options] : host.tmpfs) {
    GANTRY_TRY(m, parse_tmpfs(destination, options));
    GANTRY_TRYV(list.add(std::move(m)));
  }
  for (const auto& path : config.volumes) {
    GANTRY_TRYV(check_destination(path));
    user_mount m;
    m.shown.type = "volume";
    m.shown.destination = clean_path(path);
    m.shown.driver = "local";
    list.add_if_free(std::move(m));
  }
  return std::move(list).take();
}

result<std::vector<api::mount_point>> resolve_mounts(const api::container_config& config,
                                                     const api::host_config& host) {
  GANTRY_TRY(parsed, parse_user_mounts(config, host));
  std::vector<api::mount_point> out;
  for (auto& m : parsed)
    if (m.listed) out.push_back(std::move(m.shown));
  return out;
}

std::vector<std::string> required_bind_sources(const api::host_config& host) {
  std::vector<std::string> out;
  for (const auto& request : host.mounts)
    if (request.type == "bind" && !(request.bind && request.bind->create_mountpoint))
      out.push_back(clean_path(request.source));
  return out;
}

error missing_bind_source(std::string_view path) {
  return mount_config_error("bind", "bind source path does not exist: " + std::string(path));
}

} // namespace gantry::actors
