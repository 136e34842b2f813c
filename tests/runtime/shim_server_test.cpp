/// The shim over its socket: launches, exits, requests.
#include "tests/runtime/shim_fixture.hpp"

using namespace gantry;
using namespace gantry::runtime::shim::test;
namespace pb = gantry::runtime::pb;

TEST_CASE("a container runs, is logged and its exit is told", "[runtime][shim]") {
  shim_process shim;
  client engine(shim.dir);
  CHECK(engine.hello.pid() == shim.pid);
  CHECK(engine.hello.containers_size() == 0);
  const auto r = engine.ask(sh(shim.dir, "one", "echo hello; echo oops >&2; exit 3"));
  CHECK_FALSE(r.has_failure());
  CHECK(r.pid() > 0);
  CHECK(r.started_at() > 1'700'000'000'000'000'000);
  const auto e = engine.next_exit();
  CHECK(e.id() == "one");
  CHECK(WIFEXITED(e.wait_status()));
  CHECK(WEXITSTATUS(e.wait_status()) == 3);
  CHECK_FALSE(e.oom_killed());
  CHECK(e.finished_at() >= r.started_at());
  CHECK(logged(shim.dir / "one" / "log") == "hello\n");
  CHECK(logged(shim.dir / "one" / "log", "stderr") == "oops\n");
  CHECK_FALSE(engine.acknowledge("one").has_failure());
}

TEST_CASE("an exit at once after exec comes after the reply", "[runtime][shim]") {
  shim_process shim;
  client engine(shim.dir);
  for (int i = 0; i < 50; ++i) {
    const auto id = "quick" + std::to_string(i);
    CHECK_FALSE(engine.ask(launch_of(shim.dir, id, {"true"})).has_failure());
    CHECK(engine.exits.empty());
    CHECK(engine.next_exit().id() == id);
  }
}

TEST_CASE("launches go on side by side", "[runtime][shim]") {
  shim_process shim;
  client engine(shim.dir);
  const auto gate = shim.dir / "gate";
  REQUIRE(::mkfifo(gate.c_str(), 0600) == 0);
  auto slow = launch_of(shim.dir, "slow", {"gate", gate, "true"});
  slow.set_request(7);
  engine.send(slow);
  CHECK_FALSE(engine.ask(launch_of(shim.dir, "fast", {"true"})).has_failure());
  CHECK(engine.next_exit().id() == "fast");
  // One that is being launched holds its id, and can neither be signalled nor acknowledged.
  CHECK(engine.ask(launch_of(shim.dir, "slow", {"true"})).failure().code() == std::uint32_t(errc::conflict));
  CHECK(engine.signal("slow", SIGTERM).failure().code() == std::uint32_t(errc::conflict));
  CHECK(engine.acknowledge("slow").failure().code() == std::uint32_t(errc::conflict));
  client second(shim.dir, false);
  CHECK(second.hello.containers_size() == 2);
  ::close(::open(gate.c_str(), O_WRONLY));
  CHECK_FALSE(engine.reply(7).has_failure());
  CHECK(engine.next_exit().id() == "slow");
}

TEST_CASE("a launch that fails leaves nothing", "[runtime][shim]") {
  shim_process shim;
  client engine(shim.dir);
  const auto before = shim.fds();
  for (const std::string how : {"fail", "refuse"}) {
    socket_pair attach;
    auto m = launch_of(shim.dir, how, {how});
    m.mutable_launch()->mutable_spec()->mutable_process()->set_open_stdin(true);
    add_attach(m, true);
    const auto r = engine.ask(m, {attach.theirs.get()});
    attach.theirs.reset();
    REQUIRE(r.has_failure());
    if (how == "fail") CHECK(r.failure().message() == "exec: \"fail\": executable file not found in $PATH");
    if (how == "fail") CHECK(r.failure().code() == std::uint32_t(errc::invalid_parameter));
    CHECK(read_all(attach.ours.get()).empty());
    CHECK_FALSE(fs::exists(shim.dir / how));
  }
  CHECK(shim.fds() == before);
  CHECK(client(shim.dir).hello.containers_size() == 0);
  CHECK(engine.exits.empty());
}

