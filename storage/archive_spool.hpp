/// The members of an image archive, written to files of an ingest directory as they stream by and hashed on the way:
/// which of them are layers is only known from a manifest that may come last.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "io/base/result.hpp"
#include "io/base/unique_fd.hpp"
#include "storage/byte_source.hpp"
#include "storage/limits.hpp"
#include "storage/space_guard.hpp"
#include "storage/tar_reader.hpp"

namespace gantry::storage {

struct spooled_file {
  std::string name; ///< in the ingest directory
  std::string digest;
  std::int64_t size = 0;
};

class archive_spool {
public:
  /// Reads a tar (already inflated) to its end. `ingest_fd` is borrowed for the life of the spool.
  /// Errors: invalid_parameter (damaged; too many members; a path that leads outside) · internal (disk).
  static result<archive_spool> read(byte_source& tar, int ingest_fd, const store_options& options, space_guard& space);

  /// The file of that path in the archive, through the archive's own links; null when there is none.
  [[nodiscard]] const spooled_file* find(std::string_view path) const;
  /// The blob that has this digest, by name and by content. Errors: invalid_parameter (missing; content differs).
  [[nodiscard]] result<const spooled_file*> find_blob(std::string_view digest) const;
  /// Errors: invalid_parameter (larger than `bytes_max`).
  [[nodiscard]] result<std::string> read_text(const spooled_file& file, std::size_t bytes_max) const;
  /// A descriptor to read it from its start.
  [[nodiscard]] result<unique_fd> open(const spooled_file& file) const;
  [[nodiscard]] const std::map<std::string, spooled_file, std::less<>>& files() const noexcept { return files_; }

private:
  result<> add(tar_reader& reader, const tar_entry& entry, const store_options& options, space_guard& space);
  result<> add_file(tar_reader& reader, const std::string& path, space_guard& space);

  int ingest_fd_ = -1;
  std::size_t written_ = 0;
  std::map<std::string, spooled_file, std::less<>> files_;
  std::map<std::string, std::string, std::less<>> links_; ///< path -> path
};

} // namespace gantry::storage
