#include "actors/log_reader.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <simdjson.h>

#include "io/base/time.hpp"

namespace gantry::actors {

namespace {

constexpr std::size_t read_bytes = 256u << 10;
/// A record is a line of at most 16 KiB, escaped and with attributes: a longer line is not one of ours.
constexpr std::size_t record_bytes_max = 1u << 20;
constexpr int rotated_files_max = 1000;

struct record {
  std::string_view text, stream, time;
  std::string attributes; ///< "k=v,k2=v2", URL-escaped and sorted
};

std::string url_escape(std::string_view text) {
  std::string out;
  for (unsigned char c : text) {
    if (std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~') {
      out += static_cast<char>(c);
    } else if (c == ' ') {
      out += '+';
    } else {
      constexpr char hex[] = "0123456789ABCDEF";
      out += {'%', hex[c >> 4], hex[c & 15]};
    }
  }
  return out;
}

std::uint64_t size_of(int fd) {
  struct stat s {};
  return ::fstat(fd, &s) == 0 ? static_cast<std::uint64_t>(s.st_size) : 0;
}

/// The time in the last member of a record's line, without parsing the rest: for searching.
std::optional<unix_nanos> time_of_line(std::string_view line) {
  auto at = line.rfind("\"time\":\"");
  if (at == std::string_view::npos) return std::nullopt;
  auto text = line.substr(at + 8);
  return parse_rfc3339(text.substr(0, text.find('"')));
}

/// The first whole line at or after `offset`: its start and time.
std::optional<std::pair<std::uint64_t, unix_nanos>> line_after(int fd, std::uint64_t offset, std::uint64_t end) {
  std::string buffer(64u << 10, '\0');
  bool at_start = offset == 0;
  std::string line;
  auto line_start = offset;
  while (offset < end) {
    auto n = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(offset));
    if (n <= 0) return std::nullopt;
    std::string_view piece(buffer.data(), static_cast<std::size_t>(n));
    offset += piece.size();
    if (!at_start) {
      auto newline = piece.find('\n');
      if (newline == std::string_view::npos) continue;
      line_start = offset - piece.size() + newline + 1;
      piece.remove_prefix(newline + 1);
      at_start = true;
    }
    auto newline = piece.find('\n');
    line.append(piece.substr(0, newline));
    if (newline == std::string_view::npos) {
      if (line.size() > record_bytes_max) return std::nullopt;
      continue;
    }
    auto time = time_of_line(line);
    if (!time) return std::nullopt;
    return std::pair{line_start, *time};
  }
  return std::nullopt;
}

} // namespace

log_reader::log_reader(std::string path, const api::container_logs& options, bool tty)
    : path_(std::move(path)), options_(options), tty_(tty) {}

