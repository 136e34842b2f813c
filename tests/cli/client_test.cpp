/// The whole client against a scripted engine: which calls a command makes, what it prints, how it ends.
#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "cli/attach_session.hpp"
#include "cli/command.hpp"
#include "tests/cli/fake_engine.hpp"

using namespace gantry;
using namespace gantry::cli;
using test::fake_connection;
using test::fake_engine;
using test::fake_request;
using test::frame;

namespace {

struct outcome {
  int status = 0;
  std::string out, err;         ///< what was printed
  std::string raw_out, raw_err; ///< what a container wrote
};

outcome run(const std::string& host, string_list words, std::string_view input = {}) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  unique_fd read_end(ends[0]), write_end(ends[1]);
  REQUIRE(::write(write_end.get(), input.data(), input.size()) == static_cast<ssize_t>(input.size()));
  write_end.reset();
  test::collector raw_out, raw_err;
  std::ostringstream out, err;
  outcome o;
  o.status = run_client(std::move(words), host, {out, err, read_end.get(), raw_out.fd(), raw_err.fd()});
  o.out = out.str();
  o.err = err.str();
  o.raw_out = raw_out.finish();
  o.raw_err = raw_err.finish();
  return o;
}

/// An engine with one container that writes, may echo its input, and ends with a status.
struct one_container {
  int exit_status = 0;
  std::string start_error;
  bool echo = false;
  std::vector<std::string> order; ///< the calls, as they were answered
  std::mutex mutex;
  test::event started, ended;

  void note(const std::string& what) {
    const std::lock_guard lock(mutex);
    order.push_back(what);
  }
  void operator()(const fake_request& r, fake_connection& c) {
    const auto is = [&](const char* text) { return r.target.find(text) != std::string::npos; };
    if (is("/containers/create")) {
      note("create");
      c.reply(201, R"({"Id":"c0ffee","Warnings":["mind the gap"]})");
    } else if (is("/attach")) {
      note("attach");
      c.send("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
      started.wait();
      if (start_error.empty()) {
        c.send(frame(1, "to stdout\n") + frame(2, "to stderr\n"));
        if (echo) c.send(frame(1, c.read_to_end()));
      }
      c.close();
      ended.raise();
    } else if (is("/wait")) {
      note("wait" + r.target.substr(r.target.find('?')));
      c.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
      ended.wait();
      const std::string body = "{\"StatusCode\":" + std::to_string(exit_status) + "}";
      c.send(std::string(1, "0123456789abcdef0123456789abcdef"[body.size() / 16 % 16]) +
             "0123456789abcdef"[body.size() % 16] + "\r\n" + body + "\r\n0\r\n\r\n");
    } else if (is("/start")) {
      note("start");
      if (start_error.empty())
        c.reply(204, "");
      else
        c.reply(500, R"({"message":")" + start_error + "\"}");
      started.raise();
    } else {
      c.reply(404, R"({"message":"page not found"})");
    }
  }
};

fake_engine::handler of(one_container& state) {
  return [&state](const fake_request& r, fake_connection& c) { state(r, c); };
}

/// Replies by the first matching part of the target.
fake_engine::handler replies(std::vector<std::pair<std::string, std::pair<int, std::string>>> table) {
  return [table = std::move(table)](const fake_request& r, fake_connection& c) {
    for (const auto& [part, reply] : table)
      if (r.target.find(part) != std::string::npos) return c.reply(reply.first, reply.second);
    c.reply(404, R"({"message":"page not found"})");
  };
}

} // namespace

TEST_CASE("run creates, attaches, waits, starts, and ends with the container's status", "[cli][run]") {
  one_container container;
  container.exit_status = 3;
  fake_engine engine(of(container));
  const auto o = run(engine.host(), {"run", "--rm", "--name", "n", "busybox", "sh"});
  CHECK(o.status == 3);
  CHECK(o.raw_out == "to stdout\n");
  CHECK(o.raw_err == "to stderr\n");
  CHECK(o.err == "WARNING: mind the gap\n");
  CHECK(o.out.empty());
  CHECK(container.order == std::vector<std::string>{"create", "attach", "wait?condition=removed", "start"});
  CHECK(engine.find("/attach").target == "/v1.51/containers/c0ffee/attach?stream=1&stdout=1&stderr=1");
  CHECK(engine.find("/create").target == "/v1.51/containers/create?name=n");
}

