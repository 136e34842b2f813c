/// HTTP in pieces cut anywhere, with the limits, and what goes out.
#include <catch2/catch.hpp>

#include "api/http_codec.hpp"

using namespace gantry;
using namespace gantry::api;

namespace {

struct request {
  request_head head;
  std::string body;
  friend bool operator==(const request& a, const request& b) {
    return a.body == b.body && a.head.method == b.head.method && a.head.target == b.head.target &&
           a.head.path == b.head.path && a.head.query == b.head.query && a.head.version_text == b.head.version_text &&
           a.head.headers == b.head.headers && a.head.keep_alive == b.head.keep_alive &&
           a.head.expect_continue == b.head.expect_continue && a.head.has_body == b.head.has_body;
  }
};

/// All requests of a stream that is fed in the given pieces.
struct outcome {
  std::vector<request> requests;
  unsigned status = 0;
  bool idle = false;
};

outcome feed(const std::vector<std::string_view>& pieces) {
  request_parser parser;
  outcome out;
  request now;
  for (auto piece : pieces) {
    while (!piece.empty()) {
      auto step = parser.feed(piece);
      if (step.has_error()) {
        CHECK(step.error().code == errc::invalid_parameter);
        out.status = parser.error_status();
        return out;
      }
      REQUIRE(step->consumed <= piece.size());
      REQUIRE((step->consumed > 0));
      piece.remove_prefix(step->consumed);
      if (step->head) now.head = *step->head;
      now.body += step->body;
      if (step->done) {
        out.requests.push_back(now);
        now = {};
      } else {
        REQUIRE(piece.empty());
      }
    }
  }
  out.idle = parser.idle();
  return out;
}

std::vector<std::string_view> bytes_of(std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t i = 0; i < text.size(); ++i) out.push_back(text.substr(i, 1));
  return out;
}

request only(std::string_view text) {
  auto out = feed({text});
  REQUIRE(out.status == 0);
  REQUIRE(out.requests.size() == 1);
  CHECK(out.idle);
  return out.requests[0];
}

unsigned status_of(std::string_view text) {
  auto whole = feed({text}).status;
  CHECK(feed(bytes_of(text)).status == whole);
  return whole;
}

} // namespace

TEST_CASE("a request is taken apart", "[api][http]") {
  auto r =
      only("POST /v1.43/containers/a%2Fb/start?x=1&y=a+b%26&x=2&flag&=e HTTP/1.1\r\nHost: d\r\nContent-Type: a/b\r\n"
           "X-Two: 1\r\nx-two: 2\r\nContent-Length: 5\r\n\r\nhello");
  CHECK(r.head.method == "POST");
  CHECK(r.head.path == "/containers/a/b/start");
  CHECK(r.head.version_text == "1.43");
  CHECK(r.head.query_value("x") == "1");
  CHECK(r.head.query_value("y") == "a b&");
  CHECK(r.head.has_query("flag"));
  CHECK_FALSE(r.head.has_query("z"));
  CHECK(r.head.query.size() == 5);
  CHECK(r.head.header("content-type") == "a/b");
  CHECK(r.head.header("x-two") == "1, 2");
  CHECK(r.head.content_length == 5u);
  CHECK(r.head.has_body);
  CHECK(r.head.keep_alive);
  CHECK(r.body == "hello");
}

TEST_CASE("targets come in several forms", "[api][http]") {
  auto path = [](const std::string& target) { return only("GET " + target + " HTTP/1.1\r\n\r\n").head.path; };
  CHECK(path("/images/docker.io/library/x:tag/json") == "/images/docker.io/library/x:tag/json");
  CHECK(path("http://localhost/info?a=b") == "/info");
  CHECK(path("http://localhost") == "/");
  CHECK(path("*") == "*");
  CHECK(path("/volumes") == "/volumes");
  CHECK(path("/v1.43") == "/v1.43");
  CHECK(path("/v1.43/") == "/");
  CHECK(path("/v1.4x/info") == "/v1.4x/info");
  CHECK(path("/info?next=http://x/") == "/info");
  CHECK(path("/info#part") == "/info");
  for (const char* bad : {"/%", "/%4", "/%zz", "/a%00b", "/a?b=%0", "/a?%00", "info", "?a"})
    CHECK(status_of("GET " + std::string(bad) + " HTTP/1.1\r\n\r\n") == 400);
}

