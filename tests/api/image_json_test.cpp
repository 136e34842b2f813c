/// Images: their configuration, lists and filters, inspect and history.
#include <catch2/catch.hpp>

#include <boost/json.hpp>

#include "api/glob.hpp"
#include "api/image_json.hpp"

using namespace gantry;
using namespace gantry::api;
namespace json = boost::json;

namespace {

constexpr std::int64_t second = 1'000'000'000;

image_view view(const std::string& id, const string_list& tags, std::int64_t created_s,
                const string_list& layers = {}) {
  image_view v;
  v.id = "sha256:" + id;
  v.repo_tags = tags;
  v.created = created_s * second;
  v.config.diff_ids = layers;
  v.layer_sizes.assign(layers.size(), 10);
  v.containers = 3;
  return v;
}

string_list ids(const list_images& call, const std::vector<image_view>& views) {
  auto out = filter_images(call, views, 1000 * second);
  if (out.has_error()) return {"error: " + out.error().message};
  string_list names;
  for (const auto& v : *out) names.push_back(v.id.substr(7));
  return names;
}

json::value parsed(const std::string& text) { return json::parse(text); }

const char* oci_config =
    R"({"created":"2024-01-02T03:04:05.6Z","author":"me","architecture":"arm64","variant":"v8","os":"linux",
  "config":{"User":"1:2","ExposedPorts":{"80/tcp":{}},"Env":["A=b"],"Entrypoint":["/e"],"Cmd":null,"Volumes":{"/v":{}},
  "WorkingDir":"/w","Labels":{"k":"v"},"StopSignal":"SIGINT","Healthcheck":{"Test":["CMD","x"],"Interval":5},"Memory":0,"Odd":[{}]},
  "rootfs":{"type":"layers","diff_ids":["sha256:a","sha256:b"]},
  "history":[{"created":"2024-01-01T00:00:00Z","created_by":"ADD"},{"created_by":"CMD","empty_layer":true,"comment":"c"},
  {"created":null,"created_by":"RUN"}]})";

} // namespace

