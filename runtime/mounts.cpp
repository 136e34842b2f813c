#include "runtime/mounts.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "runtime/files.hpp"
#include "runtime/mount_options.hpp"
#include "runtime/root_paths.hpp"
#include "runtime/syscalls.hpp"

namespace gantry::runtime {

namespace {

bool is_bind(const pb::Mount& mount) {
  if (mount.type() == "bind") return true;
  return std::any_of(mount.options().begin(), mount.options().end(),
                     [](const std::string& o) { return o == "bind" || o == "rbind"; });
}

/// runc's words; for a kind that does not fit, with the hint that Docker appends.
error mount_error(const pb::Mount& mount, int err, const std::string& detail = {}) {
  std::string text = "error mounting \"" + (mount.source().empty() ? mount.type() : mount.source()) +
                     "\" to rootfs at \"" + mount.destination() + "\": " + detail;
  if (err != ENOTDIR && err != EISDIR) return sys_error(text.substr(0, text.size() - 2), err);
  return error{errc::invalid_parameter, err,
               text + "not a directory: Are you trying to mount a directory onto a file (or vice-versa)? Check if the "
                      "specified host path exists and is the expected type"};
}

/// The kernel's own words about a filesystem context: "tmpfs: Bad value for 'size'".
std::string context_message(int fsfd) {
  char buffer[512];
  const auto n = ::read(fsfd, buffer, sizeof buffer);
  if (n <= 2) return {};
  std::string text(buffer + 2, static_cast<std::size_t>(n) - 2);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text + ": ";
}

/// Attributes and propagation of a mount that nobody sees yet. 0 or an errno.
int apply_attributes(int mountfd, const mount_options& o, bool private_by_default) {
  mount_attr one{};
  one.attr_set = o.set;
  one.attr_clr = o.clear;
  mount_attr all{};
  all.attr_set = o.set_recursive;
  all.attr_clr = o.clear_recursive;
  const auto propagation = o.propagation != 0   ? o.propagation
                           : private_by_default ? static_cast<unsigned long>(MS_PRIVATE)
                                                : 0;
  (o.propagation_recursive || o.propagation == 0 ? all : one).propagation = propagation;
  // A recursive change must come first: it would undo the exception that the mount itself makes.
  const auto wanted = [](const mount_attr& a) { return (a.attr_set | a.attr_clr | a.propagation) != 0; };
  if (wanted(all) && sys_mount_setattr(mountfd, AT_RECURSIVE, all) != 0) return errno;
  if (wanted(one) && sys_mount_setattr(mountfd, 0, one) != 0) return errno;
  return 0;
}

/// procfs and sysfs on a link of the image's would lead writes meant for the kernel somewhere else (CVE-2019-16884).
links links_for(const pb::Mount& mount) {
  return mount.type() == "proc" || mount.type() == "sysfs" || mount.type() == "cgroup" ? links::refuse : links::follow;
}

} // namespace

result<> mount_plan::write_files() const {
  for (const auto& file : spec_.files()) {
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
    unique_fd out{::open(file.host_path().c_str(), flags, file.mode() != 0 ? file.mode() : 0644)};
    if (!out && errno == ENOENT) {
      GANTRY_TRYV(make_directories(file.host_path().substr(0, file.host_path().rfind('/')), 0710));
      out.reset(::open(file.host_path().c_str(), flags, file.mode() != 0 ? file.mode() : 0644));
    }
    if (!out) return sys_error("create `" + file.host_path() + "`", errno);
    std::string_view left = file.content();
    while (!left.empty()) {
      const auto n = ::write(out.get(), left.data(), left.size());
      if (n < 0) return sys_error("write `" + file.host_path() + "`", errno);
      left.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  return {};
}

result<mount_plan::source> mount_plan::take_bind(const pb::Mount& mount) const {
  const auto options = parse_mount_options(mount.options());
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (options.recursive_bind ? AT_RECURSIVE : 0);
  source from;
  from.tree.reset(sys_open_tree(AT_FDCWD, mount.source().c_str(), flags));
  if (!from.tree && errno == ENOENT && mount.create_source()) {
    GANTRY_TRYV(make_directories(mount.source(), 0755));
    from.tree.reset(sys_open_tree(AT_FDCWD, mount.source().c_str(), flags));
  }
  if (!from.tree) return mount_error(mount, errno);
  struct stat st {};
  if (::fstat(from.tree.get(), &st) != 0) return mount_error(mount, errno);
  from.is_directory = S_ISDIR(st.st_mode);
  if (const int err = apply_attributes(from.tree.get(), options, true)) return mount_error(mount, err);
  return from;
}

/// Each hierarchy's directory of this container. On v1 a clone of just that directory costs less than a mount of the
/// hierarchy, and shows the same with a private control group namespace; with the host's one, /proc/self/cgroup and
/// these directories agree as they do under Docker.
result<> mount_plan::take_cgroups(const cgroup_layout& layout) {
  if (layout.mode == cgroup_layout::kind::v2) return {};
  const auto take = [&](const std::string& mount_point) -> result<> {
    const std::string path = mount_point + spec_.cgroup().path();
    cgroup_source from;
    from.name = mount_point.substr(mount_point.rfind('/') + 1);
    from.tree.reset(sys_open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    if (!from.tree && errno == ENOENT) return {}; // not one that this container joins
    if (!from.tree) return sys_error("open_tree `" + path + "`", errno);
    cgroups_.push_back(std::move(from));
    return {};
  };
  for (const auto& h : layout.hierarchies) GANTRY_TRYV(take(h.mount_point));
  if (!layout.unified_mount_point.empty()) GANTRY_TRYV(take(layout.unified_mount_point));
  return {};
}

result<> mount_plan::take_sources(const cgroup_layout& layout) {
  GANTRY_TRYV(write_files());
  sources_.resize(static_cast<std::size_t>(spec_.mounts_size()));
  for (int i = 0; i < spec_.mounts_size(); ++i) {
    const auto& mount = spec_.mounts(i);
    if (is_bind(mount)) {
      GANTRY_TRY(from, take_bind(mount));
      sources_[static_cast<std::size_t>(i)] = std::move(from);
    } else if (mount.type() == "cgroup") {
      GANTRY_TRYV(take_cgroups(layout));
    }
  }
  return {};
}

result<> mount_plan::attach_all(int rootfd) {
  for (int i = 0; i < spec_.mounts_size(); ++i)
    GANTRY_TRYV(attach(spec_.mounts(i), sources_[static_cast<std::size_t>(i)], rootfd));
  return {};
}

result<> mount_plan::attach(const pb::Mount& mount, source& from, int rootfd) {
  if (from.tree) return attach_bind(mount, from, rootfd);
  if (mount.type() == "cgroup") return attach_cgroups(mount, rootfd);
  return attach_filesystem(mount, rootfd);
}

result<> mount_plan::attach_bind(const pb::Mount& mount, source& from, int rootfd) {
  auto at = make_in_root(rootfd, mount.destination(), from.is_directory ? target::directory : target::file);
  if (at.has_error()) return mount_error(mount, at.error().sys_errno);
  if (sys_move_mount(from.tree.get(), at->get()) != 0) return mount_error(mount, errno);
  if (mount.destination() == "/dev") bound_dev_ = true;
  from.tree.reset();
  return {};
}

result<> mount_plan::attach_filesystem(const pb::Mount& mount, int rootfd) {
  const auto options = parse_mount_options(mount.options());
  auto at = make_in_root(rootfd, mount.destination(), target::directory, links_for(mount));
  if (at.has_error()) {
    if (at.error().sys_errno == ELOOP)
      return error{errc::invalid_parameter, ELOOP,
                   "\"" + mount.destination() + "\" must be mounted on ordinary directory"};
    return mount_error(mount, at.error().sys_errno);
  }
  const unique_fd fs{sys_fsopen(mount.type().c_str())};
  if (!fs) return mount_error(mount, errno);
  const std::string& shown = mount.source().empty() ? mount.type() : mount.source();
  if (sys_fsconfig(fs.get(), FSCONFIG_SET_STRING, "source", shown.c_str(), 0) != 0) return mount_error(mount, errno);
  for (const auto& [key, value] : options.data) {
    const int rc = value.empty() ? sys_fsconfig(fs.get(), FSCONFIG_SET_FLAG, key.c_str(), nullptr, 0)
                                 : sys_fsconfig(fs.get(), FSCONFIG_SET_STRING, key.c_str(), value.c_str(), 0);
    if (rc == 0 || (mount.type() == "devpts" && key == "newinstance")) continue; // every devpts is one since 4.7
    const int err = errno;
    return mount_error(mount, err, context_message(fs.get()));
  }
  if (sys_fsconfig(fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    const int err = errno;
    return mount_error(mount, err, context_message(fs.get()));
  }
  // A tmpfs is sealed at the end: other mounts and devices may still need directories in it.
  const bool seal_later = mount.type() == "tmpfs" && (options.set & MOUNT_ATTR_RDONLY) != 0;
  const auto attributes = options.set & ~(seal_later ? std::uint64_t{MOUNT_ATTR_RDONLY} : 0);
  unique_fd made{sys_fsmount(fs.get(), static_cast<unsigned>(attributes))};
  if (!made) return mount_error(mount, errno);
  if (options.propagation != 0) {
    mount_attr propagation{};
    propagation.propagation = options.propagation;
    if (sys_mount_setattr(made.get(), 0, propagation) != 0) return mount_error(mount, errno);
  }
  if (sys_move_mount(made.get(), at->get()) != 0) return mount_error(mount, errno);
  if (mount.type() == "proc" && mount.destination() == "/proc")
    proc_ = std::move(made);
  else if (mount.type() == "devpts" && !devpts_)
    devpts_ = std::move(made);
  else if (seal_later)
    read_only_later_.push_back(std::move(made));
  return {};
}

/// v2: the one hierarchy. v1: a small tmpfs with a directory for each hierarchy that the container joined.
result<> mount_plan::attach_cgroups(const pb::Mount& mount, int rootfd) {
  if (cgroups_.empty()) {
    pb::Mount unified = mount;
    unified.set_type("cgroup2");
    return attach_filesystem(unified, rootfd);
  }
  const auto options = parse_mount_options(mount.options());
  pb::Mount tmpfs = mount;
  tmpfs.set_type("tmpfs");
  tmpfs.set_source("tmpfs");
  tmpfs.add_options("mode=755");
  GANTRY_TRYV(attach_filesystem(tmpfs, rootfd));
  GANTRY_TRY(top, open_in_root(rootfd, mount.destination(), O_PATH | O_DIRECTORY));
  for (auto& from : cgroups_) {
    if (::mkdirat(top.get(), from.name.c_str(), 0755) != 0 && errno != EEXIST)
      return sys_error("mkdir `" + mount.destination() + "/" + from.name + "`", errno);
    if (const int err = apply_attributes(from.tree.get(), options, false)) return mount_error(mount, err);
    const unique_fd at{::openat(top.get(), from.name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (!at || sys_move_mount(from.tree.get(), at.get()) != 0) return mount_error(mount, errno);
  }
  return {};
}

result<> mount_plan::seal(int rootfd) {
  mount_attr read_only{};
  read_only.attr_set = MOUNT_ATTR_RDONLY;
  for (const auto& mount : read_only_later_)
    if (sys_mount_setattr(mount.get(), 0, read_only) != 0) return sys_error("make a tmpfs read-only", errno);
  bool recursive = false;
  mount_attr root{};
  if (spec_.root().readonly()) root.attr_set = MOUNT_ATTR_RDONLY;
  if (!spec_.rootfs_propagation().empty()) {
    root.propagation = parse_propagation(spec_.rootfs_propagation(), recursive);
    if (root.propagation == MS_PRIVATE) root.propagation = 0; // that is how it was made
  }
  if ((root.attr_set | root.propagation) == 0) return {};
  if (sys_mount_setattr(rootfd, 0, root) != 0) return sys_error("set attributes of the root", errno);
  return {};
}

} // namespace gantry::runtime
