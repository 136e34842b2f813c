/// The reactor's suite, run by both backends: timers, cancelling, other threads, and more work than fits a queue.
#include "tests/io/reactor_fixture.hpp"

#include <atomic>
#include <cerrno>
#include <poll.h>
#include <sys/eventfd.h>
#include <thread>
#include <vector>

#include "io/base/log.hpp"

using namespace gantry;
using namespace gantry::io;
using namespace gantry::io::test;

TEST_CASE("timers run in the order of their time, equal ones in the order of their start", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  std::vector<int> order;
  const auto begin = clock::now();
  auto note = [&order](int name) {
    return [&order, name](int result) {
      if (result == 0) order.push_back(name);
    };
  };
  r.timer(60ms, note(4));
  r.timer(20ms, note(2));
  r.timer(40ms, note(3));
  r.timer(0ms, note(0));
  r.timer(-5s, note(1)); // the past is now, too
  CHECK(order.empty());
  REQUIRE(run_until(r, [&] { return order.size() == 5; }));
  CHECK(order == std::vector<int>{0, 1, 2, 3, 4});
  CHECK(clock::now() - begin >= 60ms);
  CHECK(r.in_flight() == 0);
}

TEST_CASE("a wait ends at the nearest timer, and at its own limit", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  outcome rang, far;
  r.timer(30ms, rang.record());
  const auto token = r.timer(std::chrono::nanoseconds::max(), far.record()); // no overflow
  auto begin = clock::now();
  CHECK(r.run(patience) == 1);
  CHECK(rang.calls == 1);
  CHECK(clock::now() - begin >= 30ms);
  CHECK(clock::now() - begin < patience / 2);
  begin = clock::now();
  CHECK(r.run(20ms) == 0);
  CHECK(clock::now() - begin >= 20ms);
  begin = clock::now();
  CHECK(r.run(std::nullopt) == 0);
  CHECK(r.run(0ns) == 0);
  r.cancel(token);
  REQUIRE(run_until(r, [&] { return far.calls == 1; }));
  CHECK(far.result == -ECANCELED);
}

TEST_CASE("cancelling completes each operation exactly once", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  const bool owned = GENERATE(false, true); // before the first run nobody owns it, and a cancel is handed over
  if (owned) r.run(std::nullopt);
  auto [a, b] = stream_pair();
  auto [out, in] = pipe_pair();
  buffer one, two;
  outcome received, read, polled, timed;
  std::vector<op_token> tokens{r.recv(a.get(), one.span(), received.record()),
                               r.read(out.get(), two.span(), read.record()), r.poll(b.get(), POLLIN, polled.record()),
                               r.timer(1h, timed.record())};
  SECTION("before they reach the kernel") {}
  SECTION("while they wait") { settle(r); }
  for (const auto& t : tokens) r.cancel(t);
  CHECK(received.calls + read.calls + polled.calls + timed.calls == 0); // not from inside cancel
  for (const auto& t : tokens) r.cancel(t);                             // twice is once
  REQUIRE(run_until(r, [&] { return r.in_flight() == 0; }));
  for (const auto& t : tokens) r.cancel(t); // completed: ignored
  settle(r);
  for (const auto* o : {&received, &read, &polled, &timed}) {
    CHECK(o->calls == 1);
    CHECK(o->result == -ECANCELED);
  }
  // The descriptors are as good as new.
  outcome again, sent;
  r.recv(a.get(), one.span(), again.record());
  r.send(b.get(), bytes_of("x"), sent.record());
  REQUIRE(run_until(r, [&] { return again.calls == 1 && sent.calls == 1; }));
  CHECK(again.result == 1);
}

TEST_CASE("an old token does not cancel the operation that took its place", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  outcome first, second;
  const auto old = r.timer(0ms, first.record());
  REQUIRE(run_until(r, [&] { return first.calls == 1; }));
  const auto now = r.timer(5ms, second.record()); // most likely in the same slot
  CHECK(now.id != old.id);
  r.cancel(old);
  r.cancel(op_token{});
  REQUIRE(run_until(r, [&] { return second.calls == 1; }));
  CHECK(second.result == 0);
}

TEST_CASE("cancelling races with completing and one of them wins", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  auto [a, b] = stream_pair();
  for (int i = 0; i < 500; ++i) {
    buffer into;
    outcome got;
    const auto token = r.recv(a.get(), into.span(), got.record());
    if (i % 2 == 0) r.run(std::nullopt);
    REQUIRE(::send(b.get(), "x", 1, 0) == 1);
    if (i % 3 == 0) r.run(std::nullopt);
    r.cancel(token);
    REQUIRE(run_until(r, [&] { return r.in_flight() == 0; }));
    REQUIRE(got.calls == 1);
    if (got.result == 1) continue;
    REQUIRE(got.result == -ECANCELED);
    REQUIRE(::recv(a.get(), into.data.data(), 1, 0) == 1); // a cancelled receive took nothing
  }
}

