// The log reader: frames and text, tail, since, following over rotation.
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include "actors/log_reader.hpp"
#include "tests/support/temp_dir.hpp"

using namespace gantry;
using namespace gantry::actors;

namespace {

std::string record(const std::string& text, int second, const std::string& stream = "stdout") {
  char time[64];
  std::snprintf(time, sizeof time, "2026-01-01T00:%02d:%02d.5Z", second / 60, second % 60);
  return "{\"log\":\"" + text + "\\n\",\"stream\":\"" + stream + "\",\"time\":\"" + time + "\"}\n";
}

struct log_fixture {
  tests::temp_dir dir;
  std::string path = dir.path() + "/c-json.log";
  void write(const std::string& name, const std::string& text, std::ios::openmode mode = std::ios::trunc) {
    std::ofstream(name, std::ios::binary | mode) << text;
  }
};

api::container_logs both() {
  api::container_logs o;
  o.want_stdout = o.want_stderr = true;
  return o;
}

std::string read_all(log_reader& r) {
  std::string out;
  for (;;) {
    auto end = r.read(out, 1 << 16);
    REQUIRE(end.has_value());
    if (*end) return out;
  }
}

unix_nanos at(int second) { return (1767225600LL + second) * 1'000'000'000; }

} // namespace

TEST_CASE_METHOD(log_fixture, "records become frames without a terminal and text with one", "[actors][log_reader]") {
  write(path, record("out", 1) + record("err", 2, "stderr"));
  log_reader frames(path, both(), false);
  CHECK(read_all(frames) == std::string("\x01\0\0\0\0\0\0\x04out\n\x02\0\0\0\0\0\0\x04"
                                        "err\n",
                                        24));
  log_reader text(path, both(), true);
  CHECK(read_all(text) == "out\nerr\n");
}

TEST_CASE_METHOD(log_fixture, "tail counts records over rotated files", "[actors][log_reader]") {
  write(path + ".2", record("a", 1));
  write(path + ".1", record("b", 2) + record("c", 3));
  write(path, record("d", 4));
  auto expect = [&](std::uint64_t tail, const std::string& want) {
    auto o = both();
    o.tail = tail;
    log_reader r(path, o, true);
    INFO("tail " << tail);
    CHECK(read_all(r) == want);
  };
  expect(0, "");
  expect(1, "d\n");
  expect(2, "c\nd\n");
  expect(3, "b\nc\nd\n");
  expect(4, "a\nb\nc\nd\n");
  expect(100, "a\nb\nc\nd\n");
}

TEST_CASE_METHOD(log_fixture, "since finds its record in a long log, until ends it", "[actors][log_reader]") {
  std::string text;
  constexpr int count = 3000;
  for (int i = 0; i < count; ++i) text += record("line " + std::to_string(i) + std::string(50, 'x'), i);
  write(path, text);
  for (int from : {0, 1, 2, 777, 1500, 2998, 2999}) {
    auto o = both();
    o.since = at(from);
    o.until = at(from + 2);
    log_reader r(path, o, true);
    std::string want;
    for (int i = from; i < std::min(from + 2, count); ++i)
      want += "line " + std::to_string(i) + std::string(50, 'x') + "\n";
    INFO("since " << from);
    CHECK(read_all(r) == want);
  }
  auto o = both();
  o.since = at(count + 10);
  log_reader none(path, o, true);
  CHECK(read_all(none).empty());
}

TEST_CASE_METHOD(log_fixture, "following goes on over appended text, a cut record and a rotation",
                 "[actors][log_reader]") {
  auto o = both();
  o.follow = true;
  log_reader r(path, o, true);
  CHECK(read_all(r).empty()); // no file yet
  write(path, record("a", 1));
  CHECK(read_all(r) == "a\n");
  auto b = record("b", 2);
  write(path, b.substr(0, 10), std::ios::app);
  CHECK(read_all(r).empty());
  write(path, b.substr(10), std::ios::app);
  CHECK(read_all(r) == "b\n");
  write(path, record("c", 3), std::ios::app);
  std::filesystem::rename(path, path + ".1");
  write(path, record("d", 4));
  CHECK(read_all(r) == "c\nd\n");
}

TEST_CASE_METHOD(log_fixture, "timestamps and details stand before the text", "[actors][log_reader]") {
  write(path, "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"attrs\":{\"b\":\"2 "
              "3\",\"a\":\"1\"},\"time\":\"2026-01-01T00:00:01.5Z\"}\n");
  auto o = both();
  o.timestamps = o.details = true;
  log_reader r(path, o, true);
  CHECK(read_all(r) == "2026-01-01T00:00:01.500000000Z a=1,b=2+3 x\n");
}

TEST_CASE_METHOD(log_fixture, "streams are chosen, and lines that are no records are passed over",
                 "[actors][log_reader]") {
  write(path, record("out", 1) + "garbage\n\n{\"log\":1}\n" + record("err", 2, "stderr"));
  auto o = both();
  o.want_stdout = false;
  log_reader r(path, o, true);
  CHECK(read_all(r) == "err\n");
}
