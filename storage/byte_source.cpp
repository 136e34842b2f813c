/// See byte_source.hpp.
#include "storage/byte_source.hpp"

#include <algorithm>
#include <cerrno>
#include <unistd.h>

namespace gantry::storage {

result<std::size_t> fd_source::read(byte_span into) {
  while (true) {
    const auto n = ::read(fd_, into.data(), into.size());
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR) return sys_error("read archive", errno);
  }
}

result<peeked_source> peeked_source::peek(byte_source& source, std::size_t count) {
  peeked_source self;
  self.source_ = &source;
  self.head_.resize(count);
  std::size_t have = 0;
  while (have < count) {
    GANTRY_TRY(n, source.read(byte_span(self.head_).subspan(have)));
    if (n == 0) break;
    have += n;
  }
  self.head_.resize(have);
  return self;
}

result<std::size_t> peeked_source::read(byte_span into) {
  if (given_ == head_.size()) return source_->read(into);
  const auto n = std::min(into.size(), head_.size() - given_);
  std::copy_n(head_.begin() + static_cast<std::ptrdiff_t>(given_), n, into.begin());
  given_ += n;
  return n;
}

result<std::size_t> hashing_source::read(byte_span into) {
  GANTRY_TRY(n, source_.read(into));
  left_ -= static_cast<std::int64_t>(n);
  if (left_ < 0) return error{errc::invalid_parameter, 0, "larger than this engine accepts"};
  if (wanted_ == hash::yes) hash_.update(into.first(n));
  count_ += static_cast<std::int64_t>(n);
  return n;
}

result<> hashing_source::drain() {
  std::vector<std::byte> buffer(128 * 1024);
  while (true) {
    GANTRY_TRY(n, read(buffer));
    if (n == 0) return {};
  }
}

} // namespace gantry::storage
