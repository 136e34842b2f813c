#include "actors/container_actor.hpp"

#include <signal.h>
#include <sys/wait.h>

#include <filesystem>

#include "actors/container_record.hpp"
#include "actors/error_codec.hpp"
#include "actors/launch_message.hpp"
#include "actors/services.hpp"
#include "io/base/assert.hpp"
#include "io/base/ids.hpp"
#include "io/base/log.hpp"
#include "io/reactor.hpp"

namespace gantry::actors {

namespace {

using api::container_status;
using done_promise = caf::typed_response_promise<msg::done>;
using wait_promise = caf::typed_response_promise<msg::wait_result>;

constexpr std::int64_t default_stop_timeout_s = 10;
/// After SIGKILL a process ends as soon as the kernel lets it; one that sits in uninterruptible sleep does not.
constexpr std::chrono::seconds kill_limit{12};
/// A cgroup stays busy for a moment after its last process was reaped; the pool's job retries this often.
constexpr int cgroup_removals_max = 50;

/// The status as Docker's State.ExitCode: the program's own, or 128 + signal.
int exit_code_of(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

class container : public container_actor::base {
public:
  container(caf::actor_config& config, services& s, const api::container_view_ptr& start_as)
      : container_actor::base(config), services_(s), definition_(start_as->definition), name_(start_as->name),
        state_(start_as->state), restart_count_(start_as->restart_count) {}

  behavior_type make_behavior() override {
    return {
        [this](msg::create) { return create(); },
        [this](msg::start) {
          auto promise = make_response_promise<msg::done>();
          start(promise);
          return promise;
        },
        [this](const msg::stop& m) {
          auto promise = make_response_promise<msg::done>();
          when_settled([this, m, promise] { stop(m.signal, m.timeout_s, promise); });
          return promise;
        },
        [this](const msg::restart& m) {
          auto promise = make_response_promise<msg::done>();
          when_settled([this, m, promise] { restart(m, promise); });
          return promise;
        },
        [this](const msg::kill& m) {
          auto promise = make_response_promise<msg::done>();
          when_settled([this, m, promise] { kill(m.signal, promise); });
          return promise;
        },
        [this](const msg::wait& m) { return wait(m); },
        [this](const msg::rename& m) { return rename(m.name); },
        [this](const msg::remove& m) {
          auto promise = make_response_promise<msg::done>();
          when_settled([this, m, promise] { remove(m.force, promise); });
          return promise;
        },
        [this](const msg::resize& m) { return resize(m); },
        [this](const msg::attach& m) { return attach(m); },
        [this](msg::shut_down) {
          auto promise = make_response_promise<msg::done>();
          when_settled([this, promise]() mutable {
            if (state_.is_running())
              stop({}, {}, promise);
            else
              promise.deliver(msg::done{});
          });
          return promise;
        },
        [this](const msg::when_stopped& m) { when_stopped(m); },
        [this](const msg::exited& m) { exited(m); },
        [](const msg::run& r) { r.work(); },
    };
  }

  const char* name() const override { return "container"; }

private:
  // -- small helpers -------------------------------------------------------------

  container_actor handle() { return caf::actor_cast<container_actor>(this); }
  const std::string& id() const { return definition_->id; }

  static void fail(done_promise promise, errc code, std::string message) {
    promise.deliver(to_caf({code, 0, std::move(message)}));
  }
  static void settle(std::vector<done_promise>& promises) {
    for (auto& p : std::exchange(promises, {})) p.deliver(msg::done{});
  }
  static void settle(std::vector<done_promise>& promises, const error& e) {
    for (auto& p : std::exchange(promises, {})) p.deliver(to_caf(e));
  }

  void publish_view() {
    services_.containers.publish(
        std::make_shared<const api::container_view>(api::container_view{definition_, name_, state_, restart_count_}));
  }

  void publish_event(std::string action, api::string_map extra = {}) {
    api::event e;
    e.type = "container";
    e.action = std::move(action);
    e.id = id();
    e.attributes = definition_->config.labels;
    e.attributes["image"] = definition_->image_name;
    e.attributes["name"] = name_;
    for (auto& [key, value] : extra) e.attributes[key] = value;
    services_.events.publish(std::move(e));
  }

  /// Commits and comes back to this actor. A commit that fails is an engine without its disk: it is logged and told to
  /// whoever waits.
  void commit(std::vector<storage::change> changes, std::function<void(result<>)> then) {
    services_.records->commit(std::move(changes), [self = handle(), then = std::move(then)](result<> r) {
      run_in(self, [then, r = std::move(r)] { then(r); });
    });
  }

  storage::change state_change() const {
    stored_state s{state_, state_.is_running(), restart_count_};
    return {storage::record_kind::container_state, id(), false, encode_state(s)};
  }

  void commit_state(std::function<void()> then = {}) {
    commit({state_change()}, [this, then = std::move(then)](result<> r) {
      if (r.has_error())
        log::error("record the state of a container", {{"container", id()}, {"error", r.error().message}});
      if (r.has_value() && then) then();
    });
  }

  /// Runs `work` now, or after the launch in flight: between clone and reply there is nothing to signal or remove.
  void when_settled(std::function<void()> work) {
    if (launching_)
      deferred_.push_back(std::move(work));
    else
      work();
  }

  void run_deferred() {
    for (auto& work : std::exchange(deferred_, {})) work();
  }

  void after(std::chrono::nanoseconds delay, std::function<void()> work) {
    io::reactor::current()->timer(delay, [self = caf::actor_cast<caf::weak_actor_ptr>(this), work](int r) {
      if (r < 0) return;
      if (auto strong = caf::actor_cast<container_actor>(self)) run_in(strong, work);
    });
  }

  // -- create ---------------------------------------------------------------------

  done_promise create() {
    auto promise = make_response_promise<msg::done>();
    std::vector<storage::change> changes;
    changes.push_back({storage::record_kind::container, id(), false, encode_container(*definition_, name_)});
    commit(std::move(changes), [this, promise](result<> r) mutable {
      if (r.has_error()) {
        services_.containers.release_name(name_);
        promise.deliver(to_caf(with_context(r.error(), "record container `" + name_ + "`: ")));
        quit();
        return;
      }
      services_.containers.insert(
          id(), handle(),
          std::make_shared<const api::container_view>(api::container_view{definition_, name_, state_, restart_count_}));
      publish_event("create");
      promise.deliver(msg::done{});
    });
    return promise;
  }

  // -- start ----------------------------------------------------------------------

  void start(done_promise promise) {
    if (removing_) return fail(promise, errc::conflict, "container is marked for removal and cannot be started");
    if (state_.status == container_status::paused)
      return fail(promise, errc::conflict, "cannot start a paused container, try unpause instead");
    if (state_.is_running()) return fail(promise, errc::not_modified, "");
    start_waiters_.push_back(std::move(promise));
    launch_now();
  }

  void launch_now() {
    if (launching_) return;
    if (cleaning_) { // its cgroups of the last run are still being removed
      start_after_cleaning_ = true;
      return;
    }
    auto call = make_launch(services_, *definition_, name_, std::exchange(attached_, {}));
    if (call.has_error()) return launch_failed(call.error());
    launching_ = true;
    request(services_.shim, caf::infinite, std::move(call).value())
        .then([this](const msg::shim_reply& r) { launched(r); },
              [this](const caf::error& e) {
                launching_ = false;
                launch_failed(from_caf(e));
              });
  }

  void launched(const msg::shim_reply& r) {
    launching_ = false;
    state_ = {};
    state_.status = container_status::running;
    state_.pid = r.pid;
    state_.started_at = r.started_at;
    publish_view();
    publish_event("start");
    if (std::exchange(publish_restart_, false)) publish_event("restart");
    commit_state();
    settle(start_waiters_);
    run_deferred();
  }

  void launch_failed(const error& e) {
    state_.error = e.message;
    state_.exit_code = exit_code_of_start_failure(e.message);
    publish_view();
    commit_state();
    clean();
    settle(start_waiters_, e);
    run_deferred();
    if (definition_->host.auto_remove && !removing_ && !state_.is_running()) remove_now();
  }

  // -- exit -----------------------------------------------------------------------

  void exited(const msg::exited& m) {
    if (!state_.is_running()) { // told again after a reconnection
      if (m.acknowledge) acknowledge();
      return;
    }
    state_.status = container_status::exited;
    state_.pid = 0;
    state_.exit_code = exit_code_of(m.wait_status);
    state_.oom_killed = m.oom_killed;
    state_.finished_at = m.finished_at;
    ++stop_generation_;
    publish_view();
    if (m.oom_killed) publish_event("oom");
    auto seconds = (state_.finished_at - state_.started_at) / 1'000'000'000;
    publish_event("die", {{"exitCode", std::to_string(state_.exit_code)}, {"execDuration", std::to_string(seconds)}});
    commit_state([this, acknowledge_it = m.acknowledge] {
      if (acknowledge_it) acknowledge();
    });
    clean();
    if (std::exchange(stop_requested_, false)) publish_event("stop");
    wake_waiters(false);
    for (auto& w : std::exchange(stop_watchers_, {}))
      if (!w.gone || !*w.gone) w.done();
    settle(stop_waiters_);
    after_exit();
  }

  void after_exit() {
    if (!restart_waiters_.empty()) {
      for (auto& p : std::exchange(restart_waiters_, {})) start_waiters_.push_back(std::move(p));
      publish_restart_ = true;
      launch_now();
      return;
    }
    if (!remove_waiters_.empty() || definition_->host.auto_remove) remove_now();
  }

  void acknowledge() {
    auto m = std::make_shared<runtime::pb::ToShim>();
    m->mutable_acknowledge()->set_id(id());
    send(services_.shim, msg::shim_tell{std::move(m)});
  }

  /// Removes what the last run left: its cgroups and generated files. A start waits for it.
  void clean() {
    cleaning_ = true;
    auto job = [this, self = handle(), path = cgroup_path(), run_dir = services_.container_run_dir(id())] {
      remove_cgroup(path);
      std::error_code ignored;
      std::filesystem::remove_all(run_dir, ignored);
      run_in(self, [this] { cleaned(); });
    };
    if (services_.submit(job).has_error()) cleaned(); // reconciled at the next start of the engine
  }

  std::string cgroup_path() const {
    auto& own = definition_->host.cgroup_parent;
    return (own.empty() ? services_.cgroup_parent : own) + "/" + id();
  }

  void remove_cgroup(const std::string& path) {
    for (int i = 0; i < cgroup_removals_max; ++i) {
      auto removed = runtime::remove(services_.cgroups, path);
      if (removed.has_value()) return;
      if (i + 1 == cgroup_removals_max)
        log::warn("remove a cgroup", {{"container", id()}, {"error", removed.error().message}});
      // Processes that outlived init (a shared pid namespace, a lost shim) end here.
      (void)runtime::signal_all(services_.cgroups, path, SIGKILL);
      ::usleep(2000);
    }
  }

  void cleaned() {
    cleaning_ = false;
    if (std::exchange(start_after_cleaning_, false)) launch_now();
  }

  // -- stop, kill, restart ----------------------------------------------------------

  void stop(const std::string& signal, std::optional<std::int64_t> timeout_s, done_promise promise) {
    if (!state_.is_running()) return fail(promise, errc::not_modified, "");
    stop_waiters_.push_back(std::move(promise));
    begin_stop(signal, timeout_s);
  }

  void begin_stop(const std::string& signal, std::optional<std::int64_t> timeout_s) {
    auto word = !signal.empty() ? signal : definition_->config.stop_signal;
    auto number = api::parse_signal(word.empty() ? "SIGTERM" : word);
    stop_requested_ = true;
    auto generation = ++stop_generation_;
    auto timeout = timeout_s.value_or(definition_->config.stop_timeout_s.value_or(default_stop_timeout_s));
    auto first = number.has_value() ? *number : SIGTERM;
    if (timeout == 0) return force_stop(generation);
    signal_init(first);
    if (timeout < 0) return;
    after(std::chrono::seconds(timeout), [this, generation] {
      if (generation == stop_generation_ && state_.is_running()) force_stop(generation);
    });
  }

  void force_stop(std::uint64_t generation) {
    signal_init(SIGKILL);
    after(kill_limit, [this, generation] {
      if (generation != stop_generation_ || !state_.is_running()) return;
      error e{errc::internal, 0,
              "cannot stop container: " + name_ + ": tried to kill container, but did not receive an exit event"};
      settle(stop_waiters_, e);
      settle(restart_waiters_, e);
      settle(remove_waiters_, e);
      removing_ = false;
    });
  }

  void signal_init(int signal) {
    publish_event("kill", {{"signal", std::to_string(signal)}});
    auto m = std::make_shared<runtime::pb::ToShim>();
    m->mutable_signal()->set_id(id());
    m->mutable_signal()->set_signal(signal);
    send(services_.shim, msg::shim_tell{std::move(m)});
  }

  void kill(int signal, done_promise promise) {
    if (!state_.is_running())
      return fail(promise, errc::conflict,
                  "cannot kill container: " + name_ + ": container " + id() + " is not running");
    if (signal == SIGKILL) stop_waiters_.push_back(promise);
    signal_init(signal);
    if (signal != SIGKILL) promise.deliver(msg::done{});
  }

  void restart(const msg::restart& m, done_promise promise) {
    if (removing_) return fail(promise, errc::conflict, "container is marked for removal and cannot be restarted");
    if (!state_.is_running()) {
      start_waiters_.push_back(std::move(promise));
      publish_restart_ = true;
      launch_now();
      return;
    }
    restart_waiters_.push_back(std::move(promise));
    begin_stop(m.signal, m.timeout_s);
  }

  // -- wait -------------------------------------------------------------------------

  wait_promise wait(const msg::wait& m) {
    auto promise = make_response_promise<msg::wait_result>();
    if (m.condition == api::wait_condition::not_running && !state_.is_running()) {
      promise.deliver(msg::wait_result{state_.exit_code, {}});
      return promise;
    }
    if (waiters_.size() >= purge_waiters_at_) {
      std::erase_if(waiters_, [](auto& w) { return w.gone && *w.gone; });
      purge_waiters_at_ = std::max<std::size_t>(64, waiters_.size() * 2);
    }
    waiters_.push_back({m.condition, promise, m.gone});
    return promise;
  }

  void wake_waiters(bool removed, const std::string& message = {}) {
    auto waiting = std::exchange(waiters_, {});
    for (auto& w : waiting) {
      if (!removed && w.condition == api::wait_condition::removed)
        waiters_.push_back(std::move(w));
      else
        w.promise.deliver(msg::wait_result{state_.exit_code, message});
    }
  }

  void when_stopped(const msg::when_stopped& m) {
    if (!state_.is_running() && !launching_)
      m.done();
    else {
      std::erase_if(stop_watchers_, [](auto& w) { return w.gone && *w.gone; });
      stop_watchers_.push_back(m);
    }
  }

  // -- remove -----------------------------------------------------------------------

  void remove(bool force, done_promise promise) {
    if (removing_) return fail(promise, errc::conflict, "removal of container " + name_ + " is already in progress");
    if (state_.is_running() && !force)
      return fail(promise, errc::conflict,
                  "cannot remove container \"/" + name_ +
                      "\": container is running: stop the container before removing or force remove");
    remove_waiters_.push_back(std::move(promise));
    if (!state_.is_running()) return remove_now();
    removing_ = true;
    force_stop(++stop_generation_);
  }

  void remove_now() {
    removing_ = true;
    state_.status = container_status::removing;
    publish_view();
    std::vector<storage::change> changes;
    changes.push_back({storage::record_kind::container, id(), true, {}});
    changes.push_back({storage::record_kind::container_state, id(), true, {}});
    commit(std::move(changes), [this](result<> r) { removed(r); });
  }

  void removed(const result<>& r) {
    if (r.has_error()) {
      state_.status = container_status::dead;
      removing_ = false;
      publish_view();
      auto e = with_context(r.error(), "remove container `" + name_ + "`: ");
      settle(remove_waiters_, e);
      wake_waiters(true, e.message);
      return;
    }
    services_.containers.erase(id());
    publish_event("destroy");
    settle(remove_waiters_);
    settle(start_waiters_, {errc::conflict, 0, "container is marked for removal and cannot be started"});
    wake_waiters(true);
    for (auto& w : std::exchange(stop_watchers_, {}))
      if (!w.gone || !*w.gone) w.done();
    attached_.clear(); // their clients see the end of the stream
    // There may be files although no start is on record: an engine that was killed while it launched left them.
    auto job = [&s = services_, gone = id()] { s.container_removed(gone); };
    if (services_.submit(job).has_error())
      log::warn("discard a container's files: left to the next start", {{"container", id()}});
    quit();
  }

  // -- rename, resize, attach ---------------------------------------------------------

  done_promise rename(const std::string& to) {
    auto promise = make_response_promise<msg::done>();
    if (to == name_) {
      fail(promise, errc::invalid_parameter, "Renaming a container with the same name as its current name");
      return promise;
    }
    if (auto taken = services_.containers.reserve_name(to, id()); taken.has_error()) {
      promise.deliver(to_caf(with_context(taken.error(), "Error when allocating new name: ")));
      return promise;
    }
    auto from = std::exchange(name_, to);
    std::vector<storage::change> changes;
    changes.push_back({storage::record_kind::container, id(), false, encode_container(*definition_, name_)});
    commit(std::move(changes), [this, from, promise](result<> r) mutable {
      if (r.has_error()) {
        services_.containers.release_name(std::exchange(name_, from));
        promise.deliver(to_caf(with_context(r.error(), "rename container `" + from + "`: ")));
        return;
      }
      publish_view();
      services_.containers.release_name(from);
      publish_event("rename", {{"oldName", "/" + from}});
      promise.deliver(msg::done{});
    });
    return promise;
  }

  done_promise resize(const msg::resize& m) {
    auto promise = make_response_promise<msg::done>();
    if (!state_.is_running()) {
      fail(promise, errc::conflict, "container " + id() + " is not running");
      return promise;
    }
    auto call = msg::shim_call{std::make_shared<runtime::pb::ToShim>(), {}};
    auto* body = call.message->mutable_resize();
    body->set_id(id());
    body->set_rows(m.rows);
    body->set_columns(m.columns);
    request(services_.shim, caf::infinite, std::move(call))
        .then(
            [this, promise, m](const msg::shim_reply&) mutable {
              publish_event("resize", {{"height", std::to_string(m.rows)}, {"width", std::to_string(m.columns)}});
              promise.deliver(msg::done{});
            },
            [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
    return promise;
  }

  done_promise attach(const msg::attach& m) {
    auto promise = make_response_promise<msg::done>();
    publish_event("attach");
    if (!state_.is_running() || launching_) {
      if (launching_)
        deferred_.push_back([this, m] { attach_running(m); });
      else
        attached_.push_back(m);
      promise.deliver(msg::done{});
      return promise;
    }
    attach_running(m);
    promise.deliver(msg::done{});
    return promise;
  }

  void attach_running(const msg::attach& m) {
    if (!state_.is_running()) { // the start failed meanwhile: the next one takes it along
      attached_.push_back(m);
      return;
    }
    auto call = msg::shim_call{std::make_shared<runtime::pb::ToShim>(), {m.socket}};
    auto* body = call.message->mutable_attach();
    body->set_id(id());
    body->mutable_options()->set_want_stdin(m.want_stdin && definition_->config.open_stdin);
    body->mutable_options()->set_want_stdout(m.want_stdout);
    body->mutable_options()->set_want_stderr(m.want_stderr);
    // A container that ended meanwhile closes the socket, which is all that the client needs to know.
    request(services_.shim, caf::infinite, std::move(call))
        .then([](const msg::shim_reply&) {}, [](const caf::error&) {});
  }

  struct waiter {
    api::wait_condition condition;
    wait_promise promise;
    msg::cancelled gone;
  };

  services& services_;
  std::shared_ptr<const api::container_definition> definition_;
  std::string name_;
  api::container_state state_;
  std::int64_t restart_count_ = 0;

  bool launching_ = false; ///< a Launch is in flight
  bool cleaning_ = false;  ///< the pool removes what the last run left
  bool start_after_cleaning_ = false;
  bool removing_ = false;             ///< a removal was accepted
  bool stop_requested_ = false;       ///< the exit to come was asked for: it emits `stop`
  bool publish_restart_ = false;      ///< the start to come is a restart's
  std::uint64_t stop_generation_ = 0; ///< outdates the timers of earlier stops

  std::vector<msg::attach> attached_;           ///< attached before the start; the launch takes them along
  std::vector<std::function<void()>> deferred_; ///< asked for while launching
  std::vector<done_promise> start_waiters_, stop_waiters_, restart_waiters_, remove_waiters_;
  std::vector<waiter> waiters_;
  std::size_t purge_waiters_at_ = 64;
  std::vector<msg::when_stopped> stop_watchers_;
};

} // namespace

container_actor spawn_container(services& s, api::container_view_ptr start_as) {
  return s.system->spawn<container>(s, start_as);
}

} // namespace gantry::actors
