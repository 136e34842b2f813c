/// The list: its shape, its texts, and every filter.
#include <catch2/catch.hpp>

#include <boost/json.hpp>
#include <chrono>

#include "api/container_json.hpp"
#include "tests/api/container_fixtures.hpp"

namespace gantry::api {
namespace {

namespace json = boost::json;
using test::second;
using test::some_time;

list_context context_at(unix_nanos now) {
  list_context context;
  context.now = now;
  context.image_id_of = [](std::string_view name) {
    return name == "alpine" ? "sha256:" + std::string(64, 'b') : name == "base" ? std::string("sha256:base") : "";
  };
  context.descends_from = [](std::string_view, std::string_view ancestor) { return ancestor == "sha256:base"; };
  return context;
}

/// Five containers, oldest first: web (running), db (exited 1), job (exited 0), new (created), idle (paused).
std::vector<container_view_ptr> five() {
  auto web = test::definition(1), db = test::definition(2), job = test::definition(3), fresh = test::definition(4),
       idle = test::definition(5);
  web->config.labels = {{"app", "shop"}, {"tier", "front"}};
  web->config.exposed_ports = {"80/tcp", "9000/udp"};
  db->config.labels = {{"app", "shop"}};
  db->mounts = {{"volume", "data", "/v/data", "/var/lib", "local", "z", "", true}};
  job->image_id = "sha256:other";
  job->host.network_mode = "none";
  fresh->mounts = {{"bind", "", "/src", "/dst", "", "", "rprivate", true}};
  auto paused = test::running();
  paused.status = container_status::paused;
  return {test::view(web, "web", test::running()), test::view(db, "db", test::exited(1)),
          test::view(job, "job", test::exited(0)), test::view(fresh, "new"), test::view(idle, "idle", paused)};
}

using names = string_list;

result<names> listed(list_containers asked) {
  auto made = filter_containers(asked, five(), context_at(some_time));
  if (made.has_error()) return made.error();
  names out;
  for (const auto& v : made.value()) out.push_back(v->name);
  return out;
}

names shown(filters f, bool all = true) {
  const auto made = listed({.all = all, .filter = std::move(f)});
  REQUIRE(made.has_value());
  return made.value();
}

error refusal(filters f) {
  const auto made = listed({.all = true, .filter = std::move(f)});
  REQUIRE(made.has_error());
  return made.error();
}

} // namespace

TEST_CASE("the list is newest first, running ones only, until more is asked for", "[api][container][list]") {
  CHECK(listed({}).value() == names{"idle", "web"});
  CHECK(listed({.all = true}).value() == names{"idle", "new", "job", "db", "web"});
  CHECK(listed({.limit = 2}).value() == names{"idle", "new"});
  CHECK(listed({.limit = 9}).value().size() == 5);
  CHECK(listed({.limit = -1}).value() == names{"idle", "web"});
}

TEST_CASE("each filter picks what Docker's picks", "[api][container][list]") {
  CHECK(shown({{"status", {"exited"}}}, false) == names{"job", "db"});
  CHECK(shown({{"status", {"created", "paused"}}}, false) == names{"idle", "new"});
  CHECK(shown({{"exited", {"1"}}}) == names{"db"});
  CHECK(shown({{"exited", {"0"}}}) == names{"job"}); // `new` never ran
  CHECK(shown({{"exited", {"0"}}}, false).empty());
  CHECK(shown({{"name", {"b"}}}) == names{"job", "db", "web"});
  CHECK(shown({{"name", {"^/db$"}}}) == names{"db"});
  CHECK(shown({{"name", {"web", "new"}}}) == names{"new", "web"});
  CHECK(shown({{"name", {"["}}}).empty());
  CHECK(shown({{"label", {"app"}}}) == names{"db", "web"});
  CHECK(shown({{"label", {"app=shop", "tier"}}}) == names{"web"});
  CHECK(shown({{"label", {"app=other"}}}).empty());
  CHECK(shown({{"id", {test::id_of(2)}}}) == names{"db"});
  CHECK(shown({{"id", {"aa2"}}}) == names{"db"});
  CHECK(shown({{"id", {"aa"}}}).empty()); // not the beginning of one id alone
  CHECK(shown({{"before", {"job"}}}) == names{"db", "web"});
  CHECK(shown({{"since", {"/job"}}}) == names{"idle", "new"});
  CHECK(shown({{"since", {"db"}}, {"before", {"idle"}}}) == names{"new", "job"});
  CHECK(shown({{"ancestor", {"alpine"}}}) == names{"idle", "new", "db", "web"});
  CHECK(shown({{"ancestor", {"base"}}}).size() == 5);
  CHECK(shown({{"ancestor", {"nothing"}}}).empty());
  CHECK(shown({{"volume", {"data"}}}) == names{"db"});
  CHECK(shown({{"volume", {"/var/lib"}}}) == names{"db"});
  CHECK(shown({{"volume", {"/src"}}}) == names{"new"});
  CHECK(shown({{"network", {"none"}}}) == names{"job"});
  CHECK(shown({{"network", {"bridge"}}}).size() == 4);
  CHECK(shown({{"expose", {"80"}}}) == names{"web"});
  CHECK(shown({{"expose", {"8000-9999/udp"}}}) == names{"web"});
  CHECK(shown({{"expose", {"80/udp"}}}).empty());
  CHECK(shown({{"publish", {"80"}}}).empty());
  CHECK(shown({{"health", {"none"}}}).size() == 5);
  CHECK(shown({{"health", {"healthy"}}}).empty());
  CHECK(shown({{"is-task", {"false"}}}).size() == 5);
  CHECK(shown({{"is-task", {"1"}}}).empty());
  CHECK(shown({{"isolation", {"hyperv"}}}).empty());
}

TEST_CASE("filters that make no sense are refused", "[api][container][list]") {
  CHECK(refusal({{"color", {"red"}}}) == error{errc::invalid_parameter, 0, "invalid filter 'color'"});
  CHECK(refusal({{"exited", {"x"}}}).message == "invalid filter 'exited=x'");
  CHECK(refusal({{"status", {"sleeping"}}}).message == "invalid filter 'status=sleeping'");
  CHECK(refusal({{"health", {"fine"}}}).message == "unrecognized filter value for health: fine");
  CHECK(refusal({{"is-task", {"maybe"}}}).message == "invalid filter 'is-task=[maybe]'");
  CHECK(refusal({{"before", {"nobody"}}}) == error{errc::not_found, 0, "No such container: nobody"});
  CHECK(refusal({{"since", {""}}}).code == errc::not_found);
  CHECK(refusal({{"since", {"aa"}}}).message == "multiple IDs found with provided prefix: aa");
  CHECK(refusal({{"publish", {"http"}}}).code == errc::invalid_parameter);
  CHECK(refusal({{"publish", {"80:80"}}}).message == "filter for 'publish' should not contain ':': 80:80");
  CHECK(refusal({{"expose", {"90-80"}}}).code == errc::invalid_parameter);
}

TEST_CASE("a list entry has Docker's shape", "[api][container][list]") {
  auto d = test::definition(1);
  d->args = {"-c", "echo hi", ""};
  d->config.labels = {{"k", "v"}};
  d->config.exposed_ports = {"80/tcp", "90-91/tcp", "junk"};
  d->host.annotations = {{"a", "b"}};
  d->mounts = {{"bind", "", "/src", "/dst", "", "", "rprivate", true}};
  const auto now = some_time + 5 * second + 120 * second;
  const std::vector<container_view_ptr> views{test::view(d, "web", test::running())};
  const auto text = render_list(views, api_version_max, context_at(now));
  CHECK(text == "[{\"Id\":\"" + d->id + R"(","Names":["/web"],"Image":"alpine","ImageID":")" + d->image_id +
                    R"(","Command":"sh -c 'echo hi' ","Created":1795465482,)"
                    R"("Ports":[{"PrivatePort":80,"Type":"tcp"}],"Labels":{"k":"v"},"State":"running",)"
                    R"("Status":"Up 2 minutes","HostConfig":{"NetworkMode":"bridge","Annotations":{"a":"b"}},)"
                    R"("NetworkSettings":{"Networks":{"bridge":{"IPAMConfig":null,"Links":null,"Aliases":null,)"
                    R"("MacAddress":"","DriverOpts":null,"GwPriority":0,"NetworkID":"","EndpointID":"",)"
                    R"("Gateway":"","IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","GlobalIPv6Address":"",)"
                    R"("GlobalIPv6PrefixLen":0,"DNSNames":null}}},"Mounts":[{"Type":"bind","Source":"/src",)"
                    R"("Destination":"/dst","Mode":"","RW":true,"Propagation":"rprivate"}]}])"
                    "\n");
  CHECK(render_list({}, api_version_max, context_at(now)) == "[]\n");
  const auto older = json::parse(render_list(views, {1, 45}, context_at(now))).at(0).as_object();
  CHECK_FALSE(older.at("HostConfig").as_object().contains("Annotations"));
  CHECK_FALSE(older.contains("SizeRw"));
}

