/// io/base: ids, times, results and the log's line forms.
#include <catch2/catch.hpp>

#include <array>
#include <cctype>
#include <fcntl.h>
#include <set>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "io/base/assert.hpp"
#include "io/base/defer.hpp"
#include "io/base/ids.hpp"
#include "io/base/log.hpp"
#include "io/base/result.hpp"
#include "io/base/time.hpp"
#include "io/base/unique_fd.hpp"
#include "io/base/utf8.hpp"

using namespace gantry;

TEST_CASE("ids are full, differ, and never look like a number when short", "[io][base]") {
  std::set<std::string> seen;
  for (int i = 0; i < 20000; ++i) { // without the rule some seventy of these would be all digits
    const auto id = random_id();
    REQUIRE(is_full_id(id));
    const auto brief = short_id(id);
    REQUIRE(brief.size() == 12);
    REQUIRE(brief.find_first_of("abcdef") != std::string::npos);
    REQUIRE(seen.insert(id).second);
  }
}

TEST_CASE("a full id is 64 lower-case hex characters", "[io][base]") {
  CHECK(is_full_id(std::string(64, 'a')));
  CHECK(is_full_id(std::string(64, '0')));
  CHECK_FALSE(is_full_id(std::string(63, 'a')));
  CHECK_FALSE(is_full_id(std::string(65, 'a')));
  CHECK_FALSE(is_full_id(std::string(63, 'a') + 'A'));
  CHECK_FALSE(is_full_id(std::string(63, 'a') + 'g'));
  CHECK_FALSE(is_full_id(""));
  CHECK(short_id("abc") == "abc");
}

