/// cli/http_client.hpp: replies from bytes, and connections to a scripted engine.
#include <catch2/catch.hpp>

#include "cli/engine_client.hpp"
#include "tests/cli/fake_engine.hpp"

using namespace gantry;
using namespace gantry::cli;
using test::fake_connection;
using test::fake_engine;
using test::fake_request;

namespace {

http_client client_of(const fake_engine& engine) { return http_client(parse_host_address(engine.host()).value()); }

http_request get(std::string target) {
  http_request r;
  r.target = std::move(target);
  return r;
}

} // namespace

TEST_CASE("replies are read wherever the bytes are cut", "[cli][http]") {
  const std::vector<std::string> wires{
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Y: z\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Y: z\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"};
  for (const auto& wire : wires)
    for (std::size_t cut = 0; cut <= wire.size(); ++cut) {
      reply_reader reader(reply_reader::request_kind::ordinary);
      std::string body, pending;
      bool done = false;
      for (const auto& piece : {wire.substr(0, cut), wire.substr(cut)}) {
        pending += piece;
        const auto step = reader.feed(pending);
        REQUIRE(step.has_value());
        pending.erase(0, step->consumed);
        body += step->body;
        done = step->done;
      }
      CHECK(pending.empty());
      CHECK(done);
      CHECK(body == "hello");
      CHECK(reader.head().status == 200);
      CHECK(reader.head().header("x-y") == "z");
      CHECK(reader.keep_alive());
    }
}

TEST_CASE("a reply's head has a limit", "[cli][http]") {
  const auto wire = [](std::size_t size) {
    return "HTTP/1.1 200 OK\r\nX: " + std::string(size, 'x') + "\r\nContent-Length: 0\r\n\r\n";
  };
  reply_reader fits(reply_reader::request_kind::ordinary);
  CHECK(fits.feed(wire(reply_head_bytes_max - 100)).value().done);
  reply_reader over(reply_reader::request_kind::ordinary);
  CHECK(over.feed(wire(reply_head_bytes_max + 1)).has_error());
  reply_reader garbage(reply_reader::request_kind::ordinary);
  CHECK(garbage.feed("220 smtp ready\r\n").has_error());
}

TEST_CASE("addresses of engines", "[cli][http]") {
  CHECK(parse_host_address("unix:///a/b")->path == "/a/b");
  const auto tcp = parse_host_address("tcp://[::1]:5/").value();
  CHECK(tcp.host == "::1");
  CHECK(tcp.port == "5");
  CHECK(parse_host_address("tcp://h")->port == "2375");
  for (const char* wrong : {"", "unix://", "http://x", "tcp://a:b", "tcp://a/b", "/var/run/x"})
    CHECK(parse_host_address(wrong).has_error());
  CHECK(url_encode("a b/c?d&e=%~") == "a%20b%2Fc%3Fd%26e%3D%25~");
}

TEST_CASE("one connection serves many requests", "[cli][http]") {
  fake_engine engine([](const fake_request& r, fake_connection& c) { c.reply(200, r.method + r.body); });
  auto client = client_of(engine);
  http_request post;
  post.method = "POST";
  post.body = "{}";
  CHECK(client.request(get("/a"))->body == "GET");
  CHECK(client.request(post)->body == "POST{}");
  http_request head;
  head.method = "HEAD";
  head.target = "/_ping";
  CHECK(client.request(head)->header("api-version") == "1.51");
  CHECK(client.request(get("/b"))->body == "GET");
  CHECK(engine.connection_count() == 1);
}

TEST_CASE("a connection that was closed while idle is opened again", "[cli][http]") {
  fake_engine engine([](const fake_request&, fake_connection& c) {
    c.reply(200, "x");
    c.close();
  });
  auto client = client_of(engine);
  for (int i = 0; i < 3; ++i) CHECK(client.request(get("/"))->body == "x");
  CHECK(engine.connection_count() == 3);
}

TEST_CASE("bodies are streamed both ways", "[cli][http]") {
  fake_engine engine([](const fake_request& r, fake_connection& c) {
    c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
    c.send("3\r\ntwo\r\n");
    const std::string size = std::to_string(r.body.size());
    c.send(std::string(1, static_cast<char>('0' + size.size())) + "\r\n" + size + "\r\n0\r\n\r\n");
  });
  auto client = client_of(engine);
  int pieces = 0;
  http_request upload;
  upload.method = "POST";
  upload.source = [&]() -> result<std::string> { return pieces++ < 50 ? std::string(10000, 'x') : std::string(); };
  std::string got;
  const auto reply = client.stream(upload, [&](std::string_view bytes) {
    got += bytes;
    return true;
  });
  REQUIRE(reply.has_value());
  CHECK(got == "onetwo500000");
  got.clear();
  CHECK(client
            .stream(get("/"),
                    [&](std::string_view bytes) {
                      got += bytes;
                      return false; // enough
                    })
            .has_value());
  CHECK(got.starts_with("one"));
}

TEST_CASE("a refused upload is an error in the engine's words", "[cli][http]") {
  fake_engine engine([](const fake_request& r, fake_connection& c) {
    c.reply(400, R"({"message":"too short: )" + std::to_string(r.body.size()) + "\"}");
    c.close();
  });
  engine_client client(parse_host_address(engine.host()).value());
  const auto done = client.upload(
      target{"/images/load"}, "application/x-tar", []() -> result<std::string> { return std::string(); },
      [](std::string_view) { return true; });
  REQUIRE(done.has_error());
  CHECK(done.error().message == "Error response from daemon: too short: 0");
  CHECK(done.error().code == errc::invalid_parameter);
}

