/// Containers, clients and connections survive a shim that replaces itself by its new program.
#include "tests/runtime/shim_fixture.hpp"

#include <iostream>

using namespace gantry;
using namespace gantry::runtime::shim::test;
namespace pb = gantry::runtime::pb;

namespace {

bool program_there() {
  if (fs::exists(shim_program())) return true;
  std::cout << "skipped: " << shim_program() << " is not built\n";
  return false;
}

void upgrade_now(const shim_process& shim) {
  const auto exe = "/proc/" + std::to_string(shim.pid) + "/cmdline";
  ::kill(shim.pid, SIGUSR2);
  REQUIRE(eventually([&] { return read_file(exe).find("--upgrade-from-fd") != std::string::npos; }));
}

} // namespace

TEST_CASE("running, logging and attached containers survive an upgrade", "[runtime][shim][upgrade]") {
  if (!program_there()) return;
  shim_process shim;
  client engine(shim.dir);
  socket_pair attach;
  auto m = sh(shim.dir, "c",
              "printf half; read x; echo \" a line\"; i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i+1)); done; "
              "read y; echo got $y; exit 7");
  m.mutable_launch()->mutable_spec()->mutable_process()->set_open_stdin(true);
  m.mutable_launch()->set_stdin_once(true);
  add_attach(m, true);
  CHECK_FALSE(engine.ask(m, {attach.theirs.get()}).has_failure());
  attach.theirs.reset();
  CHECK_FALSE(engine.ask(launch_of(shim.dir, "ended", {"sh", "-c", "exit 9"})).has_failure());
  CHECK(engine.next_exit().id() == "ended");
  auto tty = launch_of(shim.dir, "tty", {"sh", "-c", "read x; stty size; exec sleep 1000"});
  tty.mutable_launch()->mutable_spec()->mutable_process()->set_terminal(true);
  CHECK_FALSE(engine.ask(tty).has_failure());
  CHECK(demultiplex(read_all(attach.ours.get(), 12))[1] == "half");

  upgrade_now(shim);
  CHECK_FALSE(engine.signal("c", 0).has_failure()); // the same connection goes on
  const auto fds = shim.fds();                      // without what the test process left open
  CHECK(::send(attach.ours.get(), "go\n", 3, 0) == 3);
  // Again, while it writes.
  ::kill(shim.pid, SIGUSR2);
  std::string expected = "half a line\n";
  for (int i = 0; i < 2000; ++i) expected += std::to_string(i) + "\n";
  REQUIRE(eventually([&] { return logged(shim.dir / "c" / "log") == expected; }));

  CHECK_FALSE(engine.signal("c", 0).has_failure());
  CHECK(eventually([&] { return shim.fds() == fds + 1; })); // and the log's file
  pb::ToShim resize;
  resize.mutable_resize()->set_id("tty");
  resize.mutable_resize()->set_rows(11);
  resize.mutable_resize()->set_columns(22);
  CHECK_FALSE(engine.ask(resize).has_failure());
  CHECK(::send(attach.ours.get(), "this\n", 5, 0) == 5);
  const auto e = engine.next_exit();
  CHECK(e.id() == "c");
  CHECK(WEXITSTATUS(e.wait_status()) == 7);
  expected += "got this\n";
  CHECK(logged(shim.dir / "c" / "log") == expected);
  CHECK("half" + demultiplex(read_all(attach.ours.get()))[1] == expected);

  client again(shim.dir);
  CHECK(again.hello.pid() == shim.pid);
  std::map<std::string, pb::Held> held;
  for (const auto& h : again.hello.containers()) held[h.id()] = h;
  CHECK(held.size() == 3);
  CHECK(WEXITSTATUS(held["ended"].exited().wait_status()) == 9);
  CHECK(held["ended"].label() == "label of ended");
  CHECK(held["tty"].label() == "label of tty");
  CHECK_FALSE(again.signal("tty", SIGKILL).has_failure());
  CHECK(again.next_exit().id() == "tty");
}

TEST_CASE("a launch that is under way survives an upgrade", "[runtime][shim][upgrade]") {
  if (!program_there()) return;
  shim_process shim;
  client engine(shim.dir);
  const auto gate = shim.dir / "gate";
  REQUIRE(::mkfifo(gate.c_str(), 0600) == 0);
  auto m = launch_of(shim.dir, "c", {"gate", gate, "sh", "-c", "echo up; exit 4"});
  m.set_request(5);
  engine.send(m);
  pb::ToShim nothing;
  nothing.mutable_signal()->set_id("c");
  CHECK(engine.ask(nothing).failure().code() == std::uint32_t(errc::conflict));
  upgrade_now(shim);
  ::close(::open(gate.c_str(), O_WRONLY));
  CHECK_FALSE(engine.reply(5).has_failure());
  CHECK(WEXITSTATUS(engine.next_exit().wait_status()) == 4);
  CHECK(logged(shim.dir / "c" / "log") == "up\n");
}
