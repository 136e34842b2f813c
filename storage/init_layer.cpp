/// See init_layer.hpp.
#include "storage/init_layer.hpp"

#include <cerrno>
#include <fcntl.h>
#include <map>
#include <string>
#include <unistd.h>

#include "storage/tree.hpp"

namespace gantry::storage {

namespace {

enum class target_kind { directory, file, link };
struct mount_target {
  std::string_view path;
  target_kind kind;
  std::string_view link_to = {};
};

/// Parents stand before their children.
constexpr mount_target mount_targets[] = {
    {".dockerenv", target_kind::file},
    {"dev", target_kind::directory},
    {"dev/pts", target_kind::directory},
    {"dev/shm", target_kind::directory},
    {"dev/console", target_kind::file},
    {"proc", target_kind::directory},
    {"sys", target_kind::directory},
    {"etc/hosts", target_kind::file},
    {"etc/hostname", target_kind::file},
    {"etc/resolv.conf", target_kind::file},
    {"etc/mtab", target_kind::link, "/proc/mounts"},
};
constexpr unsigned int made_mode = 0755; // of files too, as Docker makes them

class init_maker {
public:
  init_maker(const merged_view& image, int root_fd) : image_(image), root_fd_(root_fd) {}

  result<> run() {
    for (const auto& target : mount_targets) GANTRY_TRYV(make(target));
    for (auto at = copied_.rbegin(); at != copied_.rend(); ++at) GANTRY_TRYV(describe(at->first, at->second));
    GANTRY_TRY(root, image_.find(""));
    if (!root) {
      if (::fchmod(root_fd_, made_mode) != 0) return sys_error("set mode", errno);
      return {};
    }
    return copy_directory_attributes(*root, root_fd_);
  }

private:
  result<> make(const mount_target& target) {
    GANTRY_TRY(there, image_.find(target.path));
    if (there && suits(*there, target)) return {};
    const auto slash = target.path.find('/');
    auto name = std::string(target.path);
    unique_fd parent;
    if (slash != target.path.npos) {
      GANTRY_TRY(usable, make_parent(std::string(target.path.substr(0, slash))));
      if (!usable) return {};
      GANTRY_TRY(opened, open_directory_at(root_fd_, std::string(target.path.substr(0, slash))));
      parent = std::move(opened);
      name = target.path.substr(slash + 1);
    }
    return make_at(parent ? parent.get() : root_fd_, name, target);
  }

  /// A directory where a file is wanted stays, as with Docker: a mount on it fails in words.
  static bool suits(const merged_entry& there, const mount_target& target) {
    const auto mode = there.info.st_mode;
    switch (target.kind) {
    case target_kind::directory:
      return S_ISDIR(mode);
    case target_kind::file:
      return S_ISREG(mode) || S_ISDIR(mode);
    case target_kind::link:
      return S_ISDIR(mode) || (S_ISLNK(mode) && there.link_target == target.link_to);
    }
    return false;
  }

  /// False: the image has a link of that name. What it leads to is the image's business, and the launcher's.
  result<bool> make_parent(const std::string& name) {
    GANTRY_TRY(there, image_.find(name));
    const bool is_directory = there && S_ISDIR(there->info.st_mode);
    if (there && !is_directory && name != "dev") return false;
    if (::mkdirat(root_fd_, name.c_str(), made_mode) == 0) {
      if (::fchmodat(root_fd_, name.c_str(), made_mode, 0) != 0) return sys_error("make `" + name + "`", errno);
      if (is_directory) copied_.emplace(name, std::move(*there));
    } else if (errno != EEXIST) {
      return sys_error("make `" + name + "`", errno);
    }
    return true;
  }

  static result<> make_at(int parent_fd, const std::string& name, const mount_target& target) {
    const auto failed = [&] { return sys_error("make `" + std::string(target.path) + "`", errno); };
    switch (target.kind) {
    case target_kind::link:
      if (::symlinkat(std::string(target.link_to).c_str(), parent_fd, name.c_str()) != 0) return failed();
      return {};
    case target_kind::directory:
      if (::mkdirat(parent_fd, name.c_str(), made_mode) != 0) return failed();
      break;
    case target_kind::file: {
      const int fd = ::openat(parent_fd, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, made_mode);
      if (fd < 0) return failed();
      ::close(fd);
      break;
    }
    }
    if (::fchmodat(parent_fd, name.c_str(), made_mode, 0) != 0) return failed();
    return {};
  }

  result<> describe(const std::string& name, const merged_entry& from) {
    GANTRY_TRY(dir, open_directory_at(root_fd_, name));
    return copy_directory_attributes(from, dir.get());
  }

  const merged_view& image_;
  int root_fd_;
  std::map<std::string, merged_entry> copied_;
};

} // namespace

result<> make_init_layer(const merged_view& image, int root_fd) { return init_maker(image, root_fd).run(); }

} // namespace gantry::storage
