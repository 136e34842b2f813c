/// See merged_view.hpp.
#include "storage/merged_view.hpp"

#include <array>
#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "storage/limits.hpp"
#include "storage/tree.hpp"

namespace gantry::storage {

bool is_opaque_directory(int dir_fd) {
  char value = 0;
  return ::getxattr(proc_path(dir_fd, ".").c_str(), "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

namespace {

result<std::string> read_link(int fd) {
  std::array<char, PATH_MAX> target{};
  const auto n = ::readlinkat(fd, "", target.data(), target.size());
  if (n < 0) return sys_error("read link", errno);
  return std::string(target.data(), static_cast<std::size_t>(n));
}

/// One name in a stack of directories: what is topmost, and the directories of that name that show through.
struct step_result {
  std::optional<merged_entry> top;
  std::vector<unique_fd> directories;
};

result<step_result> look_up(const std::vector<int>& stack, const std::string& name) {
  step_result found;
  for (const int dir_fd : stack) {
    unique_fd fd(::openat(dir_fd, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) {
      if (errno == ENOENT) continue;
      return sys_error("open `" + name + "`", errno);
    }
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) return sys_error("look at `" + name + "`", errno);
    if (is_whiteout(st.st_mode, st.st_rdev)) break;
    const bool directory = S_ISDIR(st.st_mode);
    if (!directory && found.top) break; // a file below a directory does not show
    const bool ends_here = !directory || is_opaque_directory(fd.get());
    if (directory) found.directories.emplace_back(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
    if (!found.top) {
      merged_entry entry{st, std::move(fd), {}};
      if (S_ISLNK(st.st_mode)) {
        GANTRY_TRY(target, read_link(entry.fd.get()));
        entry.link_target = std::move(target);
      }
      found.top = std::move(entry);
    }
    if (ends_here) break;
  }
  return found;
}

} // namespace

result<merged_view> merged_view::open(const std::vector<std::filesystem::path>& layers) {
  merged_view self;
  for (const auto& path : layers) {
    GANTRY_TRY(fd, open_directory(path));
    const bool opaque = is_opaque_directory(fd.get());
    self.roots_.push_back(std::move(fd));
    if (opaque) break;
  }
  return self;
}

result<std::optional<merged_entry>> merged_view::find(std::string_view path) const {
  GANTRY_TRY(parts, clean_path(path));
  std::vector<int> stack;
  for (const auto& root : roots_) stack.push_back(root.get());
  if (parts.empty()) {
    if (roots_.empty()) return std::optional<merged_entry>{};
    merged_entry root;
    root.fd.reset(::fcntl(roots_.front().get(), F_DUPFD_CLOEXEC, 3));
    if (!root.fd || ::fstat(root.fd.get(), &root.info) != 0) return sys_error("look at the root", errno);
    return std::optional<merged_entry>(std::move(root));
  }
  std::vector<unique_fd> held;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    GANTRY_TRY(found, look_up(stack, parts[i]));
    if (i + 1 == parts.size()) return std::move(found.top);
    if (!found.top || !S_ISDIR(found.top->info.st_mode)) return std::optional<merged_entry>{};
    held = std::move(found.directories);
    stack.clear();
    for (const auto& dir : held) stack.push_back(dir.get());
  }
  return std::optional<merged_entry>{};
}

result<> copy_directory_attributes(const merged_entry& from, int to_fd) {
  const auto& st = from.info;
  if (::fchown(to_fd, st.st_uid, st.st_gid) != 0) return sys_error("set owner", errno);
  if (::fchmod(to_fd, st.st_mode & 07777) != 0) return sys_error("set mode", errno);
  const auto source = proc_path(from.fd.get(), ".");
  std::string names(xattr_bytes_max, '\0');
  const auto length = ::listxattr(source.c_str(), names.data(), names.size());
  names.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  for (std::size_t at = 0; at < names.size();) {
    const std::string name = names.c_str() + at;
    at += name.size() + 1;
    if (name.starts_with("trusted.overlay.")) continue;
    std::string value(xattr_bytes_max, '\0');
    const auto size = ::getxattr(source.c_str(), name.c_str(), value.data(), value.size());
    if (size < 0) return sys_error("read extended attribute `" + name + "`", errno);
    if (::fsetxattr(to_fd, name.c_str(), value.data(), static_cast<std::size_t>(size), 0) != 0) {
      return sys_error("set extended attribute `" + name + "`", errno);
    }
  }
  const timespec times[2] = {st.st_mtim, st.st_mtim};
  if (::futimens(to_fd, times) != 0) return sys_error("set times", errno);
  return {};
}

} // namespace gantry::storage
