/// Seeded random damage to everything a client sends: nothing may crash, hang or read differently when it is cut
/// differently. GANTRY_TEST_SEED replays a run.
#include <catch2/catch.hpp>

#include <boost/json.hpp>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <random>

#include "api/detach_keys.hpp"
#include "api/dockerfile_words.hpp"
#include "api/duration.hpp"
#include "api/filters.hpp"
#include "api/glob.hpp"
#include "api/http_codec.hpp"
#include "api/image_json.hpp"
#include "api/json_read.hpp"
#include "api/routes.hpp"
#include "api/websocket.hpp"

using namespace gantry;
using namespace gantry::api;

namespace {

class damager {
public:
  damager() {
    const char* given = std::getenv("GANTRY_TEST_SEED");
    seed = given ? std::strtoull(given, nullptr, 10) : std::random_device()();
    random.seed(seed);
  }

  std::size_t below(std::size_t n) { return n == 0 ? 0 : random() % n; }

  std::string damage(std::string text) {
    static const std::vector<std::string> pieces{"\r\n",
                                                 "\r\n\r\n",
                                                 "\0",
                                                 "%",
                                                 "%00",
                                                 "\"",
                                                 "{",
                                                 "[",
                                                 "]}",
                                                 "\\",
                                                 "/",
                                                 "?",
                                                 "&",
                                                 "=",
                                                 ":",
                                                 " ",
                                                 "Content-Length: 1\r\n",
                                                 "Transfer-Encoding: chunked\r\n",
                                                 "0\r\n\r\n",
                                                 "fffffffffffffff",
                                                 "-1",
                                                 "null",
                                                 "1e999",
                                                 "9223372036854775808",
                                                 "\xff",
                                                 "\xc3",
                                                 "\xf0\x9f\x98\x80",
                                                 "$",
                                                 "${",
                                                 "'",
                                                 "*"};
    for (std::size_t n = 1 + below(4); n > 0; --n) {
      auto at = below(text.size() + 1);
      switch (below(5)) {
      case 0:
        if (at < text.size()) text[at] = char(random());
        break;
      case 1:
        text.insert(at, pieces[below(pieces.size())]);
        break;
      case 2:
        text.erase(at, 1 + below(8));
        break;
      case 3:
        text.insert(at, text.substr(below(text.size() + 1), below(40)));
        break;
      default:
        text.resize(at);
        break;
      }
    }
    return text;
  }

  /// `text` in pieces.
  std::vector<std::string_view> cut(std::string_view text) {
    std::vector<std::string_view> out;
    while (!text.empty()) {
      auto n = 1 + below(below(4) == 0 ? text.size() : 7);
      out.push_back(text.substr(0, n));
      text.remove_prefix(out.back().size());
    }
    return out;
  }

  /// Runs `f` on damaged samples for a while.
  void attack(const std::vector<std::string>& samples, const std::function<void(const std::string&)>& f) {
    auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(400);
    std::size_t runs = 0;
    while (std::chrono::steady_clock::now() < end || runs < 1000) {
      f(damage(samples[below(samples.size())]));
      ++runs;
    }
    WARN("seed " << seed << ": " << runs << " runs");
  }

  std::uint64_t seed;
  std::mt19937_64 random;
};

/// What a connection makes of a stream: complete requests, then the status it breaks with or what came of the next one.
/// Of the request that breaks nothing is told: how much of it was seen before depends on how the stream was cut.
std::string transcript(const std::vector<std::string_view>& pieces) {
  request_parser parser;
  std::string complete, current;
  for (auto piece : pieces)
    while (!piece.empty()) {
      auto step = parser.feed(piece);
      if (step.has_error()) return complete + "!" + std::to_string(parser.error_status());
      if (step->consumed == 0 || step->consumed > piece.size()) return "stuck";
      piece.remove_prefix(step->consumed);
      if (step->head) {
        current += step->head->method + " " + step->head->path + "\n";
        for (const auto& [k, v] : step->head->headers) current += k + "=" + v + "\n";
      }
      current += step->body;
      if (step->done) complete += current + "|";
      if (step->done) current.clear();
    }
  return complete + current;
}

} // namespace

