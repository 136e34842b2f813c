/// Output to logs and attached clients, and input from them.
#include "tests/runtime/shim_fixture.hpp"

#include <termios.h>

using namespace gantry;
using namespace gantry::runtime::shim::test;
namespace pb = gantry::runtime::pb;

TEST_CASE("an attached client gets both streams framed, whole, and then the end", "[runtime][shim][attach]") {
  shim_process shim;
  client engine(shim.dir);
  socket_pair attach;
  auto m = sh(shim.dir, "c", "seq 1 20000; seq 1 20000 >&2");
  add_attach(m, false);
  CHECK_FALSE(engine.ask(m, {attach.theirs.get()}).has_failure());
  attach.theirs.reset();
  std::string expected;
  for (int i = 1; i <= 20000; ++i) expected += std::to_string(i) + "\n";
  auto got = demultiplex(read_all(attach.ours.get()));
  CHECK(got[1] == expected);
  CHECK(got[2] == expected);
  (void)engine.next_exit();
  CHECK(logged(shim.dir / "c" / "log") == expected);
  CHECK(logged(shim.dir / "c" / "log", "stderr") == expected);
}

TEST_CASE("a client gets the streams it wants", "[runtime][shim][attach]") {
  shim_process shim;
  client engine(shim.dir);
  socket_pair out, err, neither;
  auto m = sh(shim.dir, "c", "echo out; echo err >&2");
  add_attach(m, false, true, false);
  add_attach(m, false, false, true);
  add_attach(m, false, false, false);
  CHECK_FALSE(engine.ask(m, {out.theirs.get(), err.theirs.get(), neither.theirs.get()}).has_failure());
  CHECK(demultiplex(read_all(out.ours.get())) == std::map<int, std::string>{{1, "out\n"}});
  CHECK(demultiplex(read_all(err.ours.get())) == std::map<int, std::string>{{2, "err\n"}});
  CHECK(read_all(neither.ours.get()).empty());
}

TEST_CASE("a client attaches to a running container", "[runtime][shim][attach]") {
  shim_process shim;
  client engine(shim.dir);
  auto m = sh(shim.dir, "c", "echo early; read x; echo got $x");
  m.mutable_launch()->mutable_spec()->mutable_process()->set_open_stdin(true);
  CHECK_FALSE(engine.ask(m).has_failure());
  REQUIRE(eventually([&] { return logged(shim.dir / "c" / "log") == "early\n"; }));
  socket_pair attach;
  pb::ToShim a;
  a.mutable_attach()->set_id("c");
  a.mutable_attach()->mutable_options()->set_want_stdin(true);
  a.mutable_attach()->mutable_options()->set_want_stdout(true);
  CHECK_FALSE(engine.ask(a, {attach.theirs.get()}).has_failure());
  attach.theirs.reset();
  CHECK(::send(attach.ours.get(), "this\n", 5, 0) == 5);
  CHECK(demultiplex(read_all(attach.ours.get()))[1] == "got this\n");
  (void)engine.next_exit();
  socket_pair late;
  CHECK(engine.ask(a, {late.theirs.get()}).failure().code() == std::uint32_t(errc::conflict));
  late.theirs.reset();
  CHECK(read_all(late.ours.get()).empty());
  a.mutable_attach()->set_id("nobody");
  CHECK(engine.ask(a, {late.ours.get()}).failure().code() == std::uint32_t(errc::not_found));
}

