/// The pool: its bound, its end, and that every accepted job runs once.
#include "io/pool.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "io/base/defer.hpp"

using namespace gantry;
using namespace gantry::io;

namespace {

/// Holds jobs until it is opened, and tells how many have come.
class gate {
public:
  void pass() {
    std::unique_lock hold(lock_);
    ++arrived_;
    changed_.notify_all();
    changed_.wait(hold, [this] { return open_; });
  }
  bool wait_for_arrivals(int count) {
    std::unique_lock hold(lock_);
    return changed_.wait_for(hold, std::chrono::seconds(20), [&] { return arrived_ >= count; });
  }
  void open() {
    std::lock_guard hold(lock_);
    open_ = true;
    changed_.notify_all();
  }

private:
  std::mutex lock_;
  std::condition_variable changed_;
  int arrived_ = 0;
  bool open_ = false;
};

} // namespace

TEST_CASE("a full pool refuses, and takes jobs again when there is room", "[io][pool]") {
  gate g;
  std::atomic<int> ran{0};
  pool p(2, 3);
  const defer release([&g] { g.open(); });
  auto job = [&] {
    g.pass();
    ++ran;
  };
  for (int i = 0; i < 2; ++i) REQUIRE(p.submit(job).has_value());
  REQUIRE(g.wait_for_arrivals(2)); // both threads are busy
  for (int i = 0; i < 3; ++i) REQUIRE(p.submit(job).has_value());
  auto refused = p.submit(job); // just over the bound
  REQUIRE(refused.has_error());
  CHECK(refused.error().code == errc::unavailable);
  g.open();
  REQUIRE(g.wait_for_arrivals(5));
  while (p.submit(job).has_error()) std::this_thread::yield();
  p.stop();
  CHECK(ran == 6);
}

TEST_CASE("stop runs what was accepted and refuses what comes", "[io][pool]") {
  gate g;
  std::atomic<int> ran{0};
  pool p(1, 1'000'000);
  const defer release([&g] { g.open(); });
  for (int i = 0; i < 50; ++i) {
    REQUIRE(p.submit([&] {
               g.pass();
               ++ran;
             }).has_value());
  }
  REQUIRE(g.wait_for_arrivals(1));
  std::thread stopper([&] { p.stop(); });
  std::thread second([&] { p.stop(); });
  int late = 0; // accepted before the stop was seen
  while (p.submit([&ran] { ++ran; }).has_value()) ++late;
  g.open();
  stopper.join();
  second.join();
  CHECK(ran == 50 + late);
  CHECK(p.submit([] {}).has_error());
}

TEST_CASE("an unused pool starts no thread and ends at once", "[io][pool]") {
  pool p(4, 4);
  p.stop();
  p.stop();
}

TEST_CASE("jobs of many threads run once each, on the pool's threads alone", "[io][pool]") {
  constexpr int givers = 4, each = 2000;
  std::vector<std::atomic<int>> ran(givers * each);
  std::mutex lock;
  std::set<std::thread::id> on;
  {
    pool p(3, 64);
    std::vector<std::thread> threads;
    for (int g = 0; g < givers; ++g) {
      threads.emplace_back([&, g] {
        for (int i = 0; i < each; ++i) {
          auto job = [&, at = static_cast<std::size_t>(g * each + i)] {
            ++ran[at];
            std::lock_guard hold(lock);
            on.insert(std::this_thread::get_id());
          };
          while (p.submit(job).has_error()) std::this_thread::yield();
        }
      });
    }
    for (auto& t : threads) t.join();
  } // the destructor runs the rest
  for (const auto& n : ran) REQUIRE(n == 1);
  CHECK(on.size() <= 3);
  CHECK_FALSE(on.contains(std::this_thread::get_id()));
}