TEST_CASE("run -i carries stdin to its end", "[cli][run]") {
  one_container container;
  container.echo = true;
  fake_engine engine(of(container));
  const auto o = run(engine.host(), {"run", "-i", "busybox", "cat"}, "typed words\n");
  CHECK(o.status == 0);
  CHECK(o.raw_out == "to stdout\ntyped words\n");
  CHECK(container.order[2] == "wait?condition=next-exit");
  CHECK(engine.find("/attach").target.find("stdin=1") != std::string::npos);
}

TEST_CASE("run -d prints the id and does not attach", "[cli][run]") {
  one_container container;
  fake_engine engine(of(container));
  const auto o = run(engine.host(), {"run", "-di", "busybox"});
  CHECK(o.status == 0);
  CHECK(o.out == "c0ffee\n");
  CHECK(container.order == std::vector<std::string>{"create", "start"});
  const auto body = boost::json::parse(engine.find("/create").body);
  CHECK_FALSE(member::is_true(body, {"AttachStdin"}));
  CHECK(member::is_true(body, {"OpenStdin"}));
}

TEST_CASE("a container that cannot start gives 125, 126 or 127", "[cli][run]") {
  const std::vector<std::pair<std::string, int>> table{{"exec: \\\"x\\\": executable file not found in $PATH", 127},
                                                       {"stat /x: no such file or directory", 127},
                                                       {"exec /etc: permission denied", 126},
                                                       {"exec /bin: is a directory", 126},
                                                       {"no space left on device", 125}};
  for (const auto& [message, status] : table) {
    one_container container;
    container.start_error = message;
    fake_engine engine(of(container));
    const auto o = run(engine.host(), {"run", "busybox", "x"});
    CHECK(o.status == status);
    CHECK(o.err.find("gantry: Error response from daemon: ") != std::string::npos);
    CHECK(o.err.ends_with("\n\nRun 'gantry run --help' for more information\n"));
    CHECK(start_failure_status(message) == status);
  }
}

TEST_CASE("a missing image is pulled, and the engine's refusal to pull ends run with 125", "[cli][run]") {
  fake_engine engine(replies({{"/containers/create", {404, R"({"message":"No such image: nosuch:latest"})"}},
                              {"/images/create", {501, R"({"message":"pulling is not built in yet"})"}}}));
  const auto o = run(engine.host(), {"run", "nosuch"});
  CHECK(o.status == 125);
  CHECK(o.err == "Unable to find image 'nosuch:latest' locally\n"
                 "gantry: Error response from daemon: pulling is not built in yet\n\n"
                 "Run 'gantry run --help' for more information\n");
  CHECK(engine.log() == std::vector<std::string>{"POST /v1.51/containers/create",
                                                 "POST /v1.51/images/create?fromImage=nosuch&tag=latest"});
  const auto never = run(engine.host(), {"run", "--pull", "never", "nosuch"});
  CHECK(never.status == 125);
  CHECK(never.err.starts_with("gantry: Error response from daemon: No such image: nosuch:latest"));
}

TEST_CASE("an image that could be pulled is created from", "[cli][run]") {
  bool pulled = false;
  fake_engine engine([&](const fake_request& r, fake_connection& c) {
    if (r.target.find("/images/create") != std::string::npos) {
      pulled = true;
      c.reply(200, R"({"status":"Pulling from library/x","id":"latest"})");
    } else if (pulled) {
      c.reply(201, R"({"Id":"c0ffee","Warnings":[]})");
    } else {
      c.reply(404, R"({"message":"No such image: x:latest"})");
    }
  });
  const auto o = run(engine.host(), {"create", "x"});
  CHECK(o.status == 0);
  CHECK(o.out == "c0ffee\n");
  CHECK(o.err == "Unable to find image 'x:latest' locally\nlatest: Pulling from library/x\n");
}