TEST_CASE("an id is held until its exit is acknowledged", "[runtime][shim]") {
  shim_process shim;
  client engine(shim.dir);
  CHECK_FALSE(engine.ask(sh(shim.dir, "one", "sleep 1000")).has_failure());
  CHECK(engine.ask(sh(shim.dir, "one", "true")).failure().code() == std::uint32_t(errc::conflict));
  CHECK_FALSE(engine.signal("one", SIGKILL).has_failure());
  CHECK(WTERMSIG(engine.next_exit().wait_status()) == SIGKILL);
  CHECK(engine.ask(sh(shim.dir, "one", "true")).failure().code() == std::uint32_t(errc::conflict));
  CHECK(engine.signal("one", SIGKILL).failure().code() == std::uint32_t(errc::conflict));
  CHECK_FALSE(engine.acknowledge("one").has_failure());
  CHECK(engine.acknowledge("one").failure().code() == std::uint32_t(errc::not_found));
  CHECK(engine.signal("one", SIGKILL).failure().code() == std::uint32_t(errc::not_found));
  CHECK_FALSE(engine.ask(sh(shim.dir, "one", "true")).has_failure());
  CHECK(engine.next_exit().id() == "one");
}

TEST_CASE("exits and containers are known to an engine that comes back", "[runtime][shim]") {
  shim_process shim;
  {
    client engine(shim.dir);
    CHECK_FALSE(engine.ask(sh(shim.dir, "ends", "echo while; echo away; exit 5")).has_failure());
    CHECK_FALSE(engine.ask(sh(shim.dir, "stays", "sleep 1000")).has_failure());
  }
  REQUIRE(eventually([&] { return logged(shim.dir / "ends" / "log") == "while\naway\n"; }));
  std::map<std::string, pb::Held> held;
  REQUIRE(eventually([&] {
    held.clear();
    client engine(shim.dir);
    for (const auto& h : engine.hello.containers()) held[h.id()] = h;
    return held["ends"].has_exited();
  }));
  CHECK(WEXITSTATUS(held["ends"].exited().wait_status()) == 5);
  CHECK(held["ends"].label() == "label of ends");
  CHECK_FALSE(held["stays"].has_exited());
  CHECK(held["stays"].pid() > 0);
  CHECK(held["stays"].started_at() > 0);
  client engine(shim.dir);
  CHECK_FALSE(engine.signal("stays", SIGTERM).has_failure());
  CHECK(engine.next_exit().id() == "stays");
}

TEST_CASE("a launch whose engine was killed is settled for the next one", "[runtime][shim]") {
  shim_process shim;
  const auto gate = shim.dir / "gate";
  REQUIRE(::mkfifo(gate.c_str(), 0600) == 0);
  const std::string args[] = {"sleep", "fail"};
  const auto& last = args[GENERATE(0, 1)];
  {
    client engine(shim.dir);
    engine.send(launch_of(shim.dir, "c", {"gate", gate, last, "1000"}));
    engine.send(sh(shim.dir, "other", "sleep 1000"));
    REQUIRE(eventually([&] { return shim.fds() > 15; }));
  }
  SECTION("it was quick") {
    unique_fd opened;
    // Without a reader, and before the child has come so far, there is nobody to open it for.
    REQUIRE(eventually([&] {
      opened.reset(::open(gate.c_str(), O_WRONLY | O_NONBLOCK));
      return bool(opened);
    }));
    opened.reset();
    client next(shim.dir);
    std::map<std::string, std::int32_t> pids;
    for (const auto& h : next.hello.containers()) pids[h.id()] = h.pid();
    CHECK(pids["other"] > 0);
    if (last == "fail")
      CHECK(pids.count("c") == 0);
    else
      CHECK(pids["c"] > 0);
  }
  SECTION("it takes longer than Hello waits") {
    client next(shim.dir);
    for (const auto& h : next.hello.containers())
      if (h.id() == "c") CHECK(h.pid() == 0);
    CHECK(next.hello.containers_size() == 2);
    ::close(::open(gate.c_str(), O_WRONLY));
  }
}

