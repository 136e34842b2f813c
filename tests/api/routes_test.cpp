/// From a request's head and body to a call: the whole table of routes, versions, and every argument.
#include <catch2/catch.hpp>

#include <fstream>
#include <sstream>

#include "api/http_target.hpp"
#include "api/routes.hpp"

using namespace gantry;
using namespace gantry::api;

namespace {

request_head head_of(const std::string& method, const std::string& target) {
  request_head head;
  head.method = method;
  REQUIRE(split_target(target, head).has_value());
  return head;
}

result<call> parse(const std::string& method, const std::string& target, std::string_view body = {},
                   const std::map<std::string, std::string>& headers = {}) {
  auto head = head_of(method, target);
  head.headers = headers;
  head.has_body = !body.empty();
  if (head.has_body) head.content_length = body.size();
  GANTRY_TRY(where, route(head));
  return parse_call(where, head, body);
}

template <class Call>
Call get(const std::string& method, const std::string& target, std::string_view body = {},
         const std::map<std::string, std::string>& headers = {}) {
  INFO(method << " " << target);
  auto out = parse(method, target, body, headers);
  if (out.has_error()) FAIL(out.error().message);
  REQUIRE(std::holds_alternative<Call>(*out));
  return std::get<Call>(*out);
}

error fails(const std::string& method, const std::string& target, std::string_view body = {},
            const std::map<std::string, std::string>& headers = {}) {
  INFO(method << " " << target);
  auto out = parse(method, target, body, headers);
  REQUIRE(out.has_error());
  return out.error();
}

error bad(const std::string& message) { return {errc::invalid_parameter, 0, message}; }

const std::string filter_a = "filters=%7B%22label%22%3A%5B%22a%22%5D%7D";

} // namespace

TEST_CASE("unknown paths and methods are not found", "[api][routes]") {
  for (auto [method, target] : {std::pair{"GET", "/"},
                                {"GET", "/nope"},
                                {"PUT", "/info"},
                                {"POST", "/version"},
                                {"GET", "/v1.51"},
                                {"GET", "/v1.51/nope"},
                                {"GET", "/containers"},
                                {"GET", "/containers//json"},
                                {"BREW", "/info"},
                                {"GET", "/containers/x/start"},
                                {"GET", "/images//json"},
                                {"HEAD", "/info"},
                                {"GET", "/v9.9/nope"}}) {
    CHECK(fails(method, target) == error{errc::not_found, 0, "page not found"});
  }
}

TEST_CASE("versions are negotiated with Docker's words", "[api][routes]") {
  auto version = [](const std::string& target) { return route(head_of("GET", target)); };
  CHECK((version("/info")->version == api_version{1, 51}));
  CHECK((version("/v1.24/info")->version == api_version{1, 24}));
  CHECK((version("/v1.051/info")->version == api_version{1, 51}));
  CHECK(version("/v1.23/info").error() == bad("client version 1.23 is too old. Minimum supported API version is 1.24, "
                                              "please upgrade your client to a newer version"));
  CHECK(version("/v1/info").has_error());
  CHECK(version("/v1.52/info").error() == bad("client version 1.52 is too new. Maximum supported API version is 1.51"));
  CHECK(version("/v99999999999999.0/info").error().message.find("too new") != std::string::npos);
}