TEST_CASE("the id file is written once and never over another", "[cli][run]") {
  fake_engine engine(replies({{"/create", {201, R"({"Id":"c0ffee","Warnings":[]})"}}}));
  std::string name = (std::filesystem::temp_directory_path() / "gantry-cid-XXXXXX").string();
  const std::string directory = ::mkdtemp(name.data());
  const std::string path = directory + "/cid";
  CHECK(run(engine.host(), {"create", "--cidfile", path, "x"}).status == 0);
  std::string id;
  std::ifstream(path) >> id;
  CHECK(id == "c0ffee");
  const auto again = run(engine.host(), {"create", "--cidfile", path, "x"});
  CHECK(again.status == 1);
  CHECK(again.err == "container ID file found, make sure the other container isn't running or delete " + path + "\n");
  fake_engine refusing(replies({{"/create", {409, R"({"message":"taken"})"}}}));
  CHECK(run(refusing.host(), {"create", "--cidfile", path + "2", "x"}).status == 1);
  CHECK_FALSE(std::filesystem::exists(path + "2"));
  std::filesystem::remove_all(directory);
}

TEST_CASE("-it wants a terminal", "[cli][run]") {
  one_container container;
  fake_engine engine(of(container));
  const auto o = run(engine.host(), {"run", "-it", "busybox"});
  CHECK(o.status == 1);
  CHECK(o.err == "the input device is not a TTY\n");
  CHECK(container.order.empty());
}

TEST_CASE("ps prints docker's table", "[cli][lists]") {
  const std::string list = R"([{"Id":"0123456789abcdef0123","Names":["/web","/other/alias"],"Image":"nginx:1",
    "ImageID":"sha256:aa","Command":"nginx -g 'daemon off;'","Created":1,"State":"running","Status":"Up 5 minutes",
    "Ports":[{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},{"PrivatePort":443,"Type":"tcp"}],
    "Labels":{"b":"2","a":"1"},"Mounts":[{"Name":"0123456789abcdef","Driver":"local"}],
    "NetworkSettings":{"Networks":{"none":{}}}},
    {"Id":"fedcba9876543210","Names":["/x"],"Image":"sha256:)" +
                           std::string(64, 'b') +
                           R"(","Command":"sh","Created":1,"State":"created","Status":"Created"}])";
  fake_engine engine(replies({{"/containers/json", {200, list}}}));
  const auto o = run(engine.host(), {"ps", "-a"});
  CHECK(o.status == 0);
  CHECK(o.out.starts_with("CONTAINER ID   IMAGE          COMMAND                  CREATED"));
  CHECK(o.out.find("0123456789ab   nginx:1        \"nginx -g 'daemon of…\"   ") != std::string::npos);
  CHECK(o.out.find("Up 5 minutes   0.0.0.0:8080->80/tcp, 443/tcp   web\n") != std::string::npos);
  CHECK(o.out.find("fedcba987654   bbbbbbbbbbbb   \"sh\"") != std::string::npos);
  CHECK(engine.last().target == "/v1.51/containers/json?all=1");

  CHECK(run(engine.host(), {"ps", "-q"}).out == "0123456789ab\nfedcba987654\n");
  CHECK(run(engine.host(), {"container", "ls", "-q", "--no-trunc"}).out == "0123456789abcdef0123\nfedcba9876543210\n");
  CHECK(
      run(engine.host(), {"ps", "--format", "{{.Names}} {{.Label \"a\"}} {{.Mounts}} {{.LocalVolumes}} {{.Networks}}"})
          .out == "web 1 0123456789abcd… 1 none\nx   0 \n");
  run(engine.host(), {"ps", "-l", "-f", "status=exited", "-f", "label=a=b", "-f", "status=dead"});
  CHECK(engine.last().target ==
        "/v1.51/containers/json?filters=%7B%22label%22%3A%7B%22a%3Db%22%3Atrue%7D%2C%22status%22"
        "%3A%7B%22dead%22%3Atrue%2C%22exited%22%3Atrue%7D%7D&limit=1");
}

