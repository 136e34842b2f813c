// The directory: names, ids, prefixes, views.
#include <catch2/catch.hpp>

#include "actors/directory.hpp"
#include "actors/name_generator.hpp"

using namespace gantry;
using namespace gantry::actors;

namespace {

api::container_view_ptr view_of(const std::string& id, const std::string& name, unix_nanos created) {
  auto d = std::make_shared<api::container_definition>();
  d->id = id;
  d->created = created;
  return std::make_shared<const api::container_view>(api::container_view{d, name, {}, 0});
}

std::string id_of(char c) { return std::string(64, c); }

void add(directory& d, const std::string& id, const std::string& name, unix_nanos created) {
  REQUIRE(d.reserve_name(name, id).has_value());
  d.insert(id, {}, view_of(id, name, created));
}

} // namespace

TEST_CASE("a container is found by id, name and unique prefix", "[actors][directory]") {
  directory d;
  auto first = id_of('a'), second = "ab" + std::string(62, 'c');
  add(d, first, "web", 1);
  add(d, second, "db", 2);

  CHECK(d.find(first)->view->name == "web");
  CHECK(d.find("web")->view->definition->id == first);
  CHECK(d.find("/web")->view->definition->id == first);
  CHECK(d.find("abc")->view->name == "db");
  CHECK(d.find("aaa")->view->name == "web");

  auto ambiguous = d.find("a");
  REQUIRE(ambiguous.has_error());
  CHECK(ambiguous.error().code == errc::invalid_parameter);
  CHECK(ambiguous.error().message == "multiple IDs found with provided prefix: a");
  auto missing = d.find("nope");
  REQUIRE(missing.has_error());
  CHECK(missing.error().message == "No such container: nope");
  CHECK(d.find("").error().message == "invalid name or ID supplied: \"\"");
}

TEST_CASE("a name belongs to one container, from its reservation to its removal", "[actors][directory]") {
  directory d;
  auto id = id_of('1');
  add(d, id, "web", 1);
  auto taken = d.reserve_name("web", id_of('2'));
  REQUIRE(taken.has_error());
  CHECK(taken.error().code == errc::conflict);
  CHECK(taken.error().message ==
        "Conflict. The container name \"/web\" is already in use by container \"" + id +
            "\". You have to remove (or rename) that container to be able to reuse that name.");
  d.erase(id);
  CHECK(d.reserve_name("web", id_of('2')).has_value());
  CHECK(d.find("web").has_error()); // reserved is not there yet
}

TEST_CASE("lists are newest first and show the newest view", "[actors][directory]") {
  directory d;
  add(d, id_of('1'), "old", 10);
  add(d, id_of('2'), "new", 20);
  auto running = *view_of(id_of('1'), "old", 10);
  running.state.status = api::container_status::running;
  running.definition = d.find("old")->view->definition;
  d.publish(std::make_shared<const api::container_view>(running));
  auto all = d.views();
  REQUIRE(all.size() == 2);
  CHECK(all[0]->name == "new");
  CHECK(all[1]->state.status == api::container_status::running);
}

TEST_CASE("publishing a container that was erased brings nothing back", "[actors][directory]") {
  directory d;
  add(d, id_of('1'), "gone", 10);
  auto view = d.find("gone")->view;
  d.erase(id_of('1'));
  d.publish(view);
  CHECK(d.views().empty());
}

TEST_CASE("generated names are reserved and never collide", "[actors][directory]") {
  directory d;
  std::set<std::string> names;
  for (int i = 0; i < 3000; ++i) names.insert(d.reserve_generated_name(std::to_string(i) + std::string(60, 'f')));
  CHECK(names.size() == 3000);
  CHECK(names.count("boring_wozniak") == 0);
}
