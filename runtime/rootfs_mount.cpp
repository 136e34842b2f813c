#include "runtime/rootfs_mount.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sched.h>
#include <string>
#include <sys/stat.h>
#include <vector>

#include "runtime/files.hpp"
#include "runtime/syscalls.hpp"

namespace gantry::runtime {

namespace {

/// fsconfig(2) copies a string of at most this length, its end included.
constexpr std::size_t fsconfig_string_bytes_max = 256;

/// What the kernel wrote about a filesystem context: "overlay: ..." in words, when it has any.
std::string context_message(int fsfd) {
  char buffer[512];
  const auto n = ::read(fsfd, buffer, sizeof buffer);
  if (n <= 2) return {};
  std::string text(buffer + 2, static_cast<std::size_t>(n) - 2); // "e " comes first
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return " (" + text + ")";
}

error overlay_error(int fsfd, const std::string& what, int err) {
  return sys_error("mount overlay: " + what + context_message(fsfd), err);
}

/// upper and work, and their parent that other users must not enter.
result<> make_upper(const pb::Root& root) {
  if (::mkdir(root.upper_dir().c_str(), 0755) != 0 && errno != EEXIST) {
    if (errno != ENOENT) return sys_error("mkdir `" + root.upper_dir() + "`", errno);
    const auto slash = root.upper_dir().rfind('/');
    GANTRY_TRYV(make_directories(root.upper_dir().substr(0, slash), 0710));
    GANTRY_TRYV(make_directories(root.upper_dir(), 0755));
  }
  if (::mkdir(root.work_dir().c_str(), 0700) == 0) return {};
  if (errno == EEXIST) {
    // The mark of an earlier volatile mount, which the kernel refuses to mount again. Such a container is started again
    // only by a restart; after a crash of the host it is removed.
    const std::string marks = root.work_dir() + "/work" + "/incompat";
    (void)::unlink((marks + "/volatile/dirty").c_str());
    (void)::rmdir((marks + "/volatile").c_str());
    (void)::rmdir(marks.c_str());
    return {};
  }
  return make_directories(root.work_dir(), 0700);
}

/// fsconfig with the path itself, or by descriptor when it is longer than fsconfig takes.
int set_layer(int fsfd, const char* key, const std::string& path) {
  if (path.size() < fsconfig_string_bytes_max) return sys_fsconfig(fsfd, FSCONFIG_SET_STRING, key, path.c_str(), 0);
  const unique_fd dir{::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!dir) return -1;
  const std::string alias = "/proc/self/fd/" + std::to_string(dir.get());
  return sys_fsconfig(fsfd, FSCONFIG_SET_STRING, key, alias.c_str(), 0);
}

/// All directories of a root opened, and the options that name them by the numbers of their descriptors: the shortest
/// names there are, for a process whose working directory is /proc/self/fd. Kernels before 6.5 take all layers in one
/// option, of 255 characters by fsconfig(2) or in the one page of mount(2).
class numbered_layers {
public:
  static result<numbered_layers> open(const pb::Root& root) {
    numbered_layers out;
    for (int i = 0; i < root.lower_dirs_size(); ++i) {
      GANTRY_TRY(name, out.add(root.lower_dirs(i)));
      out.lower_ += (i != 0 ? ":" : "") + name;
    }
    if (root.upper_dir().empty()) return out;
    GANTRY_TRY(upper, out.add(root.upper_dir()));
    GANTRY_TRY(work, out.add(root.work_dir()));
    out.upper_ = std::move(upper);
    out.work_ = std::move(work);
    return out;
  }

