// Removing images: Docker's rules and texts.
#include <catch2/catch.hpp>

#include "tests/storage/store_fixture.hpp"

using namespace gantry;
using namespace gantry::storage;
using namespace gantry::test;

namespace {

using texts = std::vector<std::string>;
const std::string stopped_id(64, 'c');
const std::string running_id(64, 'd');

std::vector<image_store::usage> stopped(std::string_view) { return {{stopped_id, false}}; }
std::vector<image_store::usage> running(std::string_view) { return {{running_id, true}}; }

std::string layer(const std::string& content) { return tar_builder().file("f", content).finish(); }

test_image base() { return {{layer("base")}, {"base:1"}, {}, 1, "none", "base"}; }
test_image child() { return {{layer("base"), layer("child")}, {"child:1"}, base().id(), 2, "none", "child"}; }

std::string top_chain(const image_info& image) { return image.layers.back().chain_id; }
std::string twelve(const test_image& image) { return image.id().substr(7, 12); }

struct remove_world : store_world {
  explicit remove_world(const std::filesystem::path& path) : store_world(path) {}
  removed must_remove(const std::string& name, bool force = false, bool no_prune = false,
                      const image_store::usage_of& used_by = unused) {
    auto done = store->remove(name, force, no_prune, used_by);
    if (done.has_error()) FAIL(done.error().message);
    return *done;
  }
  std::string refusal(const std::string& name, bool force, const image_store::usage_of& used_by) {
    auto done = store->remove(name, force, false, used_by);
    REQUIRE(done.has_error());
    CHECK(done.error().code == errc::conflict);
    return done.error().message;
  }
};

} // namespace

TEST_CASE("removing a name only untags while other names exist; the last one deletes", "[storage][image_remove]") {
  if (!is_root()) return;
  temp_dir dir;
  remove_world world(dir.path());
  auto image = base();
  image.tags = {"base:1", "base:2"};
  world.must_load(docker_archive({image}));
  const auto info = world.find("base:1");
  auto done = world.must_remove("base:1");
  CHECK(done.untagged == texts{"base:1"});
  CHECK(done.deleted.empty());
  CHECK_FALSE(world.find("base:1"));
  REQUIRE(world.find("base:2"));
  (void)world.store->lower_dirs(*info);
  CHECK(count_in(dir / "init") == 1);
  done = world.must_remove("base:2");
  CHECK(done.untagged == texts{"base:2"});
  CHECK(done.deleted == texts{image.id(), top_chain(*info)});
  CHECK(done.reclaimed_bytes == 4);
  CHECK_FALSE(world.find(image.id()));
  CHECK(count_in(dir / "init") == 0);
  CHECK(world.store->lower_dirs(*info).error().code == errc::not_found);
  world.check_clean(0);
  CHECK(world.store->remove("base:2", true, false, unused).error() ==
        error{errc::not_found, 0, "No such image: base:2"});
}

TEST_CASE("removing by id takes the single name along, and refuses several", "[storage][image_remove]") {
  if (!is_root()) return;
  temp_dir dir;
  remove_world world(dir.path());
  auto image = base();
  world.must_load(docker_archive({image}));
  REQUIRE(world.store->tag("base:1", "other", "1").has_value());
  CHECK(world.refusal(image.id(), false, unused) ==
        "conflict: unable to delete " + twelve(image) +
            " (must be forced) - image is referenced in multiple repositories");
  CHECK(world.find("other:1")); // nothing was touched
  SECTION("by force") {
    const auto done = world.must_remove(twelve(image), true);
    CHECK(done.untagged == texts{"base:1", "other:1"});
    CHECK(done.deleted.size() == 2);
  }
  SECTION("one name") {
    world.must_remove("other:1");
    const auto done = world.must_remove(image.id());
    CHECK(done.untagged == texts{"base:1"});
    CHECK(done.deleted.front() == image.id());
  }
  world.check_clean(0);
}

TEST_CASE("containers hold their image as Docker says", "[storage][image_remove]") {
  if (!is_root()) return;
  temp_dir dir;
  remove_world world(dir.path());
  const auto image = base();
  world.must_load(docker_archive({image}));
  const auto start = "conflict: unable to delete " + twelve(image);

  CHECK(world.refusal("base:1", false, stopped) ==
        "conflict: unable to remove repository reference \"base:1\" (must force) - container cccccccccccc is using its "
        "referenced image " +
            twelve(image));
  CHECK(world.refusal(image.id(), false, stopped) ==
        start + " (must be forced) - image is being used by stopped container cccccccccccc");
  CHECK(world.refusal(image.id(), true, running) ==
        start + " (cannot be forced) - image is being used by running container dddddddddddd");
  CHECK(world.store->remove_image(image.id(), stopped).error().code == errc::conflict);
  CHECK(world.store->remove_image(image.id(), running).error().code == errc::conflict);
  REQUIRE(world.find("base:1"));

  // By name and by force while one runs: the name goes, the image stays without one.
  const auto done = world.must_remove("base:1", true, false, running);
  CHECK(done.untagged == texts{"base:1"});
  CHECK(done.deleted.empty());
  REQUIRE(world.find(image.id()));
  CHECK(world.find(image.id())->repo_tags.empty());
}