TEST_CASE("every connection that wants events gets them", "[runtime][shim]") {
  shim_process shim;
  client one(shim.dir), two(shim.dir), quiet(shim.dir, false);
  CHECK_FALSE(quiet.ask(sh(shim.dir, "c", "exit 1")).has_failure());
  CHECK(one.next_exit().id() == "c");
  CHECK(two.next_exit().id() == "c");
  CHECK_FALSE(quiet.acknowledge("c").has_failure());
  CHECK(quiet.exits.empty());
}

TEST_CASE("an out-of-memory kill is told", "[runtime][shim]") {
  shim_process shim;
  client engine(shim.dir);
  CHECK_FALSE(engine.ask(sh(shim.dir, "oom", "kill -9 $$")).has_failure());
  CHECK(engine.next_exit().oom_killed());
}

TEST_CASE("a signal goes to init, or to all processes", "[runtime][shim]") {
  shim_process shim;
  client engine(shim.dir);
  auto m = sh(shim.dir, "c", "trap 'echo usr1' USR1; echo up; while :; do sleep 1000 & wait $!; done");
  CHECK_FALSE(engine.ask(m).has_failure());
  const auto log = shim.dir / "c" / "log";
  REQUIRE(eventually([&] { return logged(log) == "up\n"; }));
  CHECK_FALSE(engine.signal("c", SIGUSR1).has_failure());
  REQUIRE(eventually([&] { return logged(log) == "up\nusr1\n"; }));
  CHECK(engine.signal("c", 1000).failure().code() == std::uint32_t(errc::invalid_parameter));
  CHECK(engine.signal("c", -1).failure().code() == std::uint32_t(errc::invalid_parameter));
  CHECK_FALSE(engine.signal("c", SIGKILL, true).has_failure());
  CHECK(WTERMSIG(engine.next_exit().wait_status()) == SIGKILL);
}

TEST_CASE("a log is opened anew on request", "[runtime][shim]") {
  shim_process shim;
  client engine(shim.dir);
  auto m = sh(shim.dir, "c", "echo before; read x; echo after");
  m.mutable_launch()->mutable_spec()->mutable_process()->set_open_stdin(true);
  socket_pair attach;
  add_attach(m, true);
  CHECK_FALSE(engine.ask(m, {attach.theirs.get()}).has_failure());
  const auto log = shim.dir / "c" / "log";
  REQUIRE(eventually([&] { return logged(log) == "before\n"; }));
  fs::rename(log, log.string() + ".old");
  pb::ToShim reopen;
  reopen.mutable_reopen_log()->set_id("c");
  CHECK_FALSE(engine.ask(reopen).has_failure());
  CHECK(::send(attach.ours.get(), "go\n", 3, 0) == 3);
  CHECK(engine.next_exit().id() == "c");
  CHECK(logged(log) == "after\n");
}

TEST_CASE("shutdown is refused while a container runs, then granted", "[runtime][shim]") {
  shim_process shim;
  client engine(shim.dir);
  CHECK_FALSE(engine.ask(sh(shim.dir, "c", "sleep 1000")).has_failure());
  CHECK(engine.shut_down().failure().code() == std::uint32_t(errc::conflict));
  CHECK_FALSE(engine.signal("c", SIGKILL).has_failure());
  (void)engine.next_exit();
  CHECK_FALSE(engine.shut_down().has_failure());
  CHECK(shim.wait() == 0);
  CHECK_FALSE(fs::exists(shim.dir / "shim.sock"));
}

