#include "runtime/devices.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#undef major // glibc defines these two as macros, and protobuf has them as fields
#undef minor

#include "runtime/files.hpp"
#include "runtime/root_paths.hpp"
#include "runtime/syscalls.hpp"

namespace gantry::runtime {

namespace {

struct node {
  std::string path;
  mode_t type = S_IFCHR;
  dev_t number = 0;
  mode_t mode = 0666;
  uid_t uid = 0;
  gid_t gid = 0;
};

struct standard_node {
  const char* name;
  unsigned major, minor;
};
/// runtime-spec config-linux.md "Default Devices".
constexpr standard_node standard_nodes[] = {
    {"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
};

struct standard_link {
  const char* name;
  const char* to;
};
constexpr standard_link standard_links[] = {
    {"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
    {"stderr", "/proc/self/fd/2"}, {"core", "/proc/kcore"},      {"ptmx", "pts/ptmx"},
};

error device_error(const std::string& path, int err) { return sys_error("error creating device nodes: " + path, err); }

class device_maker {
public:
  device_maker(int rootfd, device_sources& sources) : rootfd_(rootfd), sources_(sources) {}

  /// `dirfd` and `name` say where; n.path is for messages and for the host's node of the same path.
  result<> make(int dirfd, const char* name, const node& n) {
    if (sources_.wanted() && n.type != S_IFIFO) return bind(dirfd, name, n);
    if (::mknodat(dirfd, name, n.type | n.mode, n.number) != 0)
      return errno == EEXIST ? result<>{} // the image or a mount has it: theirs wins, as with runc
                             : result<>{device_error(n.path, errno)};
    if ((n.uid != 0 || n.gid != 0) && ::fchownat(dirfd, name, n.uid, n.gid, AT_SYMLINK_NOFOLLOW) != 0)
      return device_error(n.path, errno);
    return {};
  }

  result<> make_at_path(const node& n) {
    const auto slash = n.path.rfind('/');
    const std::string parent = slash == 0 || slash == std::string::npos ? "/" : n.path.substr(0, slash);
    GANTRY_TRY(dir, make_in_root(rootfd_, parent, target::directory));
    return make(dir.get(), n.path.c_str() + (slash == std::string::npos ? 0 : slash + 1), n);
  }

private:
  result<> bind(int dirfd, const char* name, const node& n) {
    const unique_fd at{::openat(dirfd, name, O_CREAT | O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0644)};
    if (!at) return device_error(n.path, errno);
    if (const int err = sources_.bind(n.path, at.get())) return device_error(n.path, err);
    return {};
  }

  int rootfd_;
  device_sources& sources_;
};

node from_spec(const pb::Device& d) {
  node n;
  n.path = d.path();
  n.type = d.type() == "b" ? S_IFBLK : d.type() == "p" ? S_IFIFO : S_IFCHR;
  n.number = n.type == S_IFIFO ? 0 : makedev(static_cast<unsigned>(d.major()), static_cast<unsigned>(d.minor()));
  n.mode = d.file_mode() != 0 ? d.file_mode() & 0777 : 0666;
  n.uid = d.uid();
  n.gid = d.gid();
  return n;
}

bool is_requested(const pb::Spec& spec, const std::string& path) {
  return std::any_of(spec.devices().begin(), spec.devices().end(),
                     [&](const pb::Device& d) { return d.path() == path; });
}

result<> make_links(int devfd) {
  for (const auto& link : standard_links) {
    if (::symlinkat(link.to, devfd, link.name) == 0 || errno == EEXIST) continue;
    return sys_error(std::string("symlink `/dev/") + link.name + "`", errno);
  }
  return {};
}

} // namespace

result<device_sources> device_sources::take(const pb::Spec& spec, bool wanted) {
  device_sources out;
  out.wanted_ = wanted;
  if (!wanted) return out;
  const auto add = [&](const std::string& path, mode_t type, dev_t number) {
    unique_fd tree{sys_open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)};
    struct stat st {};
    if (!tree || ::fstat(tree.get(), &st) != 0) return;
    if ((st.st_mode & S_IFMT) == type && st.st_rdev == number) out.trees_[path] = std::move(tree);
  };
  for (const auto& s : standard_nodes) add(std::string("/dev/") + s.name, S_IFCHR, makedev(s.major, s.minor));
  for (const auto& d : spec.devices()) {
    const node n = from_spec(d);
    add(n.path, n.type, n.number);
  }
  return out;
}

int device_sources::bind(const std::string& path, int targetfd) {
  const auto found = trees_.find(path);
  if (found == trees_.end()) return EPERM;
  return sys_move_mount(found->second.get(), targetfd) == 0 ? 0 : errno;
}

bool device_nodes_refused() {
  static const bool refused = [] {
    const auto map = read_file_at(AT_FDCWD, "/proc/self/uid_map", 4096);
    std::uint64_t inside = 0, outside = 0, count = 0;
    return map.has_value() && std::sscanf(map->c_str(), "%lu %lu %lu", &inside, &outside, &count) == 3 &&
           !(inside == 0 && outside == 0 && count == 0xffffffffu);
  }();
  return refused;
}

result<> make_devices(const pb::Spec& spec, int rootfd, device_sources& sources, bool own_dev) {
  if (!own_dev) return {};
  // The bits of a node's mode are the request's, whoever called us.
  const mode_t mask = ::umask(0);
  device_maker maker(rootfd, sources);
  GANTRY_TRY(dev, make_in_root(rootfd, "/dev", target::directory));
  for (const auto& s : standard_nodes) {
    node n;
    n.path = std::string("/dev/") + s.name;
    n.number = makedev(s.major, s.minor);
    if (!is_requested(spec, n.path)) GANTRY_TRYV(maker.make(dev.get(), s.name, n));
  }
  for (const auto& d : spec.devices()) GANTRY_TRYV(maker.make_at_path(from_spec(d)));
  GANTRY_TRYV(make_links(dev.get()));
  ::umask(mask);
  return {};
}

result<terminal> make_terminal(const pb::Process& process, int rootfd, int devptsfd) {
  terminal t;
  if (devptsfd >= 0)
    t.master.reset(::openat(devptsfd, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  else {
    GANTRY_TRY(master, open_in_root(rootfd, "/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK));
    t.master = std::move(master);
  }
  if (!t.master) return sys_error("open the terminal", errno);
  int locked = 0;
  if (::ioctl(t.master.get(), TIOCSPTLCK, &locked) != 0) return sys_error("unlock the terminal", errno);
  // By the master itself, not by a path below /dev/pts that a mount may have replaced (CVE-2025-52565).
  t.slave.reset(::ioctl(t.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!t.slave) return sys_error("open the terminal's slave", errno);
  if (process.console_rows() != 0 || process.console_columns() != 0) {
    winsize size{};
    size.ws_row = static_cast<unsigned short>(process.console_rows());
    size.ws_col = static_cast<unsigned short>(process.console_columns());
    if (::ioctl(t.master.get(), TIOCSWINSZ, &size) != 0) return sys_error("set the terminal's size", errno);
  }
  auto console = make_in_root(rootfd, "/dev/console", target::file, links::refuse);
  if (console.has_error()) return with_context(std::move(console).error(), "make the console: ");
  const unique_fd tree{sys_open_tree(t.slave.get(), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH)};
  if (!tree || sys_move_mount(tree.get(), console->get()) != 0) return sys_error("bind `/dev/console`", errno);
  return t;
}

} // namespace gantry::runtime