TEST_CASE("images prints docker's table", "[cli][lists]") {
  fake_engine engine(
      replies({{"/images/json", {200, R"([{"Id":"sha256:0123456789abcdef","RepoTags":["r:5000/a/b:1","busybox:latest"],
         "RepoDigests":["busybox@sha256:dd"],"Created":1,"Size":1982222},
         {"Id":"sha256:fedcba9876543210","RepoTags":["<none>:<none>"],"Created":1,"Size":0}])"}}}));
  const auto lines = run(engine.host(), {"images", "--format", "{{.Repository}} {{.Tag}} {{.ID}} {{.Size}}"}).out;
  CHECK(lines ==
        "r:5000/a/b 1 0123456789ab 1.98MB\nbusybox latest 0123456789ab 1.98MB\n<none> <none> fedcba987654 0B\n");
  CHECK(run(engine.host(), {"images"}).out.starts_with("REPOSITORY   TAG       IMAGE ID       CREATED"));
  CHECK(run(engine.host(), {"image", "ls", "--digests", "busybox"}).out.find("sha256:dd") != std::string::npos);
  CHECK(engine.last().target ==
        "/v1.51/images/json?digests=1&filters=%7B%22reference%22%3A%7B%22busybox%22%3Atrue%7D%7D");
}

TEST_CASE("commands over many containers go on after an error", "[cli][commands]") {
  fake_engine engine([](const fake_request& r, fake_connection& c) {
    if (r.target.find("/bad") != std::string::npos)
      c.reply(404, R"({"message":"No such container: bad"})");
    else
      c.reply(204, "");
  });
  const auto o = run(engine.host(), {"stop", "-t", "5", "-s", "INT", "a", "bad", "b"});
  CHECK(o.status == 1);
  CHECK(o.out == "a\nb\n");
  CHECK(o.err == "Error response from daemon: No such container: bad\n");
  CHECK(engine.log()[0] == "POST /v1.51/containers/a/stop?signal=INT&t=5");
  CHECK(run(engine.host(), {"start", "bad", "a"}).err ==
        "Error response from daemon: No such container: bad\nError: failed to start containers: bad\n");
  CHECK(run(engine.host(), {"rm", "-f", "bad"}).status == 0);
  CHECK(run(engine.host(), {"rm", "-v", "a"}).out == "a\n");
  CHECK(engine.last().method + " " + engine.last().target == "DELETE /v1.51/containers/a?v=1");
}

TEST_CASE("inspect shows what the engine says, by name or by template", "[cli][commands]") {
  fake_engine engine(replies({{"/containers/c/json", {200, R"({"Id":"1","State":{"Running":true},"L":[]})"}},
                              {"/images/i/json", {200, R"({"Id":"2"})"}},
                              {"/json", {404, R"({"message":"No such thing"})"}}}));
  const auto o = run(engine.host(), {"inspect", "c", "i", "nosuch"});
  CHECK(o.status == 1);
  CHECK(o.out == "[\n    {\n        \"Id\": \"1\",\n        \"State\": {\n            \"Running\": true\n        },\n"
                 "        \"L\": []\n    },\n    {\n        \"Id\": \"2\"\n    }\n]\n");
  CHECK(o.err == "Error: No such object: nosuch\n");
  CHECK(run(engine.host(), {"inspect", "-f", "{{.State.Running}}", "c"}).out == "true\n");
  CHECK(run(engine.host(), {"inspect", "--format", "json", "i"}).out == "[{\"Id\":\"2\"}]\n");
  CHECK(run(engine.host(), {"inspect", "--type", "image", "c"}).err == "Error response from daemon: No such thing\n");
}

TEST_CASE("logs splits a container's streams", "[cli][commands]") {
  fake_engine engine([](const fake_request& r, fake_connection& c) {
    if (r.target.find("/json") != std::string::npos)
      c.reply(200, R"({"Config":{"Tty":false}})");
    else
      c.reply(200, frame(1, "one\n") + frame(2, "two\n"));
  });
  const auto o = run(engine.host(), {"logs", "--tail", "5", "-ft", "--since", "1700000000", "x"});
  CHECK(o.status == 0);
  CHECK(o.raw_out == "one\n");
  CHECK(o.raw_err == "two\n");
  CHECK(engine.last().target ==
        "/v1.51/containers/x/logs?stdout=1&stderr=1&tail=5&follow=1&timestamps=1&since=1700000000");
  CHECK(run(engine.host(), {"logs", "--since", "soon", "x"}).err ==
        "invalid value for \"since\": failed to parse value as time or duration: \"soon\"\n");
}

TEST_CASE("load and import send their input and show what came of it", "[cli][commands]") {
  fake_engine engine([](const fake_request& r, fake_connection& c) {
    if (r.target.find("/load") != std::string::npos)
      c.reply(200, "{\"stream\":\"Loaded image: x:" + std::to_string(r.body.size()) + "\\n\"}\r\n");
    else
      c.reply(200, "{\"status\":\"sha256:abc\"}\r\n");
  });
  const auto loaded = run(engine.host(), {"load"}, "archive");
  CHECK(loaded.out == "Loaded image: x:7\n");
  CHECK(engine.last().target == "/v1.51/images/load?quiet=1");
  CHECK(engine.last().headers.at("content-type") == "application/x-tar");
  const auto imported = run(engine.host(), {"import", "-c", "CMD x", "-m", "msg", "-", "foo:bar"}, "layer");
  CHECK(imported.out == "sha256:abc\n");
  CHECK(engine.last().target == "/v1.51/images/create?fromSrc=-&repo=foo%3Abar&changes=CMD%20x&message=msg");
  CHECK(engine.last().body == "layer");
  CHECK(run(engine.host(), {"load", "-i", "/nonexistent"}).err == "open /nonexistent: no such file or directory\n");
}

TEST_CASE("prune asks first", "[cli][commands]") {
  fake_engine engine(replies({{"/containers/prune", {200, R"({"ContainersDeleted":["a"],"SpaceReclaimed":1500})"}}}));
  const auto refused = run(engine.host(), {"container", "prune"}, "n\n");
  CHECK(refused.out == "WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] ");
  CHECK(engine.log().empty());
  CHECK(run(engine.host(), {"container", "prune"}, "y\n")
            .out.ends_with("Deleted Containers:\na\n\nTotal reclaimed "
                           "space: 1.5kB\n"));
  CHECK(run(engine.host(), {"container", "prune", "-f"}).out ==
        "Deleted Containers:\na\n\nTotal reclaimed space: 1.5kB\n");
}

TEST_CASE("events are printed as they come", "[cli][commands]") {
  fake_engine engine([](const fake_request&, fake_connection& c) {
    c.send(
        "HTTP/1.1 200 OK\r\n\r\n{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"abc\",\"Attributes\":"
        "{\"name\":\"n\",\"image\":\"i\"}},\"timeNano\":1000000001}\n");
    c.close();
  });
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  CHECK(run(engine.host(), {"events"}).out == "1970-01-01T00:00:01.000000001Z container start abc (image=i, name=n)\n");
  CHECK(run(engine.host(), {"system", "events", "--format", "{{.Action}}", "--filter", "type=container"}).out ==
        "start\n");
}

TEST_CASE("usage errors look as docker's do", "[cli][commands]") {
  const std::string away = "unix:///nonexistent/gantry.sock";
  CHECK(run(away, {"wait", "--foo"}).err == "unknown flag: --foo\n\nUsage:  gantry wait CONTAINER [CONTAINER...]\n\n"
                                            "Run 'gantry wait --help' for more information\n");
  CHECK(run(away, {"wait", "--foo"}).status == 125);
  CHECK(run(away, {"stop"}).err ==
        "gantry: 'gantry stop' requires at least 1 argument\n\nUsage:  gantry stop [OPTIONS] "
        "CONTAINER [CONTAINER...]\n\nSee 'gantry stop --help' for more information\n");
  CHECK(run(away, {"stop"}).status == 1);
  CHECK(run(away, {"rename", "a"}).err.starts_with("gantry: 'gantry rename' requires 2 arguments\n"));
  CHECK(run(away, {"ps", "x"}).err.starts_with("gantry: 'gantry ps' accepts no arguments\n"));
  CHECK(run(away, {"foo"}).err == "gantry: unknown command: gantry foo\n\nRun 'gantry --help' for more information\n");
  CHECK(run(away, {"container", "foo"}).status == 1);
  CHECK(run(away, {"ps", "-f", "x"})
            .err.starts_with(
                "invalid argument \"x\" for \"-f, --filter\" flag: bad format of filter (expected name=value)\n"));
  CHECK(run(away, {"ps"}).err ==
        "Cannot connect to the Docker daemon at " + away + ". Is the docker daemon running?\n");
  CHECK(run(away, {"ps"}).status == 1);
  CHECK(run(away, {"run", "x"}).status == 125);
  CHECK(run("http://x", {"ps"}).err == "unable to parse docker host `http://x`\n");
}

TEST_CASE("every command explains itself", "[cli][commands]") {
  for (const auto& c : command_table()) {
    string_list words;
    std::stringstream name(c.name);
    for (std::string word; name >> word;) words.push_back(word);
    words.push_back("--help");
    const auto o = run("unix:///nonexistent/gantry.sock", words);
    INFO(c.name);
    CHECK(o.status == 0);
    CHECK(o.out.starts_with(std::string("Usage:  gantry ") + c.name));
    CHECK(o.out.find("--help") != std::string::npos);
  }
}