TEST_CASE("damaged requests read the same however they are cut", "[api][hostile]") {
  damager d;
  d.attack(
      {"GET /v1.51/containers/json?all=1&filters=%7B%22label%22%3A%5B%22a%22%5D%7D HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n",
       "POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.0\r\n\r\n",
       "POST /a HTTP/1.1\r\nTransfer-Encoding: "
       "chunked\r\n\r\n5;x=\"y\"\r\nhello\r\n1f\r\nabcdefghijklmnopqrstuvwxyz01234\r\n0\r\nT: u\r\n\r\nGET /b "
       "HTTP/1.1\r\n\r\n"},
      [&](const std::string& damaged) {
        // Ended, so that a head is complete: when a bad one is noticed before its end depends on the cuts.
        auto stream = damaged + "\r\n\r\n";
        auto whole = transcript({stream});
        auto cut = transcript(d.cut(stream));
        if (whole != cut || whole == "stuck") {
          INFO("stream " << boost::json::serialize(boost::json::value(stream)));
          CHECK(whole == cut);
          CHECK(whole != "stuck");
        }
      });
}

TEST_CASE("damaged targets and bodies become calls or refusals", "[api][hostile]") {
  damager d;
  const std::string body =
      R"({"Image":"b","Cmd":["a"],"Env":["A=b"],"HostConfig":{"Binds":["/a:/b"],"Memory":1,"PortBindings":{"80/tcp":[{}]}}})";
  std::vector<std::string> requests;
  for (const char* line :
       {"POST /containers/create?name=x&platform=linux/amd64",
        "GET /containers/json?limit=5&filters={\"label\":{\"a\":true}}", "POST /containers/a/stop?t=5&signal=SIGTERM",
        "POST /containers/a/resize?h=1&w=2", "GET /containers/a/logs?stdout=1&since=1.5&tail=7",
        "POST /containers/a/wait?condition=removed", "POST /containers/a/attach?stdin=1&detachKeys=ctrl-a,b",
        "GET /events?since=1&until=2", "GET /images/json?filters={\"until\":[\"1h\"],\"dangling\":[\"1\"]}",
        "POST /images/create?fromSrc=-&changes=ENV%20a=b", "DELETE /images/a/b:c?force=1"})
    requests.push_back(std::string(line) + " HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: " +
                       std::to_string(body.size()) + "\r\n\r\n" + body);
  std::size_t calls = 0, refusals = 0;
  d.attack(requests, [&](const std::string& stream) {
    request_parser parser;
    auto step = parser.feed(stream);
    if (step.has_error() || !step->head) return;
    auto where = route(*step->head);
    auto made = where.has_error() ? result<call>(where.error()) : parse_call(*where, *step->head, step->body);
    made.has_error() ? ++refusals : ++calls;
    if (made.has_value()) return;
    if (made.error().code == errc::internal || made.error().code == errc::ok) {
      INFO(made.error().message);
      CHECK(made.error().code != errc::internal);
    }
    auto text = render_error(made.error(), *step->head).body;
    boost::system::error_code bad_json;
    boost::json::parse(text, bad_json);
    if (bad_json && text.find("client version") == std::string::npos) CHECK(text == "no valid JSON");
  });
  CHECK(calls > 0);
  CHECK(refusals > 0);
}

