/// Reading JSON: Docker's texts, Go's habits, and the limits.
#include <catch2/catch.hpp>

#include "api/http_codec.hpp"
#include "api/json_read.hpp"
#include "api/json_write.hpp"

using namespace gantry;
using namespace gantry::api;

namespace {

std::string message_of(std::string_view text) {
  auto doc = json_document::parse(text);
  return doc.has_error() ? doc.error().message : "";
}

std::string nested(std::size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); }

} // namespace

TEST_CASE("broken JSON is refused with Docker's words", "[api][json_read]") {
  CHECK(message_of("") == "invalid JSON: got EOF while reading request body");
  CHECK(message_of(" \n") == "invalid JSON: got EOF while reading request body");
  CHECK(message_of("{}{}") == "unexpected content after JSON");
  CHECK(message_of("{} x") == "unexpected content after JSON");
  CHECK(message_of("{\"a\":\"}\"} [") == "unexpected content after JSON");
  CHECK(message_of("1 2") == "unexpected content after JSON");
  CHECK(message_of("{\"a\":") == "invalid JSON: unexpected EOF");
  CHECK(message_of("{\"a") == "invalid JSON: unexpected EOF");
  for (const char* bad : {"{a:1}", "{\"a\":1,}", "[1 2]", "tru", "{\"a\":01}", "\x01", "{\"a\":\"\xff\"}", "}"}) {
    INFO(bad);
    CHECK(message_of(bad).substr(0, 14) == "invalid JSON: ");
  }
  for (const char* good : {"{}", " {} \n", "null", "1", "\"x\"", "{\"a\":{\"b\":[1,2,{\"c\":null}]}}"})
    CHECK(message_of(good) == "");
}

TEST_CASE("JSON nests to a limit", "[api][json_read]") {
  CHECK(message_of(nested(json_depth_max)) == "");
  CHECK(message_of(nested(json_depth_max + 1)) == "invalid JSON: nesting is deeper than 64 levels");
  CHECK(message_of(nested(100'000)) == "invalid JSON: nesting is deeper than 64 levels");
}

TEST_CASE("members are read as Go reads them", "[api][json_read]") {
  auto doc = json_document::parse(R"({"name":"low","Name":"exact","NAME":"last","n":7,"u":65535,"flag":true,"gone":null,
      "list":["a",null,"b"],"map":{"k":"v","e":null},"words":"sh","set":{"b":{},"a":{}},"unknown":[1]})");
  REQUIRE(doc.has_value());
  json_object in(doc->root(), "T");
  std::string name, gone = "kept";
  std::int64_t n = 0;
  std::uint16_t u = 0;
  bool flag = false;
  string_list list, set;
  string_map map;
  std::optional<string_list> words, none;
  in.read("Name", name);
  in.read("N", n);
  in.read("U", u);
  in.read("Flag", flag);
  in.read("Gone", gone);
  in.read("List", list);
  in.read("Map", map);
  in.read_words("Words", words);
  in.read_words("Gone", none);
  in.read_keys("Set", set);
  REQUIRE(in.finish().has_value());
  CHECK(name == "last");
  CHECK(n == 7);
  CHECK(u == 65535);
  CHECK(flag);
  CHECK(gone == "kept");
  CHECK(list == string_list{"a", "", "b"});
  CHECK(map == string_map{{"k", "v"}, {"e", ""}});
  CHECK(words == string_list{"sh"});
  CHECK(!none);
  CHECK(set == string_list{"a", "b"});
  CHECK(in.has("gone"));
  CHECK(!in.find("gone"));
}

TEST_CASE("the first mismatch is kept, with its path", "[api][json_read]") {
  auto doc = json_document::parse(R"({"H":{"M":"x","U":70000},"N":1.5,"L":{},"A":[{"B":1}]})");
  REQUIRE(doc.has_value());
  auto check = [&](auto read, const std::string& text) {
    json_object in(doc->root(), "T");
    read(in);
    REQUIRE(in.finish().has_error());
    CHECK(in.finish().error() == error{errc::invalid_parameter, 0, "invalid JSON: json: cannot unmarshal " + text});
  };
  std::int64_t n = 0;
  std::uint16_t u = 0;
  std::string s;
  string_list l;
  check(
      [&](json_object& in) {
        in.object("H", [&](json_object& h) {
          h.read("M", n);
          h.read("U", u);
        });
        in.read("N", n);
      },
      "string into Go struct field T.H.M of type int64");
  check([&](json_object& in) { in.object("H", [&](json_object& h) { h.read("U", u); }); },
        "number 70000 into Go struct field T.H.U of type uint16");
  check([&](json_object& in) { in.read("N", n); }, "number 1.5 into Go struct field T.N of type int64");
  check([&](json_object& in) { in.read("L", l); }, "object into Go struct field T.L");
  check([&](json_object& in) { in.each_object("A", [&](json_object& a) { a.read("B", s); }); },
        "number 1 into Go struct field T.A.B of type string");
  check([&](json_object& in) { in.object("N", [](json_object&) {}); }, "number 1.5 into Go value of type T.N");
}

TEST_CASE("an object with too many members is refused", "[api][json_read]") {
  auto members = [](std::size_t n) {
    std::string text = "{";
    for (std::size_t i = 0; i < n; ++i) text += (i ? ",\"" : "\"") + std::to_string(i) + "\":1";
    return text + "}";
  };
  auto fits = [&](std::size_t n) {
    auto doc = json_document::parse(members(n));
    REQUIRE(doc.has_value());
    return json_object(doc->root(), "T").finish().has_value();
  };
  CHECK(fits(json_members_max));
  CHECK_FALSE(fits(json_members_max + 1));
}

TEST_CASE("what is written is UTF-8 and not escaped for HTML", "[api][json_write]") {
  CHECK(json_line(boost::json::object{{"m", "<a & b>"}}) == "{\"m\":\"<a & b>\"}\n");
  CHECK(json_line(boost::json::object{{"m", "x\xff\xc3\xa9\xe2\x82"}}) ==
        "{\"m\":\"x\xEF\xBF\xBD\xc3\xa9\xEF\xBF\xBD\xEF\xBF\xBD\"}\n");
  CHECK(valid_utf8("\xc3\xa9") == "\xc3\xa9");
}