TEST_CASE("cancelling what has ended, but has not been told, changes nothing", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  r.run(std::nullopt);
  auto [a, b] = stream_pair();
  outcome sent, timed;
  const auto send = r.send(a.get(), bytes_of("x"), sent.record()); // epoll has done it here already
  const auto timer = r.timer(1h, timed.record());
  r.cancel(timer);
  r.cancel(timer);
  r.cancel(send);
  REQUIRE(run_until(r, [&] { return r.in_flight() == 0; }));
  CHECK(sent.calls == 1);
  CHECK(timed.calls == 1);
  char c = 0;
  CHECK(sent.result == (::recv(b.get(), &c, 1, MSG_DONTWAIT) == 1 ? 1 : -ECANCELED));
}

TEST_CASE("another thread cancels a waiting operation", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  auto [a, b] = stream_pair();
  buffer into;
  outcome got, timed;
  const auto token = r.recv(a.get(), into.span(), got.record());
  const auto timer = r.timer(1h, timed.record());
  r.run(std::nullopt);
  std::thread other([&r, token, timer] {
    r.cancel(token);
    r.cancel(timer);
  });
  CHECK(run_until(r, [&] { return got.calls == 1 && timed.calls == 1; }));
  other.join();
  CHECK(got.result == -ECANCELED);
  CHECK(timed.result == -ECANCELED);
}

TEST_CASE("a completion cancels and is not cancelled by itself", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  auto [a, b] = stream_pair();
  buffer into;
  outcome waiting;
  const auto other = r.recv(a.get(), into.span(), waiting.record());
  op_token self;
  int ran = 0;
  self = r.timer(1ms, [&](int) {
    ++ran;
    r.cancel(self);
    r.cancel(other);
  });
  REQUIRE(run_until(r, [&] { return waiting.calls == 1; }));
  settle(r);
  CHECK(ran == 1);
  CHECK(waiting.result == -ECANCELED);
}

TEST_CASE("posts of many threads all run, each thread's in order", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  constexpr int threads = 8, each = 5000;
  std::array<int, threads> next{};
  int wrong = 0;
  std::vector<std::thread> givers;
  for (int t = 0; t < threads; ++t) {
    givers.emplace_back([&, t] {
      for (int i = 0; i < each; ++i) {
        r.post([&, t, i] { wrong += next[static_cast<std::size_t>(t)]++ != i; });
      }
    });
  }
  const bool all = run_until(r, [&] {
    for (const int n : next) {
      if (n != each) return false;
    }
    return true;
  });
  for (auto& g : givers) g.join();
  CHECK(all);
  CHECK(wrong == 0);
}

TEST_CASE("two reactors post to each other and no wake is lost", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(here);
  const auto second = reactor_or_skip(gantry_backend);
  REQUIRE(second);
  auto& there = *second;
  constexpr int rounds_max = 10000;
  std::atomic<int> rounds{0};
  std::atomic<bool> stalled{false};
  // Each waits far longer than a round takes: a lost wake shows as a wait that ran out.
  auto drive = [&](reactor& r) {
    while (rounds.load() < rounds_max && !stalled.load()) {
      const auto begin = clock::now();
      r.run(patience);
      if (clock::now() - begin >= patience) stalled = true;
    }
  };
  std::function<void()> ping, pong;
  ping = [&] {
    if (++rounds < rounds_max) {
      there.post(pong);
    } else {
      here.wake();
      there.wake();
    }
  };
  pong = [&] { here.post(ping); };
  std::thread other([&] { drive(there); });
  here.post(ping);
  drive(here);
  there.wake();
  other.join();
  CHECK_FALSE(stalled.load());
  CHECK(rounds.load() == rounds_max);
}

TEST_CASE("a wake before the wait ends the wait", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  r.run(std::nullopt);
  r.wake();
  r.run(std::nullopt); // only takes what is there, so the wake stays
  auto begin = clock::now();
  r.run(patience);
  CHECK(clock::now() - begin < patience / 2);
  begin = clock::now();
  r.run(20ms); // and is gone then
  CHECK(clock::now() - begin >= 20ms);
}

