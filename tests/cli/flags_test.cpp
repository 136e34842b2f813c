/// cli/flags.hpp and cli/values.hpp: what words on a command line mean.
#include <catch2/catch.hpp>

#include "cli/flags.hpp"
#include "cli/values.hpp"

using namespace gantry;
using namespace gantry::cli;

namespace {

struct sample {
  bool interactive = false, tty = false, yes = true;
  std::optional<bool> init;
  std::string name;
  string_list env;
  std::int64_t memory = 0;
  std::optional<std::int64_t> timeout;
  flag_set flags;

  sample() {
    flags.boolean(interactive, "interactive", 'i', "Keep STDIN open");
    flags.boolean(tty, "tty", 't', "Allocate a pseudo-TTY");
    flags.boolean(yes, "yes", 0, "On unless told otherwise");
    flags.boolean(init, "init", 0, "Run an init");
    flags.text(name, "name", 'n', "A name");
    flags.list(env, "env", 'e', "Variables");
    flags.integer(memory, "memory", 'm', "A number");
    flags.integer(timeout, "timeout", 0, "");
  }
};

} // namespace

TEST_CASE("flags are read in every spelling", "[cli][flags]") {
  sample s;
  const auto rest = s.flags.parse({"-it", "-nfoo", "--env", "A=1", "-e=B=2", "-e", "C", "--memory=-5", "--yes=false",
                                   "--init", "arg", "--timeout", "7", "--", "-x"},
                                  interspersed::yes);
  REQUIRE(rest.has_value());
  CHECK(*rest == string_list{"arg", "-x"});
  CHECK(s.interactive);
  CHECK(s.tty);
  CHECK_FALSE(s.yes);
  CHECK(s.init == std::optional(true));
  CHECK(s.name == "foo");
  CHECK(s.env == string_list{"A=1", "B=2", "C"});
  CHECK(s.memory == -5);
  CHECK(s.timeout == std::optional<std::int64_t>(7));
  CHECK(s.flags.changed("name"));
  CHECK(s.flags.changed("memory"));
}

TEST_CASE("flags end at the first argument where another command line begins", "[cli][flags]") {
  sample s;
  const auto rest = s.flags.parse({"-i", "image", "-t", "--name", "x"}, interspersed::no);
  REQUIRE(rest.has_value());
  CHECK(*rest == string_list{"image", "-t", "--name", "x"});
  CHECK_FALSE(s.tty);
  CHECK_FALSE(s.flags.changed("name"));
}

TEST_CASE("a dash alone is an argument", "[cli][flags]") {
  sample s;
  CHECK(s.flags.parse({"-"}, interspersed::yes).value() == string_list{"-"});
  CHECK(s.flags.parse({""}, interspersed::yes).value() == string_list{""});
}

TEST_CASE("wrong flags are answered in docker's words", "[cli][flags]") {
  const std::vector<std::pair<string_list, std::string>> table{
      {{"--foo"}, "unknown flag: --foo"},
      {{"--foo=1"}, "unknown flag: --foo"},
      {{"-x"}, "unknown shorthand flag: 'x' in -x"},
      {{"-itx"}, "unknown shorthand flag: 'x' in -x"},
      {{"-it="}, "unknown shorthand flag: '=' in -="},
      {{"--name"}, "flag needs an argument: --name"},
      {{"-in"}, "flag needs an argument: 'n' in -n"},
      {{"--=x"}, "bad flag syntax: --=x"},
      {{"---"}, "bad flag syntax: ---"},
      {{"-m", "x"},
       "invalid argument \"x\" for \"-m, --memory\" flag: strconv.ParseInt: parsing \"x\": invalid syntax"},
      {{"--timeout", ""},
       "invalid argument \"\" for \"--timeout\" flag: strconv.ParseInt: parsing \"\": invalid syntax"},
      {{"-i=maybe"},
       "invalid argument \"maybe\" for \"-i, --interactive\" flag: strconv.ParseBool: parsing \"maybe\": invalid "
       "syntax"},
  };
  for (const auto& [words, text] : table) {
    sample s;
    const auto rest = s.flags.parse(words, interspersed::yes);
    REQUIRE(rest.has_error());
    CHECK(rest.error().message == text);
  }
}

