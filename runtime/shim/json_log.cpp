/// Lines to records to the file.
#include "runtime/shim/json_log.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/base/log.hpp"

namespace gantry::runtime::shim {

namespace {

/// Makes the directory of `path` and those above it. Success when they exist.
bool make_parents(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) return true;
  const auto dir = path.substr(0, slash);
  if (::mkdir(dir.c_str(), 0710) == 0 || errno == EEXIST) return true;
  return errno == ENOENT && make_parents(dir) && (::mkdir(dir.c_str(), 0710) == 0 || errno == EEXIST);
}

/// Bytes of `piece` before a UTF-8 sequence that its end cuts: a character stays in one record.
std::size_t whole_characters(std::string_view piece) noexcept {
  for (std::size_t back = 1; back <= 3 && back < piece.size(); ++back) {
    const auto c = static_cast<unsigned char>(piece[piece.size() - back]);
    if (c < 0x80) break;
    if (c < 0xc0) continue;
    const std::size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    return length > back ? piece.size() - back : piece.size();
  }
  return piece.size();
}

std::uint64_t count_lines(std::string_view records) noexcept {
  return static_cast<std::uint64_t>(std::count(records.begin(), records.end(), '\n'));
}

} // namespace

json_log::json_log(const pb::Log& config, std::string container_id)
    : driver_(config.driver()), path_(config.path()), attributes_(config.attributes_json()),
      id_(std::move(container_id)), size_max_(config.max_size_bytes()), files_max_(config.max_files()) {}

pb::Log json_log::config() const {
  pb::Log out;
  out.set_driver(driver_);
  out.set_path(path_);
  out.set_attributes_json(attributes_);
  out.set_max_size_bytes(size_max_);
  out.set_max_files(files_max_);
  return out;
}

std::string json_log::tail_of(stream s, unix_nanos at) const {
  std::string out = s == stream::out ? "\",\"stream\":\"stdout\"" : "\",\"stream\":\"stderr\"";
  if (!attributes_.empty()) out.append(",\"attrs\":").append(attributes_);
  out.append(",\"time\":\"").append(format_rfc3339_nano(at)).append("\"}\n");
  return out;
}

void json_log::put_record(std::string_view text, bool newline, std::string_view tail, record_buffer& records) {
  const auto pending = static_cast<std::int64_t>(records.view().size());
  if (size_max_ > 0 && size_ + pending >= size_max_) {
    flush(records);
    if (size_ >= size_max_) rotate();
  }
  if (records.view().size() >= record_buffer::flush_bytes) flush(records);
  char* p = records.end();
  std::memcpy(p, "{\"log\":\"", 8);
  p = escape_json(p + 8, text);
  if (newline) {
    *p++ = '\\';
    *p++ = 'n';
  }
  std::memcpy(p, tail.data(), tail.size());
  records.end(p + tail.size());
}

/// A record of a line that is split: it bears the time of the line's first piece.
void json_log::put_piece(stream s, std::string_view text, bool newline, unix_nanos now, record_buffer& records) {
  auto& first = partial(s).first_piece_at;
  if (first == 0) first = now;
  put_record(text, newline, tail_of(s, first), records);
  if (newline) first = 0;
}

void json_log::write(stream s, std::string_view bytes, unix_nanos now, record_buffer& records) {
  if (driver_ != pb::Log::JSON_FILE) return;
  if (!file_) open_file(); // for the size; flush says what is wrong
  const auto tail = tail_of(s, now);
  auto& line = partial(s);
  while (!bytes.empty()) {
    // Only as far as a piece may reach: a line of any length is found in one pass.
    const auto room = log_line_bytes_max - line.text.size();
    const auto* newline = static_cast<const char*>(std::memchr(bytes.data(), '\n', std::min(room, bytes.size())));
    if (newline == nullptr && bytes.size() < room) {
      line.text.append(bytes);
      break;
    }
    auto taken = newline != nullptr ? static_cast<std::size_t>(newline - bytes.data()) : room;
    std::string joined = std::move(line.text);
    line.text = std::string();
    std::string_view text = bytes.substr(0, taken);
    if (!joined.empty()) text = joined.append(text);
    if (newline == nullptr) {
      const auto whole = whole_characters(text);
      put_piece(s, text.substr(0, whole), false, now, records);
      line.text = text.substr(whole);
    } else if (line.first_piece_at != 0) {
      put_piece(s, text, true, now, records);
    } else {
      put_record(text, true, tail, records);
    }
    bytes.remove_prefix(taken + (newline != nullptr ? 1 : 0));
  }
  flush(records);
}

