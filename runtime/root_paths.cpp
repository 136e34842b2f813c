#include "runtime/root_paths.hpp"

#include <cerrno>
#include <deque>
#include <fcntl.h>
#include <sys/stat.h>
#include <vector>

#include "runtime/syscalls.hpp"

namespace gantry::runtime {

namespace {

/// The kernel's own limit for a path walk.
constexpr int links_max = 40;

int open_below(int rootfd, const std::string& path, int flags, links l) {
  const auto resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (l == links::refuse ? RESOLVE_NO_SYMLINKS : 0);
  for (;;) {
    const int fd = sys_openat2(rootfd, path.empty() ? "/" : path.c_str(), flags | O_CLOEXEC, resolve);
    // EAGAIN: a rename elsewhere made the kernel unsure about a "..": openat2(2) says to try again.
    if (fd >= 0 || errno != EAGAIN) return fd;
  }
}

void split(const std::string& path, std::deque<std::string>& front) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    if (end > at) parts.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  front.insert(front.begin(), parts.begin(), parts.end());
}

std::string join(const std::vector<std::string>& parts) {
  std::string path = "/";
  for (const auto& p : parts) {
    if (path.size() > 1) path += '/';
    path += p;
  }
  return path;
}

std::string read_link(int fd) {
  char buffer[4096];
  const auto n = ::readlinkat(fd, "", buffer, sizeof buffer);
  return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : std::string();
}

/// Walks component by component, making what is missing. A link that leads nowhere gets its target made, as Docker
/// does.
class walker {
public:
  walker(int rootfd, const std::string& path, target kind, links l) : rootfd_(rootfd), kind_(kind), links_(l) {
    split(path, rest_);
  }

  /// 0 or an errno.
  int walk() {
    while (!rest_.empty()) {
      const std::string name = std::move(rest_.front());
      rest_.pop_front();
      if (name == ".") continue;
      if (name == "..") {
        if (!done_.empty()) done_.pop_back();
        continue;
      }
      if (const int err = step(name)) return err;
    }
    return 0;
  }

private:
  int step(const std::string& name) {
    unique_fd parent{open_below(rootfd_, join(done_), O_PATH | O_DIRECTORY, links::follow)};
    if (!parent) return errno;
    struct stat st {};
    if (::fstatat(parent.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno != ENOENT) return errno;
      if (const int err = make(parent.get(), name)) return err;
    } else if (S_ISLNK(st.st_mode)) {
      return follow(parent.get(), name);
    }
    done_.push_back(name);
    return 0;
  }

  int make(int parentfd, const std::string& name) {
    if (rest_.empty() && kind_ == target::file) {
      const int fd = ::openat(parentfd, name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
      if (fd < 0) return errno;
      ::close(fd);
      return 0;
    }
    return ::mkdirat(parentfd, name.c_str(), 0755) == 0 || errno == EEXIST ? 0 : errno;
  }

  int follow(int parentfd, const std::string& name) {
    if (links_ == links::refuse || ++followed_ > links_max) return ELOOP;
    const unique_fd link{::openat(parentfd, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)};
    const std::string to = link ? read_link(link.get()) : std::string();
    if (to.empty()) return ENOENT;
    if (to.front() == '/') done_.clear();
    split(to, rest_);
    return 0;
  }

  int rootfd_;
  target kind_;
  links links_;
  std::deque<std::string> rest_;
  std::vector<std::string> done_;
  int followed_ = 0;
};

} // namespace

result<unique_fd> open_in_root(int rootfd, const std::string& path, int flags, links l) {
  unique_fd fd{open_below(rootfd, path, flags, l)};
  if (fd) return fd;
  return sys_error("open `" + path + "`", errno,
                   errno == ENOENT || errno == ENOTDIR ? errc::not_found : errc::internal);
}

result<unique_fd> make_in_root(int rootfd, const std::string& path, target kind, links l) {
  const int flags = kind == target::directory ? O_PATH | O_DIRECTORY : O_PATH;
  unique_fd fd{open_below(rootfd, path, flags, l)};
  if (!fd && errno == ENOENT) {
    if (const int err = walker(rootfd, path, kind, l).walk()) return sys_error("mkdir `" + path + "`", err);
    fd.reset(open_below(rootfd, path, flags, l));
  }
  if (!fd) {
    const bool wrong_kind = errno == ENOTDIR || errno == ELOOP;
    return sys_error("open `" + path + "`", errno, wrong_kind ? errc::invalid_parameter : errc::internal);
  }
  if (kind == target::file) {
    struct stat st {};
    if (::fstat(fd.get(), &st) == 0 && S_ISDIR(st.st_mode))
      return sys_error("open `" + path + "`", EISDIR, errc::invalid_parameter);
  }
  return fd;
}

} // namespace gantry::runtime
