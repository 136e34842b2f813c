/// Ping, version, info, events and progress.
#include <catch2/catch.hpp>

#include <boost/json.hpp>

#include "api/system_json.hpp"

using namespace gantry;
using namespace gantry::api;
namespace json = boost::json;

namespace {

json::object parsed(std::string_view text) {
  REQUIRE_FALSE(text.empty());
  CHECK(text.back() == '\n');
  return json::parse(boost::core::string_view(text.data(), text.size())).as_object();
}

event start_event() {
  return {"container",
          "start",
          "c0ffee",
          {{"image", "busybox:1"}, {"name", "web"}, {"com.x", ""}},
          1'700'000'000'123'456'789};
}

} // namespace

TEST_CASE("ping says OK and what kind of engine this is", "[api][system]") {
  auto get = render_ping(false), head = render_ping(true);
  CHECK(get.body == "OK");
  CHECK(head.body.empty());
  for (const char* name : {"Builder-Version", "Swarm", "Cache-Control", "Pragma"})
    CHECK(std::count_if(get.headers.begin(), get.headers.end(), [&](const auto& h) { return h.first == name; }) == 1);
}

TEST_CASE("version has the members of SystemVersion", "[api][system]") {
  engine_facts facts;
  facts.kernel_version = "6.1";
  auto v = parsed(render_version(facts));
  CHECK(v.at("Version") == "28.5.2");
  CHECK(v.at("ApiVersion") == "1.51");
  CHECK(v.at("MinAPIVersion") == "1.24");
  CHECK(v.at("Os") == "linux");
  CHECK(v.at("Arch") == "amd64");
  CHECK(v.at("Components").at(0).at("Name") == "Engine");
  CHECK(v.at("Components").at(0).at("Details").at("KernelVersion") == "6.1");
  CHECK_FALSE(v.contains("Experimental"));
  facts.experimental = true;
  CHECK(parsed(render_version(facts)).at("Experimental") == true);
}

TEST_CASE("info has what clients print, and no null lists", "[api][system]") {
  engine_facts facts;
  facts.cpus = 2;
  facts.labels = {"a=b"};
  auto v = parsed(render_info(facts, {5, 2, 1, 2, 7}, 1'700'000'000'000'000'000, api_version_max));
  CHECK(v.at("Containers") == 5);
  CHECK(v.at("ContainersRunning") == 2);
  CHECK(v.at("Images") == 7);
  CHECK(v.at("SystemTime") == "2023-11-14T22:13:20Z");
  CHECK(v.at("Swarm").at("LocalNodeState") == "inactive");
  CHECK(v.at("Runtimes").as_object().contains("gantry"));
  CHECK(v.at("DefaultRuntime") == "gantry");
  CHECK(v.at("IndexServerAddress") == "https://index.docker.io/v1/");
  for (const char* list : {"Labels", "Warnings", "SecurityOptions", "DriverStatus", "GenericResources", "CDISpecDirs"})
    CHECK(v.at(list).is_array());
  for (const char* list : {"InsecureRegistryCIDRs", "Mirrors"}) CHECK(v.at("RegistryConfig").at(list).is_array());
  CHECK_FALSE(v.contains("BridgeNfIptables"));
  auto old = parsed(render_info(facts, {}, 0, {1, 49}));
  CHECK(old.contains("BridgeNfIptables"));
}

TEST_CASE("events keep their old members for containers and images", "[api][events]") {
  auto text = render_event(start_event(), api_version_max);
  CHECK(text ==
        "{\"status\":\"start\",\"id\":\"c0ffee\",\"from\":\"busybox:1\",\"Type\":\"container\",\"Action\":\"start\","
        "\"Actor\":{\"ID\":\"c0ffee\",\"Attributes\":{\"com.x\":\"\",\"image\":\"busybox:1\",\"name\":\"web\"}},"
        "\"scope\":\"local\",\"time\":1700000000,\"timeNano\":1700000000123456789}\n");
  auto reload = parsed(render_event({"daemon", "reload", "id", {}, 1}, api_version_max));
  CHECK_FALSE(reload.contains("status"));
  CHECK(render_event({"image", "create", "i", {}, 1}, {1, 45}).empty());
  CHECK_FALSE(render_event({"image", "create", "i", {}, 1}, {1, 46}).empty());
  CHECK_FALSE(render_event({"image", "tag", "i", {}, 1}, {1, 24}).empty());
}

TEST_CASE("event filters", "[api][events]") {
  auto e = start_event();
  event image{"image", "tag", "sha256:aa", {{"name", "repo/busybox:1"}}, 0};
  event probe{"container", "exec_create: ls -l", "c0ffee", {}, 0};
  auto fits = [](const event& ev, const std::string& key, const std::string& value) {
    return matches(filters{{key, {value}}}, ev);
  };
  CHECK(matches({}, e));
  CHECK(fits(e, "type", "container"));
  CHECK_FALSE(fits(e, "type", "image"));
  CHECK(fits(e, "event", "start"));
  CHECK_FALSE(fits(e, "event", "star"));
  CHECK(fits(probe, "event", "exec_create"));
  CHECK_FALSE(fits(probe, "event", "exec_start"));
  CHECK(fits(e, "scope", "local"));
  CHECK_FALSE(fits(e, "scope", "swarm"));
  CHECK(fits(e, "label", "com.x"));
  CHECK_FALSE(fits(e, "label", "com.x=1"));
  CHECK(fits(e, "container", "web"));
  CHECK(fits(e, "container", "c0f"));
  CHECK_FALSE(fits(e, "container", "db"));
  CHECK(fits(e, "image", "busybox"));
  CHECK(fits(e, "image", "busybox:1"));
  CHECK_FALSE(fits(e, "image", "busy"));
  CHECK(fits(image, "image", "repo/busybox"));
  CHECK(fits(image, "image", "sha256:aa"));
  CHECK(matches(filters{{"container", {"web"}}, {"event", {"start", "die"}}}, e));
  CHECK(check_event_filters({{"type", {"x"}}}).has_value());
  CHECK(check_event_filters({{"odd", {"x"}}}).error().message == "invalid filter 'odd'");
}

TEST_CASE("progress objects", "[api][progress]") {
  CHECK(render_stream_message("Loaded image: a:b\n") == "{\"stream\":\"Loaded image: a:b\\n\"}\r\n");
  CHECK(render_status_message("sha256:1", "", 0, -1) == "{\"status\":\"sha256:1\"}\r\n");
  CHECK(render_status_message("Pulling from library/x", "latest", 0, -1) ==
        "{\"status\":\"Pulling from library/x\",\"id\":\"latest\"}\r\n");
  CHECK(render_status_message("Waiting", "aabb", 0, 0) ==
        "{\"status\":\"Waiting\",\"progressDetail\":{},\"id\":\"aabb\"}\r\n");
  CHECK(render_status_message("Loading layer", "aabb", 512, 1024) ==
        "{\"status\":\"Loading "
        "layer\",\"progressDetail\":{\"current\":512,\"total\":1024},\"progress\":\"[=========================>"
        "                         ]     512B/1.024kB\",\"id\":\"aabb\"}\r\n");
  CHECK(render_status_message("x", "a", 3'500'000, 0).find("\"progress\":\"   3.5MB\"") != std::string::npos);
  CHECK(render_status_message("x", "a", 9, 3).find("9B\"") != std::string::npos);
  CHECK(render_stream_error("no \"space\"") ==
        "{\"errorDetail\":{\"message\":\"no \\\"space\\\"\"},\"error\":\"no \\\"space\\\"\"}\r\n");
}