TEST_CASE("a source that fails ends the request with its error", "[cli][http]") {
  fake_engine engine([](const fake_request&, fake_connection& c) { c.reply(200, ""); });
  engine_client client(parse_host_address(engine.host()).value());
  const auto done = client.upload(
      target{"/x"}, "text/plain",
      []() -> result<std::string> {
        return error{errc::internal, 0, "disk gone"};
      },
      [](std::string_view) { return true; });
  REQUIRE(done.has_error());
  CHECK(done.error().message == "disk gone");
}

TEST_CASE("a hijacked connection is given away with what came early", "[cli][http]") {
  fake_engine engine([](const fake_request& r, fake_connection& c) {
    CHECK(r.headers.at("upgrade") == "tcp");
    c.send("HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\n"
           "Upgrade: tcp\r\n\r\nearly");
    const std::string typed = c.read_to_end();
    c.send("you said " + typed);
  });
  auto client = client_of(engine);
  http_request r;
  r.method = "POST";
  auto h = client.hijack(r);
  REQUIRE(h.has_value());
  CHECK(h->head.status == 101);
  REQUIRE(h->socket);
  CHECK(::send(h->socket.get(), "hi", 2, 0) == 2);
  ::shutdown(h->socket.get(), SHUT_WR);
  std::string got = h->early;
  char block[256];
  for (ssize_t n = 0; (n = ::recv(h->socket.get(), block, sizeof(block), 0)) > 0;)
    got.append(block, static_cast<std::size_t>(n));
  CHECK(got == "earlyyou said hi");
}

TEST_CASE("a refused hijack says why, as JSON or as text", "[cli][http]") {
  fake_engine engine([](const fake_request& r, fake_connection& c) {
    if (r.target.find("json") != std::string::npos) {
      c.reply(404, R"({"message":"No such container: x"})");
    } else {
      c.send("HTTP/1.1 409 Conflict\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nis paused\r\n");
      c.close();
    }
  });
  engine_client client(parse_host_address(engine.host()).value());
  const auto as_json = client.another().hijack(target{"/json"});
  REQUIRE(as_json.has_error());
  CHECK(as_json.error().message == "Error response from daemon: No such container: x");
  CHECK(as_json.error().code == errc::not_found);
  CHECK(client.another().hijack(target{"/text"}).error().message == "Error response from daemon: is paused");
}

TEST_CASE("a reply whose head comes first can be waited for", "[cli][http]") {
  test::event registered, finish;
  fake_engine engine([&](const fake_request&, fake_connection& c) {
    c.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    registered.raise();
    finish.wait();
    c.send("10\r\n{\"StatusCode\":3}\r\n0\r\n\r\n");
  });
  auto client = client_of(engine);
  http_request r;
  r.method = "POST";
  REQUIRE(client.begin(r).has_value());
  CHECK(registered.wait());
  auto nothing = client.advance();
  REQUIRE(nothing.has_value());
  CHECK_FALSE(nothing->has_value());
  finish.raise();
  std::optional<http_reply> reply;
  while (!reply) {
    pollfd ready{client.socket_fd(), POLLIN, 0};
    REQUIRE(::poll(&ready, 1, 10000) == 1);
    auto step = client.advance();
    REQUIRE(step.has_value());
    reply = std::move(*step);
  }
  CHECK(reply->body == "{\"StatusCode\":3}");
}

TEST_CASE("the version is negotiated once", "[cli][http]") {
  fake_engine engine([](const fake_request& r, fake_connection& c) { c.reply(200, "\"" + r.target + "\""); });
  engine_client client(parse_host_address(engine.host()).value());
  CHECK(client.get(target{"/info"}).value().as_string() == "/v1.51/info");
  CHECK(client.get(target{"/a/", "c d", "/e"}.with("q", "1 2")).value().as_string() == "/v1.51/a/c%20d/e?q=1%202");
  ::setenv("DOCKER_API_VERSION", "1.30", 1);
  engine_client pinned(parse_host_address(engine.host()).value());
  CHECK(pinned.get(target{"/info"}).value().as_string() == "/v1.30/info");
  ::unsetenv("DOCKER_API_VERSION");
}

TEST_CASE("an engine that is away is named", "[cli][http]") {
  engine_client client(parse_host_address("unix:///nonexistent/gantry.sock").value());
  const auto reply = client.get(target{"/info"});
  REQUIRE(reply.has_error());
  CHECK(reply.error().code == errc::unavailable);
  CHECK(reply.error().message ==
        "Cannot connect to the Docker daemon at unix:///nonexistent/gantry.sock. Is the docker daemon running?");
}

TEST_CASE("an engine that goes away in the middle is an error, not a short reply", "[cli][http]") {
  fake_engine engine([](const fake_request&, fake_connection& c) {
    c.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
    c.close();
  });
  auto client = client_of(engine);
  CHECK(client.request(get("/")).error().message == "unexpected EOF");
}