TEST_CASE("stdin ends with its client when it is asked to end once", "[runtime][shim][attach]") {
  shim_process shim;
  client engine(shim.dir);
  const auto start = [&](const std::string& id, bool once, socket_pair& attach) {
    auto m = launch_of(shim.dir, id, {"cat"});
    m.mutable_launch()->mutable_spec()->mutable_process()->set_open_stdin(true);
    m.mutable_launch()->set_stdin_once(once);
    add_attach(m, true);
    REQUIRE_FALSE(engine.ask(m, {attach.theirs.get()}).has_failure());
    attach.theirs.reset();
  };
  SECTION("by a half close: output still comes") {
    socket_pair attach;
    start("c", true, attach);
    CHECK(::send(attach.ours.get(), "in\n", 3, 0) == 3);
    ::shutdown(attach.ours.get(), SHUT_WR);
    CHECK(demultiplex(read_all(attach.ours.get()))[1] == "in\n");
    CHECK(engine.next_exit().wait_status() == 0);
  }
  SECTION("by vanishing: what it sent before arrives") {
    socket_pair attach;
    start("c", true, attach);
    const std::string much(300'000, 'x');
    CHECK(::send(attach.ours.get(), much.data(), 100'000, 0) == 100'000);
    attach.ours.reset();
    CHECK(engine.next_exit().wait_status() == 0);
    CHECK(logged(shim.dir / "c" / "log") == much.substr(0, 100'000));
  }
  SECTION("not when stdin is to stay open") {
    socket_pair attach;
    start("c", false, attach);
    ::shutdown(attach.ours.get(), SHUT_WR);
    socket_pair next;
    pb::ToShim a;
    a.mutable_attach()->set_id("c");
    a.mutable_attach()->mutable_options()->set_want_stdin(true);
    a.mutable_attach()->mutable_options()->set_want_stdout(true);
    CHECK_FALSE(engine.ask(a, {next.theirs.get()}).has_failure());
    CHECK(::send(next.ours.get(), "still open\n", 11, 0) == 11);
    CHECK(demultiplex(read_all(next.ours.get(), 19))[1] == "still open\n");
    CHECK(demultiplex(read_all(attach.ours.get(), 19))[1] == "still open\n");
    CHECK_FALSE(engine.signal("c", SIGKILL).has_failure());
    (void)engine.next_exit();
  }
}

TEST_CASE("input waits for a program that does not read, and none is lost", "[runtime][shim][attach]") {
  shim_process shim;
  client engine(shim.dir);
  socket_pair attach;
  const auto gate = shim.dir / "gate";
  REQUIRE(::mkfifo(gate.c_str(), 0600) == 0);
  auto m = sh(shim.dir, "c", "read x < " + gate.string() + "; cat | wc -c");
  m.mutable_launch()->mutable_spec()->mutable_process()->set_open_stdin(true);
  m.mutable_launch()->set_stdin_once(true);
  add_attach(m, true);
  CHECK_FALSE(engine.ask(m, {attach.theirs.get()}).has_failure());
  attach.theirs.reset();
  const auto rss = shim.rss_kb();
  const std::string chunk(65536, 'x');
  std::size_t sent = 0;
  // Until nobody takes any more: the pipe, one read, and the socket are full.
  for (ssize_t n = 0; (n = ::send(attach.ours.get(), chunk.data(), chunk.size(), MSG_DONTWAIT)) > 0 || eventually([&] {
                        pollfd p{attach.ours.get(), POLLOUT, 0};
                        return ::poll(&p, 1, 200) <= 0 || (p.revents & POLLOUT) != 0;
                      });) {
    if (n > 0) sent += static_cast<std::size_t>(n);
    pollfd p{attach.ours.get(), POLLOUT, 0};
    if (n <= 0 && ::poll(&p, 1, 200) <= 0) break;
    REQUIRE(sent < 16u << 20);
  }
  if (memory_is_exact) CHECK(shim.rss_kb() < rss + 512);
  CHECK(sent > 65536);
  std::ofstream(gate) << "go\n";
  std::size_t more = sent + (4u << 20);
  while (sent < more) {
    const auto n = ::send(attach.ours.get(), chunk.data(), chunk.size(), 0);
    REQUIRE(n > 0);
    sent += static_cast<std::size_t>(n);
  }
  ::shutdown(attach.ours.get(), SHUT_WR);
  CHECK(demultiplex(read_all(attach.ours.get()))[1] == std::to_string(sent) + "\n");
}

TEST_CASE("a client that does not read makes its container wait, and costs no more than its queue",
          "[runtime][shim][attach]") {
  shim_process shim;
  client engine(shim.dir);
  socket_pair attach;
  auto m = sh(shim.dir, "c", "exec seq 1 3000000");
  m.mutable_launch()->mutable_log()->set_driver(pb::Log::NONE);
  add_attach(m, false);
  const auto rss = shim.rss_kb();
  const auto pid = engine.ask(m, {attach.theirs.get()}).pid();
  attach.theirs.reset();
  // It stands when what it has written does not grow any more, beyond what the queue takes.
  const auto written = [&] {
    std::istringstream in(read_file("/proc/" + std::to_string(pid) + "/io"));
    for (std::string key; in >> key;)
      if (std::size_t n = 0; key == "wchar:" && in >> n) return n;
    return std::size_t{0};
  };
  std::size_t last = 0;
  int same = 0;
  const auto stands = [&] {
    const auto now = written();
    same = now == last ? same + 1 : 0;
    last = now;
    return same > 50 && now > runtime::shim::attach_queue_bytes_max;
  };
  REQUIRE(eventually(stands));
  if (memory_is_exact) CHECK(shim.rss_kb() < rss + 4096);
  // The shim serves others meanwhile.
  CHECK_FALSE(engine.ask(launch_of(shim.dir, "other", {"true"})).has_failure());
  CHECK(engine.next_exit().id() == "other");

  SECTION("reading on gives everything") {
    const auto got = demultiplex(read_all(attach.ours.get()))[1];
    std::string expected;
    for (int i = 1; i <= 3000000; ++i) expected.append(std::to_string(i)).push_back('\n');
    CHECK((got == expected));
    CHECK(engine.next_exit().wait_status() == 0);
  }
  SECTION("going away lets the container run on") {
    attach.ours.reset();
    CHECK(engine.next_exit().wait_status() == 0);
  }
  SECTION("the container's end is told at once, and its output still comes") {
    CHECK_FALSE(engine.signal("c", SIGKILL).has_failure());
    CHECK(WTERMSIG(engine.next_exit().wait_status()) == SIGKILL);
    const auto got = demultiplex(read_all(attach.ours.get()))[1];
    CHECK(got.size() > runtime::shim::attach_queue_bytes_max);
    CHECK(got.substr(0, 6) == "1\n2\n3\n");
  }
}

TEST_CASE("clients that do not read share a bound", "[runtime][shim][attach]") {
  shim_process shim;
  client engine(shim.dir);
  constexpr std::size_t mb = 1u << 20;
  constexpr std::size_t clients = runtime::shim::attach_queues_bytes_max / mb + 30;
  auto cat = launch_of(shim.dir, "cat", {"cat"});
  cat.mutable_launch()->mutable_spec()->mutable_process()->set_open_stdin(true);
  CHECK_FALSE(engine.ask(cat).has_failure());
  std::vector<socket_pair> deaf(clients);
  pb::ToShim a;
  a.mutable_attach()->set_id("cat");
  a.mutable_attach()->mutable_options()->set_want_stdout(true);
  for (auto& d : deaf) {
    REQUIRE_FALSE(engine.ask(a, {d.theirs.get()}).has_failure());
    d.theirs.reset();
  }
  SECTION("of memory") {
    socket_pair writer;
    a.mutable_attach()->mutable_options()->set_want_stdout(false);
    a.mutable_attach()->mutable_options()->set_want_stdin(true);
    REQUIRE_FALSE(engine.ask(a, {writer.theirs.get()}).has_failure());
    const std::string chunk(65536, 'x');
    std::size_t sent = 0;
    // Until cat stands because nobody reads what it writes.
    pollfd p{writer.ours.get(), POLLOUT, 0};
    while (::poll(&p, 1, 500) > 0 && sent < 16 * mb) {
      const auto n = ::send(writer.ours.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
      if (n > 0) sent += static_cast<std::size_t>(n);
    }
    CHECK(sent < 4 * mb);
    // A queue's memory grows by doubling.
    if (memory_is_exact) CHECK(shim.rss_kb() / 1024 < 2 * runtime::shim::attach_queues_bytes_max / mb + 64);
  }
  SECTION("of number") {
    std::vector<socket_pair> more(runtime::shim::attaches_max - clients);
    for (auto& d : more) REQUIRE_FALSE(engine.ask(a, {d.theirs.get()}).has_failure());
    socket_pair over;
    CHECK(engine.ask(a, {over.theirs.get()}).failure().code() == std::uint32_t(errc::unavailable));
  }
  CHECK_FALSE(engine.signal("cat", SIGKILL).has_failure());
  CHECK(engine.next_exit().id() == "cat");
}

TEST_CASE("a pipe that outlives init is not waited for", "[runtime][shim]") {
  shim_process shim;
  client engine(shim.dir);
  CHECK_FALSE(engine.ask(sh(shim.dir, "c", "echo last; (sleep 1000 &) ; exit 0")).has_failure());
  CHECK(engine.next_exit().id() == "c");
  CHECK(logged(shim.dir / "c" / "log") == "last\n");
}

TEST_CASE("output without a newline is logged at the end", "[runtime][shim]") {
  shim_process shim;
  client engine(shim.dir);
  CHECK_FALSE(engine.ask(sh(shim.dir, "c", "printf 'no newline'")).has_failure());
  (void)engine.next_exit();
  CHECK(logged(shim.dir / "c" / "log") == "no newline");
}

TEST_CASE("a program that closes its stdin does not hurt", "[runtime][shim][attach]") {
  shim_process shim;
  client engine(shim.dir);
  socket_pair attach;
  auto m = sh(shim.dir, "c", "exec < /dev/null; echo closed; read x; sleep 1000");
  m.mutable_launch()->mutable_spec()->mutable_process()->set_args(2, "exec < /dev/null; echo closed; exec sleep 1000");
  m.mutable_launch()->mutable_spec()->mutable_process()->set_open_stdin(true);
  add_attach(m, true);
  CHECK_FALSE(engine.ask(m, {attach.theirs.get()}).has_failure());
  attach.theirs.reset();
  REQUIRE(eventually([&] { return logged(shim.dir / "c" / "log") == "closed\n"; }));
  const std::string chunk(65536, 'x');
  for (int i = 0; i < 64; ++i) REQUIRE(::send(attach.ours.get(), chunk.data(), chunk.size(), 0) == 65536);
  CHECK_FALSE(engine.signal("c", SIGKILL).has_failure());
  CHECK(WTERMSIG(engine.next_exit().wait_status()) == SIGKILL);
  CHECK(demultiplex(read_all(attach.ours.get()))[1] == "closed\n");
}

TEST_CASE("a terminal is relayed raw, both ways, and takes its size", "[runtime][shim][attach]") {
  shim_process shim;
  client engine(shim.dir);
  socket_pair attach;
  auto m = sh(shim.dir, "c", "stty -echo; echo ready; read x; stty size; echo got $x");
  m.mutable_launch()->mutable_spec()->mutable_process()->set_terminal(true);
  m.mutable_launch()->mutable_spec()->mutable_process()->set_open_stdin(true);
  m.mutable_launch()->set_stdin_once(true);
  add_attach(m, true);
  CHECK_FALSE(engine.ask(m, {attach.theirs.get()}).has_failure());
  attach.theirs.reset();
  CHECK(read_all(attach.ours.get(), 7) == "ready\r\n");
  pb::ToShim resize;
  resize.mutable_resize()->set_id("c");
  resize.mutable_resize()->set_rows(33);
  resize.mutable_resize()->set_columns(77);
  CHECK_FALSE(engine.ask(resize).has_failure());
  CHECK(::send(attach.ours.get(), "this\n", 5, 0) == 5);
  CHECK(read_all(attach.ours.get()) == "33 77\r\ngot this\r\n");
  CHECK(engine.next_exit().wait_status() == 0);
  CHECK(logged(shim.dir / "c" / "log") == "ready\r\n33 77\r\ngot this\r\n");
  CHECK(engine.ask(resize).failure().code() == std::uint32_t(errc::conflict));
}

TEST_CASE("a container without a terminal has no size", "[runtime][shim]") {
  shim_process shim;
  client engine(shim.dir);
  CHECK_FALSE(engine.ask(sh(shim.dir, "c", "sleep 1000")).has_failure());
  pb::ToShim resize;
  resize.mutable_resize()->set_id("c");
  CHECK(engine.ask(resize).failure().code() == std::uint32_t(errc::conflict));
}

TEST_CASE("a terminal that nobody has open for a while is not lost", "[runtime][shim][attach]") {
  shim_process shim;
  client engine(shim.dir);
  socket_pair attach;
  auto m =
      sh(shim.dir, "c", "t=$(tty); echo one; trap '' HUP; exec </dev/null >/dev/null 2>&1; sleep 0.2; echo two > $t");
  m.mutable_launch()->mutable_spec()->mutable_process()->set_terminal(true);
  add_attach(m, false);
  CHECK_FALSE(engine.ask(m, {attach.theirs.get()}).has_failure());
  attach.theirs.reset();
  CHECK(read_all(attach.ours.get()) == "one\r\ntwo\r\n");
}

TEST_CASE("hundreds of echoes at once: every output and every exit is exact", "[runtime][shim]") {
  shim_process shim;
  client engine(shim.dir);
  constexpr int count = 300;
  std::vector<socket_pair> attach(count);
  for (int i = 0; i < count; ++i) {
    auto m = sh(shim.dir, "c" + std::to_string(i), "echo " + std::to_string(i) + "; exit " + std::to_string(i % 200));
    add_attach(m, false);
    engine.send(m, {attach[static_cast<std::size_t>(i)].theirs.get()});
    attach[static_cast<std::size_t>(i)].theirs.reset();
  }
  std::map<std::string, int> exits;
  for (int i = 0; i < count; ++i) {
    const auto e = engine.next_exit();
    exits[e.id()] = WEXITSTATUS(e.wait_status());
  }
  for (int i = 0; i < count; ++i) {
    const auto id = "c" + std::to_string(i);
    const auto text = std::to_string(i) + "\n";
    REQUIRE(exits.at(id) == i % 200);
    REQUIRE(demultiplex(read_all(attach[static_cast<std::size_t>(i)].ours.get()))[1] == text);
    REQUIRE(logged(shim.dir / id / "log") == text);
  }
}