TEST_CASE("system calls", "[api][routes]") {
  CHECK(get<ping>("HEAD", "/_ping").head);
  CHECK_FALSE(get<ping>("GET", "/v1.30/_ping").head);
  get<options_any>("OPTIONS", "/any/thing");
  get<get_version>("GET", "/version");
  get<get_info>("GET", "/v1.51/info");
  auto events = get<get_events>("GET", "/events?since=10.5&until=20&" + filter_a);
  CHECK(events.since == 10'500'000'000);
  CHECK(events.until == 20'000'000'000);
  CHECK(events.filter == filters{{"label", {"a"}}});
  CHECK_FALSE(get<get_events>("GET", "/events").since);
  CHECK(fails("GET", "/events?since=20&until=10") == bad("`since` time (20) cannot be after `until` time (10)"));
  CHECK(fails("GET", "/events?since=x") == bad("strconv.ParseInt: parsing \"x\": invalid syntax"));
  CHECK(fails("GET", "/events?filters={\"odd\":[\"a\"]}") == bad("invalid filter 'odd'"));
  CHECK(fails("GET", "/events?filters=x") == bad("invalid filter"));
}

TEST_CASE("booleans in the query", "[api][routes]") {
  for (const char* off : {"", "0", "no", "false", "none", "FALSE", " None "}) {
    request_head head = head_of("GET", "/containers/json");
    head.query = {{"all", off}};
    CHECK_FALSE(std::get<list_containers>(*parse_call(*route(head), head, "")).all);
  }
  for (const char* on : {"1", "true", "yes", "on", "x"}) {
    request_head head = head_of("GET", "/containers/json");
    head.query = {{"all", on}};
    CHECK(std::get<list_containers>(*parse_call(*route(head), head, "")).all);
  }
}

TEST_CASE("listing containers", "[api][routes]") {
  auto list = get<list_containers>("GET", "/containers/json?all=1&size=true&limit=5&" + filter_a);
  CHECK((list.all && list.size && list.limit == 5));
  CHECK(list.filter == filters{{"label", {"a"}}});
  CHECK(get<list_containers>("GET", "/containers/json?limit=-1").limit == -1);
  CHECK(get<list_containers>("GET", "/containers/json?before=x&since=y").filter ==
        filters{{"before", {"x"}}, {"since", {"y"}}});
  CHECK(fails("GET", "/containers/json?limit=x") == bad("strconv.Atoi: parsing \"x\": invalid syntax"));
  CHECK(fails("GET", "/containers/json?limit=9999999999999999999") ==
        bad("strconv.Atoi: parsing \"9999999999999999999\": value out of range"));
  CHECK(fails("GET", "/containers/json?filters={\"dangling\":[\"1\"]}") == bad("invalid filter 'dangling'"));
}

TEST_CASE("creating a container wants JSON", "[api][routes]") {
  const std::map<std::string, std::string> json{{"content-type", "application/json; charset=utf-8"}};
  auto made = get<create_container>("POST", "/containers/create?name=web&platform=linux/amd64",
                                    R"({"Image":"busybox","Cmd":"true"})", json);
  CHECK(made.request.name == "web");
  CHECK(made.request.platform == "linux/amd64");
  CHECK(made.request.config.image == "busybox");
  CHECK(get<create_container>("POST", "/v1.40/containers/create?platform=x", R"({"Image":"b"})", json)
            .request.platform.empty());
  CHECK(fails("POST", "/containers/create", "{}", {{"content-type", "text/plain"}}) ==
        bad("unsupported Content-Type header (text/plain): must be 'application/json'"));
  CHECK(fails("POST", "/containers/create", "{}").message == "malformed Content-Type header (): mime: no media type");
  CHECK(fails("POST", "/containers/create", "", json) == bad("invalid JSON: got EOF while reading request body"));
  CHECK(fails("POST", "/containers/create") == bad("invalid JSON: got EOF while reading request body"));
  CHECK(fails("POST", "/containers/create", "{} x", json) == bad("unexpected content after JSON"));
}

TEST_CASE("one container's calls", "[api][routes]") {
  CHECK(get<inspect_container>("GET", "/containers/a/json?size=1").size);
  CHECK(get<inspect_container>("GET", "/containers/a%2Fb/json").id == "a/b");
  CHECK(get<container_top>("GET", "/containers/a/top?ps_args=aux+-w").ps_args == "aux -w");
  CHECK(get<start_container>("POST", "/containers/a/start").id == "a");
  CHECK(get<start_container>("POST", "/containers/a/start", "{}\r\n\r\n1").id == "a");
  CHECK(fails("POST", "/containers/a/start", "{\"a\":12}").message.substr(0, 33) ==
        "starting container with non-empty");
  CHECK(fails("POST", "/containers/a/start?checkpoint=x").code == errc::not_implemented);
  auto stop = get<stop_container>("POST", "/containers/a/stop?t=-1&signal=SIGINT");
  CHECK((stop.timeout_s == -1 && stop.signal == "SIGINT"));
  CHECK_FALSE(get<stop_container>("POST", "/containers/a/stop").timeout_s);
  CHECK(get<stop_container>("POST", "/v1.41/containers/a/stop?signal=SIGINT").signal.empty());
  CHECK(get<restart_container>("POST", "/containers/a/restart?t=0").timeout_s == 0);
  CHECK(fails("POST", "/containers/a/stop?t=1s") == bad("strconv.Atoi: parsing \"1s\": invalid syntax"));
  CHECK(fails("POST", "/containers/a/stop?signal=NOPE") == bad("invalid signal: NOPE"));
  CHECK(get<kill_container>("POST", "/containers/a/kill?signal=9").signal == "9");
  CHECK(get<kill_container>("POST", "/containers/a/kill").signal.empty());
  CHECK(fails("POST", "/containers/a/kill?signal=x") == bad("invalid signal: x"));
  CHECK(get<rename_container>("POST", "/containers/a/rename?name=b").name == "b");
  CHECK(fails("POST", "/containers/a/rename") == bad("Neither old nor new names may be empty"));
  auto removed = get<remove_container>("DELETE", "/containers/a?v=1&force=true");
  CHECK((removed.volumes && removed.force && !removed.link));
  CHECK(get<prune_containers>("POST", "/containers/prune?" + filter_a).filter.size() == 1);
  CHECK(fails("POST", "/containers/prune?filters={\"status\":[\"x\"]}") == bad("invalid filter 'status'"));
  CHECK(fails("POST", "/containers/prune?filters={\"until\":[\"1h\",\"2h\"]}") ==
        bad("more than one until filter specified"));
}

TEST_CASE("resizing wants two numbers", "[api][routes]") {
  auto size = get<resize_container>("POST", "/containers/a/resize?h=40&w=100");
  CHECK((size.rows == 40 && size.columns == 100));
  CHECK(fails("POST", "/containers/a/resize?w=100") == bad("invalid resize height \"\": invalid syntax"));
  CHECK(fails("POST", "/containers/a/resize?h=40") == bad("invalid resize width \"\": invalid syntax"));
  CHECK(fails("POST", "/containers/a/resize?h=x&w=1") == bad("invalid resize height \"x\": invalid syntax"));
  CHECK(fails("POST", "/containers/a/resize?h=-10&w=1") == bad("invalid resize height \"-10\": value out of range"));
  CHECK(fails("POST", "/containers/a/resize?h=1&w=4294967296") ==
        bad("invalid resize width \"4294967296\": value out of range"));
  CHECK(fails("POST", "/containers/a/resize?h=%2B1&w=1") == bad("invalid resize height \"+1\": invalid syntax"));
}

TEST_CASE("logs choose streams, times and a tail", "[api][routes]") {
  auto logs = get<container_logs>(
      "GET", "/containers/a/logs?stdout=1&follow=1&timestamps=1&details=1&since=1.5&until=2&tail=10");
  CHECK((logs.want_stdout && !logs.want_stderr && logs.follow && logs.timestamps && logs.details));
  CHECK((logs.since == 1'500'000'000 && logs.until == 2'000'000'000 && logs.tail == 10u));
  for (const char* all : {"", "all", "-1", "x", "1x"})
    CHECK_FALSE(get<container_logs>("GET", std::string("/containers/a/logs?stderr=1&tail=") + all).tail);
  CHECK(get<container_logs>("GET", "/containers/a/logs?stderr=1&tail=0&until=0").tail == 0u);
  CHECK(fails("GET", "/containers/a/logs") == bad("Bad parameters: you must choose at least one stream"));
  CHECK(fails("GET", "/containers/a/logs?stdout=1&since=yesterday").code == errc::invalid_parameter);
}

TEST_CASE("attach and wait", "[api][routes]") {
  auto attach = get<attach_container>("POST", "/containers/a/attach?stream=1&stdin=1&stdout=1&detachKeys=ctrl-a,b");
  CHECK((attach.stream && attach.want_stdin && attach.want_stdout && !attach.want_stderr && !attach.logs &&
         !attach.websocket));
  CHECK(attach.detach_keys == "ctrl-a,b");
  CHECK(fails("POST", "/containers/a/attach?detachKeys=ctrl-1") == bad("Invalid detach keys (ctrl-1) provided"));
  auto socket = get<attach_container>("GET", "/containers/a/attach/ws?stream=1&stdout=1");
  CHECK((socket.websocket && socket.id == "a" && !socket.want_stdin && socket.want_stdout));
  CHECK(get<attach_container>("GET", "/v1.41/containers/a/attach/ws").want_stdin);
  auto condition = [](const std::string& query) {
    return get<wait_container>("POST", "/containers/a/wait" + query).condition;
  };
  CHECK(condition("") == wait_condition::not_running);
  CHECK(condition("?condition=not-running") == wait_condition::not_running);
  CHECK(condition("?condition=next-exit") == wait_condition::next_exit);
  CHECK(condition("?condition=removed") == wait_condition::removed);
  CHECK(get<wait_container>("POST", "/v1.29/containers/a/wait?condition=odd").condition == wait_condition::not_running);
  CHECK(fails("POST", "/containers/a/wait?condition=odd") == bad("invalid condition: \"odd\""));
}

TEST_CASE("image calls", "[api][routes]") {
  auto list = get<list_images>("GET", "/images/json?all=1&shared-size=1&filters={\"reference\":[\"a*\"]}");
  CHECK((list.all && list.shared_size && list.filter == filters{{"reference", {"a*"}}}));
  CHECK(get<list_images>("GET", "/v1.40/images/json?filter=busybox").filter == filters{{"reference", {"busybox"}}});
  CHECK(get<list_images>("GET", "/images/json?filter=busybox").filter.empty());
  CHECK(fails("GET", "/images/json?filters={\"name\":[\"a\"]}") == bad("invalid filter 'name'"));
  CHECK(fails("GET", "/images/json?filters={\"dangling\":[\"a\"]}") == bad("invalid filter 'dangling=[a]'"));
  CHECK(get<inspect_image>("GET", "/images/docker.io/library/x:tag/json").name == "docker.io/library/x:tag");
  CHECK(get<image_history_of>("GET", "/images/x/y/history").name == "x/y");
  auto tag = get<tag_image>("POST", "/images/x/json/tag?repo=r/q&tag=t");
  CHECK((tag.name == "x/json" && tag.repository == "r/q" && tag.tag == "t"));
  auto removed = get<remove_image>("DELETE", "/images/x/y:1?force=1&noprune=1");
  CHECK((removed.name == "x/y:1" && removed.force && removed.no_prune));
  CHECK(fails("DELETE", "/images/%20") == bad("image name cannot be blank"));
  get<prune_images>("POST", "/images/prune?filters={\"dangling\":[\"false\"]}");
  CHECK(get<load_images>("POST", "/images/load").quiet);
  CHECK_FALSE(get<load_images>("POST", "/images/load?quiet=0").quiet);
  CHECK(get<load_images>("POST", "/images/load?quiet=1").quiet);
  auto import = get<import_image>(
      "POST", "/images/create?fromSrc=-&repo=r&tag=t&changes=CMD+a&changes=ENV+b%3Dc&platform=linux/arm64");
  CHECK((import.repository == "r" && import.tag == "t" && import.message == "Imported from -" &&
         import.platform == "linux/arm64"));
  CHECK(import.changes == string_list{"CMD a", "ENV b=c"});
  CHECK(fails("POST", "/images/create?fromImage=alpine") ==
        error{errc::not_implemented, 0, "pulling images is not implemented yet in this version of Gantry"});
  CHECK(fails("POST", "/images/create?fromSrc=http://x/y.tar").code == errc::not_implemented);
}

TEST_CASE("bodies are taken as each route wants them", "[api][routes]") {
  auto use = [](const char* method, const char* target) { return route(head_of(method, target))->body; };
  CHECK(use("POST", "/containers/create") == body_use::json);
  CHECK(use("POST", "/images/load") == body_use::stream);
  CHECK(use("POST", "/images/create?fromSrc=-") == body_use::stream);
  CHECK(use("GET", "/info") == body_use::none);
}

TEST_CASE("what is missing says what it is", "[api][routes]") {
  CHECK(fails("POST", "/containers/a/exec") ==
        error{errc::not_implemented, 0, "exec is not implemented yet in this version of Gantry"});
  CHECK(fails("POST", "/build").code == errc::not_implemented);
  CHECK(fails("GET", "/containers/a/checkpoints").message.find("experimental") != std::string::npos);
  CHECK(fails("GET", "/nodes").code == errc::unavailable);
  CHECK(fails("POST", "/swarm/leave") == error{errc::unavailable, 0, "This node is not part of a swarm"});
  CHECK(fails("GET", "/v1.10/networks").code == errc::invalid_parameter);
}

TEST_CASE("every endpoint of the Engine API is known", "[api][routes]") {
  std::ifstream file("../shared/spec/endpoints.tsv");
  // The tests run from anywhere: the source's own path leads to the root.
  if (!file)
    file.open(std::string(__FILE__).substr(0, std::string(__FILE__).rfind("/tests/")) +
              "/../shared/spec/endpoints.tsv");
  if (!file) {
    WARN("skipped: spec/endpoints.tsv is not here");
    return;
  }
  std::string line;
  std::getline(file, line);
  std::size_t known = 0, implemented = 0;
  while (std::getline(file, line)) {
    std::istringstream columns(line);
    std::string section, method, path;
    std::getline(columns, section, '\t');
    std::getline(columns, method, '\t');
    std::getline(columns, path, '\t');
    for (auto open = path.find('{'); open != std::string::npos; open = path.find('{'))
      path = path.substr(0, open).append("x").append(path, path.find('}') + 1);
    INFO(method << " " << path);
    auto found = route(head_of(method, path));
    if (found.has_error())
      CHECK(found.error().message != "page not found");
    else
      ++implemented;
    ++known;
  }
  CHECK(known >= 110);
  CHECK(implemented >= 29);
}

TEST_CASE("errors become replies", "[api][routes]") {
  CHECK(http_status(errc::ok) == 200);
  for (auto [code, status] : {std::pair{errc::invalid_parameter, 400u},
                              {errc::unauthorized, 401u},
                              {errc::forbidden, 403u},
                              {errc::not_found, 404u},
                              {errc::conflict, 409u},
                              {errc::internal, 500u},
                              {errc::not_implemented, 501u},
                              {errc::unavailable, 503u}}) {
    auto r = render_error({code, 0, "a \"<b>\""});
    CHECK(r.status == status);
    CHECK(r.content_type == "application/json");
    CHECK(r.body == "{\"message\":\"a \\\"<b>\\\"\"}\n");
    CHECK(r.common_headers);
  }
  auto unchanged = render_error({errc::not_modified, 0, "x"});
  CHECK((unchanged.status == 304 && unchanged.body.empty()));
  CHECK(render_error({errc::ok, 0, "x"}).status == 500);
  CHECK_FALSE(render_error({errc::not_found, 0, "page not found"}).common_headers);
  auto old = render_error(bad("too old"), head_of("GET", "/v1.23/info"));
  CHECK((old.body == "too old\n" && old.content_type == "text/plain; charset=utf-8"));
  CHECK(render_error(bad("x"), head_of("GET", "/v1.24/info")).content_type == "application/json");
  CHECK(render_error({errc::not_found, 0, "No such container: \xff"}).body ==
        "{\"message\":\"No such container: \xEF\xBF\xBD\"}\n");
}