TEST_CASE("a wake while waiting ends the wait", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  for (int i = 0; i < 200; ++i) {
    const auto begin = clock::now();
    std::thread other([&r] { r.wake(); });
    r.run(patience);
    const auto took = clock::now() - begin;
    other.join();
    REQUIRE(took < patience / 2);
    r.run(std::nullopt);
  }
}

TEST_CASE("posted work posts more, for the next run", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  int depth = 0;
  std::function<void()> deeper = [&] {
    if (++depth < 100) r.post(deeper);
  };
  r.post(deeper);
  CHECK(r.run(patience) == 1);
  CHECK(depth == 1);
  REQUIRE(run_until(r, [&] { return depth == 100; }));
}

TEST_CASE("many more operations than the queue holds are in flight at once", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  r.run(std::nullopt);         // from here on this thread owns it, and cancels at once
  constexpr int count = 20000; // the ring has 256 entries to submit and 4096 to complete
  const unique_fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  std::vector<outcome> all(count);
  std::vector<op_token> tokens;
  for (auto& o : all) tokens.push_back(r.poll(event.get(), POLLIN, o.record()));
  CHECK(r.in_flight() == count);
  for (int i = 0; i < count; i += 10) r.cancel(tokens[static_cast<std::size_t>(i)]); // most not submitted yet
  settle(r);
  for (int i = 5; i < count; i += 100) r.cancel(tokens[static_cast<std::size_t>(i)]);
  REQUIRE(run_until(r, [&] { return r.in_flight() == count - count / 10 - count / 100; }));
  const std::uint64_t one = 1;
  REQUIRE(::write(event.get(), &one, sizeof one) == sizeof one);
  REQUIRE(run_until(r, [&] { return r.in_flight() == 0; }));
  int wrong = 0;
  for (int i = 0; i < count; ++i) {
    const auto& o = all[static_cast<std::size_t>(i)];
    const bool cancelled = i % 10 == 0 || i % 100 == 5;
    wrong += o.calls != 1 || (cancelled ? o.result != -ECANCELED : (o.result & POLLIN) == 0);
  }
  CHECK(wrong == 0);
}

TEST_CASE("thousands of timers are set and cancelled", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  constexpr int count = 20000;
  int fired = 0, cancelled = 0;
  std::vector<op_token> tokens;
  for (int i = 0; i < count; ++i) {
    const auto delay = i % 2 == 0 ? std::chrono::nanoseconds(1h) : std::chrono::microseconds(i);
    tokens.push_back(r.timer(delay, [&](int result) { ++(result == 0 ? fired : cancelled); }));
  }
  for (int i = 0; i < count; i += 2) r.cancel(tokens[static_cast<std::size_t>(i)]);
  REQUIRE(run_until(r, [&] { return fired + cancelled == count; }));
  CHECK(fired == count / 2);
}

TEST_CASE("a reactor made on one thread is run on another", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  int ran = 0;
  r.post([&ran] { ++ran; });
  std::thread owner([&] {
    const reactor::scope in(r);
    CHECK(reactor::current() == &r);
    auto [a, b] = stream_pair();
    buffer into;
    outcome got, sent;
    r.recv(a.get(), into.span(), got.record());
    r.send(b.get(), bytes_of("x"), sent.record());
    run_until(r, [&] { return got.calls == 1 && sent.calls == 1 && ran == 1; });
    CHECK(got.result == 1);
  });
  owner.join();
  CHECK(ran == 1);
  CHECK(reactor::current() == nullptr);
}

TEST_CASE("scopes nest", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  const auto inner = reactor_or_skip(gantry_backend);
  const reactor::scope first(r);
  {
    const reactor::scope second(*inner);
    CHECK(reactor::current() == inner.get());
  }
  CHECK(reactor::current() == &r);
}

TEST_CASE("destroying a reactor with operations in flight frees the kernel's hold on their buffers", "[io][reactor]") {
  const auto which = GENERATE(backend::io_uring, backend::epoll);
  auto r = reactor_or_skip(which);
  if (!r) return;
  log::configure(log::level::fatal, log::format::text); // it is logged as the defect it is
  auto [a, b] = stream_pair();
  outcome got;
  auto into = std::make_unique<buffer>();
  r->recv(a.get(), into->span(), got.record());
  r->timer(1h, got.record());
  r->run(std::nullopt);
  r.reset();
  log::configure(log::level::info, log::format::text);
  REQUIRE(::send(b.get(), "x", 1, 0) == 1);
  CHECK(got.calls == 0);
  CHECK(into->data[0] == 0);
  char c = 0;
  CHECK(::recv(a.get(), &c, 1, MSG_DONTWAIT) == 1); // nobody took it
}
