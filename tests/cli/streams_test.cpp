/// cli/streams.hpp: frames, detach keys, and the loop between user and container.
#include <catch2/catch.hpp>
#include <csignal>

#include "cli/progress.hpp"
#include "cli/streams.hpp"
#include "tests/cli/fake_engine.hpp"

using namespace gantry;
using namespace gantry::cli;
using test::frame;

namespace {

struct pair_of_sockets {
  pair_of_sockets() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
    near.reset(ends[0]);
    far.reset(ends[1]);
  }
  unique_fd near, far;
};

struct pipe_with {
  explicit pipe_with(std::string_view text) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    read.reset(ends[0]);
    unique_fd write(ends[1]);
    REQUIRE(::write(write.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  unique_fd read;
};

} // namespace

TEST_CASE("frames are split wherever the bytes are cut", "[cli][streams]") {
  const std::string wire = frame(1, "out") + frame(2, "err") + frame(1, "") + frame(1, std::string(300, 'x'));
  for (std::size_t cut = 0; cut <= wire.size(); ++cut) {
    std::string out, err;
    frame_splitter splitter;
    const auto sink = [&](int stream, std::string_view payload) -> result<> {
      (stream == 2 ? err : out) += payload;
      return {};
    };
    REQUIRE(splitter.feed(std::string_view(wire).substr(0, cut), sink).has_value());
    REQUIRE(splitter.feed(std::string_view(wire).substr(cut), sink).has_value());
    CHECK(out == "out" + std::string(300, 'x'));
    CHECK(err == "err");
    CHECK(splitter.between_frames());
  }
}

TEST_CASE("bytes that are no frame are refused", "[cli][streams]") {
  frame_splitter splitter;
  const auto sink = [](int, std::string_view) -> result<> { return {}; };
  CHECK(splitter.feed("plain text", sink).error().message == "Unrecognized input header: 112");
}

TEST_CASE("detach keys are seen in what is typed", "[cli][streams]") {
  auto watch = detach_watch::parse("").value();
  watch.feed("abc\x10");
  CHECK_FALSE(watch.seen());
  watch.feed("\x10");
  watch.feed("\x11");
  CHECK(watch.seen());
  auto own = detach_watch::parse("a,b,ctrl-[,DEL").value();
  own.feed("aab\x1b\x7f");
  CHECK(own.seen());
  for (const char* wrong : {"ctrl-1", "ab", "a,,b", "ctrl-", ","})
    CHECK(detach_watch::parse(wrong).error().message == std::string("Invalid detach keys (") + wrong + ") provided");
}

TEST_CASE("input, output and errors go their ways until the container ends", "[cli][streams]") {
  pair_of_sockets sockets;
  const pipe_with input("typed\n");
  test::collector out, err;
  std::string received;
  std::thread container([&] {
    test::fake_connection peer(std::move(sockets.far));
    peer.send(frame(1, "hello "));
    peer.send(frame(2, "oops"));
    received = peer.read_to_end(); // the half close that tells the end of stdin
    peer.send(frame(1, "world"));
  });
  stream_plan plan;
  plan.in_fd = input.read.get();
  plan.out_fd = out.fd();
  plan.err_fd = err.fd();
  const auto end = carry_streams({std::move(sockets.near), frame(1, "early "), {}}, plan);
  container.join();
  REQUIRE(end.has_value());
  CHECK(*end == stream_end::ended);
  CHECK(received == "typed\n");
  CHECK(out.finish() == "early hello world");
  CHECK(err.finish() == "oops");
}

TEST_CASE("large input and output cross without a deadlock", "[cli][streams]") {
  // Both sides send more than any socket buffer holds before they read.
  pair_of_sockets sockets;
  test::collector out;
  constexpr std::size_t size = 8u << 20;
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  unique_fd read_end(ends[0]);
  std::thread writer([fd = ends[1]] {
    (void)write_all(fd, std::string(size, 'i'));
    ::close(fd);
  });
  std::size_t received = 0;
  std::thread container([&] {
    test::fake_connection peer(std::move(sockets.far));
    peer.send(std::string(size, 'o'));
    received = peer.read_to_end().size();
  });
  stream_plan plan;
  plan.raw = true;
  plan.in_fd = read_end.get();
  plan.out_fd = out.fd();
  CHECK(carry_streams({std::move(sockets.near), "", {}}, plan).value() == stream_end::ended);
  writer.join();
  container.join();
  CHECK(received == size);
  CHECK(out.finish() == std::string(size, 'o'));
}

TEST_CASE("an error frame of the engine is an error", "[cli][streams]") {
  pair_of_sockets sockets;
  test::fake_connection(std::move(sockets.far)).send(frame(3, "no more"));
  stream_plan plan;
  plan.out_fd = plan.err_fd = -1;
  CHECK(carry_streams({std::move(sockets.near), "", {}}, plan).error().message ==
        "error from daemon in stream: no more");
}

TEST_CASE("detaching and ending are told apart", "[cli][streams]") {
  pair_of_sockets sockets;
  const pipe_with input("ls\n\x10\x11");
  std::thread engine([&] { (void)test::fake_connection(std::move(sockets.far)).read_to_end(); });
  auto watch = detach_watch::parse("").value();
  stream_plan plan;
  plan.raw = true;
  plan.in_fd = input.read.get();
  plan.out_fd = -1;
  plan.detach = &watch;
  CHECK(carry_streams({std::move(sockets.near), "", {}}, plan).value() == stream_end::detached);
  engine.join();
}

TEST_CASE("signals are passed on, or end the loop", "[cli][streams]") {
  auto queue = signal_queue::open();
  REQUIRE(queue.has_value());
  for (const bool pass_on : {true, false}) {
    pair_of_sockets sockets;
    std::vector<int> passed;
    int sizes = 0, interrupted_by = 0;
    stream_plan plan;
    plan.out_fd = -1;
    plan.signals = &*queue;
    plan.on_resize = [&] { ++sizes; };
    if (pass_on)
      plan.on_signal = [&](int number) {
        passed.push_back(number);
        sockets.far.reset(); // the container ends by it
      };
    ::kill(::getpid(), SIGWINCH);
    ::kill(::getpid(), SIGTERM);
    const auto end = carry_streams({std::move(sockets.near), "", {}}, plan, &interrupted_by);
    REQUIRE(end.has_value());
    CHECK(sizes == (pass_on ? 1 : 0)); // signals come by number: the one that ends the loop was first
    CHECK(*end == (pass_on ? stream_end::ended : stream_end::interrupted));
    CHECK(passed == (pass_on ? std::vector<int>{SIGTERM} : std::vector<int>{}));
    CHECK(interrupted_by == (pass_on ? 0 : SIGTERM));
  }
}

TEST_CASE("progress objects are found in any pieces", "[cli][progress]") {
  const std::string wire =
      "{\"stream\":\"Loaded image: x\\n\"}\r\n {\"status\":\"a\",\"id\":\"b\"}{\"status\":\"c\"}\n";
  for (std::size_t cut = 0; cut <= wire.size(); ++cut) {
    std::ostringstream out;
    progress_display display(out, false);
    CHECK(display.feed(wire.substr(0, cut)));
    CHECK(display.feed(wire.substr(cut)));
    CHECK(display.finish().has_value());
    CHECK(out.str() == "Loaded image: x\nb: a\nc\n");
  }
  std::ostringstream out;
  progress_display display(out, false);
  CHECK_FALSE(display.feed("{\"status\":\"x\"}{\"errorDetail\":{\"message\":\"broken\"},\"error\":\"broken\"}"));
  CHECK(display.finish().error().message == "broken");
  progress_display garbled(out, false);
  CHECK_FALSE(garbled.feed("nonsense"));
}
