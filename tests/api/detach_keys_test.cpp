/// Detach keys: parsing and the scanner, cut at every byte.
#include <catch2/catch.hpp>

#include "api/detach_keys.hpp"

using namespace gantry;
using namespace gantry::api;

namespace {

detach_scanner::step scan(const std::string& keys, const std::vector<std::string>& pieces) {
  detach_scanner scanner(keys);
  detach_scanner::step all;
  for (const auto& piece : pieces) {
    auto step = scanner.feed(piece);
    all.pass += step.pass;
    all.detached = step.detached;
    if (all.detached) break;
  }
  return all;
}

} // namespace

TEST_CASE("keys are read as clients write them", "[api][detach]") {
  CHECK(*parse_detach_keys(default_detach_keys) == "\x10\x11");
  CHECK(*parse_detach_keys("a") == "a");
  CHECK(*parse_detach_keys("ctrl-@,ctrl-a,ctrl-z,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_,DEL,x") ==
        std::string("\x00\x01\x1a\x1b\x1c\x1d\x1e\x1f\x7fx", 10));
  for (const char* bad : {"", ",", "a,", "ctrl-", "ctrl-A", "ctrl-1", "ctrl-ab", "del", "ab", "a,,b"}) {
    INFO(bad);
    CHECK(parse_detach_keys(bad).has_error());
  }
  std::string many = "a";
  for (std::size_t i = 1; i < detach_keys_max; ++i) many += ",a";
  CHECK(parse_detach_keys(many).has_value());
  CHECK(parse_detach_keys(many + ",a").has_error());
}

TEST_CASE("a complete match is swallowed, a broken one is passed on", "[api][detach]") {
  struct row {
    std::string keys, input, pass;
    bool detached;
  };
  for (const auto& [keys, input, pass, detached] : {row{"pq", "hello", "hello", false},
                                                    {"pq", "hepqllo", "he", true},
                                                    {"pq", "pxpq", "px", true},
                                                    {"pq", "pppq", "pp", true},
                                                    {"pq", "ppp", "pp", false},
                                                    {"aab", "aaab", "a", true},
                                                    {"abab", "ababab", "", true},
                                                    {"abac", "ababac", "ab", true},
                                                    {"x", "x", "", true},
                                                    {"", "pq", "pq", false}}) {
    INFO(keys << " " << input);
    for (std::size_t i = 0; i <= input.size(); ++i) {
      auto cut = scan(keys, {input.substr(0, i), input.substr(i)});
      CHECK(cut.pass == pass);
      CHECK(cut.detached == detached);
    }
    std::vector<std::string> single;
    for (char c : input) single.emplace_back(1, c);
    CHECK(scan(keys, single).pass == pass);
  }
}