TEST_CASE("times are written in Docker's two forms", "[io][base]") {
  struct row {
    unix_nanos t;
    std::string_view nano, nine;
  };
  const row table[] = {
      {0, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000000Z"},
      {1, "1970-01-01T00:00:00.000000001Z", "1970-01-01T00:00:00.000000001Z"},
      {1'000'000'000, "1970-01-01T00:00:01Z", "1970-01-01T00:00:01.000000000Z"},
      {-1, "1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999999Z"},
      {-1'500'000'000, "1969-12-31T23:59:58.5Z", "1969-12-31T23:59:58.500000000Z"},
      {1'795'465'481'500'000'000, "2026-11-23T20:24:41.5Z", "2026-11-23T20:24:41.500000000Z"},
      {1'795'465'481'123'456'789, "2026-11-23T20:24:41.123456789Z", "2026-11-23T20:24:41.123456789Z"},
      {1'709'164'800'000'000'000, "2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000000Z"},
      {951'782'399'000'000'000, "2000-02-28T23:59:59Z", "2000-02-28T23:59:59.000000000Z"},
      {INT64_MAX, "2262-04-11T23:47:16.854775807Z", "2262-04-11T23:47:16.854775807Z"},
      {INT64_MIN, "1677-09-21T00:12:43.145224192Z", "1677-09-21T00:12:43.145224192Z"},
  };
  for (const auto& row : table) {
    CHECK(format_rfc3339_nano(row.t) == row.nano);
    CHECK(format_rfc3339_nine(row.t) == row.nine);
    CHECK(parse_rfc3339(row.nano) == row.t);
    CHECK(parse_rfc3339(row.nine) == row.t);
  }
}

TEST_CASE("times are read with any offset and nothing else", "[io][base]") {
  CHECK(parse_rfc3339("2026-11-23T20:24:41Z") == 1'795'465'481'000'000'000);
  CHECK(parse_rfc3339("2026-11-23T21:24:41+01:00") == 1'795'465'481'000'000'000);
  CHECK(parse_rfc3339("2026-11-23T14:54:41.25-05:30") == 1'795'465'481'250'000'000);
  CHECK(parse_rfc3339("1970-01-01T00:00:00Z") == 0);
  for (const auto* text : {"",
                           "2026",
                           "2026-11-23",
                           "2026-11-23 20:24:41Z",
                           "2026-11-23T20:24:41",
                           "2026-11-23T20:24:41z",
                           "2026-11-23T20:24:41.Z",
                           "2026-11-23T20:24:41.1234567891Z",
                           "2026-13-23T20:24:41Z",
                           "2026-00-23T20:24:41Z",
                           "2026-02-29T20:24:41Z",
                           "2026-11-31T20:24:41Z",
                           "2026-11-23T24:00:00Z",
                           "2026-11-23T20:60:00Z",
                           "2026-11-23T20:24:60Z",
                           "2026-11-23T20:24:41+0100",
                           "2026-11-23T20:24:41+01:60",
                           "2026-11-23T20:24:41+25:00",
                           "2026-11-23T20:24:41ZZ",
                           " 2026-11-23T20:24:41Z",
                           "2026-11-23T20:24:41Z ",
                           "-026-11-23T20:24:41Z",
                           "2262-04-11T23:47:16.854775808Z",
                           "1677-09-21T00:12:43.145224191Z",
                           "9999-12-31T23:59:59Z"}) {
    INFO(text);
    CHECK_FALSE(parse_rfc3339(text).has_value());
  }
}

TEST_CASE("unix timestamps are read as logs and events take them", "[io][base]") {
  CHECK(parse_unix_timestamp("0") == 0);
  CHECK(parse_unix_timestamp("1136073600") == 1'136'073'600'000'000'000);
  CHECK(parse_unix_timestamp("1136073600.000000001") == 1'136'073'600'000'000'001);
  CHECK(parse_unix_timestamp("1136073600.5") == 1'136'073'600'500'000'000);
  CHECK(parse_unix_timestamp("1.0000000019") == 1'000'000'001);
  CHECK(parse_unix_timestamp("-1") == -1'000'000'000);
  CHECK(parse_unix_timestamp("9223372036.854775807") == INT64_MAX);
  for (const auto* text : {"", ".", "1.", ".5", "1.5.5", "1e9", "+1", "--1", "1 ", "abc", "1.-5", "0x10",
                           "9223372036.854775808", "99999999999999999999999999"}) {
    INFO(text);
    CHECK_FALSE(parse_unix_timestamp(text).has_value());
  }
}

TEST_CASE("the clock moves on and is this century's", "[io][base]") {
  const auto before = now_nanos();
  CHECK(before > 1'600'000'000'000'000'000);
  CHECK(now_nanos() >= before);
}

TEST_CASE("well-formed UTF-8 is told from everything else", "[io][base]") {
  CHECK(decode_utf8("a").rune == 'a');
  CHECK(decode_utf8("\xc3\xa9").rune == 0xe9);
  CHECK(decode_utf8("\xe2\x82\xac!").bytes == 3);
  CHECK(decode_utf8("\xf0\x9f\x90\xb3").rune == 0x1f433);
  CHECK(decode_utf8("\xf4\x8f\xbf\xbf").rune == 0x10ffff);
  for (const std::string_view bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3(", "\xe2\x82", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    CHECK_FALSE(decode_utf8(bad).valid);
    CHECK(decode_utf8(bad).bytes == 1);
  }
}

namespace {
constexpr unix_nanos some_time = 1'795'465'481'123'456'789;
std::string text_line(std::string_view message, std::initializer_list<log::field> fields = {}) {
  return log::format_line(log::format::text, some_time, log::level::info, message, fields);
}
std::string json_line(std::string_view message, std::initializer_list<log::field> fields = {}) {
  return log::format_line(log::format::json, some_time, log::level::warn, message, fields);
}
} // namespace

TEST_CASE("log lines read as logrus writes them", "[io][log]") {
  const std::string head = "time=\"2026-11-23T20:24:41.123456789Z\" level=info msg=";
  CHECK(text_line("Daemon has completed initialization") == head + "\"Daemon has completed initialization\"\n");
  CHECK(text_line("started", {{"container", "c0ffee"}, {"error", "no such file"}}) ==
        head + "started container=c0ffee error=\"no such file\"\n");
  CHECK(text_line("", {{"empty", ""}}) == head + " empty=\n");
  CHECK(text_line("x", {{"level", "fake"}, {"msg", "fake"}, {"time", "0"}}) ==
        head + "x fields.level=fake fields.msg=fake fields.time=0\n");
  CHECK(json_line("API listen on /var/run/docker.sock", {{"id", "c0ffee"}}) ==
        "{\"time\":\"2026-11-23T20:24:41.123456789Z\",\"level\":\"warning\",\"msg\":\"API listen on "
        "/var/run/docker.sock\",\"id\":\"c0ffee\"}\n");
  CHECK(json_line("x", {{"msg", "fake"}}).ends_with(",\"msg\":\"x\",\"fields.msg\":\"fake\"}\n"));
}

TEST_CASE("nothing in a message breaks its line or reaches a terminal", "[io][log]") {
  struct row {
    std::string_view in, text, json;
  };
  using namespace std::string_view_literals;
  const row table[] = {
      {"two\nlines", R"("two\nlines")", R"("two\nlines")"},
      {"a\"b\\c", R"("a\"b\\c")", R"("a\"b\\c")"},
      {"\t\r\b\f", R"("\t\r\b\f")", R"("\t\r\b\f")"},
      {"\x1b[31mred", R"("\x1b[31mred")", R"("\u001b[31mred")"},
      {"nul\0end"sv, R"("nul\x00end")", R"("nul\u0000end")"},
      {"del\x7f", R"("del\x7f")", R"("del\u007f")"},
      {"bad\xff!", R"("bad\xff!")", R"("bad\ufffd!")"},
      {"cut\xe2\x82", R"("cut\xe2\x82")", R"("cut\ufffd\ufffd")"},
      {"c1 \xc2\x9b", R"("c1 \u009b")", R"("c1 \u009b")"},
      {"line \xe2\x80\xa8", R"("line \u2028")", R"("line \u2028")"},
      {"turn \xe2\x80\xae", R"("turn \u202e")", R"("turn \u202e")"},
      {"<a&b>", R"("<a&b>")", R"("\u003ca\u0026b\u003e")"},
      {"\xc3\xa9 \xf0\x9f\x90\xb3", "\"\xc3\xa9 \xf0\x9f\x90\xb3\"", "\"\xc3\xa9 \xf0\x9f\x90\xb3\""},
      {"a=b", R"("a=b")", R"("a=b")"},
  };
  for (const auto& row : table) {
    const auto text = text_line(row.in);
    CHECK(text == "time=\"2026-11-23T20:24:41.123456789Z\" level=info msg=" + std::string(row.text) + "\n");
    const auto json = json_line("x", {{"key", row.in}});
    CHECK(json.ends_with(",\"key\":" + std::string(row.json) + "}\n"));
  }
}

TEST_CASE("a value just over the limit is cut", "[io][log]") {
  const std::string fits(16 * 1024, 'x');
  CHECK(text_line(fits).find("msg=" + fits + "\n") != std::string::npos);
  CHECK(text_line(fits + 'x').find("msg=\"" + fits + "...\"\n") != std::string::npos);
  // The cut falls between code points, never inside one.
  const auto euros = json_line(fits.substr(1) + "\xe2\x82\xac");
  CHECK(euros.find("\\ufffd") == std::string::npos);
  CHECK(euros.find("x...\"") != std::string::npos);
}

TEST_CASE("levels are read by name", "[io][log]") {
  log::level level{};
  for (const auto* name : {"warn", "warning", "WARNING", "Warn"}) {
    CHECK(log::parse_level(name, level));
    CHECK(level == log::level::warn);
  }
  CHECK(log::parse_level("debug", level));
  CHECK(level == log::level::debug);
  CHECK(log::parse_level("panic", level));
  CHECK(level == log::level::panic);
  CHECK_FALSE(log::parse_level("", level));
  CHECK_FALSE(log::parse_level("warnings", level));
  CHECK_FALSE(log::parse_level("loud", level));
}

TEST_CASE("each record is one write, whatever thread it comes from", "[io][log]") {
  // A packet pipe gives back each write by itself.
  std::array<int, 2> fds{};
  REQUIRE(::pipe2(fds.data(), O_CLOEXEC | O_DIRECT) == 0);
  unique_fd out(fds[0]), in(fds[1]);
  ::fcntl(in.get(), F_SETPIPE_SZ, 1 << 20);
  const unique_fd saved(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
  ::dup2(in.get(), STDERR_FILENO);
  {
    const defer restore([&] { ::dup2(saved.get(), STDERR_FILENO); });
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([] {
        for (int i = 0; i < 10; ++i) {
          log::debug("not shown");
          log::info("a record", {{"id", "c0ffee"}, {"error", "two\nlines"}});
        }
      });
    }
    for (auto& t : threads) t.join();
    in.reset();
  }
  int records = 0;
  std::array<char, 4096> packet{};
  for (ssize_t n = 0; (n = ::read(out.get(), packet.data(), packet.size())) > 0; ++records) {
    const std::string_view line(packet.data(), static_cast<std::size_t>(n));
    REQUIRE(line.starts_with("time=\""));
    REQUIRE(line.ends_with(" level=info msg=\"a record\" id=c0ffee error=\"two\\nlines\"\n"));
  }
  CHECK(records == 40);
}

TEST_CASE("an error says what, on which object, and why", "[io][base]") {
  const auto e = sys_error("open `/none`", ENOENT, errc::not_found);
  CHECK(e.message == "open `/none`: No such file or directory");
  const std::string in_context = "start `c0ffee`: open `/none`: No such file or directory";
  CHECK(with_context(e, "start `c0ffee`: ").message == in_context);
  auto twice = [](result<int> r) -> result<int> {
    GANTRY_TRY(value, std::move(r));
    return 2 * value;
  };
  CHECK(twice(21).value() == 42);
  CHECK(twice(e).error() == e);
  CHECK_THROWS_AS(twice(e).value(), std::logic_error);
}

TEST_CASE("a broken invariant ends the process with a line", "[io][base]") {
  std::array<int, 2> fds{};
  REQUIRE(::pipe(fds.data()) == 0);
  const auto pid = ::fork();
  if (pid == 0) {
    ::dup2(fds[1], STDERR_FILENO);
    ::signal(SIGABRT, SIG_DFL);
    GANTRY_ASSERT(1 + 1 == 3);
    ::_exit(0);
  }
  ::close(fds[1]);
  const unique_fd out(fds[0]);
  std::array<char, 512> line{};
  const auto n = ::read(out.get(), line.data(), line.size());
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  CHECK(WIFSIGNALED(status));
  REQUIRE(n > 0);
  CHECK(std::string(line.data(), static_cast<std::size_t>(n)).find("assertion failed: 1 + 1 == 3\n") !=
        std::string::npos);
}