TEST_CASE("an image removed by force keeps its layers for the containers it has", "[storage][image_remove]") {
  if (!is_root()) return;
  temp_dir dir;
  const auto image = base();
  {
    remove_world world(dir.path());
    world.must_load(docker_archive({image}));
    const auto done = world.must_remove("base:1", true, false, stopped);
    CHECK(done.untagged == texts{"base:1"});
    CHECK(done.deleted == texts{image.id()});
    CHECK_FALSE(world.find(image.id()));
    CHECK(world.store->images()->all().empty());
  }
  remove_world world(dir.path()); // across a restart too
  const auto kept = world.store->images()->find_for_container(image.id());
  REQUIRE(kept);
  CHECK_FALSE(world.find(image.id().substr(7, 12)));
  const auto dirs = world.store->lower_dirs(*kept);
  REQUIRE(dirs.has_value());
  CHECK(read_file(std::filesystem::path(dirs->back()) / "f") == "base");
  REQUIRE(world.store->release_kept(stopped).has_value());
  CHECK(world.store->images()->find_for_container(image.id()));
  SECTION("until the last one is gone") {
    REQUIRE(world.store->release_kept(unused).has_value());
    CHECK_FALSE(world.store->images()->find_for_container(image.id()));
    world.check_clean(0);
  }
  SECTION("or it is loaded again") {
    world.must_load(docker_archive({image}));
    REQUIRE(world.find("base:1"));
    REQUIRE(world.store->release_kept(unused).has_value());
    CHECK(world.find("base:1"));
    world.check_clean(1);
  }
}

TEST_CASE("parents: children forbid, pruning follows", "[storage][image_remove]") {
  if (!is_root()) return;
  temp_dir dir;
  remove_world world(dir.path());
  world.must_load(docker_archive({base(), child()}));
  CHECK(world.find("child:1")->parent == base().id());
  CHECK(world.store->images()->has_children(base().id()));
  CHECK(world.refusal(base().id(), true, unused) ==
        "conflict: unable to delete " + twelve(base()) + " (cannot be forced) - image has dependent child images");
  CHECK(world.store->remove_image(base().id(), unused).error().code == errc::conflict);
  SECTION("a named parent only loses its name when asked by name") {
    const auto done = world.must_remove("base:1");
    CHECK(done.untagged == texts{"base:1"});
    CHECK(done.deleted.empty());
    SECTION("and goes with its last child") {
      CHECK(world.must_remove("child:1").deleted.size() == 4);
      world.check_clean(0);
    }
    SECTION("unless noprune") {
      const auto removed_child = world.must_remove("child:1", false, true);
      CHECK(removed_child.deleted.size() == 2);
      REQUIRE(world.find(base().id()));
      world.check_clean(1);
    }
  }
  SECTION("a parent with a name stays") {
    const auto done = world.must_remove("child:1");
    CHECK(done.deleted.size() == 2);
    CHECK(world.find("base:1"));
    world.check_clean(1);
  }
  SECTION("prune takes one image whole") {
    REQUIRE(world.store->tag("child:1", "more", "").has_value());
    auto done = world.store->remove_image(child().id(), unused);
    REQUIRE(done.has_value());
    CHECK(done->untagged == texts{"child:1", "more:latest"});
    CHECK(done->deleted.size() == 2);
    CHECK(done->reclaimed_bytes == 5);
  }
}

TEST_CASE("a parent that an archive only claims is not believed", "[storage][image_remove]") {
  if (!is_root()) return;
  temp_dir dir;
  remove_world world(dir.path());
  auto a = base(), b = child();
  a.history = b.history = 1;
  a.parent = b.id(); // a circle
  b.parent = a.id();
  world.must_load(docker_archive({a, b}));
  CHECK(world.find("base:1")->parent.empty());
  CHECK(world.find("child:1")->parent.empty());
}

TEST_CASE("layers go with the last image that has them", "[storage][image_remove]") {
  if (!is_root()) return;
  temp_dir dir;
  remove_world world(dir.path());
  auto second = child();
  second.parent.clear();
  world.must_load(docker_archive({base(), second}));
  const auto chains = world.find("child:1")->layers;
  CHECK(world.must_remove("base:1").deleted == texts{base().id()}); // its layer is child's too
  world.check_clean(2);
  CHECK(world.must_remove("child:1").deleted == texts{second.id(), chains[1].chain_id, chains[0].chain_id});
  world.check_clean(0);
}

TEST_CASE("an id prefix of several images is refused", "[storage][image_remove]") {
  if (!is_root()) return;
  temp_dir dir;
  remove_world world(dir.path());
  std::vector<test_image> images;
  for (int i = 0; i < 17; ++i) images.push_back({{layer("base")}, {}, {}, 0, "none", std::to_string(i)});
  world.must_load(docker_archive(images)); // 17 ids, 16 first digits: two share one
  std::string shared;
  for (const char digit : std::string("0123456789abcdef")) {
    int count = 0;
    for (const auto& image : images) count += image.id()[7] == digit ? 1 : 0;
    if (count > 1) shared = digit;
  }
  REQUIRE_FALSE(shared.empty());
  CHECK(world.store->images()->find(shared).error().code == errc::invalid_parameter);
  CHECK(world.store->images()->find("sha256:" + shared).error().code == errc::invalid_parameter);
}
