/// Stops a load before it fills the disk that everything else lives on: part of the filesystem stays in reserve.
#pragma once

#include <atomic>
#include <cstdint>

#include "io/base/result.hpp"

namespace gantry::storage {

class space_guard {
public:
  /// Watches the filesystem of a borrowed descriptor. `bytes_max` bounds what may be written in all.
  static result<space_guard> open(int fd, std::int64_t bytes_max);
  space_guard(space_guard&& other) noexcept;

  /// Call before writing `bytes`. Asks the kernel only every few megabytes. Thread: any.
  /// Errors: invalid_parameter (over `bytes_max`) · internal with ENOSPC (only the reserve is left).
  result<> add(std::int64_t bytes);

private:
  space_guard() = default;
  result<> ask() const;

  int fd_ = -1;
  std::int64_t reserve_bytes_ = 0, step_bytes_ = 0, bytes_max_ = 0;
  std::atomic<std::int64_t> written_ = 0, asked_at_ = 0;
};

} // namespace gantry::storage