result<> log_reader::open_files() {
  std::vector<file> newest_first;
  for (int i = 0; i < rotated_files_max; ++i) {
    auto name = i == 0 ? path_ : path_ + "." + std::to_string(i);
    unique_fd fd{::open(name.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!fd) {
      if (errno == ENOENT && i == 0) return {}; // nothing was written yet
      if (errno == ENOENT) break;
      return sys_error("open `" + name + "`", errno);
    }
    newest_first.push_back({std::move(fd), 0});
  }
  files_.assign(std::make_move_iterator(newest_first.rbegin()), std::make_move_iterator(newest_first.rend()));
  opened_ = true;
  if (options_.tail) GANTRY_TRYV(seek_tail());
  if (options_.since > 0) seek_since();
  return {};
}

/// Backwards from the end until `tail` newlines are behind us (not counting the last record's own).
result<> log_reader::seek_tail() {
  auto wanted = *options_.tail;
  std::string buffer(64u << 10, '\0');
  std::uint64_t seen = 0;
  for (auto i = files_.size(); i-- > 0;) {
    auto end = size_of(files_[i].fd.get());
    for (auto at = end; at > 0;) {
      auto length = std::min<std::uint64_t>(buffer.size(), at);
      at -= length;
      if (::pread(files_[i].fd.get(), buffer.data(), length, static_cast<off_t>(at)) != static_cast<ssize_t>(length))
        return sys_error("read `" + path_ + "`", errno);
      for (auto k = length; k-- > 0;) {
        if (buffer[k] != '\n') continue;
        if (seen++ < wanted) continue;
        files_[i].offset = at + k + 1;
        current_ = i;
        return {};
      }
    }
  }
  return {};
}

/// Times only grow within a file, so the first record not before `since` is found by halving.
void log_reader::seek_since() {
  for (auto i = current_; i < files_.size(); ++i) {
    auto fd = files_[i].fd.get();
    auto end = size_of(fd);
    auto low = files_[i].offset, high = end;
    while (low < high) {
      auto middle = low + (high - low) / 2;
      auto line = line_after(fd, middle, end);
      if (!line || line->second >= options_.since)
        high = middle;
      else
        low = std::max(line->first, middle + 1);
    }
    // `low` is inside or at the start of the last line before `since`; records are checked again as they are rendered.
    auto start = low;
    if (auto line = line_after(fd, low, end)) start = low == files_[i].offset ? low : line->first;
    files_[i].offset = std::max(files_[i].offset, std::min(start, end));
  }
}

result<bool> log_reader::read(std::string& out, std::size_t limit) {
  if (!opened_) {
    GANTRY_TRYV(open_files());
    if (!opened_) return true;
  }
  std::string buffer(read_bytes, '\0');
  while (out.size() < limit && !past_until_) {
    auto& f = files_[current_];
    auto n = ::pread(f.fd.get(), buffer.data(), buffer.size(), static_cast<off_t>(f.offset));
    if (n < 0) return sys_error("read `" + path_ + "`", errno);
    if (n == 0) {
      if (size_of(f.fd.get()) < f.offset) { // truncated: a single file that was rotated in place
        f.offset = 0;
        partial_.clear();
        continue;
      }
      if (current_ + 1 < files_.size()) {
        ++current_;
        partial_.clear();
        continue;
      }
      if (open_rotated()) continue;
      return true;
    }
    f.offset += static_cast<std::uint64_t>(n);
    partial_.append(buffer.data(), static_cast<std::size_t>(n));
    std::size_t from = 0;
    for (std::size_t newline; (newline = partial_.find('\n', from)) != std::string::npos; from = newline + 1)
      render_record(std::string_view(partial_).substr(from, newline - from), out);
    partial_.erase(0, from);
    if (partial_.size() > record_bytes_max) partial_.clear();
  }
  return past_until_;
}

/// At the end of the newest file: true when it was renamed and a new one took its place.
bool log_reader::open_rotated() {
  struct stat mine {
  }, present{};
  if (::fstat(files_.back().fd.get(), &mine) != 0 || ::stat(path_.c_str(), &present) != 0) return false;
  if (mine.st_ino == present.st_ino && mine.st_dev == present.st_dev) return false;
  unique_fd fd{::open(path_.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!fd) return false;
  // What was written to the old file before it was renamed has been read: its size is final.
  if (size_of(files_.back().fd.get()) > files_.back().offset) return true;
  files_.erase(files_.begin(), files_.begin() + static_cast<std::ptrdiff_t>(current_));
  files_.push_back({std::move(fd), 0});
  current_ = files_.size() - 1;
  partial_.clear();
  return true;
}

void log_reader::render_record(std::string_view line, std::string& out) {
  thread_local simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parser.parse(line.data(), line.size()).get(root) != simdjson::SUCCESS) return; // a line cut off by a crash
  std::string_view text, stream, time;
  if (root["log"].get(text) != simdjson::SUCCESS || root["time"].get(time) != simdjson::SUCCESS) return;
  if (root["stream"].get(stream) != simdjson::SUCCESS) stream = "stdout";
  bool is_stderr = stream == "stderr";
  auto at = parse_rfc3339(time).value_or(0);
  if (options_.since > 0 && at < options_.since) return;
  if (options_.until > 0 && at > options_.until) {
    past_until_ = true;
    return;
  }
  if (is_stderr ? !options_.want_stderr : !options_.want_stdout) return;

  std::string prefix;
  if (options_.timestamps) prefix = format_rfc3339_nine(at) + " ";
  if (options_.details) {
    std::vector<std::string> pairs;
    simdjson::dom::object attributes;
    if (root["attrs"].get(attributes) == simdjson::SUCCESS)
      for (auto [key, value] : attributes)
        if (std::string_view v; value.get(v) == simdjson::SUCCESS)
          pairs.push_back(url_escape(key) + "=" + url_escape(v));
    std::sort(pairs.begin(), pairs.end());
    for (std::size_t i = 0; i < pairs.size(); ++i) prefix += (i == 0 ? "" : ",") + pairs[i];
    prefix += " ";
  }
  if (!tty_) {
    auto length = static_cast<std::uint32_t>(prefix.size() + text.size());
    out += {static_cast<char>(is_stderr ? 2 : 1),
            0,
            0,
            0,
            static_cast<char>(length >> 24),
            static_cast<char>(length >> 16),
            static_cast<char>(length >> 8),
            static_cast<char>(length)};
  }
  out += prefix;
  out += text;
}

} // namespace gantry::actors
