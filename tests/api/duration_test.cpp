/// Go's durations and go-units' wording.
#include <catch2/catch.hpp>

#include <limits>

#include "api/duration.hpp"

using namespace gantry;
using namespace gantry::api;

namespace {
constexpr std::int64_t second = 1'000'000'000, minute = 60 * second, hour = 60 * minute, day = 24 * hour;
}

TEST_CASE("durations are read as Go reads them", "[api][duration]") {
  struct row {
    const char* text;
    std::int64_t nanos;
  };
  for (auto [text, nanos] : {row{"0", 0},
                             {"5s", 5 * second},
                             {"+5s", 5 * second},
                             {"-5s", -5 * second},
                             {"1h30m", 90 * minute},
                             {"1.5h", 90 * minute},
                             {".5s", second / 2},
                             {"5.s", 5 * second},
                             {"300ms", 300'000'000},
                             {"1us", 1000},
                             {"1\xC2\xB5s", 1000},
                             {"7ns", 7},
                             {"9223372036854775807ns", INT64_MAX},
                             {"-9223372036854775808ns", INT64_MIN},
                             {"0.3333333333333333333h", 20 * minute}}) {
    INFO(text);
    REQUIRE(parse_go_duration(text));
    CHECK(std::abs(*parse_go_duration(text) - nanos) <= (std::string(text).size() > 20 && text[0] == '0' ? 10 : 0));
  }
  for (const char* bad : {"", "5", "s", ".s", "1x", "1h 2m", "+", "-", "--5s", "1e3s", "9223372036854775808ns",
                          "3000000h", "99999999999999999999999999999999999999999h"}) {
    INFO(bad);
    CHECK_FALSE(parse_go_duration(bad));
  }
}

TEST_CASE("durations are told as go-units tells them", "[api][duration]") {
  struct row {
    std::int64_t nanos;
    const char* text;
  };
  for (auto [nanos, text] : {row{-second, "Less than a second"},
                             {0, "Less than a second"},
                             {second - 1, "Less than a second"},
                             {second, "1 second"},
                             {47 * second, "47 seconds"},
                             {minute, "About a minute"},
                             {119 * second, "About a minute"},
                             {2 * minute, "2 minutes"},
                             {59 * minute, "59 minutes"},
                             {hour, "About an hour"},
                             {hour + 29 * minute, "About an hour"},
                             {hour + 31 * minute, "2 hours"},
                             {47 * hour, "47 hours"},
                             {2 * day, "2 days"},
                             {13 * day, "13 days"},
                             {14 * day, "2 weeks"},
                             {59 * day, "8 weeks"},
                             {60 * day, "2 months"},
                             {729 * day, "24 months"},
                             {730 * day, "2 years"},
                             {3 * 365 * day, "3 years"}}) {
    INFO(nanos);
    CHECK(human_duration(nanos) == text);
  }
}

TEST_CASE("times come in many forms", "[api][duration]") {
  constexpr unix_nanos now = 1'700'000'000 * second;
  auto at = [&](const char* text) { return parse_time_or_duration(text, now); };
  CHECK(at("10m") == now - 10 * minute);
  CHECK(at("2023-11-14T22:13:20Z") == now);
  CHECK(at("2023-11-14T22:13:20") == now);
  CHECK(at("2023-11-14T22:13:20.5") == now + second / 2);
  CHECK(at("2023-11-14T22:13") == now - 20 * second);
  CHECK(at("2023-11-14T22") == now - 13 * minute - 20 * second);
  CHECK(at("2023-11-14") == now - 22 * hour - 13 * minute - 20 * second);
  CHECK(at("2023-11-14T23:13:20+01:00") == now);
  CHECK(at("2023-11-14Z") == at("2023-11-14"));
  CHECK(at("1700000000.25") == now + second / 4);
  for (const char* bad :
       {"", "x", "2023-11-14T", "2023-11-14T2", "2023-13-01", "2023-11-14TT", "2023-11-14 10:00", "1-2"}) {
    INFO(bad);
    CHECK_FALSE(at(bad));
  }
}
