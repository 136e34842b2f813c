// The event hub: numbering, slow readers, wake-ups.
#include <catch2/catch.hpp>

#include "actors/event_hub.hpp"

using namespace gantry;
using namespace gantry::actors;

namespace {

api::event event_named(std::string action) {
  api::event e;
  e.type = "container";
  e.action = std::move(action);
  return e;
}

} // namespace

TEST_CASE("a reader gets every event once, in order", "[actors][event_hub]") {
  event_hub hub;
  auto from = hub.end();
  for (auto* a : {"create", "start", "die"}) hub.publish(event_named(a));
  auto first = hub.read(from, 2);
  REQUIRE(first.events.size() == 2);
  CHECK(first.events[0]->action == "create");
  CHECK(first.events[0]->time != 0);
  auto second = hub.read(first.next, 10);
  REQUIRE(second.events.size() == 1);
  CHECK(second.events[0]->action == "die");
  CHECK(hub.read(second.next, 10).events.empty());
}

TEST_CASE("a reader that fell behind the ring is told how much it lost", "[actors][event_hub]") {
  event_hub hub;
  auto from = hub.end();
  for (std::size_t i = 0; i < event_hub::kept_max + 5; ++i) hub.publish(event_named("create"));
  auto batch = hub.read(from, 1);
  CHECK(batch.lost == 5);
  CHECK(batch.events.size() == 1);
  CHECK(hub.read(batch.next, 1).lost == 0);
}

TEST_CASE("a subscriber is woken once for each time it armed", "[actors][event_hub]") {
  event_hub hub;
  int woken = 0;
  auto id = hub.subscribe([&] { ++woken; });
  hub.publish(event_named("create"));
  CHECK(woken == 0);                 // not armed
  CHECK(hub.arm(id, hub.end() - 1)); // there is one already
  CHECK_FALSE(hub.arm(id, hub.end()));
  hub.publish(event_named("start"));
  hub.publish(event_named("die"));
  CHECK(woken == 1);
  hub.unsubscribe(id);
  CHECK(hub.subscribers() == 0);
}