TEST_CASE("an image's configuration is read", "[api][image]") {
  auto c = parse_image_config(oci_config);
  REQUIRE(c.has_value());
  CHECK(c->architecture == "arm64");
  CHECK(c->variant == "v8");
  CHECK(c->created == "2024-01-02T03:04:05.6Z");
  CHECK(c->config.user == "1:2");
  CHECK(c->config.exposed_ports == string_list{"80/tcp"});
  CHECK(c->config.entrypoint == string_list{"/e"});
  CHECK_FALSE(c->config.cmd);
  CHECK(c->config.healthcheck->interval_ns == 5);
  CHECK(c->diff_ids == string_list{"sha256:a", "sha256:b"});
  REQUIRE(c->history.size() == 3);
  CHECK(c->history[0].created_ns == 1'704'067'200 * second);
  CHECK(c->history[1].empty_layer);
  CHECK(parse_image_config("{}").has_value());
  CHECK(parse_image_config(R"({"config":null,"rootfs":null,"history":null,"created":null,"os":null})").has_value());
}

TEST_CASE("a hostile configuration is refused", "[api][image]") {
  for (const char* bad :
       {"", "[]", "{\"os\":1}", "{\"config\":[]}", "{\"config\":{\"Env\":{}}}", "{\"rootfs\":{\"diff_ids\":[1]}}",
        "{\"rootfs\":{\"type\":\"odd\"}}", "{\"history\":{}}", "{\"history\":[1]}", "{\"os\":\"linux\""}) {
    INFO(bad);
    auto c = parse_image_config(bad);
    REQUIRE(c.has_error());
    CHECK(c.error().code == errc::invalid_parameter);
    CHECK(c.error().message.substr(0, 14) == "image config: ");
  }
  auto rows = [](std::size_t n, const std::string& row) {
    std::string out;
    for (std::size_t i = 0; i < n; ++i) out += (i ? "," : "") + row;
    return out;
  };
  CHECK(parse_image_config("{\"history\":[" + rows(image_history_max, "{}") + "]}").has_value());
  CHECK(parse_image_config("{\"history\":[" + rows(image_history_max + 1, "{}") + "]}").has_error());
  CHECK(parse_image_config("{\"rootfs\":{\"diff_ids\":[" + rows(image_history_max + 1, "\"a\"") + "]}}").has_error());
}

TEST_CASE("images are filtered and sorted, newest first", "[api][image]") {
  std::vector<image_view> views{view("aa11", {"busybox:latest", "busybox:1"}, 100), view("bb22", {"repo/app:dev"}, 300),
                                view("bb33", {}, 200), view("cc44", {"host:5000/x:1"}, 400)};
  views[1].config.config.labels = {{"k", "v"}};
  views[1].parent = "sha256:aa11";
  list_images all;
  CHECK(ids(all, views) == string_list{"cc44", "bb22", "bb33", "aa11"});
  auto with = [&](const std::string& key, const std::string& value) {
    list_images call;
    call.filter = {{key, {value}}};
    return ids(call, views);
  };
  CHECK(with("label", "k=v") == string_list{"bb22"});
  CHECK(with("dangling", "true") == string_list{"bb33"});
  CHECK(with("dangling", "false") == string_list{"cc44", "bb22", "aa11"});
  CHECK(with("dangling", "odd") == string_list{"error: invalid filter 'dangling=[odd]'"});
  CHECK(with("reference", "busybox") == string_list{"aa11"});
  CHECK(with("reference", "busy*:1") == string_list{"aa11"});
  CHECK(with("reference", "*") == string_list{"aa11"});
  CHECK(with("reference", "*/*") == string_list{"cc44", "bb22"});
  CHECK(with("reference", "[") == string_list{"error: syntax error in pattern"});
  CHECK(with("before", "repo/app:dev") == string_list{"bb33", "aa11"});
  CHECK(with("since", "docker.io/library/busybox") == string_list{"cc44", "bb22", "bb33"});
  CHECK(with("since", "sha256:bb3") == string_list{"cc44", "bb22"});
  CHECK(with("since", "aa") == string_list{"cc44", "bb22", "bb33"});
  CHECK(with("since", "bb") == string_list{"error: multiple IDs found with provided prefix: bb"});
  CHECK(with("before", "none") == string_list{"error: No such image: none:latest"});
  CHECK(with("until", "750s") == string_list{"bb33", "aa11"});
  CHECK(with("name", "x") == string_list{"error: invalid filter 'name'"});
  list_images call;
  call.filter = {{"reference", {"busybox:1"}}};
  CHECK(filter_images(call, views, 0)->at(0).repo_tags == string_list{"busybox:1"});
}

TEST_CASE("untagged parents are shown only with all", "[api][image]") {
  std::vector<image_view> views{view("p", {}, 1), view("c", {"x:1"}, 2)};
  views[1].parent = "sha256:p";
  list_images call;
  CHECK(ids(call, views) == string_list{"c"});
  call.all = true;
  CHECK(ids(call, views) == string_list{"c", "p"});
}

TEST_CASE("shared size counts layers that several images have", "[api][image]") {
  std::vector<image_view> views{view("a", {"a:1"}, 1, {"l1", "l2"}), view("b", {"b:1"}, 2, {"l1", "l3"}),
                                view("c", {"c:1"}, 3, {"l2"})};
  list_images call;
  CHECK(filter_images(call, views, 0)->at(0).shared_size == -1);
  call.shared_size = true;
  auto out = *filter_images(call, views, 0);
  CHECK(out[2].shared_size == 10); // a: l1 alone; l2 has another parent in c
  CHECK(out[1].shared_size == 10);
  CHECK(out[0].shared_size == 0);
}

TEST_CASE("the list's members follow the version", "[api][image]") {
  std::vector<image_view> views{view("a", {}, 5)};
  CHECK(render_image_list(views, api_version_max) == "[{\"Containers\":3,\"Created\":5,\"Id\":\"sha256:a\",\"Labels\":{"
                                                     "},\"ParentId\":\"\",\"RepoDigests\":[],\"RepoTags\":[],"
                                                     "\"SharedSize\":-1,\"Size\":0}]\n");
  auto old = parsed(render_image_list(views, {1, 42})).at(0);
  CHECK(old.at("RepoTags").at(0) == "<none>:<none>");
  CHECK(old.at("RepoDigests").at(0) == "<none>@<none>");
  CHECK(old.at("Containers") == -1);
  CHECK(old.at("VirtualSize") == 0);
  CHECK(parsed(render_image_list(views, {1, 50})).at(0).at("Containers") == -1);
  CHECK(render_image_list({}, api_version_max) == "[]\n");
}

TEST_CASE("inspect shows Config as each version had it", "[api][image]") {
  auto v = view("a", {"x:1"}, 0, {"sha256:l"});
  v.config.config.cmd = string_list{"/bin/sh"};
  v.config.config.stop_signal = "SIGQUIT";
  v.lower_dirs = {"/top", "/mid", "/low"};
  auto config = [&](api_version version) {
    return json::serialize(parsed(render_image_inspect(v, version)).at("Config"));
  };
  CHECK(
      config({1, 49}) ==
      R"({"AttachStderr":false,"AttachStdin":false,"AttachStdout":false,"Cmd":["/bin/sh"],"Domainname":"","Entrypoint":null,"Env":null,"Hostname":"","Image":"","Labels":null,"OnBuild":null,"OpenStdin":false,"StdinOnce":false,"StopSignal":"SIGQUIT","Tty":false,"User":"","Volumes":null,"WorkingDir":""})");
  CHECK(
      config({1, 50}) ==
      R"({"Cmd":["/bin/sh"],"Entrypoint":null,"Env":null,"Labels":null,"OnBuild":null,"StopSignal":"SIGQUIT","User":"","Volumes":null,"WorkingDir":""})");
  auto now = parsed(render_image_inspect(v, api_version_max)).as_object();
  CHECK(now.at("RepoDigests").is_array());
  CHECK(now.at("GraphDriver").at("Data").at("LowerDir") == "/mid:/low");
  CHECK(now.at("RootFS").at("Layers").at(0) == "sha256:l");
  CHECK(now.at("Metadata").at("LastTagTime") == "0001-01-01T00:00:00Z");
  for (const char* old : {"Container", "ContainerConfig", "VirtualSize", "Created"}) CHECK_FALSE(now.contains(old));
  auto old = parsed(render_image_inspect(v, {1, 43})).as_object();
  for (const char* member : {"Container", "ContainerConfig", "VirtualSize", "Created"}) CHECK(old.contains(member));
  v.config.created = "1970-01-01T00:00:00Z";
  CHECK(parsed(render_image_inspect(v, api_version_max)).at("Created") == "1970-01-01T00:00:00Z");
}

TEST_CASE("history is told from the newest row on", "[api][image]") {
  auto v = view("a", {"x:1"}, 0);
  v.config = *parse_image_config(oci_config);
  v.layer_sizes = {100, 7};
  auto rows = parsed(render_image_history(v)).as_array();
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].at("Id") == "sha256:a");
  CHECK(rows[0].at("Tags").at(0) == "x:1");
  CHECK(rows[0].at("Size") == 7);
  CHECK(rows[1].at("Size") == 0);
  CHECK(rows[1].at("Comment") == "c");
  CHECK(rows[2].at("Size") == 100);
  CHECK(rows[2].at("Id") == "<missing>");
  CHECK(rows[2].at("Created") == 1'704'067'200);
  CHECK(render_image_history(view("b", {}, 0)) == "[]\n");
}