TEST_CASE("damaged JSON is read or refused", "[api][hostile]") {
  damager d;
  d.attack(
      {R"({"os":"linux","architecture":"amd64","config":{"Env":["A=b"],"Cmd":["x"],"Labels":{"a":"b"},"Healthcheck":{"Interval":1}},"rootfs":{"type":"layers","diff_ids":["sha256:a"]},"history":[{"created":"2024-01-01T00:00:00Z","empty_layer":true}]})",
       R"({"label":{"a=b":true},"name":["^x$"],"until":{"1h":true}})"},
      [&](const std::string& text) {
        auto config = parse_image_config(text);
        if (config.has_error() && config.error().code != errc::invalid_parameter)
          CHECK(config.error().message == "invalid_parameter");
        auto f = parse_filters(text);
        if (f.has_error()) return;
        (void)pattern_filter(*f, "name").matches("some-name");
        (void)filter_until(*f, 1'700'000'000'000'000'000);
        (void)matches_prune_labels(*f, {{"a", "b"}});
      });
}

TEST_CASE("damaged change lines apply wholly or not at all", "[api][hostile]") {
  damager d;
  d.attack({"ENV A=1 B=\"x ${A:-y}\" C='z'\nCMD [\"a\",\"b\"]\nEXPOSE 80 90-99/udp",
            "HEALTHCHECK --interval=5s --retries=3 CMD curl x\nLABEL a=b \"c d\"=e\nWORKDIR ../x",
            "VOLUME [\"/a\"]\nONBUILD RUN x\nSTOPSIGNAL 9\nUSER a\\\nb\n# c\nENTRYPOINT x $Y"},
           [&](const std::string& text) {
             container_config config;
             config.env = {"Y=1"};
             auto done = apply_changes(config, {text});
             if (done.has_error() && config.env != string_list{"Y=1"}) CHECK(config.env == string_list{"Y=1"});
           });
}

TEST_CASE("damaged WebSocket frames read the same however they are cut", "[api][hostile]") {
  damager d;
  auto frame = [](unsigned first, const std::string& payload) {
    std::string out{char(first), char(0x80 | payload.size()), '\1', '\2', '\3', '\4'};
    for (std::size_t i = 0; i < payload.size(); ++i) out.push_back(char(payload[i] ^ (1 + i % 4)));
    return out;
  };
  auto read = [](const std::vector<std::string_view>& pieces) {
    websocket_reader reader;
    std::string out;
    std::string replies;
    for (auto piece : pieces) {
      auto step = reader.feed(piece);
      out += step.payload;
      replies += step.reply;
    }
    return out + "|" + replies + (reader.closed() ? "!" : "");
  };
  d.attack({frame(0x82, "hello") + frame(0x89, "ping") + frame(0x02, "a") + frame(0x80, "b") + frame(0x88, "\x03\xe8"),
            std::string("\x82\xfe\x00\x01\1\2\3\4x", 9)},
           [&](const std::string& stream) {
             if (read({stream}) != read(d.cut(stream))) CHECK(read({stream}) == read(d.cut(stream)));
           });
}

TEST_CASE("small parsers stand any text", "[api][hostile]") {
  damager d;
  d.attack({"1h30m5.5s", "2024-01-02T03:04:05.678+01:00", "1700000000.123", "ctrl-a,b,DEL", "a*[b-z]\\?c/*",
            "${A:-\"b'c'\"}d\\e", "PATH=\"a b\" x='y'"},
           [&](const std::string& text) {
             (void)parse_go_duration(text);
             (void)parse_time_or_duration(text, 0);
             (void)glob_match(text, "some/text");
             (void)glob_valid(text);
             (void)split_words(text);
             (void)split_dockerfile(text);
             (void)word_expander([](std::string_view) { return std::optional<std::string>("v"); }).expand(text);
             if (auto keys = parse_detach_keys(text); keys.has_value()) {
               std::string once = detach_scanner(*keys).feed(text).pass, pieces;
               detach_scanner scanner(*keys);
               for (auto piece : d.cut(text)) {
                 auto step = scanner.feed(piece);
                 pieces += step.pass;
                 if (step.detached) break;
               }
               if (once != pieces) CHECK(once == pieces);
             }
           });
}
