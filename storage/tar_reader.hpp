/// Tar entries of a stream, by libarchive: ustar, pax and GNU forms, sparse files. Only reads; what an entry does to a
/// disk is its caller's business.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "io/base/result.hpp"
#include "storage/byte_source.hpp"

struct archive;
struct archive_entry;

namespace gantry::storage {

enum class tar_type { file, directory, symlink, hard_link, char_device, block_device, fifo, unknown };

struct tar_entry {
  std::string path;
  tar_type type = tar_type::unknown;
  std::string link_target; ///< of symlinks and hard links
  std::int64_t size = 0;
  unsigned int mode = 0; ///< permission bits with setuid, setgid and sticky
  std::int64_t uid = 0, gid = 0;
  std::int64_t mtime_seconds = 0;
  long mtime_nanos = 0;
  std::uint64_t device_major = 0, device_minor = 0;
  std::vector<std::pair<std::string, std::string>> xattrs;
};

struct tar_block {
  std::span<const std::byte> bytes; ///< valid until the next call
  std::int64_t offset = 0;
};

/// Bound to one thread between open and close: it reads names as UTF-8 by setting the thread's locale around each call.
class tar_reader {
public:
  /// `source` must outlive it.
  static result<std::unique_ptr<tar_reader>> open(byte_source& source);
  ~tar_reader();
  tar_reader(const tar_reader&) = delete;
  tar_reader& operator=(const tar_reader&) = delete;

  /// The next entry; false at the end. Errors: invalid_parameter (damaged archive, bounds of one entry), or the
  /// source's.
  result<bool> next(tar_entry& into);
  /// The next piece of the present entry's data; false at its end. Holes of sparse files are left out.
  result<bool> next_block(tar_block& into);

private:
  tar_reader(byte_source& source);
  static long feed(archive* a, void* self, const void** data);
  error failure(std::string_view verb);
  result<> read_xattrs(archive_entry* entry, tar_entry& into);

  byte_source& source_;
  std::vector<std::byte> buffer_;
  error source_failure_{errc::ok, 0, {}};
  std::size_t header_bytes_ = 0; ///< read since the present header was asked for
  bool in_header_ = true;
  bool opened_ = false; ///< an entry is open
  archive* archive_ = nullptr;
};

} // namespace gantry::storage
