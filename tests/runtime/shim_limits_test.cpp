/// What the shim refuses: connections that misbehave, values over their limits, engines that do not read.
#include "tests/runtime/shim_fixture.hpp"

using namespace gantry;
using namespace gantry::runtime::shim::test;
namespace pb = gantry::runtime::pb;

TEST_CASE("nonsense ends its connection and nothing else", "[runtime][shim]") {
  shim_process shim;
  client engine(shim.dir);
  CHECK_FALSE(engine.ask(sh(shim.dir, "c", "sleep 1000")).has_failure());
  socket_pair some;

  const auto fresh = [&](bool greet) {
    client c;
    if (greet)
      c.connect(shim.dir, false);
    else
      c.connect_only(shim.dir);
    return c;
  };
  SECTION("a request before Hello") {
    auto c = fresh(false);
    c.send(sh(shim.dir, "d", "true"));
    CHECK(c.closed());
  }
  SECTION("a length over the limit") {
    auto c = fresh(true);
    c.send_bytes("\xff\xff\xff\xff");
    CHECK(c.closed());
  }
  SECTION("a frame that is no message") {
    auto c = fresh(true);
    std::string wire;
    runtime::append_frame(wire, "\xff\xff\xff");
    c.send_bytes(wire);
    CHECK(c.closed());
  }
  SECTION("fewer descriptors than the request says") {
    auto c = fresh(true);
    auto m = sh(shim.dir, "d", "true");
    add_attach(m, false);
    c.send(m);
    CHECK(c.closed());
  }
  SECTION("descriptors without need") {
    auto c = fresh(true);
    auto m = sh(shim.dir, "d", "true");
    m.Clear();
    m.set_request(3);
    m.mutable_signal()->set_id("nobody");
    c.send(m, {some.ours.get()});
    REQUIRE(c.receive());
    CHECK(c.closed());
  }
  SECTION("more descriptors than a frame may have") {
    auto c = fresh(true);
    c.send_bytes("\x10", std::vector<int>(runtime::shim_frame_fds_max + 1, some.ours.get()));
    CHECK(c.closed());
  }
  SECTION("as many descriptors as a frame may have") {
    auto c = fresh(true);
    auto m = sh(shim.dir, "d", "true");
    for (std::size_t i = 0; i < runtime::shim_frame_fds_max; ++i) add_attach(m, false);
    CHECK_FALSE(c.ask(m, std::vector<int>(runtime::shim_frame_fds_max, some.theirs.get())).has_failure());
  }
  SECTION("half a frame and gone") {
    auto c = fresh(true);
    c.send_bytes(std::string("\x10\0\0\0ab", 6), {some.ours.get()});
  }
  SECTION("a request nobody knows") {
    auto c = fresh(true);
    CHECK(c.ask(pb::ToShim()).failure().code() == std::uint32_t(errc::not_implemented));
  }
  CHECK_FALSE(engine.signal("c", 0).has_failure());
}

TEST_CASE("launches with values over their limits are refused", "[runtime][shim]") {
  shim_process shim;
  client engine(shim.dir);
  const auto refused = [&](const pb::ToShim& m) { return engine.ask(m).failure().code(); };
  const auto bad = std::uint32_t(errc::invalid_parameter);
  auto m = sh(shim.dir, "c", "true");
  m.mutable_launch()->set_id("");
  CHECK(refused(m) == bad);
  m.mutable_launch()->set_id(std::string(runtime::shim::id_bytes_max + 1, 'x'));
  CHECK(refused(m) == bad);
  m = sh(shim.dir, "c", "true");
  m.mutable_launch()->set_label(std::string(runtime::shim::label_bytes_max + 1, 'x'));
  CHECK(refused(m) == bad);
  m = sh(shim.dir, "c", "true");
  m.mutable_launch()->mutable_log()->set_attributes_json(std::string(runtime::shim::log_attributes_bytes_max + 1, 'x'));
  CHECK(refused(m) == bad);
  m = sh(shim.dir, "c", "true");
  m.mutable_launch()->mutable_log()->set_path("relative/log");
  CHECK(refused(m) == bad);
  m = sh(shim.dir, "c", "true");
  m.mutable_launch()->mutable_log()->set_max_files(runtime::shim::log_files_max + 1);
  CHECK(refused(m) == bad);
  m = sh(shim.dir, "c", "true");
  m.mutable_launch()->set_label(std::string(runtime::shim::label_bytes_max, 'x'));
  CHECK_FALSE(engine.ask(m).has_failure());
}

TEST_CASE("an engine that does not read is dropped, its containers stay", "[runtime][shim]") {
  shim_process shim;
  client engine(shim.dir);
  CHECK_FALSE(engine.ask(sh(shim.dir, "c", "sleep 1000")).has_failure());
  client deaf(shim.dir, false);
  // Answers of about 64 KiB each, never read.
  auto m = sh(shim.dir, "big", "sleep 1000");
  m.mutable_launch()->set_label(std::string(runtime::shim::label_bytes_max, 'x'));
  CHECK_FALSE(engine.ask(m).has_failure());
  pb::ToShim hello;
  hello.set_request(1);
  hello.mutable_hello()->set_version(runtime::shim_protocol_version);
  const auto answers = runtime::shim::connection_queue_bytes_max / runtime::shim::label_bytes_max + 100;
  for (std::size_t i = 0; i < answers; ++i) deaf.send(hello);
  CHECK(eventually([&] { return read_file(shim.dir / "log").find("does not read") != std::string::npos; }));
  CHECK_FALSE(engine.signal("c", 0).has_failure());
}

TEST_CASE("an engine of another version learns the shim's and can ask for nothing", "[runtime][shim]") {
  shim_process shim;
  client other(shim.dir);
  CHECK_FALSE(other.ask(sh(shim.dir, "c", "sleep 1000")).has_failure());
  client c;
  c.connect_only(shim.dir);
  pb::ToShim m;
  m.set_request(9);
  m.mutable_hello()->set_version(runtime::shim_protocol_version + 1);
  c.send(m);
  const auto answer = c.receive();
  REQUIRE(answer);
  CHECK(answer->hello().request() == 9);
  CHECK(answer->hello().version() == runtime::shim_protocol_version);
  CHECK(answer->hello().pid() == shim.pid);
  CHECK(answer->hello().containers_size() == 0);
  c.send(sh(shim.dir, "d", "true"));
  CHECK(c.closed());
}
