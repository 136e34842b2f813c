// The container actor against a shim that the test plays: every launch, signal and exit comes when the test says so.
#include <catch2/catch.hpp>

#include <signal.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "actors/container_record.hpp"
#include "actors/error_codec.hpp"
#include "actors/ring_scheduler.hpp"
#include "actors/services.hpp"
#include "tests/support/temp_dir.hpp"

using namespace gantry;
using namespace gantry::actors;

namespace {

constexpr std::chrono::seconds deadline{10};

/// What the fake shim was told, in order; the test takes one after the other.
class shim_script {
public:
  void push(std::shared_ptr<runtime::pb::ToShim> m) {
    std::lock_guard guard(lock_);
    told_.push_back(std::move(m));
    changed_.notify_all();
  }
  /// The next message of a kind; others before it are thrown away.
  template <class Predicate>
  std::shared_ptr<runtime::pb::ToShim> next(Predicate wanted) {
    std::unique_lock guard(lock_);
    auto end = std::chrono::steady_clock::now() + deadline;
    for (;;) {
      while (!told_.empty()) {
        auto m = told_.front();
        told_.pop_front();
        if (wanted(*m)) return m;
      }
      if (changed_.wait_until(guard, end) == std::cv_status::timeout) return nullptr;
    }
  }
  std::atomic<bool> launch_fails{false};

private:
  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<runtime::pb::ToShim>> told_;
};

shim_actor::behavior_type fake_shim(shim_actor::pointer, shim_script* script) {
  return {[script](const msg::shim_call& call) -> caf::result<msg::shim_reply> {
            script->push(call.message);
            if (call.message->has_launch() && script->launch_fails)
              return to_caf({errc::invalid_parameter, 0, "exec: \"nope\": executable file not found in $PATH"});
            return msg::shim_reply{4242, 1'000'000'000};
          },
          [script](const msg::shim_tell& tell) { script->push(tell.message); }, [](msg::shim_listen) {}, [](const msg::run& r) { r.work(); }};
}

struct world {
  tests::temp_dir dir;
  shim_script script;
  services s;
  ring_config config{io::backend::automatic, 1};
  std::unique_ptr<caf::actor_system> system;

  world() {
    s.config.data_root = dir.path();
    s.config.run_root = dir.path() + "/run";
    s.cgroup_parent = "/gantry-actor-test";
    auto records = storage::record_store::open(dir.path());
    REQUIRE(records.has_value());
    s.records = std::move(records).value();
    s.pool = std::make_unique<io::pool>(1, 1000);
    system = std::make_unique<caf::actor_system>(config);
    s.system = system.get();
    s.shim = system->spawn(fake_shim, &script);
  }
  ~world() {
    for (auto& a : s.containers.actors()) caf::anon_send_exit(a, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(s.shim, caf::exit_reason::user_shutdown);
    s.shim = shim_actor{};
    s.pool->stop();
    s.records.reset();
    system.reset();
  }

  container_actor create(const std::string& name, const std::function<void(api::container_definition&)>& change = {}) {
    auto d = std::make_shared<api::container_definition>();
    d->id = std::string(63, '0') + name.substr(0, 1);
    d->created = now_nanos();
    d->path = "true";
    d->image_id = "sha256:" + std::string(64, 'b');
    d->image_name = "busybox";
    d->lower_dirs = {"/nowhere"};
    d->host.network_mode = "none";
    d->host.log.type = "none";
    if (change) change(*d);
    s.fill_paths(*d);
    REQUIRE(s.containers.reserve_name(name, d->id).has_value());
    auto actor = spawn_container(s, std::make_shared<const api::container_view>(api::container_view{d, name, {}, 0}));
    REQUIRE(ask(actor, msg::create{}).code == errc::ok);
    return actor;
  }

  /// The outcome of a call that is only done or not.
  template <class Message>
  error ask(const container_actor& a, Message m) {
    caf::scoped_actor self(*system);
    error e{errc::ok, 0, ""};
    self->request(a, deadline, std::move(m))
        .receive([](const msg::done&) {}, [&](const caf::error& err) { e = from_caf(err); });
    return e;
  }

  void exits(const container_actor& a, int wait_status) {
    caf::anon_send(a, msg::exited{wait_status, false, 2'000'000'000, true});
  }

  template <class Predicate>
  bool eventually(Predicate holds) {
    auto end = std::chrono::steady_clock::now() + deadline;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }
  api::container_status status(const std::string& name) {
    auto e = s.containers.find(name);
    return e.has_value() ? e->view->state.status : api::container_status::dead;
  }
};

auto is_launch = [](const runtime::pb::ToShim& m) { return m.has_launch(); };
auto is_signal = [](const runtime::pb::ToShim& m) { return m.has_signal(); };
auto is_acknowledge = [](const runtime::pb::ToShim& m) { return m.has_acknowledge(); };

} // namespace

TEST_CASE_METHOD(world, "start, exit, wait: the exit is recorded, then acknowledged", "[actors][container]") {
  auto c = create("a");
  CHECK(status("a") == api::container_status::created);
  REQUIRE(ask(c, msg::start{}).code == errc::ok);
  REQUIRE(script.next(is_launch));
  CHECK(status("a") == api::container_status::running);
  CHECK(s.containers.find("a")->view->state.pid == 4242);
  CHECK(ask(c, msg::start{}).code == errc::not_modified);

  caf::scoped_actor self(*system);
  auto waiting = self->request(c, deadline, msg::wait{api::wait_condition::not_running, nullptr});
  exits(c, 3 << 8);
  waiting.receive([](const msg::wait_result& r) { CHECK(r.status_code == 3); },
                  [](const caf::error&) { FAIL("wait"); });
  CHECK(status("a") == api::container_status::exited);
  REQUIRE(script.next(is_acknowledge));
  auto states = s.records->load(storage::record_kind::container_state);
  REQUIRE(states->size() == 1);
  auto stored = decode_state(states->front().value);
  CHECK(stored->state.exit_code == 3);
  CHECK_FALSE(stored->was_running);
}

TEST_CASE_METHOD(world, "a failed start says why, and the container can be started again", "[actors][container]") {
  auto c = create("a");
  script.launch_fails = true;
  auto e = ask(c, msg::start{});
  CHECK(e.code == errc::invalid_parameter);
  CHECK(e.message == "exec: \"nope\": executable file not found in $PATH");
  CHECK(s.containers.find("a")->view->state.exit_code == 127);
  CHECK(status("a") == api::container_status::created);
  script.launch_fails = false;
  CHECK(ask(c, msg::start{}).code == errc::ok);
  CHECK(s.containers.find("a")->view->state.error.empty());
}

TEST_CASE_METHOD(world, "kill needs a running container; SIGKILL answers after the exit", "[actors][container]") {
  auto c = create("a");
  auto e = ask(c, msg::kill{SIGTERM});
  CHECK(e.code == errc::conflict);
  CHECK(e.message.find("is not running") != std::string::npos);
  REQUIRE(ask(c, msg::start{}).code == errc::ok);
  CHECK(ask(c, msg::kill{SIGUSR1}).code == errc::ok);
  CHECK(script.next(is_signal)->signal().signal() == SIGUSR1);

  std::thread shim([&] {
    auto m = script.next(is_signal);
    if (m && m->signal().signal() == SIGKILL) exits(c, SIGKILL);
  });
  CHECK(ask(c, msg::kill{SIGKILL}).code == errc::ok);
  shim.join();
  CHECK(s.containers.find("a")->view->state.exit_code == 137);
}

TEST_CASE_METHOD(world, "stop without patience kills; stopping twice changes nothing", "[actors][container]") {
  auto c = create("a");
  CHECK(ask(c, msg::stop{}).code == errc::not_modified);
  REQUIRE(ask(c, msg::start{}).code == errc::ok);
  std::thread shim([&] {
    if (script.next(is_signal)->signal().signal() == SIGKILL) exits(c, SIGKILL);
  });
  CHECK(ask(c, msg::stop{"", 0}).code == errc::ok);
  shim.join();
  CHECK(ask(c, msg::stop{"", 0}).code == errc::not_modified);
}

TEST_CASE_METHOD(world, "remove frees the name before it answers", "[actors][container]") {
  auto c = create("a");
  REQUIRE(ask(c, msg::start{}).code == errc::ok);
  auto e = ask(c, msg::remove{false});
  CHECK(e.code == errc::conflict);
  CHECK(e.message == "cannot remove container \"/a\": container is running: stop the container before removing or "
                     "force remove");
  std::thread shim([&] {
    if (script.next(is_signal)->signal().signal() == SIGKILL) exits(c, SIGKILL);
  });
  CHECK(ask(c, msg::remove{true}).code == errc::ok);
  shim.join();
  CHECK(s.containers.find("a").has_error());
  CHECK(s.containers.reserve_name("a", "x").has_value());
  CHECK(s.records->load(storage::record_kind::container)->empty());
  CHECK(s.records->load(storage::record_kind::container_state)->empty());
}

TEST_CASE_METHOD(world, "an AutoRemove container is gone after its exit, and removed-waiters get the code",
                 "[actors][container]") {
  auto c = create("a", [](auto& d) { d.host.auto_remove = true; });
  caf::scoped_actor self(*system);
  auto waiting = self->request(c, deadline, msg::wait{api::wait_condition::removed, nullptr});
  REQUIRE(ask(c, msg::start{}).code == errc::ok);
  exits(c, 7 << 8);
  waiting.receive([](const msg::wait_result& r) { CHECK(r.status_code == 7); },
                  [](const caf::error&) { FAIL("wait"); });
  CHECK(s.containers.find("a").has_error());
}

TEST_CASE_METHOD(world, "restart stops and starts, and keeps an AutoRemove container", "[actors][container]") {
  auto c = create("a", [](auto& d) { d.host.auto_remove = true; });
  REQUIRE(ask(c, msg::start{}).code == errc::ok);
  REQUIRE(script.next(is_launch));
  std::thread shim([&] {
    if (script.next(is_signal)) exits(c, SIGTERM);
  });
  CHECK(ask(c, msg::restart{}).code == errc::ok);
  shim.join();
  REQUIRE(script.next(is_launch));
  CHECK(status("a") == api::container_status::running);
}

TEST_CASE_METHOD(world, "rename takes the new name and frees the old one, also on disk", "[actors][container]") {
  auto c = create("a");
  create("b");
  auto e = ask(c, msg::rename{"b"});
  CHECK(e.code == errc::conflict);
  CHECK(e.message.rfind("Error when allocating new name: Conflict. The container name \"/b\"", 0) == 0);
  REQUIRE(ask(c, msg::rename{"c"}).code == errc::ok);
  CHECK(s.containers.find("c").has_value());
  CHECK(s.containers.find("a").has_error());
  bool found = false;
  auto records = s.records->load(storage::record_kind::container);
  for (auto& r : *records) found |= decode_container(r.value)->name == "c";
  CHECK(found);
}

TEST_CASE_METHOD(world, "waiters that went away are forgotten", "[actors][container]") {
  auto c = create("a");
  REQUIRE(ask(c, msg::start{}).code == errc::ok);
  auto gone = std::make_shared<std::atomic<bool>>(true);
  std::weak_ptr<std::atomic<bool>> watch = gone;
  caf::scoped_actor self(*system);
  for (int i = 0; i < 200; ++i) self->send(c, msg::wait{api::wait_condition::not_running, gone});
  auto before = gone.use_count();
  gone.reset();
  CHECK(before > 0);
  CHECK(eventually([&] { return watch.use_count() <= 64 + 1; }));
}