TEST_CASE("a shim that ends makes room for the next", "[runtime][shim]") {
  shim_process shim;
  client engine(shim.dir);
  CHECK_FALSE(engine.shut_down().has_failure());
  const auto next = runtime::shim::take_run_root(shim.dir); // it may still hold the lock
  CHECK(next.has_value());
}

TEST_CASE("SIGTERM is ignored while containers run and ends an idle shim", "[runtime][shim]") {
  shim_process shim;
  client engine(shim.dir);
  CHECK_FALSE(engine.ask(sh(shim.dir, "c", "sleep 1000")).has_failure());
  ::kill(shim.pid, SIGTERM);
  REQUIRE(eventually([&] { return read_file(shim.dir / "log").find("SIGTERM is ignored") != std::string::npos; }));
  CHECK_FALSE(engine.signal("c", SIGKILL).has_failure());
  (void)engine.next_exit();
  CHECK_FALSE(engine.acknowledge("c").has_failure());
  ::kill(shim.pid, SIGTERM);
  CHECK(shim.wait() == 0);
}

TEST_CASE("a run root belongs to one shim, and a dead one's socket is replaced", "[runtime][shim]") {
  shim_process shim;
  const auto second = runtime::shim::take_run_root(shim.dir);
  REQUIRE(second.has_error());
  CHECK(second.error().code == errc::conflict);
  CHECK(second.error().message.find(std::to_string(shim.pid)) != std::string::npos);
  shim.stop();
  CHECK(fs::exists(shim.dir / "shim.sock"));
  shim.start();
  client engine(shim.dir);
  CHECK(engine.hello.pid() == shim.pid);
  CHECK((fs::status(shim.dir / "shim.sock").permissions() & fs::perms::all) == fs::perms(0600));
}

TEST_CASE("orphans of a container are reaped", "[runtime][shim]") {
  shim_process shim;
  client engine(shim.dir);
  // The grandchild outlives its parent and comes to the shim.
  CHECK_FALSE(engine
                  .ask(sh(shim.dir, "c",
                          "(sh -c 'echo $$ > " + (shim.dir / "pid").string() +
                              "; read x' < /dev/zero > /dev/null 2>&1 &) ; exit 0"))
                  .has_failure());
  (void)engine.next_exit();
  REQUIRE(eventually([&] { return read_file(shim.dir / "pid").find('\n') != std::string::npos; }));
  const auto pid = std::stoi(read_file(shim.dir / "pid"));
  ::kill(pid, SIGKILL);
  CHECK(eventually([&] { return ::kill(pid, 0) != 0 && errno == ESRCH; }));
}

TEST_CASE("many containers one after another leave nothing", "[runtime][shim]") {
  shim_process shim;
  client engine(shim.dir);
  const auto round = [&](int i) {
    const auto id = "c" + std::to_string(i);
    auto m = launch_of(shim.dir, id, {"echo", "hello"});
    m.mutable_launch()->mutable_spec()->mutable_process()->set_open_stdin(true);
    socket_pair attach;
    add_attach(m, true);
    REQUIRE_FALSE(engine.ask(m, {attach.theirs.get()}).has_failure());
    attach.theirs.reset();
    REQUIRE(engine.next_exit().id() == id);
    REQUIRE(demultiplex(read_all(attach.ours.get()))[1] == "hello\n");
    REQUIRE(logged(shim.dir / id / "log") == "hello\n");
    fs::remove_all(shim.dir / id);
    REQUIRE_FALSE(engine.acknowledge(id).has_failure());
  };
  for (int i = 0; i < 50; ++i) round(i);
  const auto fds = shim.fds();
  const auto rss = shim.rss_kb();
  for (int i = 0; i < 500; ++i) round(i);
  CHECK(eventually([&] { return shim.fds() == fds; }));
  if (memory_is_exact) CHECK(shim.rss_kb() <= rss + 64);
}