TEST_CASE("what was removed", "[api][image]") {
  CHECK(render_image_removed({"a:1"}, {"sha256:x", "sha256:y"}) ==
        "[{\"Untagged\":\"a:1\"},{\"Deleted\":\"sha256:x\"},{\"Deleted\":\"sha256:y\"}]\n");
  CHECK(render_images_pruned({}, {}, 0) == "{\"ImagesDeleted\":null,\"SpaceReclaimed\":0}\n");
  CHECK(render_images_pruned({}, {"sha256:x"}, 5) ==
        "{\"ImagesDeleted\":[{\"Deleted\":\"sha256:x\"}],\"SpaceReclaimed\":5}\n");
}

TEST_CASE("patterns match as Go's path.Match", "[api][glob]") {
  struct row {
    const char* pattern;
    const char* text;
    bool match;
  };
  for (auto [pattern, text, match] : {row{"abc", "abc", true},
                                      {"*", "abc", true},
                                      {"*c", "abc", true},
                                      {"a*", "a", true},
                                      {"a*", "abc", true},
                                      {"a*", "ab/c", false},
                                      {"a*/b", "abc/b", true},
                                      {"a*/b", "a/c/b", false},
                                      {"a*b*c*d*e*/f", "axbxcxdxe/f", true},
                                      {"a*b?c*x", "abxbbxdbxebxczzx", true},
                                      {"a*b?c*x", "abxbbxdbxebxczzy", false},
                                      {"ab[c]", "abc", true},
                                      {"ab[b-d]", "abc", true},
                                      {"ab[e-g]", "abc", false},
                                      {"ab[^c]", "abc", false},
                                      {"ab[^e-g]", "abc", true},
                                      {"a\\*b", "a*b", true},
                                      {"a\\*b", "ab", false},
                                      {"a?b", "a/b", false},
                                      {"[a-b-c]", "a", false},
                                      {"[", "a", false},
                                      {"[^", "a", false},
                                      {"a[", "a", false},
                                      {"*x", "xxx", true},
                                      {"", "", true},
                                      {"", "a", false},
                                      {"[\\]a]", "]", true},
                                      {"[\\-]", "-", true},
                                      {"[x\\-]", "x", true}}) {
    INFO(pattern << " " << text);
    CHECK(glob_match(pattern, text) == match);
  }
  for (const char* bad : {"[", "[]", "[a", "[a-", "[-]", "\\", "a[-x]", "[^]"}) CHECK_FALSE(glob_valid(bad));
  for (const char* good : {"", "*", "[a-z]*", "\\[", "[^x]"}) CHECK(glob_valid(good));
  std::string stars, as(5000, 'a');
  for (int i = 0; i < 200; ++i) stars += "*a";
  CHECK_FALSE(glob_match(stars + "b", as));
}
