/// Docker's user texts against passwd and group files, good and hostile ones (behaviours 109).
#include <catch2/catch.hpp>

#include "runtime/user_lookup.hpp"

using namespace gantry;
using namespace gantry::runtime;

namespace {

constexpr const char* passwd = "root:x:0:0:root:/root:/bin/sh\n"
                               "# comment:x:5:5::/c:/bin/sh\n"
                               "\n"
                               "ada:x:1000:1001:Ada:/home/ada:/bin/sh\n"
                               "  blank:x:1002:1002::/home/blank:/bin/sh  \n"
                               "7:x:77:78::/seven:/bin/sh\n"
                               "short:x\n"
                               "huge:x:99999999999:5::/huge:/bin/sh\n";
constexpr const char* group = "root:x:0:root\n"
                              "wheel:x:10:root,ada\n"
                              "staff:x:50:ada , blank\n"
                              "ada:x:1001:ada\n"
                              "huge:x:99999999999:\n";

pb::User user(const std::string& spec, std::initializer_list<const char*> additional = {}) {
  pb::User u;
  u.set_spec(spec);
  for (const char* g : additional) u.add_additional_groups(g);
  return u;
}

} // namespace

TEST_CASE("user texts in all their forms", "[runtime][user_lookup]") {
  struct row {
    const char* spec;
    uid_t uid;
    gid_t gid;
    std::vector<gid_t> groups;
    const char* home;
  };
  const row rows[] = {
      {"", 0, 0, {0, 10}, "/root"},
      {"root", 0, 0, {0, 10}, "/root"},
      {"0", 0, 0, {0, 10}, "/root"},
      {"ada", 1000, 1001, {1001, 10, 50}, "/home/ada"},
      {"1000", 1000, 1001, {1001, 10, 50}, "/home/ada"},
      {"ada:staff", 1000, 50, {50}, "/home/ada"},
      {"ada:7", 1000, 7, {7}, "/home/ada"},
      {"1000:50", 1000, 50, {50}, "/home/ada"},
      {"4242", 4242, 0, {0}, "/"},
      {"4242:4243", 4242, 4243, {4243}, "/"},
      {"4242:wheel", 4242, 10, {10}, "/"},
      {":staff", 0, 50, {50}, "/root"},
      {"ada:", 1000, 1001, {1001, 10, 50}, "/home/ada"},
      {"blank", 1002, 1002, {1002, 50}, "/home/blank"},
      {"7", 7, 0, {0}, "/"}, // a number is a uid, whatever a name says
      {"short", 0, 0, {0}, "/"},
      {"2147483647", 2147483647, 0, {0}, "/"},
  };
  for (const auto& x : rows) {
    CAPTURE(x.spec);
    const auto got = resolve_user(user(x.spec), passwd, group);
    REQUIRE(got.has_value());
    CHECK(got->uid == x.uid);
    CHECK(got->gid == x.gid);
    CHECK(got->groups == x.groups);
    CHECK(got->home == x.home);
  }
}

TEST_CASE("user texts that nobody matches", "[runtime][user_lookup]") {
  struct row {
    const char *spec, *message;
  };
  const row rows[] = {
      {"bob", "unable to find user bob: no matching entries in passwd file"},
      {"bob:staff", "unable to find user bob: no matching entries in passwd file"},
      {"comment", "unable to find user comment: no matching entries in passwd file"},
      {"ada:nogroup", "unable to find group nogroup: no matching entries in group file"},
      {"-1", "uids and gids must be in range 0-2147483647"},
      {"2147483648", "uids and gids must be in range 0-2147483647"},
      {"ada:2147483648", "uids and gids must be in range 0-2147483647"},
      {"huge", "uids and gids must be in range 0-2147483647"},
      {"ada:huge", "uids and gids must be in range 0-2147483647"},
      {"1000x", "unable to find user 1000x: no matching entries in passwd file"},
      {"99999999999999999999", "unable to find user 99999999999999999999: no matching entries in passwd file"},
  };
  for (const auto& x : rows) {
    CAPTURE(x.spec);
    const auto got = resolve_user(user(x.spec), passwd, group);
    REQUIRE(got.has_error());
    CHECK(got.error().message == x.message);
  }
}

TEST_CASE("added groups are names or numbers", "[runtime][user_lookup]") {
  const auto got = resolve_user(user("ada", {"staff", "10", "4711"}), passwd, group);
  REQUIRE(got.has_value());
  CHECK(got->groups == std::vector<gid_t>{1001, 10, 50, 4711});
  CHECK(resolve_user(user("ada", {"flyers"}), passwd, group).error().message == "Unable to find group flyers");
  CHECK(resolve_user(user("ada", {"-4"}), passwd, group).error().message ==
        "uids and gids must be in range 0-2147483647");
}

TEST_CASE("without files only numbers are known", "[runtime][user_lookup]") {
  CHECK(resolve_user(user(""), "", "")->groups == std::vector<gid_t>{0});
  CHECK(resolve_user(user("12:13"), "", "")->gid == 13);
  CHECK(resolve_user(user("root"), "", "").has_error());
}

TEST_CASE("a line at the limit is read, one over it is an error", "[runtime][user_lookup]") {
  const std::string fits = std::string(user_line_bytes_max, 'x');
  CHECK(resolve_user(user("ada"), fits + "\n" + passwd, group).has_value());
  const auto over = resolve_user(user("ada"), fits + "x\n" + passwd, group);
  REQUIRE(over.has_error());
  CHECK(over.error().message == "read `/etc/passwd`: a line is longer than 65536 bytes");
}

TEST_CASE("any bytes at all give an answer", "[runtime][user_lookup]") {
  const std::string nasty[] = {std::string("\0\0\0:\0", 5),
                               ":::::::::",
                               "\n\n\n:",
                               "a:b:c:d:e:f:g:h:i\n",
                               "ada:x:-5:1::/:\n",
                               "ada:x:0x10:1::/:\n",
                               std::string(1000, ':'),
                               "ada"};
  for (const auto& text : nasty) {
    (void)resolve_user(user("ada"), text, text);
    (void)resolve_user(user("ada:ada"), text, text);
  }
  SUCCEED();
}
