/// See space_guard.hpp.
#include "storage/space_guard.hpp"

#include <algorithm>
#include <cerrno>
#include <string>
#include <sys/statvfs.h>

namespace gantry::storage {

namespace {
constexpr std::int64_t reserve_bytes_max = std::int64_t{1} << 30;
constexpr std::int64_t reserve_fraction = 20; // 5 %
constexpr std::int64_t step_bytes_max = 16 << 20;
constexpr std::int64_t bytes_per_mib = 1 << 20;

std::int64_t bytes(std::uint64_t blocks, std::uint64_t size) { return static_cast<std::int64_t>(blocks * size); }
} // namespace

result<space_guard> space_guard::open(int fd, std::int64_t bytes_max) {
  struct statvfs fs {};
  if (::fstatvfs(fd, &fs) != 0) return sys_error("ask for free space", errno);
  space_guard self;
  self.fd_ = fd;
  self.bytes_max_ = bytes_max;
  self.reserve_bytes_ = std::min(reserve_bytes_max, bytes(fs.f_blocks, fs.f_frsize) / reserve_fraction);
  self.step_bytes_ = std::min(step_bytes_max, self.reserve_bytes_ / 8);
  GANTRY_TRYV(self.ask());
  return self;
}

space_guard::space_guard(space_guard&& other) noexcept
    : fd_(other.fd_), reserve_bytes_(other.reserve_bytes_), step_bytes_(other.step_bytes_),
      bytes_max_(other.bytes_max_), written_(other.written_.load()), asked_at_(other.asked_at_.load()) {}

result<> space_guard::add(std::int64_t count) {
  const auto written = written_.fetch_add(count) + count;
  if (written > bytes_max_) {
    return error{errc::invalid_parameter, EFBIG,
                 "unpacks to more than " + std::to_string(bytes_max_ / bytes_per_mib) + " MiB"};
  }
  if (written - asked_at_.load() < step_bytes_) return {};
  asked_at_.store(written);
  return ask();
}

result<> space_guard::ask() const {
  struct statvfs fs {};
  if (::fstatvfs(fd_, &fs) != 0) return sys_error("ask for free space", errno);
  const auto free_bytes = bytes(fs.f_bavail, fs.f_frsize);
  if (free_bytes >= reserve_bytes_) return {};
  return error{errc::internal, ENOSPC,
               "no space left on the data root: " + std::to_string(free_bytes / bytes_per_mib) + " MiB free, " +
                   std::to_string(reserve_bytes_ / bytes_per_mib) + " MiB are kept in reserve"};
}

} // namespace gantry::storage
