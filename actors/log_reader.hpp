/// Reads a container's json-file log (and its rotated files) as the logs endpoint shows it: frames for a container
/// without a terminal, raw text for one with. A cursor: each `read` goes on where the last one ended, so it serves
/// replay and follow alike.
/// Source: behaviours 201-207.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/calls.hpp"
#include "io/base/result.hpp"
#include "io/base/unique_fd.hpp"

namespace gantry::actors {

class log_reader {
public:
  /// `path` is the newest file; older ones are `path`.1, `path`.2 ...
  log_reader(std::string path, const api::container_logs& options, bool tty);

  /// Appends output for records up to about `limit` bytes. True when the present end was reached (or `until` passed).
  /// Blocks: on the disk; pool only. Errors: internal (the log is not readable).
  result<bool> read(std::string& out, std::size_t limit);

  /// True once a record later than `until` was seen: nothing more will come.
  [[nodiscard]] bool past_until() const noexcept { return past_until_; }

private:
  struct file {
    unique_fd fd;
    std::uint64_t offset = 0;
  };
  result<> open_files();
  result<> seek_tail();
  void seek_since();
  bool open_rotated();
  void render_record(std::string_view line, std::string& out);

  std::string path_;
  api::container_logs options_;
  bool tty_;
  bool opened_ = false;
  bool past_until_ = false;
  std::vector<file> files_; ///< oldest first
  std::size_t current_ = 0;
  std::string partial_; ///< the start of a record whose end is not written yet
};

} // namespace gantry::actors
