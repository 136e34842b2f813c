/// Whatever bytes come, the readers of the command line's side answer with a value or an error.
#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <random>

#include "cli/container_flags.hpp"
#include "cli/daemon_file.hpp"
#include "cli/format_template.hpp"
#include "cli/http_client.hpp"
#include "cli/streams.hpp"

using namespace gantry;
using namespace gantry::cli;

namespace {

/// A text with a few bytes changed, removed or doubled.
std::string damaged(std::string text, std::mt19937& random) {
  for (int i = static_cast<int>(random() % 4); i >= 0 && !text.empty(); --i) {
    const auto at = random() % text.size();
    switch (random() % 3) {
    case 0:
      text[at] = static_cast<char>(random() % 256);
      break;
    case 1:
      text.erase(at, 1 + random() % 3);
      break;
    default:
      text.insert(at, text.substr(at, 1 + random() % 5));
      break;
    }
  }
  return text;
}

} // namespace

TEST_CASE("damaged input is answered, never fallen over", "[cli][random]") {
  const auto seed = Catch::rngSeed();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const boost::json::value sample = boost::json::parse(R"({"A":{"B":[1,"x"]},"Labels":"k=v"})");
  int answered = 0;
  for (int i = 0; i < 3000; ++i) {
    const auto pattern = format_template::parse(
        damaged(R"(x{{json .A.B}} {{join (index .A "B") ","}}{{.Label "k"}}{{len .A | print}})", random));
    if (pattern.has_value()) answered += pattern->render(sample).has_value() ? 1 : 0;

    std::vector<std::string> notices;
    const auto file = parse_daemon_file(damaged(std::string("\xff\xfe{\0}\0", 6), random), {}, notices);
    answered += file.has_value() ? 1 : 0;
    const auto plain = parse_daemon_file(
        damaged(
            R"({"debug":true,"default-ulimits":{"core":{"Soft":1,"Hard":2}},"log-opts":{"a":"b"},"hosts":["fd://"]})",
            random),
        {}, notices);
    answered += plain.has_value() ? 1 : 0;

    answered +=
        parse_mount(damaged("type=bind,\"src=/a\",dst=/b,bind-recursive=readonly,ro", random)).has_value() ? 1 : 0;
    answered += parse_network(damaged("name=a,alias=b,ip=1.2.3.4,driver-opt=x=y", random)).has_value() ? 1 : 0;
    boost::json::object bindings, exposed;
    answered += add_published_port(damaged("127.0.0.1:80-82:90-92/udp", random), bindings, exposed).has_value() ? 1 : 0;
    CHECK(exposed.size() <= 65536);

    reply_reader reader(reply_reader::request_kind::ordinary);
    const auto reply =
        reader.feed(damaged("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n0\r\n\r\n", random));
    answered += reply.has_value() ? 1 : 0;

    frame_splitter frames;
    std::size_t bytes = 0;
    (void)frames.feed(damaged(std::string("\1\0\0\0\0\0\0\3abc\2\0\0\0\0\0\0\1x", 20), random),
                      [&](int, std::string_view payload) -> result<> {
                        bytes += payload.size();
                        return {};
                      });
    CHECK(bytes <= 64);
  }
  CHECK(answered > 0);
}
