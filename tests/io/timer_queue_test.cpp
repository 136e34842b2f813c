/// The order of timers and the ids of operations, apart from any reactor.
#include "io/timer_queue.hpp"

#include <catch2/catch.hpp>

#include <vector>

#include "io/op_table.hpp"

using namespace gantry::io;
using namespace std::chrono_literals;

TEST_CASE("timers of one time come out in the order they went in", "[io][timers]") {
  timer_queue q;
  q.add(5ns, 30);
  q.add(5ns, 10);
  q.add(3ns, 40);
  q.add(5ns, 20);
  q.add(7ns, 50);
  CHECK(q.next() == 3ns);
  q.remove(5ns, 10);
  q.remove(5ns, 50); // of another time: not found
  std::vector<std::uint64_t> out;
  auto note = [&out](std::uint64_t id) { out.push_back(id); };
  q.take_due(2ns, note);
  CHECK(out.empty());
  q.take_due(5ns, note);
  CHECK(out == std::vector<std::uint64_t>{40, 30, 20});
  CHECK(q.next() == 7ns);
  q.take_due(1h, note);
  CHECK(out.back() == 50);
  CHECK(q.empty());
  CHECK_FALSE(q.next().has_value());
}

TEST_CASE("ids of operations are never 0 and never used twice", "[io][ops]") {
  op_table t;
  const auto first = t.add({}, nullptr), second = t.add({}, nullptr);
  CHECK(first != 0);
  CHECK(first != second);
  CHECK(t.size() == 2);
  int ran = 0;
  const auto third = t.add({}, [&ran](int n) { ran = n; });
  t.take(third)(7);
  CHECK(ran == 7);
  CHECK(t.find(third) == nullptr);
  const auto fourth = t.add({}, nullptr); // in the third's place
  CHECK(fourth != third);
  CHECK(t.find(third) == nullptr);
  CHECK(t.find(fourth) != nullptr);
  CHECK(t.find(first) != nullptr);
  CHECK(t.find(0) == nullptr);
  CHECK(t.find(~std::uint64_t{0}) == nullptr);
  CHECK(t.size() == 3);
}
