/// Owner, mode, times and extended attributes of a tar entry, put on what was made of it.
#pragma once

#include <ctime>
#include <string>

#include "io/base/result.hpp"
#include "storage/tar_reader.hpp"

namespace gantry::storage {

constexpr unsigned int entry_permission_bits = 07777;

inline timespec time_of(const tar_entry& e) { return {static_cast<time_t>(e.mtime_seconds), e.mtime_nanos}; }

/// All but the times, which whatever is written afterwards would change.
result<> describe_fd(int fd, const tar_entry& e);

/// Owner, attributes and times of what cannot be opened: links, devices, fifos. The name is not followed.
result<> describe_at(const tar_entry& e, int parent_fd, const std::string& name);

} // namespace gantry::storage