TEST_CASE("the image's name gives way to its id when it points elsewhere", "[api][container][list]") {
  auto d = test::definition(1);
  d->image_name = "gone";
  const auto entry = [&] {
    return json::parse(render_list({test::view(d, "x")}, api_version_max, context_at(0))).at(0).as_object();
  };
  CHECK(entry().at("Image").as_string() == d->image_id);
  d->image_name = "alpine";
  CHECK(entry().at("Image").as_string() == "alpine");
}

TEST_CASE("sizes are shown when asked for", "[api][container][list]") {
  auto context = context_at(0);
  context.sizes_of = [](const container_view&) { return std::pair<std::int64_t, std::int64_t>(5, 70); };
  const auto entry = json::parse(render_list({test::view(test::definition(1), "x")}, api_version_max, context)).at(0);
  CHECK(entry.at("SizeRw").as_int64() == 5);
  CHECK(entry.at("SizeRootFs").as_int64() == 70);
}

TEST_CASE("status texts read as Docker's", "[api][container][list]") {
  using enum container_status;
  const auto text = [](container_status status, std::int64_t seconds, int code = 0) {
    container_state s{.status = status, .exit_code = code, .started_at = some_time, .finished_at = some_time};
    return status_text(s, some_time + seconds * second);
  };
  CHECK(text(running, 0) == "Up Less than a second");
  CHECK(text(running, 1) == "Up 1 second");
  CHECK(text(running, 59) == "Up 59 seconds");
  CHECK(text(running, 60) == "Up About a minute");
  CHECK(text(running, 300) == "Up 5 minutes");
  CHECK(text(running, 3600) == "Up About an hour");
  CHECK(text(running, 2 * 3600) == "Up 2 hours");
  CHECK(text(running, 48 * 3600) == "Up 2 days");
  CHECK(text(running, 15 * 86400) == "Up 2 weeks");
  CHECK(text(running, 70 * 86400) == "Up 2 months");
  CHECK(text(running, 800 * 86400) == "Up 2 years");
  CHECK(text(running, -50) == "Up Less than a second"); // a clock that was set back
  CHECK(text(paused, 300) == "Up 5 minutes (Paused)");
  CHECK(text(restarting, 3, 1) == "Restarting (1) 3 seconds ago");
  CHECK(text(exited, 2 * 3600) == "Exited (0) 2 hours ago");
  CHECK(text(exited, 60, 137) == "Exited (137) About a minute ago");
  CHECK(text(created, 5) == "Created");
  CHECK(text(dead, 5) == "Dead");
  CHECK(text(removing, 5) == "Removal In Progress");
}