TEST_CASE("the usage text lists flags by name, aligned, without the hidden ones", "[cli][flags]") {
  CHECK(sample().flags.usage() == "  -e, --env list      Variables\n"
                                  "      --init          Run an init\n"
                                  "  -i, --interactive   Keep STDIN open\n"
                                  "  -m, --memory int    A number\n"
                                  "  -n, --name string   A name\n"
                                  "  -t, --tty           Allocate a pseudo-TTY\n"
                                  "      --yes           On unless told otherwise (default true)\n");
}

TEST_CASE("sizes are read in powers of 1024", "[cli][values]") {
  const std::vector<std::pair<std::string, std::int64_t>> good{
      {"0", 0},          {"512", 512},         {"1k", 1024},     {"1K", 1024}, {"1kb", 1024},    {"1KiB", 1024},
      {"64m", 64 << 20}, {"1.5g", 1610612736}, {"2 m", 2 << 20}, {"3b", 3},    {"1t", 1LL << 40}};
  for (const auto& [text, value] : good) {
    INFO(text);
    CHECK(parse_bytes(text).value() == value);
  }
  const std::vector<std::pair<std::string, std::string>> wrong{
      {"abc", "invalid size: 'abc'"},     {"", "invalid size: ''"},
      {"1x", "invalid suffix: 'x'"},      {"1kx", "invalid suffix: 'kx'"},
      {"1bb", "invalid suffix: 'bb'"},    {"-1", "invalid size: '-1'"},
      {"1.2.3", "invalid size: '1.2.3'"}, {"99999999999p", "invalid size: '99999999999p'"}};
  for (const auto& [text, message] : wrong) {
    INFO(text);
    REQUIRE(parse_bytes(text).has_error());
    CHECK(parse_bytes(text).error().message == message);
  }
}

TEST_CASE("sizes are shown with docker's digits", "[cli][values]") {
  CHECK(human_size(0) == "0B");
  CHECK(human_size(999) == "999B");
  CHECK(human_size(1000) == "1kB");
  CHECK(human_size(1982222) == "1.982MB");
  CHECK(human_size_three(1982222) == "1.98MB");
  CHECK(human_size_three(7833333333) == "7.83GB");
  CHECK(binary_size(1610612736) == "1.5GiB");
  CHECK(binary_size(25277075456) == "23.54GiB");
}

TEST_CASE("ulimits, CPUs and addresses", "[cli][values]") {
  CHECK(parse_ulimit("nofile=1024").value().hard == 1024);
  CHECK(parse_ulimit("nofile=-1").value().soft == -1);
  CHECK(parse_ulimit("core=0:-1").value().hard == -1);
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {"nofile", "invalid ulimit argument: nofile"},
           {"x=1", "invalid ulimit type: x"},
           {"nofile=1:2:3", "too many limit values - 1:2:3, can only have up to two, `soft[:hard]`"},
           {"nofile=5:2", "ulimit soft limit must be less than or equal to hard limit: 5 > 2"}})
    CHECK(parse_ulimit(text).error().message == message);
  CHECK(parse_cpus("1.5").value() == 1500000000);
  CHECK(parse_cpus(".5").value() == 500000000);
  CHECK(parse_cpus("0.000000001").value() == 1);
  CHECK(parse_cpus("0.0000000001").error().message == "value is too precise");
  for (const char* wrong : {"a", "", ".", "1.2.3", "-1", "1e3"})
    CHECK(parse_cpus(wrong).error().message == std::string("failed to parse ") + wrong + " as a rational number");
  CHECK(is_ip_address("1.2.3.4"));
  CHECK(is_ip_address("::1"));
  CHECK_FALSE(is_ip_address("1.2.3"));
}
