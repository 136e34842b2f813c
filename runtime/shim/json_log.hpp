/// Container output to Docker's json-file: one JSON object a line, rotated by size.
/// `{"log":"text\n","stream":"stdout","attrs":{...},"time":"2026-11-23T20:24:41.5Z"}`
/// A full or broken disk never stops a container: its lines are dropped, counted and warned of.
/// Source: behaviours 205 to 207.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "io/base/time.hpp"
#include "io/base/unique_fd.hpp"
#include "runtime/proto/shim.pb.h"

namespace gantry::runtime::shim {

/// A line is split into pieces of at most this many bytes; all but the last lack the newline.
inline constexpr std::size_t log_line_bytes_max = 16u << 10;
/// The most that Launch may give as attributes: they stand in every record.
inline constexpr std::size_t log_attributes_bytes_max = 64u << 10;

/// Files of one log; each rotation renames them all.
inline constexpr std::uint32_t log_files_max = 1000;

enum class stream : std::uint8_t { out = 1, err = 2 }; ///< the numbers of Docker's frames

/// Where records are put together before they are written; one for all containers of a shim.
class record_buffer {
public:
  /// Written out when this much is in it.
  static constexpr std::size_t flush_bytes = 256u << 10;
  /// The longest record: each byte of a piece as \u00xx, and its tail.
  static constexpr std::size_t record_bytes_max = log_line_bytes_max * 6 + log_attributes_bytes_max + 256;

  record_buffer() : bytes_(new char[flush_bytes + record_bytes_max]) {}
  [[nodiscard]] char* end() noexcept { return bytes_.get() + size_; }
  void end(char* p) noexcept { size_ = static_cast<std::size_t>(p - bytes_.get()); }
  [[nodiscard]] std::string_view view() const noexcept { return {bytes_.get(), size_}; }
  void clear() noexcept { size_ = 0; }

private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
};

/// Writes `text` as the inside of a JSON string at `out`, which has room for six times its length. Gives the end.
char* escape_json(char* out, std::string_view text) noexcept;

class json_log {
public:
  json_log(const pb::Log& config, std::string container_id);

  /// Takes output as it was read; whole lines are in the file when it returns. Blocks: as write(2) to a file does.
  void write(stream s, std::string_view bytes, unix_nanos now, record_buffer& records);
  /// End of a stream: a line without its newline becomes a record without one.
  void end_of(stream s, unix_nanos now, record_buffer& records);
  /// The file was renamed from outside: the next record opens it anew.
  void reopen() noexcept { file_.reset(); }

  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }

  /// For an upgrade of the shim: the line that is not whole yet, and when its first piece was written (0: none was).
  struct partial_line {
    std::string text;
    unix_nanos first_piece_at = 0;
  };
  [[nodiscard]] partial_line& partial(stream s) noexcept { return partial_[s == stream::err]; }
  [[nodiscard]] pb::Log config() const;

private:
  void put_piece(stream s, std::string_view text, bool newline, unix_nanos at, record_buffer& records);
  void put_record(std::string_view text, bool newline, std::string_view tail, record_buffer& records);
  [[nodiscard]] std::string tail_of(stream s, unix_nanos at) const;
  void flush(record_buffer& records);
  bool open_file();
  void rotate();
  void drop(std::string_view records, const char* step, int err);
  void drop_torn_record(std::size_t written, std::string_view records) noexcept;

  pb::Log::Driver driver_;
  std::string path_;
  std::string attributes_;
  std::string id_;
  std::int64_t size_max_;
  std::uint32_t files_max_;
  unique_fd file_;
  std::int64_t size_ = 0;
  std::array<partial_line, 2> partial_;
  std::uint64_t dropped_ = 0;
  bool failing_ = false;
  bool torn_ = false; ///< the file ends within a record: the next one starts on a line of its own
};

} // namespace gantry::runtime::shim