TEST_CASE("prune filters", "[api][container][prune]") {
  const string_map labels{{"a", "1"}};
  const auto takes = [&](filters f, unix_nanos created = some_time) {
    const auto made = matches_prune(f, labels, created, some_time + 7200 * second);
    REQUIRE(made.has_value());
    return made.value();
  };
  CHECK(takes({}));
  CHECK(takes({{"label", {"a"}}}));
  CHECK_FALSE(takes({{"label", {"b"}}}));
  CHECK_FALSE(takes({{"label!", {"a=1"}}}));
  CHECK(takes({{"label!", {"a=2"}}}));
  CHECK(takes({{"until", {"1h"}}}));
  CHECK_FALSE(takes({{"until", {"3h"}}}));
  const auto text = [&](filters f) { return matches_prune(f, labels, 0, some_time).error().message; };
  CHECK(text({{"until", {"1h", "2h"}}}) == "more than one until filter specified");
  CHECK(text({{"dangling", {"1"}}}) == "invalid filter 'dangling'");
}

TEST_CASE("ten thousand containers are listed at once", "[api][container][list]") {
  std::vector<container_view_ptr> views;
  for (unsigned n = 0; n < 10000; ++n) {
    auto d = test::definition(n);
    d->config.labels = {{"com.example.project", "load"}, {"com.example.number", std::to_string(n)}};
    views.push_back(test::view(d, "container-" + std::to_string(n), test::running()));
  }
  const auto context = context_at(some_time + 20000 * second);
  const auto begin = std::chrono::steady_clock::now();
  const auto chosen = filter_containers({.all = true}, views, context);
  const auto text = render_list(chosen.value(), api_version_max, context);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  WARN("list of 10000: " << took.count() << " ms, " << text.size() << " bytes");
  CHECK(json::parse(text).as_array().size() == 10000);
  CHECK(took.count() < 2000); // a bound that a sanitizer build on a busy machine still keeps
}

} // namespace gantry::api