void json_log::end_of(stream s, unix_nanos now, record_buffer& records) {
  auto& line = partial(s);
  if (driver_ != pb::Log::JSON_FILE || line.text.empty()) return;
  if (!file_) open_file();
  put_piece(s, line.text, false, now, records);
  line = partial_line();
  flush(records);
}

bool json_log::open_file() {
  const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
  file_.reset(::open(path_.c_str(), flags, 0640));
  if (!file_ && errno == ENOENT && make_parents(path_)) file_.reset(::open(path_.c_str(), flags, 0640));
  if (!file_) return false;
  struct stat st {};
  size_ = ::fstat(file_.get(), &st) == 0 ? st.st_size : 0;
  return true;
}

/// .log.2 -> .log.3, .log.1 -> .log.2, .log -> .log.1; with one file it is emptied.
void json_log::rotate() {
  file_.reset();
  for (auto n = files_max_; n > 1; --n) {
    const auto from = n == 2 ? path_ : path_ + "." + std::to_string(n - 2);
    const auto to = path_ + "." + std::to_string(n - 1);
    if (::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT)
      log::warn("shim: rotate log", {{"container", id_}, {"file", from}, {"error", std::strerror(errno)}});
  }
  if (files_max_ < 2 && ::truncate(path_.c_str(), 0) != 0 && errno != ENOENT)
    log::warn("shim: empty log", {{"container", id_}, {"file", path_}, {"error", std::strerror(errno)}});
  torn_ = false;
  size_ = 0;
  open_file();
}

void json_log::flush(record_buffer& records) {
  auto left = records.view();
  if (left.empty()) return;
  if (!file_ && !open_file()) {
    drop(left, "open", errno);
    return records.clear();
  }
  if (torn_ && ::write(file_.get(), "\n", 1) == 1) torn_ = false;
  std::size_t written = 0;
  while (written < left.size()) {
    const auto n = ::write(file_.get(), left.data() + written, left.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const int err = n == 0 ? EIO : errno;
      drop_torn_record(written, left);
      drop(left.substr(written), "write", err);
      return records.clear();
    }
    written += static_cast<std::size_t>(n);
    size_ += n;
  }
  records.clear();
  if (!failing_) return;
  failing_ = false;
  log::warn("shim: log is written again", {{"container", id_}, {"lines lost", std::to_string(dropped_)}});
}

/// The disk took a part of a record (`written` bytes of all): that part is cut off again.
void json_log::drop_torn_record(std::size_t written, std::string_view records) noexcept {
  const auto end = records.substr(0, written).rfind('\n');
  const auto whole = end == std::string_view::npos ? 0 : end + 1;
  if (whole == written) return;
  const auto keep = size_ - static_cast<std::int64_t>(written - whole);
  if (::ftruncate(file_.get(), keep) == 0)
    size_ = keep;
  else
    torn_ = true;
}

void json_log::drop(std::string_view records, const char* step, int err) {
  dropped_ += count_lines(records);
  if (failing_) return;
  failing_ = true;
  log::warn("shim: log lines are dropped",
            {{"container", id_}, {"step", step}, {"file", path_}, {"error", std::strerror(err)}});
}

} // namespace gantry::runtime::shim
