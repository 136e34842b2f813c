/// The json-file records and files of the shim.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>

#include "io/base/defer.hpp"
#include "runtime/shim/json_log.hpp"

using namespace gantry;
using namespace gantry::runtime;
using namespace gantry::runtime::shim;
namespace fs = std::filesystem;

namespace {

constexpr unix_nanos noon = 1'763'900'681'500'000'000; // 2025-11-23T12:24:41.5Z

std::string escaped(std::string_view text) {
  std::string out(text.size() * 6, '\0');
  out.resize(static_cast<std::size_t>(escape_json(out.data(), text) - out.data()));
  return out;
}

std::string read_file(const fs::path& p) {
  std::ifstream in(p, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

struct temp_dir {
  fs::path path;
  temp_dir() {
    char name[] = "/tmp/gantry-log-test-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~temp_dir() { fs::remove_all(path); }
};

struct log_fixture {
  temp_dir dir;
  fs::path file = dir.path / "c0ffee" / "c0ffee-json.log";
  record_buffer records;

  pb::Log config() const {
    pb::Log c;
    c.set_driver(pb::Log::JSON_FILE);
    c.set_path(file);
    return c;
  }
};

} // namespace

TEST_CASE("text is escaped as Docker escapes it", "[runtime][shim][json_log]") {
  using namespace std::string_literals;
  struct row {
    std::string in, out;
  };
  const std::vector<row> rows{
      {"", ""},
      {"plain text, with / and ' and 0x7f \x7f", "plain text, with / and ' and 0x7f \x7f"},
      {"\"quoted\" \\ back", "\\\"quoted\\\" \\\\ back"},
      {"<a href=\"x\">&</a>", "\\u003ca href=\\\"x\\\"\\u003e\\u0026\\u003c/a\\u003e"},
      {"line\r\n", "line\\r\\n"},
      {"\t\0\x1f\b\f\x1b[0m"s, "\\u0009\\u0000\\u001f\\u0008\\u000c\\u001b[0m"},
      {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"},
      {"\xe2\x80\xa8 \xe2\x80\xa9 \xe2\x80\xaa", "\\u2028 \\u2029 \xe2\x80\xaa"},
      {"\x80", "\\ufffd"},
      {"\xc3", "\\ufffd"},
      {"\xc3(", "\\ufffd("},
      {"\xc0\xaf", "\\ufffd\\ufffd"},                       // overlong
      {"\xe0\x80\x80", "\\ufffd\\ufffd\\ufffd"},            // overlong
      {"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"},            // a surrogate
      {"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"}, // above U+10FFFF
      {"\xe2\x82", "\\ufffd\\ufffd"},                       // cut off
      {"\xff\xfe", "\\ufffd\\ufffd"},
  };
  for (const auto& r : rows) CHECK(escaped(r.in) == r.out);
}

TEST_CASE("the fast path of the escaper equals the slow one at every offset", "[runtime][shim][json_log]") {
  std::mt19937 random(42);
  const std::string odd = "\"\\<>&\n\r\t\x01\x80\xc3\xe2";
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 80, 'a');
    for (auto& c : text) c = static_cast<char>(0x20 + random() % 0x5f);
    if (!text.empty()) text[random() % text.size()] = odd[random() % odd.size()];
    std::string one_by_one;
    for (const char c : text) one_by_one += escaped({&c, 1}); // below 16 bytes there is no fast path
    REQUIRE(escaped(text) == one_by_one);
  }
}

TEST_CASE("lines become records", "[runtime][shim][json_log]") {
  log_fixture f;
  json_log log(f.config(), "c0ffee");
  CHECK_FALSE(fs::exists(f.file.parent_path()));
  log.write(stream::out, "hello\n", noon, f.records);
  log.write(stream::err, "two\nlines\n", noon + 1, f.records);
  log.write(stream::out, "\n", noon, f.records);
  CHECK(read_file(f.file) ==
        "{\"log\":\"hello\\n\",\"stream\":\"stdout\",\"time\":\"2025-11-23T12:24:41.5Z\"}\n"
        "{\"log\":\"two\\n\",\"stream\":\"stderr\",\"time\":\"2025-11-23T12:24:41.500000001Z\"}\n"
        "{\"log\":\"lines\\n\",\"stream\":\"stderr\",\"time\":\"2025-11-23T12:24:41.500000001Z\"}\n"
        "{\"log\":\"\\n\",\"stream\":\"stdout\",\"time\":\"2025-11-23T12:24:41.5Z\"}\n");
  struct stat st {};
  REQUIRE(::stat(f.file.c_str(), &st) == 0);
  CHECK((st.st_mode & 07777) == 0640);
  REQUIRE(::stat(f.file.parent_path().c_str(), &st) == 0);
  CHECK((st.st_mode & 07777) == 0710);
}

TEST_CASE("attributes stand between stream and time", "[runtime][shim][json_log]") {
  log_fixture f;
  auto c = f.config();
  c.set_attributes_json(R"({"a":"b"})");
  json_log log(c, "c0ffee");
  log.write(stream::out, "x\n", noon, f.records);
  CHECK(read_file(f.file) ==
        "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"attrs\":{\"a\":\"b\"},\"time\":\"2025-11-23T12:24:41.5Z\"}\n");
}

TEST_CASE("no driver writes nothing", "[runtime][shim][json_log]") {
  log_fixture f;
  auto c = f.config();
  c.set_driver(pb::Log::NONE);
  json_log log(c, "c0ffee");
  log.write(stream::out, "x\ny", noon, f.records);
  log.end_of(stream::out, noon, f.records);
  CHECK(fs::is_empty(f.dir.path));
}

TEST_CASE("a line that comes in pieces is one record wherever it is cut", "[runtime][shim][json_log]") {
  const std::string text = "first <line>\nsecond\n\nthe end";
  std::string expected;
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    log_fixture f;
    json_log log(f.config(), "c0ffee");
    log.write(stream::out, std::string_view(text).substr(0, cut), noon, f.records);
    log.write(stream::err, "", noon, f.records);
    log.write(stream::out, std::string_view(text).substr(cut), noon, f.records);
    log.end_of(stream::out, noon, f.records);
    if (cut == 0) expected = read_file(f.file);
    REQUIRE(read_file(f.file) == expected);
  }
  CHECK(expected.find("{\"log\":\"the end\",") != std::string::npos);
  CHECK(expected.find("\\u003cline\\u003e\\n") != std::string::npos);
}

TEST_CASE("the streams' partial lines do not mix", "[runtime][shim][json_log]") {
  log_fixture f;
  json_log log(f.config(), "c0ffee");
  log.write(stream::out, "ou", noon, f.records);
  log.write(stream::err, "er", noon, f.records);
  log.write(stream::out, "t\n", noon, f.records);
  log.write(stream::err, "r\n", noon, f.records);
  const auto text = read_file(f.file);
  CHECK(text.find("{\"log\":\"out\\n\",\"stream\":\"stdout\"") == 0);
  CHECK(text.find("{\"log\":\"err\\n\",\"stream\":\"stderr\"") != std::string::npos);
}

TEST_CASE("a line over 16 KiB is split, and all its pieces bear the first one's time", "[runtime][shim][json_log]") {
  const auto piece = [](std::size_t n, bool newline, const char* time) {
    return "{\"log\":\"" + std::string(n, 'x') + (newline ? "\\n" : "") + "\",\"stream\":\"stdout\",\"time\":\"" +
           time + "\"}\n";
  };
  const char* at_first = "2025-11-23T12:24:41.5Z";
  const char* later = "2025-11-23T12:24:41.500000009Z";
  struct row {
    std::size_t length;
    std::string expected;
  };
  const std::vector<row> rows{
      {log_line_bytes_max - 1, piece(log_line_bytes_max - 1, true, later)},
      {log_line_bytes_max, piece(log_line_bytes_max, false, at_first) + piece(0, true, at_first)},
      {log_line_bytes_max + 1, piece(log_line_bytes_max, false, at_first) + piece(1, true, at_first)},
      {2 * log_line_bytes_max + 5, piece(log_line_bytes_max, false, at_first) +
                                       piece(log_line_bytes_max, false, at_first) + piece(5, true, at_first)},
  };
  for (const auto& r : rows) {
    log_fixture f;
    json_log log(f.config(), "c0ffee");
    log.write(stream::out, std::string(r.length, 'x'), noon, f.records);
    log.write(stream::out, "\nnext\n", noon + 9, f.records);
    CHECK(read_file(f.file) ==
          r.expected + "{\"log\":\"next\\n\",\"stream\":\"stdout\",\"time\":\"" + std::string(later) + "\"}\n");
    CHECK(log.partial(stream::out).text.capacity() < 64);
  }
}

TEST_CASE("a split line does not cut a character", "[runtime][shim][json_log]") {
  log_fixture f;
  json_log log(f.config(), "c0ffee");
  const std::string euro = "\xe2\x82\xac";
  std::string line = "x";
  while (line.size() < 3 * log_line_bytes_max) line += euro;
  for (const char c : line) log.write(stream::out, {&c, 1}, noon, f.records);
  log.write(stream::out, "\n", noon, f.records);
  const auto text = read_file(f.file);
  CHECK(text.find("\\ufffd") == std::string::npos);
  std::size_t count = 0;
  for (auto at = text.find(euro); at != std::string::npos; at = text.find(euro, at + 1)) ++count;
  CHECK(count == (line.size() - 1) / 3);
}

TEST_CASE("a log rotates at its size and keeps so many files", "[runtime][shim][json_log]") {
  log_fixture f;
  auto c = f.config();
  c.set_max_size_bytes(200);
  c.set_max_files(3);
  json_log log(c, "c0ffee");
  std::string burst;
  for (int i = 0; i < 20; ++i) burst += "line " + std::to_string(i) + "\n";
  log.write(stream::out, burst, noon, f.records);
  const auto newest = read_file(f.file);
  const auto first = read_file(f.file.string() + ".1");
  const auto second = read_file(f.file.string() + ".2");
  CHECK_FALSE(fs::exists(f.file.string() + ".3"));
  CHECK(newest.find("line 19\\n") != std::string::npos);
  // 72 or 73 bytes a record: the third passes 200.
  for (const auto& text : {first, second}) {
    CHECK(std::count(text.begin(), text.end(), '\n') == 3);
    CHECK(text.size() >= 200);
    CHECK(text.back() == '\n');
  }
  CHECK(second < first);
}

TEST_CASE("with one file a log is emptied at its size", "[runtime][shim][json_log]") {
  log_fixture f;
  auto c = f.config();
  c.set_max_size_bytes(200);
  c.set_max_files(1);
  json_log log(c, "c0ffee");
  for (int i = 0; i < 10; ++i) log.write(stream::out, "line " + std::to_string(i) + "\n", noon, f.records);
  CHECK_FALSE(fs::exists(f.file.string() + ".1"));
  const auto text = read_file(f.file);
  CHECK(text.size() < 300);
  CHECK(text.find("line 9\\n") != std::string::npos);
}

TEST_CASE("a log that is opened again counts what is in it", "[runtime][shim][json_log]") {
  log_fixture f;
  auto c = f.config();
  c.set_max_size_bytes(100);
  c.set_max_files(2);
  {
    json_log log(c, "c0ffee");
    log.write(stream::out, "a\nb\n", noon, f.records);
  }
  json_log log(c, "c0ffee");
  log.write(stream::out, "c\n", noon, f.records);
  CHECK(read_file(f.file.string() + ".1").find("\"b\\n\"") != std::string::npos);
  CHECK(read_file(f.file).find("\"c\\n\"") != std::string::npos);
}

TEST_CASE("reopen follows a file that was renamed from outside", "[runtime][shim][json_log]") {
  log_fixture f;
  json_log log(f.config(), "c0ffee");
  log.write(stream::out, "a\n", noon, f.records);
  fs::rename(f.file, f.file.string() + ".old");
  log.reopen();
  log.write(stream::out, "b\n", noon, f.records);
  CHECK(read_file(f.file.string() + ".old").find("\"a\\n\"") != std::string::npos);
  CHECK(read_file(f.file).find("\"b\\n\"") != std::string::npos);
}

TEST_CASE("a directory that cannot be made drops lines, counts them, and heals", "[runtime][shim][json_log]") {
  log_fixture f;
  std::ofstream(f.file.parent_path()) << "a file where the directory should be";
  json_log log(f.config(), "c0ffee");
  log.write(stream::out, "a\nb\n", noon, f.records);
  CHECK(log.dropped() == 2);
  fs::remove(f.file.parent_path());
  log.write(stream::out, "c\n", noon, f.records);
  CHECK(log.dropped() == 2);
  CHECK(read_file(f.file).find("\"c\\n\"") != std::string::npos);
}

TEST_CASE("a full disk drops lines and leaves only whole records", "[runtime][shim][json_log]") {
  log_fixture f;
  const auto disk = f.dir.path / "disk";
  fs::create_directory(disk);
  if (::mount("gantry-test", disk.c_str(), "tmpfs", 0, "size=64k") != 0) {
    std::cout << "skipped: a tmpfs cannot be mounted here (needs root)\n";
    return;
  }
  const defer unmount([&] { ::umount2(disk.c_str(), MNT_DETACH); });
  f.file = disk / "c0ffee-json.log";
  json_log log(f.config(), "c0ffee");
  std::string line(70, 'x');
  for (int i = 0; i < 2000; ++i) log.write(stream::out, line + "\n" + line + "\n", noon, f.records);
  const auto dropped = log.dropped();
  CHECK(dropped > 1000);
  const auto full = read_file(f.file);
  CHECK(full.back() == '\n');
  CHECK(static_cast<std::uint64_t>(std::count(full.begin(), full.end(), '\n')) + dropped == 4000);

  // Room again: writing goes on after the last whole record.
  REQUIRE(::truncate(f.file.c_str(), 0) == 0);
  log.write(stream::out, "again\n", noon, f.records);
  CHECK(log.dropped() == dropped);
  CHECK(read_file(f.file).find("{\"log\":\"again\\n\"") == 0);
}