TEST_CASE("bodies come with a length or in chunks", "[api][http]") {
  auto r = only("PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n6;ext=\"1\"\r\npedia "
                "\r\n0\r\nTrailer: x\r\n\r\n");
  CHECK(r.body == "wikipedia ");
  CHECK(r.head.chunked);
  CHECK_FALSE(r.head.content_length);
  CHECK_FALSE(only("POST /x HTTP/1.1\r\nContent-Length: 0\r\n\r\n").head.has_body);
  CHECK(only("POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").head.has_body);
  CHECK(only("POST /x HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx").head.expect_continue);
  CHECK_FALSE(only("POST /x HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx").head.expect_continue);
}

TEST_CASE("body bytes come out as they come in", "[api][http]") {
  request_parser parser;
  auto head = parser.feed("POST /load HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\nab");
  REQUIRE(head.has_value());
  CHECK(head->head.has_value());
  CHECK(head->body == "ab");
  auto more = parser.feed(std::string(100'000, 'x'));
  REQUIRE(more.has_value());
  CHECK(more->body.size() == 100'000);
  CHECK_FALSE(more->done);
  CHECK_FALSE(parser.idle());
}

TEST_CASE("connections persist unless someone says otherwise", "[api][http]") {
  auto alive = [](const std::string& version, const std::string& header) {
    return only("GET / " + version + "\r\n" + header + "\r\n").head.keep_alive;
  };
  CHECK(alive("HTTP/1.1", ""));
  CHECK_FALSE(alive("HTTP/1.1", "Connection: close\r\n"));
  CHECK_FALSE(alive("HTTP/1.1", "Connection: Upgrade, close\r\n"));
  CHECK_FALSE(alive("HTTP/1.0", ""));
  CHECK_FALSE(alive("HTTP/1.0", "Connection: keep-alive\r\n"));
}

TEST_CASE("a stream means the same however it is cut", "[api][http]") {
  const std::string stream = "GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n"
                             "\r\nPOST /v1.51/a?b=c HTTP/1.1\r\nContent-Length: 11\r\n\r\nhello world"
                             "POST /c HTTP/1.1\r\nTransfer-Encoding: "
                             "chunked\r\n\r\n5\r\nabcde\r\n1a;x=y\r\nabcdefghijklmnopqrstuvwxyz\r\n000\r\nT: 1\r\n\r\n"
                             "DELETE /d HTTP/1.0\r\n\r\n"
                             "HEAD /e HTTP/1.1\r\nConnection: close\r\n\r\n";
  auto whole = feed({stream});
  REQUIRE(whole.status == 0);
  REQUIRE(whole.requests.size() == 5);
  CHECK(whole.requests[1].body == "hello world");
  CHECK(whole.requests[2].body == "abcdeabcdefghijklmnopqrstuvwxyz");
  CHECK(whole.idle);
  std::string_view view = stream;
  for (std::size_t i = 0; i <= stream.size(); ++i) {
    INFO(i);
    auto cut = feed({view.substr(0, i), view.substr(i)});
    REQUIRE(cut.status == 0);
    REQUIRE((cut.requests == whole.requests));
  }
  REQUIRE((feed(bytes_of(stream)).requests == whole.requests));
}

TEST_CASE("heads have a limit", "[api][http]") {
  auto head = [](std::size_t bytes) {
    const std::string line = "GET / HTTP/1.1\r\nX: ", end = "\r\n\r\n";
    return line + std::string(bytes - line.size() - end.size(), 'a') + end;
  };
  CHECK(status_of(head(request_head_bytes_max)) == 0);
  CHECK(status_of(head(request_head_bytes_max + 1)) == 431);
  CHECK(status_of("GET /" + std::string(request_head_bytes_max, 'a')) == 431);
  std::string many = "GET / HTTP/1.1\r\n";
  while (many.size() < request_head_bytes_max) many += "A: b\r\n";
  CHECK(status_of(many + "\r\n") == 431);
}

TEST_CASE("requests that could be read two ways are refused", "[api][http]") {
  auto post = [](const std::string& headers) { return status_of("POST / HTTP/1.1\r\n" + headers + "\r\n0\r\n\r\n"); };
  CHECK(post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") == 400);
  CHECK(post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") == 400);
  CHECK(post("Content-Length: 5\r\nContent-Length: 6\r\n") == 400);
  CHECK(post("Content-Length: -1\r\n") == 400);
  CHECK(post("Content-Length: 99999999999999999999999\r\n") == 400);
  CHECK(post("Content-Length: 0x5\r\n") == 400);
  CHECK(post("Transfer-Encoding: gzip, chunked\r\n") == 400);
  CHECK(post("Transfer-Encoding: identity\r\n") == 400);
  CHECK(post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") == 400);
  for (const char* chunks : {"zz\r\n", "5\r\nabcdefgh\r\n", "fffffffffffffffff\r\n", "-1\r\n", "5;\x01\r\nabcde\r\n"})
    CHECK(status_of("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(chunks)) == 400);
  CHECK(status_of("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(20'000, 'x')) == 400);
}

TEST_CASE("what is no HTTP/1 is refused", "[api][http]") {
  for (const char* bad :
       {"GET / HTTP/2.0\r\n\r\n", "GET / HTTP/0.9\r\n\r\n", "GET /\r\n\r\n", "G\x01T / HTTP/1.1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\nBad Name: x\r\n\r\n", "\x16\x03\x01\x02\r\n\r\n"}) {
    INFO(bad);
    CHECK(status_of(bad) == 400);
  }
  request_parser parser;
  REQUIRE(parser.feed("nonsense\r\n\r\n").has_error());
  CHECK(parser.feed("GET / HTTP/1.1\r\n\r\n").has_error()); // a broken connection stays broken
}

TEST_CASE("replies carry the common headers", "[api][http]") {
  server_identity who;
  auto text = serialize({200, "application/json", "{}\n", {{"X-A", "b\r\nEvil: 1"}}}, who, true, false);
  CHECK(text.substr(0, 17) == "HTTP/1.1 200 OK\r\n");
  for (const char* line : {"Server: Docker/28.5.2 (linux)\r\n", "Api-Version: 1.51\r\n", "Ostype: linux\r\n",
                           "Docker-Experimental: false\r\n", "Content-Type: application/json\r\n",
                           "Content-Length: 3\r\n", "X-A: b  Evil: 1\r\n"}) {
    INFO(line);
    CHECK(text.find(line) != std::string::npos);
  }
  CHECK(text.find("\r\nDate: ") != std::string::npos);
  CHECK(text.find("Connection") == std::string::npos);
  CHECK(text.substr(text.size() - 7) == "\r\n\r\n{}\n");
  CHECK(serialize({200, "text/plain", "abc"}, who, false, true).find("Content-Length: 3\r\n\r\n") != std::string::npos);
  CHECK(serialize({200, "text/plain", "abc"}, who, false, true).find("Connection: close\r\n") != std::string::npos);
  for (unsigned bodiless : {204u, 304u}) {
    auto bare = serialize({bodiless, "application/json", "{}"}, who, true, false);
    CHECK(bare.find("Content-") == std::string::npos);
    CHECK(bare.substr(bare.size() - 4) == "\r\n\r\n");
  }
  reply unrouted{404, "application/json", "x"};
  unrouted.common_headers = false;
  CHECK(serialize(unrouted, who, true, false).find("Api-Version") == std::string::npos);
  who.experimental = true;
  CHECK(serialize({200}, who, true, false).find("Docker-Experimental: true\r\n") != std::string::npos);
}

TEST_CASE("streams are chunked, but not for HTTP/1.0", "[api][http]") {
  server_identity who;
  auto head = serialize_stream_head({200, ""}, who, true);
  CHECK(head.find("Transfer-Encoding: chunked\r\n") != std::string::npos);
  CHECK(head.find("Content-") == std::string::npos);
  auto old = serialize_stream_head({200, ""}, who, true, false);
  CHECK(old.find("Transfer-Encoding") == std::string::npos);
  CHECK(old.find("Connection: close\r\n") != std::string::npos);
  CHECK(chunk("hello world, hello") == "12\r\nhello world, hello\r\n");
  CHECK(chunk("").empty());
}

TEST_CASE("hijacked connections begin as Docker's do", "[api][http]") {
  CHECK(serialize_hijack_head(true, multiplexed_stream_type) ==
        "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\n"
        "Upgrade: tcp\r\n\r\n");
  CHECK(serialize_hijack_head(false, multiplexed_stream_type) ==
        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n");
  CHECK(hijack_content_type(true, false, {1, 42}) == multiplexed_stream_type);
  CHECK(hijack_content_type(true, false, {1, 41}) == raw_stream_type);
  CHECK(hijack_content_type(true, true, {1, 51}) == raw_stream_type);
  CHECK(hijack_content_type(false, false, {1, 51}) == raw_stream_type);
  CHECK(serialize_hijack_error(404, raw_stream_type, "No such container: x") ==
        "HTTP/1.1 404 Not Found\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nNo such container: x\r\n");
  CHECK(reason_phrase(431) == "Request Header Fields Too Large");
  CHECK(reason_phrase(999) == "Unknown");
}
