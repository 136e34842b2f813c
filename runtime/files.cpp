#include "runtime/files.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>

namespace gantry::runtime {

int write_file_at(int dirfd, const char* path, std::string_view text) noexcept {
  const unique_fd file{::openat(dirfd, path, O_WRONLY | O_CLOEXEC)};
  if (!file) return errno;
  const auto n = ::write(file.get(), text.data(), text.size());
  if (n < 0) return errno;
  return static_cast<std::size_t>(n) == text.size() ? 0 : EIO;
}

result<std::string> read_all(int fd, std::string_view name, std::size_t bytes_max) {
  std::string text;
  char buffer[8192];
  for (;;) {
    const auto n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return sys_error("read `" + std::string(name) + "`", errno);
    if (n == 0) return text;
    if (text.size() + static_cast<std::size_t>(n) > bytes_max)
      return error{errc::invalid_parameter, EFBIG,
                   "read `" + std::string(name) + "`: larger than " + std::to_string(bytes_max) + " bytes"};
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

result<std::string> read_file_at(int dirfd, const char* path, std::size_t bytes_max) {
  const unique_fd file{::openat(dirfd, path, O_RDONLY | O_CLOEXEC)};
  if (!file)
    return sys_error("open `" + std::string(path) + "`", errno, errno == ENOENT ? errc::not_found : errc::internal);
  return read_all(file.get(), path, bytes_max);
}

result<> make_directories(const std::string& path, unsigned mode) {
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return {};
  if (errno != ENOENT) return sys_error("mkdir `" + path + "`", errno);
  const auto slash = path.find_last_of('/', path.find_last_not_of('/'));
  if (slash == std::string::npos || slash == 0) return sys_error("mkdir `" + path + "`", ENOENT);
  GANTRY_TRYV(make_directories(path.substr(0, slash), mode));
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return {};
  return sys_error("mkdir `" + path + "`", errno);
}

} // namespace gantry::runtime