  [[nodiscard]] const std::string& lower() const noexcept { return lower_; }
  [[nodiscard]] const std::string& upper() const noexcept { return upper_; }
  [[nodiscard]] const std::string& work() const noexcept { return work_; }

private:
  result<std::string> add(const std::string& path) {
    unique_fd dir{::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (!dir) return sys_error("mount overlay: open `" + path + "`", errno);
    dirs_.push_back(std::move(dir));
    return std::to_string(dirs_.back().get());
  }

  std::vector<unique_fd> dirs_;
  std::string lower_, upper_, work_;
};

/// Attached over "/", where the caller's working directory is. Any number of layers.
result<unique_fd> mount_overlay_classic(const pb::Root& root) {
  GANTRY_TRY(layers, numbered_layers::open(root));
  std::string data = "index=off,lowerdir=" + layers.lower();
  if (!layers.upper().empty()) data += ",upperdir=" + layers.upper() + ",workdir=" + layers.work();
  if (root.volatile_upper()) data += ",volatile";
  if (::chdir("/proc/self/fd") != 0) return sys_error("chdir `/proc/self/fd`", errno);
  if (::mount("overlay", "/", "overlay", 0, data.c_str()) != 0) return sys_error("mount overlay", errno);
  if (::chdir("/") != 0) return sys_error("chdir `/`", errno);
  // ".." of the root steps onto what was mounted over it.
  unique_fd top{::open("/..", O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!top) return sys_error("open the new root", errno);
  return top;
}

/// Attached nowhere; an empty descriptor when the layers are too many for one option of fsconfig(2).
result<unique_fd> mount_overlay_numbered(const pb::Root& root) {
  GANTRY_TRY(layers, numbered_layers::open(root));
  if (layers.lower().size() >= fsconfig_string_bytes_max) return unique_fd{};
  const unique_fd fs{sys_fsopen("overlay")};
  if (!fs) return sys_error("fsopen overlay", errno);
  const auto set = [&](const char* key, const std::string& value) {
    return value.empty() || sys_fsconfig(fs.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0) == 0;
  };
  if (::chdir("/proc/self/fd") != 0) return sys_error("chdir `/proc/self/fd`", errno);
  const bool done =
      set("source", "overlay") && set("index", "off") && set("lowerdir", layers.lower()) &&
      set("upperdir", layers.upper()) && set("workdir", layers.work()) &&
      (!root.volatile_upper() || sys_fsconfig(fs.get(), FSCONFIG_SET_FLAG, "volatile", nullptr, 0) == 0) &&
      sys_fsconfig(fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0;
  const int err = errno;
  if (::chdir("/") != 0) return sys_error("chdir `/`", errno);
  if (!done) return overlay_error(fs.get(), "create", err);
  unique_fd mount{sys_fsmount(fs.get(), 0)};
  if (!mount) return sys_error("fsmount overlay", errno);
  return mount;
}

result<unique_fd> mount_overlay(const pb::Root& root) {
  const unique_fd fs{sys_fsopen("overlay")};
  if (!fs) return sys_error("fsopen overlay", errno);
  if (sys_fsconfig(fs.get(), FSCONFIG_SET_STRING, "source", "overlay", 0) != 0)
    return overlay_error(fs.get(), "source", errno);
  for (const auto& dir : root.lower_dirs())
    if (set_layer(fs.get(), "lowerdir+", dir) != 0) return overlay_error(fs.get(), "layer `" + dir + "`", errno);
  if (!root.upper_dir().empty()) {
    if (set_layer(fs.get(), "upperdir", root.upper_dir()) != 0)
      return overlay_error(fs.get(), "upper `" + root.upper_dir() + "`", errno);
    if (set_layer(fs.get(), "workdir", root.work_dir()) != 0)
      return overlay_error(fs.get(), "work `" + root.work_dir() + "`", errno);
  }
  // Whatever the kernel's default: with an index a directory that the keeper has not let go of yet would be refused.
  if (sys_fsconfig(fs.get(), FSCONFIG_SET_STRING, "index", "off", 0) != 0)
    return overlay_error(fs.get(), "index=off", errno);
  if (root.volatile_upper() && sys_fsconfig(fs.get(), FSCONFIG_SET_FLAG, "volatile", nullptr, 0) != 0)
    return overlay_error(fs.get(), "volatile", errno);
  if (sys_fsconfig(fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    return overlay_error(fs.get(), "create", errno);
  unique_fd mount{sys_fsmount(fs.get(), 0)};
  if (!mount) return sys_error("fsmount overlay", errno);
  return mount;
}

/// One layer and nothing to write to: no overlay is needed (nor possible: it wants two).
result<unique_fd> bind_single(const std::string& dir) {
  unique_fd tree{sys_open_tree(AT_FDCWD, dir.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)};
  if (!tree) return sys_error("open_tree `" + dir + "`", errno);
  mount_attr read_only{};
  read_only.attr_set = MOUNT_ATTR_RDONLY;
  if (sys_mount_setattr(tree.get(), 0, read_only) != 0) return sys_error("mount_setattr `" + dir + "`", errno);
  return tree;
}

} // namespace

result<unique_fd> make_rootfs(const pb::Root& root, overlay_layers how) {
  if (root.lower_dirs_size() == 0) return error{errc::invalid_parameter, EINVAL, "mount overlay: no layer"};
  if (root.lower_dirs_size() > overlay_layers_max)
    return error{errc::invalid_parameter, EINVAL,
                 "mount overlay: more than " + std::to_string(overlay_layers_max) + " layers"};
  if (root.upper_dir().empty() && root.lower_dirs_size() == 1) return bind_single(root.lower_dirs(0));
  if (!root.upper_dir().empty()) GANTRY_TRYV(make_upper(root));
  return how == overlay_layers::one_by_one ? mount_overlay(root) : mount_overlay_numbered(root);
}

overlay_layers overlay_layers_of_kernel() noexcept {
  static const overlay_layers known = [] {
    const unique_fd fs{sys_fsopen("overlay")};
    // Before 6.5 a filesystem context of overlay keeps all options as text and looks at them when it is created.
    const bool keeps_text = fs && sys_fsconfig(fs.get(), FSCONFIG_SET_FLAG, "no such option", nullptr, 0) == 0;
    return keeps_text ? overlay_layers::in_one_option : overlay_layers::one_by_one;
  }();
  return known;
}

namespace {

/// The root of a copied empty namespace is an empty tmpfs, which stays below: a chroot is enough then. Who breaks out
/// of it (CAP_SYS_CHROOT is one of Docker's defaults) finds that tmpfs and nothing else, and to the kernel the process
/// is not chrooted, because its root is what is mounted on the namespace's.
result<> enter_empty(int made_rootfd, int empty_namespacefd) {
  if (::setns(empty_namespacefd, CLONE_NEWNS) != 0) return sys_error("enter the empty mount namespace", errno);
  if (::unshare(CLONE_NEWNS) != 0) return sys_error("unshare the mount namespace", errno);
  if (::chdir("/") != 0 || sys_move_mount(made_rootfd, AT_FDCWD) != 0) return sys_error("attach the root", errno);
  if (::fchdir(made_rootfd) != 0 || ::chroot(".") != 0) return sys_error("enter the root", errno);
  return {};
}

result<> enter_copy(const pb::Root& root, unique_fd& made) {
  if (::unshare(CLONE_NEWNS) != 0) return sys_error("unshare the mount namespace", errno);
  // Nothing that is mounted from here on may go back to the host, and the container must not pin what the host
  // unmounts.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return sys_error("make mounts private", errno);
  if (::chdir("/") != 0) return sys_error("chdir `/`", errno);
  // The working directory is the host's "/", and the root is attached to it: no directory of the host is needed.
  if (!made) {
    GANTRY_TRY(classic, mount_overlay_classic(root));
    made = std::move(classic);
  } else if (sys_move_mount(made.get(), AT_FDCWD) != 0) {
    return sys_error("attach the root", errno);
  }
  if (::fchdir(made.get()) != 0) return sys_error("enter the root", errno);
  if (sys_pivot_root(".", ".") != 0) return sys_error("pivot_root", errno);
  // "." is the new root still, and what is mounted over it the old one: that is what umount2 takes.
  if (::umount2(".", MNT_DETACH) != 0) return sys_error("detach the old root", errno);
  return {};
}

} // namespace

result<unique_fd> enter_rootfs(const pb::Root& root, unique_fd made, int empty_namespacefd) {
  if (made && empty_namespacefd >= 0)
    GANTRY_TRYV(enter_empty(made.get(), empty_namespacefd));
  else
    GANTRY_TRYV(enter_copy(root, made));
  if (::chdir("/") != 0) return sys_error("chdir `/`", errno);
  unique_fd new_root{::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!new_root) return sys_error("open `/`", errno);
  return new_root;
}

} // namespace gantry::runtime
