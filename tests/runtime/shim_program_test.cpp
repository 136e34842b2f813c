/// The built gantry-shim, as the engine starts it, with real containers.
#include <csignal>
#include <iostream>

#include "tests/runtime/sample_root.hpp"
#include "tests/runtime/shim_fixture.hpp"

using namespace gantry;
using namespace gantry::runtime::shim::test;
using gantry::runtime::testing::sample_root;
namespace pb = gantry::runtime::pb;

namespace {

bool possible() {
  std::string why;
  if (!fs::exists(shim_program()))
    why = shim_program().string() + " is not built";
  else if (sample_root::possible(why))
    return true;
  std::cout << "skipped: " << why << "\n";
  return false;
}

/// Starts it as a daemon, as the engine does; ends it at the end.
struct shim_daemon {
  fs::path dir;
  pid_t pid = -1;

  shim_daemon() {
    char name[] = "/tmp/gantry-shim-test-XXXXXX";
    dir = ::mkdtemp(name);
    REQUIRE(run() == 0);
    pid = client(dir, false).hello.pid();
  }
  ~shim_daemon() {
    ::kill(pid, SIGKILL);
    eventually([&] { return ::kill(pid, 0) != 0; });
    fs::remove_all(dir);
  }
  /// The exit status of the starting process; what it prints goes to DIR/said.
  int run() const {
    const auto child = ::fork();
    if (child == 0) {
      const int said = ::open((dir / "said").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      ::dup2(said, 2);
      ::execl(shim_program().c_str(), "gantry-shim", "--daemonize", "--run-root", dir.c_str(), "--log-file",
              (dir / "shim.log").c_str(), nullptr);
      ::_exit(126);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  }
  [[nodiscard]] std::string status(const std::string& key) const {
    std::istringstream in(read_file("/proc/" + std::to_string(pid) + "/status"));
    for (std::string line; std::getline(in, line);)
      if (line.rfind(key + ":", 0) == 0) return line.substr(key.size() + 2);
    return {};
  }
  [[nodiscard]] std::size_t rss_kb() const { return std::stoul(status("RssAnon")); }
  [[nodiscard]] std::size_t fds() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd"), {}));
  }
};

pb::ToShim launch_in(const sample_root& root, const shim_daemon& shim, const std::string& id,
                     std::initializer_list<std::string> args) {
  pb::ToShim m;
  auto& l = *m.mutable_launch();
  l.set_id(id);
  *l.mutable_spec() = root.make_spec(id, args);
  l.mutable_log()->set_driver(pb::Log::JSON_FILE);
  l.mutable_log()->set_path(shim.dir / id / "log");
  return m;
}

void remove_container(const sample_root& root, const pb::ToShim& m) {
  static const auto layout = runtime::cgroup_layout::detect();
  root.remove_upper(m.launch().spec());
  if (layout.has_value()) REQUIRE(runtime::remove(*layout, m.launch().spec().cgroup().path()).has_value());
  fs::remove_all(fs::path(m.launch().log().path()).parent_path());
}

} // namespace

TEST_CASE("the program starts as a daemon and says when it cannot", "[runtime][shim][program]") {
  if (!possible()) return;
  shim_daemon shim;
  CHECK(read_file("/proc/" + std::to_string(shim.pid) + "/stat").find("gantry-shim") != std::string::npos);
  CHECK(::getsid(shim.pid) == shim.pid);
  CHECK(fs::read_symlink("/proc/" + std::to_string(shim.pid) + "/cwd") == "/");
  CHECK(fs::read_symlink("/proc/" + std::to_string(shim.pid) + "/fd/0") == "/dev/null");
  CHECK(shim.fds() < 12);
  CHECK(shim.run() == 1);
  CHECK(read_file(shim.dir / "said").find("another shim holds it, pid " + std::to_string(shim.pid)) !=
        std::string::npos);
  client engine(shim.dir);
  CHECK_FALSE(engine.shut_down().has_failure());
  CHECK(eventually([&] { return ::kill(shim.pid, 0) != 0; }));
  CHECK_FALSE(fs::exists(shim.dir / "shim.sock"));
}

TEST_CASE("the program runs containers", "[runtime][shim][program]") {
  if (!possible()) return;
  shim_daemon shim;
  const sample_root root(shim.dir / "root");
  client engine(shim.dir);

  SECTION("output, log, exit status") {
    auto m = launch_in(root, shim, "c1", {"sh", "-c", "echo from $HOSTNAME; echo no >&2; exit 42"});
    socket_pair attach;
    add_attach(m, false);
    const auto r = engine.ask(m, {attach.theirs.get()});
    INFO(r.failure().message());
    REQUIRE_FALSE(r.has_failure());
    attach.theirs.reset();
    CHECK(WEXITSTATUS(engine.next_exit().wait_status()) == 42);
    const auto got = demultiplex(read_all(attach.ours.get()));
    CHECK(got.at(1) == "from c1\n");
    CHECK(got.at(2) == "no\n");
    CHECK(logged(shim.dir / "c1" / "log") == "from c1\n");
    remove_container(root, m);
  }
  SECTION("a program that is not there") {
    auto m = launch_in(root, shim, "c2", {"/nowhere"});
    CHECK(engine.ask(m).has_failure()); // the first launch makes what the launcher keeps for all of them
    const auto fds = shim.fds();
    const auto r = engine.ask(m);
    REQUIRE(r.has_failure());
    CHECK(r.failure().code() == std::uint32_t(errc::invalid_parameter));
    CHECK(r.failure().message().find("no such file or directory") != std::string::npos);
    CHECK(shim.fds() == fds);
    remove_container(root, m);
  }
  SECTION("a terminal") {
    auto m = launch_in(root, shim, "c3", {"sh", "-c", "stty -echo; tty; read x; stty size; echo got $x"});
    auto& p = *m.mutable_launch()->mutable_spec()->mutable_process();
    p.set_terminal(true);
    p.set_open_stdin(true);
    p.set_console_rows(24);
    p.set_console_columns(80);
    socket_pair attach;
    add_attach(m, true);
    const auto r = engine.ask(m, {attach.theirs.get()});
    INFO(r.failure().message());
    REQUIRE_FALSE(r.has_failure());
    attach.theirs.reset();
    const std::string first = "/dev/pts/0\r\n";
    const auto name = read_all(attach.ours.get(), 12);
    CHECK((name == first || name == "/dev/console"));
    CHECK(::send(attach.ours.get(), "this\n", 5, 0) == 5);
    CHECK(read_all(attach.ours.get()).find("24 80\r\ngot this\r\n") != std::string::npos);
    CHECK(engine.next_exit().wait_status() == 0);
    remove_container(root, m);
  }
  SECTION("stdin") {
    auto m = launch_in(root, shim, "c4", {"cat"});
    m.mutable_launch()->mutable_spec()->mutable_process()->set_open_stdin(true);
    m.mutable_launch()->set_stdin_once(true);
    socket_pair attach;
    add_attach(m, true);
    REQUIRE_FALSE(engine.ask(m, {attach.theirs.get()}).has_failure());
    attach.theirs.reset();
    CHECK(::send(attach.ours.get(), "in\n", 3, 0) == 3);
    ::shutdown(attach.ours.get(), SHUT_WR);
    CHECK(demultiplex(read_all(attach.ours.get()))[1] == "in\n");
    CHECK(engine.next_exit().wait_status() == 0);
    remove_container(root, m);
  }
  SECTION("signals to init and to all, and an out-of-memory kill") {
    auto m = launch_in(root, shim, "c5", {"sh", "-c", "trap 'exit 5' TERM; sleep 1000 & wait"});
    REQUIRE_FALSE(engine.ask(m).has_failure());
    // init ignores a signal until its trap stands
    REQUIRE(eventually([&] {
      engine.signal("c5", SIGTERM);
      pollfd p{engine.socket.get(), POLLIN, 0};
      return !engine.exits.empty() || ::poll(&p, 1, 20) > 0;
    }));
    CHECK(WEXITSTATUS(engine.next_exit().wait_status()) == 5);
    remove_container(root, m);

    auto all = launch_in(root, shim, "c6", {"sleep", "1000"});
    REQUIRE_FALSE(engine.ask(all).has_failure());
    const auto r = engine.signal("c6", SIGKILL, true);
    INFO(r.failure().message());
    REQUIRE_FALSE(r.has_failure());
    CHECK(WTERMSIG(engine.next_exit().wait_status()) == SIGKILL);
    remove_container(root, all);
  }
}

TEST_CASE("the program costs little for each running container, and nothing after", "[runtime][shim][program]") {
  if (!possible()) return;
  shim_daemon shim;
  const sample_root root(shim.dir / "root");
  client engine(shim.dir);
  std::vector<pb::ToShim> running;
  const auto start = [&](int i) {
    running.push_back(launch_in(root, shim, "c" + std::to_string(i), {"sh", "-c", "echo up; exec sleep 1000"}));
    running.back().mutable_launch()->mutable_spec()->mutable_process()->set_open_stdin(true);
    const auto r = engine.ask(running.back());
    INFO(r.failure().message());
    REQUIRE_FALSE(r.has_failure());
  };
  const auto end = [&] {
    for (auto& m : running) {
      REQUIRE_FALSE(engine.signal(m.launch().id(), SIGKILL).has_failure());
      (void)engine.next_exit();
      REQUIRE_FALSE(engine.acknowledge(m.launch().id()).has_failure());
      remove_container(root, m);
    }
    running.clear();
  };
  for (int i = 0; i < 5; ++i) start(i);
  end();
  const auto fds = shim.fds();
  const auto before = shim.rss_kb();
  constexpr std::size_t count = 60;
  for (std::size_t i = 0; i < count; ++i) start(static_cast<int>(i));
  if (memory_is_exact) CHECK(shim.rss_kb() - before <= count * 4);
  CHECK(shim.fds() <= fds + count * 5);
  end();
  CHECK(eventually([&] { return shim.fds() == fds; }));
  if (memory_is_exact) CHECK(shim.rss_kb() <= before + count * 4);
}

TEST_CASE("a real container survives an upgrade of the program", "[runtime][shim][program][upgrade]") {
  if (!possible()) return;
  shim_daemon shim;
  const sample_root root(shim.dir / "root");
  client engine(shim.dir);
  auto m = launch_in(root, shim, "c", {"sh", "-c", "echo one; read x; echo $x; exit 3"});
  m.mutable_launch()->mutable_spec()->mutable_process()->set_open_stdin(true);
  socket_pair attach;
  add_attach(m, true);
  REQUIRE_FALSE(engine.ask(m, {attach.theirs.get()}).has_failure());
  attach.theirs.reset();
  CHECK(demultiplex(read_all(attach.ours.get(), 12))[1] == "one\n");
  ::kill(shim.pid, SIGUSR2);
  REQUIRE(eventually([&] {
    return read_file("/proc/" + std::to_string(shim.pid) + "/cmdline").find("--upgrade-from-fd") != std::string::npos;
  }));
  CHECK(::send(attach.ours.get(), "two\n", 4, 0) == 4);
  CHECK(WEXITSTATUS(engine.next_exit().wait_status()) == 3);
  CHECK(demultiplex(read_all(attach.ours.get()))[1] == "two\n");
  CHECK(logged(shim.dir / "c" / "log") == "one\ntwo\n");
  // And the next one starts as the first did.
  REQUIRE_FALSE(engine.acknowledge("c").has_failure());
  remove_container(root, m);
  m.mutable_launch()->clear_attaches();
  REQUIRE_FALSE(engine.ask(m).has_failure());
  REQUIRE_FALSE(engine.signal("c", SIGKILL).has_failure());
  (void)engine.next_exit();
  remove_container(root, m);
}
