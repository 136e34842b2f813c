/// See tree.hpp.
#include "storage/tree.hpp"

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <memory>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/base/ids.hpp"
#include "storage/limits.hpp"

namespace gantry::storage {

namespace {

error bad_path(std::string_view path, std::string_view cause) {
  return error{errc::invalid_parameter, 0, "path `" + std::string(path.substr(0, 256)) + "`: " + std::string(cause)};
}

int sys_openat2(int dir_fd, const char* path, open_how* how) {
  return static_cast<int>(::syscall(SYS_openat2, dir_fd, path, how, sizeof *how));
}

/// A directory deeper than this below the one being deleted is first moved up to it.
constexpr int remove_depth_max = 32;

struct dir_close {
  void operator()(DIR* d) const noexcept { ::closedir(d); }
};
using dir_handle = std::unique_ptr<DIR, dir_close>;

result<dir_handle> open_listing(int dir_fd, const char* name) {
  const int fd = ::openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return sys_error(std::string("open `") + name + "`", errno);
  dir_handle listing(::fdopendir(fd));
  if (!listing) {
    const int err = errno;
    ::close(fd);
    return sys_error(std::string("open `") + name + "`", err);
  }
  return listing;
}

bool is_dot(const char* name) { return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0)); }

/// Empties directories below `top_fd`; what is too deep is moved to the top for the next round.
struct emptier {
  int top_fd;

  result<> empty(DIR* listing, int depth) {
    const int dir_fd = ::dirfd(listing);
    while (true) {
      errno = 0;
      const dirent* item = ::readdir(listing);
      if (!item) {
        if (errno != 0) return sys_error("list directory", errno);
        return {};
      }
      if (is_dot(item->d_name)) continue;
      GANTRY_TRYV(remove(dir_fd, item->d_name, depth));
    }
  }

  result<> remove(int dir_fd, const char* name, int depth) {
    if (::unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT) return {};
    if (errno != EISDIR)
      return sys_error(std::string("delete `") + name + "`", errno); // EISDIR: Linux, for directories
    if (::unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
    if (errno != ENOTEMPTY && errno != EEXIST) return sys_error(std::string("delete `") + name + "`", errno);
    if (depth >= remove_depth_max) return move_up(dir_fd, name);
    GANTRY_TRY(listing, open_listing(dir_fd, name));
    GANTRY_TRYV(empty(listing.get(), depth + 1));
    if (::unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
    if (errno == ENOTEMPTY || errno == EEXIST) return {}; // the next round gets it
    return sys_error(std::string("delete `") + name + "`", errno);
  }

  result<> move_up(int dir_fd, const char* name) {
    const auto fresh = ".deep-" + random_id();
    if (::renameat(dir_fd, name, top_fd, fresh.c_str()) == 0 || errno == ENOENT) return {};
    return sys_error(std::string("move `") + name + "`", errno);
  }
};

} // namespace

result<std::vector<std::string>> clean_path(std::string_view path) {
  if (path.size() > path_bytes_max) return bad_path(path, "longer than 4095 bytes");
  std::vector<std::string> parts;
  std::string_view rest = path;
  while (!rest.empty()) {
    const auto slash = rest.find('/');
    const auto part = rest.substr(0, slash);
    rest = slash == rest.npos ? std::string_view{} : rest.substr(slash + 1);
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (parts.empty()) return bad_path(path, "leads outside of the root");
      parts.pop_back();
      continue;
    }
    if (part.size() > name_bytes_max) return bad_path(path, "a name is longer than 255 bytes");
    parts.emplace_back(part);
    if (parts.size() > path_depth_max) return bad_path(path, "too many directories deep");
  }
  return parts;
}

std::string join_path(const std::vector<std::string>& components, std::size_t count) {
  std::string joined;
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) joined += '/';
    joined += components[i];
  }
  return joined;
}

result<unique_fd> open_in_root(int root_fd, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags) | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  const char* name = path.empty() ? "." : path.c_str();
  // EAGAIN: a rename elsewhere in the filesystem while `..` was being resolved; the kernel asks for another try.
  for (int tries = 0; tries < 128; ++tries) {
    const int fd = sys_openat2(root_fd, name, &how);
    if (fd >= 0) return unique_fd(fd);
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return sys_error("open `" + path + "`", errno);
}

result<unique_fd> open_directory(const std::filesystem::path& path) {
  unique_fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return sys_error("open `" + path.string() + "`", errno);
  return fd;
}

result<unique_fd> open_directory_at(int dir_fd, const std::string& name) {
  unique_fd fd(::openat(dir_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return sys_error("open `" + name + "`", errno);
  return fd;
}

std::string proc_path(int dir_fd, const std::string& name) {
  return "/proc/self/fd/" + std::to_string(dir_fd) + "/" + name;
}

result<> remove_tree_at(int dir_fd, const std::string& name) {
  while (true) {
    if (::unlinkat(dir_fd, name.c_str(), 0) == 0 || errno == ENOENT) return {};
    if (errno != EISDIR) return sys_error("delete `" + name + "`", errno);
    if (::unlinkat(dir_fd, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
    if (errno != ENOTEMPTY && errno != EEXIST) return sys_error("delete `" + name + "`", errno);
    auto listing = open_listing(dir_fd, name.c_str());
    if (listing.has_error()) {
      if (listing.error().sys_errno == ENOENT) return {}; // another deleter was faster
      return listing.error();
    }
    emptier work{::dirfd(listing->get())};
    GANTRY_TRYV(work.empty(listing->get(), 0));
  }
}

result<std::vector<std::string>> list_directory(int dir_fd) {
  GANTRY_TRY(listing, open_listing(dir_fd, "."));
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* item = ::readdir(listing.get())) {
    if (!is_dot(item->d_name)) names.emplace_back(item->d_name);
    errno = 0;
  }
  if (errno != 0) return sys_error("list directory", errno);
  return names;
}

bool is_whiteout(unsigned int mode, unsigned long device) noexcept { return S_ISCHR(mode) && device == 0; }

} // namespace gantry::storage
