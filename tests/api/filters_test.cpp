/// The filters parameter (behaviours 18, 19, 226, 279).
#include <catch2/catch.hpp>

#include "api/filters.hpp"

using namespace gantry;
using namespace gantry::api;

namespace {

filters parsed(std::string_view text) {
  auto f = parse_filters(text);
  REQUIRE(f.has_value());
  return *f;
}

} // namespace

TEST_CASE("both forms of filters mean the same", "[api][filters]") {
  filters wanted{{"label", {"a=b", "c"}}, {"status", {"exited"}}};
  CHECK(parsed(R"({"label":{"a=b":true,"c":true},"status":{"exited":true}})") == wanted);
  CHECK(parsed(R"({"label":["a=b","c"],"status":["exited"]})") == wanted);
  CHECK(parsed(R"({"label":{"a=b":true,"c":true,"d":false},"status":["exited"]})") == wanted);
  CHECK(parsed("").empty());
  CHECK(parsed("{}").empty());
  CHECK(parsed("null").empty());
}

TEST_CASE("filters that cannot be read are refused", "[api][filters]") {
  for (const char* bad : {"x", "[]", "\"a\"", "{\"a\":1}", "{\"a\":\"b\"}", "{\"a\":[1]}", "{\"a\":{\"b\":1}}",
                          "{\"a\":[\"b\"]", "{\"a\":[\"b\"]} x"}) {
    INFO(bad);
    auto f = parse_filters(bad);
    REQUIRE(f.has_error());
    CHECK(f.error() == error{errc::invalid_parameter, 0, "invalid filter"});
  }
}

TEST_CASE("filter values have a limit", "[api][filters]") {
  auto many = [](std::size_t n) {
    std::string text = "{\"label\":[";
    for (std::size_t i = 0; i < n; ++i) text += (i ? ",\"" : "\"") + std::to_string(i) + "\"";
    return text + "]}";
  };
  CHECK(parse_filters(many(filter_values_max - 1)).has_value());
  CHECK(parse_filters(many(filter_values_max)).has_error());
}

TEST_CASE("keys and flags are checked with Docker's texts", "[api][filters]") {
  auto f = parsed(
      R"({"label":["x"],"odd":["y"],"dangling":["maybe","true"],"both":["1","false"],"on":["1"],"off":["false"],"none":[]})");
  CHECK(check_filter_keys(f, {"label", "odd", "dangling", "both", "on", "off", "none"}).has_value());
  CHECK(check_filter_keys(f, {"label", "dangling", "both", "on", "off", "none"}).error().message ==
        "invalid filter 'odd'");
  CHECK(filter_flag(f, "absent", true).value() == true);
  CHECK(filter_flag(f, "on", false).value() == true);
  CHECK(filter_flag(f, "off", true).value() == false);
  CHECK(filter_flag(f, "both", true).error().message == "invalid filter 'both=[1 false]'");
  CHECK(filter_flag(f, "label", true).error().message == "invalid filter 'label=[x]'");
  CHECK(filter_flag(f, "none", true).error().message == "invalid filter 'none=[]'");
}

TEST_CASE("labels are ANDed, other keys ORed", "[api][filters]") {
  string_map labels{{"a", "1"}, {"empty", ""}};
  auto fits = [&](const char* text) { return matches_labels(parsed(text), "label", labels); };
  CHECK(fits("{}"));
  CHECK(fits(R"({"label":["a"]})"));
  CHECK(fits(R"({"label":["a=1","empty="]})"));
  CHECK(fits(R"({"label":["empty"]})"));
  CHECK_FALSE(fits(R"({"label":["a=1","b"]})"));
  CHECK_FALSE(fits(R"({"label":["a=2"]})"));
  CHECK_FALSE(fits(R"({"label":["a="]})"));
  CHECK_FALSE(fits(R"({"label":["a=11"]})"));
  auto f = parsed(R"({"status":["exited","created"]})");
  CHECK(matches_exactly(f, "status", "created"));
  CHECK_FALSE(matches_exactly(f, "status", "create"));
  CHECK(matches_prefix(f, "status", "created at noon"));
  CHECK(matches_exactly(f, "other", "x"));
  CHECK(matches_prune_labels(parsed(R"({"label!":["b"]})"), labels));
  CHECK_FALSE(matches_prune_labels(parsed(R"({"label!":["a"]})"), labels));
  CHECK_FALSE(matches_prune_labels(parsed(R"({"label":["a"],"label!":["a=1"]})"), labels));
}

TEST_CASE("names are unanchored expressions, tried after an exact match", "[api][filters]") {
  auto fits = [](const std::string& pattern, const char* name) {
    return pattern_filter(filters{{"name", {pattern}}}, "name").matches(name);
  };
  CHECK(fits("web", "my-web-1"));
  CHECK(fits("^web", "web-1"));
  CHECK_FALSE(fits("^web$", "web-1"));
  CHECK(fits("w.b", "wob"));
  CHECK(fits("[", "["));
  CHECK_FALSE(fits("[", "x"));
  CHECK(pattern_filter(filters{}, "name").matches("anything"));
  CHECK(fits("a|b", "xb"));
  CHECK(fits(std::string(filter_pattern_bytes_max, 'a'), std::string(filter_pattern_bytes_max + 1, 'a').c_str()));
  CHECK_FALSE(
      fits(std::string(filter_pattern_bytes_max + 1, 'a'), std::string(filter_pattern_bytes_max + 2, 'a').c_str()));
  // A pattern that backtracks without end gives up.
  CHECK_FALSE(fits("(a*)*(a*)*(a*)*b", std::string(300, 'a').c_str()));
  CHECK_FALSE(fits("(a+)+$", (std::string(300, 'a') + "!").c_str()));
}

TEST_CASE("until takes one duration or time", "[api][filters]") {
  constexpr unix_nanos hour = 3'600'000'000'000, now = 1'700'000'000'000'000'000;
  auto until = [&](const char* value) { return filter_until(filters{{"until", {value}}}, now); };
  CHECK(until("1h").value() == now - hour);
  CHECK(until("1699999999").value() == 1'699'999'999'000'000'000);
  CHECK(until("2023-11-14T22:13:20Z").value() == now);
  CHECK(filter_until({}, now).value() == std::nullopt);
  CHECK(filter_until(filters{{"until", {"1h", "2h"}}}, now).error().message == "more than one until filter specified");
  CHECK(until("soon").error().message == "failed to parse value as time or duration: \"soon\"");
}
