/// cli/format_template.hpp and cli/table.hpp: what --format means, and how columns stand.
#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <sstream>

#include "cli/format_template.hpp"
#include "cli/table.hpp"

using namespace gantry;
using namespace gantry::cli;
namespace json = boost::json;

namespace {

const json::value sample = json::parse(R"({"Id":"abc","Name":"/n","State":{"Running":true,"Pid":12},"Empty":null,
  "Config":{"Env":["A=1","B=2"],"Labels":{"x":"1","a b":"2"},"Cmd":["sh","-c"]},"Labels":"k=v,l=w","N":-3})");

std::string rendered(std::string_view text) {
  const auto pattern = format_template::parse(text);
  if (pattern.has_error()) return pattern.error().message;
  const auto out = pattern->render(sample);
  return out.has_error() ? out.error().message : *out;
}

} // namespace

TEST_CASE("templates show fields as Go prints them", "[cli][format]") {
  const std::vector<std::pair<std::string, std::string>> table{
      {"plain", "plain"},
      {"", ""},
      {"{{.Id}}", "abc"},
      {"{{ .Id }}-{{.Name}}", "abc-/n"},
      {"{{.State.Running}} {{.State.Pid}} {{.N}}", "true 12 -3"},
      {"{{.Config.Env}}", "[A=1 B=2]"},
      {"{{.Config.Labels}}", "map[a b:2 x:1]"},
      {"{{.Empty}}", "<no value>"},
      {"{{json .Config.Cmd}}", R"(["sh","-c"])"},
      {"{{.Config.Cmd | json}}", R"(["sh","-c"])"},
      {"{{json .State}}", R"({"Running":true,"Pid":12})"},
      {"{{upper .Id}}{{lower \"X\"}}{{title \"a b\"}}", "ABCxA B"},
      {"{{.Id | upper | json}}", R"("ABC")"},
      {"{{len .Config.Env}} {{len .Config.Labels}} {{len .Id}}", "2 2 3"},
      {"{{index .Config.Labels \"x\"}}{{index .Config.Env 1}}", "1B=2"},
      {"{{index .Config.Labels \"none\"}}.", "."},
      {"{{join .Config.Env \", \"}}", "A=1, B=2"},
      {"{{join (split \"a-b\" \"-\") \"+\"}}", "a+b"},
      {"{{truncate .Name 1}}", "/"},
      {"{{println .Id}}", "abc\n"},
      {"{{.Label \"l\"}}{{.Label \"none\"}}", "w"},
      {"a {{- .Id -}} b", "aabcb"},
      {"{{/* nothing */}}x", "x"},
  };
  for (const auto& [text, wanted] : table) {
    INFO(text);
    CHECK(rendered(text) == wanted);
  }
}

TEST_CASE("what templates cannot do is said", "[cli][format]") {
  const std::string start = "template parsing error: ";
  const std::vector<std::pair<std::string, std::string>> table{
      {"{{.Foo}}", "template: :1:2: executing \"\" at <.Foo>: map has no entry for key \"Foo\""},
      {"ab{{ .State.Foo }}", "template: :1:5: executing \"\" at <.State.Foo>: map has no entry for key \"Foo\""},
      {"{{.Id.Foo}}", "template: :1:2: executing \"\" at <.Id.Foo>: can't evaluate field Foo in type interface {}"},
      {"{{range .X}}{{end}}", "\"range\" is not supported"},
      {"{{if .X}}", "\"if\" is not supported"},
      {"{{$x}}", "variables are not supported"},
      {"{{foo .X}}", "function \"foo\" not defined"},
      {"{{.X", "unclosed action"},
      {"{{}}", "missing value for command"},
      {"{{\"a}}", "unterminated quoted string"},
      {"{{.Id .Name}}", "can't give argument to non-function .Id .Name"},
      {"{{json}}", "wrong number of args for json"},
      {"{{join .Id \",\"}}", "join wants a list"},
      {"{{index .Config.Env 5}}", "error calling index: index out of range: 5"},
      {"{{((((((((((((((((((.Id}}", "parentheses are nested too deep"},
  };
  for (const auto& [text, wanted] : table) {
    INFO(text);
    CHECK(rendered(text) == start + wanted);
  }
}

TEST_CASE("backslash t and n in a format are tab and newline", "[cli][format]") {
  CHECK(unescape_format("a\\tb\\nc\\d\\") == "a\tb\nc\\d\\");
}

TEST_CASE("columns are as wide as their widest cell, and at least ten", "[cli][table]") {
  CHECK(align_columns({"ID\tNAME", "0123456789abc\tx", "1\t"}) == "ID              NAME\n"
                                                                  "0123456789abc   x\n"
                                                                  "1               \n");
  CHECK(align_columns({"A\tB", "c\td"}) == "A         B\nc         d\n");
  CHECK(align_columns({"é…\tB"}) == "é…        B\n"); // characters, not bytes
  CHECK(align_columns({}).empty());
}

TEST_CASE("lists print as table, JSON or by a template", "[cli][table]") {
  list_format how;
  how.headers = {{"ID", "CONTAINER ID"}, {"Names", "NAMES"}};
  how.default_table = "table {{.ID}}\t{{.Names}}";
  const std::vector<json::object> rows{{{"Names", "one"}, {"ID", "1<2"}}, {{"Names", "two"}, {"ID", "b"}}};
  const auto printed = [&](const std::string& format) {
    std::ostringstream out;
    const auto done = print_list(out, how, format, rows);
    return done.has_error() ? done.error().message : out.str();
  };
  CHECK(printed("") == "CONTAINER ID   NAMES\n1<2            one\nb              two\n");
  CHECK(printed("table") == printed(""));
  CHECK(printed("table {{.Names}}") == "NAMES\none\ntwo\n");
  CHECK(printed("table {{upper .Names}}\\t{{.ID}}") == "NAMES     CONTAINER ID\nONE       1<2\nTWO       b\n");
  CHECK(printed("{{.ID}}={{.Names}}") == "1<2=one\nb=two\n");
  CHECK(printed("json") == "{\"ID\":\"1\\u003c2\",\"Names\":\"one\"}\n{\"ID\":\"b\",\"Names\":\"two\"}\n");
  CHECK(printed("{{json .}}") == "{\"ID\":\"1<2\",\"Names\":\"one\"}\n{\"ID\":\"b\",\"Names\":\"two\"}\n");
  CHECK(printed("{{.Foo}}") == "template parsing error: can't evaluate field Foo");
}
