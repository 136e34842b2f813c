// The image store: load, tags, lookups.
#include <catch2/catch.hpp>

#include <algorithm>
#include <sys/stat.h>

#include "tests/storage/store_fixture.hpp"

using namespace gantry;
using namespace gantry::storage;
using namespace gantry::test;

namespace {

std::string base_layer() {
  return tar_builder().dir("./").dir("bin/").file("bin/sh", "#!", 0755).dir("etc/").file("etc/passwd", "root").finish();
}
std::string top_layer() { return tar_builder().dir("app/").file("app/run", "run", 0755).finish(); }
test_image two_layers(std::vector<std::string> tags = {"app:1"}) {
  return {{base_layer(), top_layer()}, std::move(tags)};
}

} // namespace

TEST_CASE("a loaded image is listed, found by all its names and unpacked", "[storage][image_store]") {
  if (!is_root()) return;
  temp_dir dir;
  store_world world(dir.path());
  const auto image = two_layers({"app:1", "quay.io/x/app:2"});
  const auto ids = world.must_load(docker_archive({image}));
  CHECK(ids == std::vector{image.id()});
  CHECK(world.said == "Loaded image: app:1\nLoaded image: quay.io/x/app:2\n");

  const auto hex = image.id().substr(7);
  for (const auto& name : {std::string("app:1"), std::string("docker.io/library/app:1"), std::string("quay.io/x/app:2"),
                           image.id(), hex, hex.substr(0, 12), "sha256:" + hex.substr(0, 5)}) {
    INFO(name);
    REQUIRE(world.find(name));
    CHECK(world.find(name)->id == image.id());
  }
  const auto info = world.find("app:1");
  CHECK(info->repo_tags == std::vector<std::string>{"app:1", "quay.io/x/app:2"});
  CHECK(info->config == image.config());
  CHECK(info->size_bytes == 2 + 4 + 3);
  CHECK(format_rfc3339_nano(info->created) == "2024-01-02T03:04:05Z");
  REQUIRE(info->layers.size() == 2);
  CHECK(info->layers[0].diff_id == sha256_of(base_layer()));
  CHECK(info->layers[1].chain_id == sha256_of(info->layers[0].diff_id + " " + sha256_of(top_layer())));
  CHECK(read_file(world.layer(*info, 0) / "etc/passwd") == "root");
  CHECK(read_file(world.layer(*info, 1) / "app/run") == "run");
  world.check_clean(2);
}

TEST_CASE("what is not there is not found, in Docker's words", "[storage][image_store]") {
  temp_dir dir;
  store_world world(dir.path());
  const std::string hex(64, 'c');
  const std::pair<std::string, std::string> rows[] = {
      {"x", "No such image: x:latest"},
      {"x:1", "No such image: x:1"},
      {"quay.io/x", "No such image: quay.io/x:latest"},
      {hex, "No such image: sha256:" + hex},
      {"sha256:" + hex, "No such image: sha256:" + hex},
      {"x@sha256:" + hex, "No such image: x@sha256:" + hex},
      {"cafe", "No such image: cafe:latest"},
  };
  for (const auto& [name, message] : rows) {
    auto found = world.store->images()->find(name);
    REQUIRE(found.has_error());
    CHECK(found.error() == error{errc::not_found, 0, message});
  }
  CHECK(world.store->images()->find("X").error().code == errc::invalid_parameter);
}

TEST_CASE("images survive a restart with their tags", "[storage][image_store]") {
  if (!is_root()) return;
  temp_dir dir;
  const auto image = two_layers();
  {
    store_world world(dir.path());
    world.must_load(docker_archive({image}));
    REQUIRE(world.store->tag("app:1", "other", "").has_value());
  }
  store_world world(dir.path());
  REQUIRE(world.find("other:latest"));
  CHECK(world.find("other")->id == image.id());
  CHECK(world.find("other")->last_tagged > 0);
  CHECK(world.find("other")->size_bytes == 9);
  CHECK(world.find("app:1") == world.find("other"));
  world.check_clean(2);
}

TEST_CASE("the order and age of an archive do not matter", "[storage][image_store]") {
  if (!is_root()) return;
  temp_dir dir;
  store_world world(dir.path());
  SECTION("Docker 20.10, with a layer that links to another's") {
    const test_image image{{base_layer(), top_layer(), base_layer()}, {"old:1"}};
    world.must_load(old_docker_archive(image));
    REQUIRE(world.find("old:1"));
    CHECK(world.find("old:1")->id == image.id());
    CHECK(read_file(world.layer(*world.find("old:1"), 2) / "etc/passwd") == "root");
  }
  SECTION("no name at all") {
    const auto image = two_layers({});
    world.must_load(docker_archive({image}));
    CHECK(world.said == "Loaded image ID: " + image.id() + "\n");
  }
  SECTION("several images that share a layer") {
    const test_image one{{base_layer()}, {"one:1"}};
    world.must_load(docker_archive({one, two_layers()}));
    CHECK(world.store->images()->all().size() == 2);
    world.check_clean(2);
  }
  SECTION("an image without layers") {
    const test_image empty{{}, {"empty:1"}};
    world.must_load(docker_archive({empty}));
    CHECK(world.find("empty:1")->layers.empty());
    CHECK(world.store->lower_dirs(*world.find("empty:1"))->size() == 1);
  }
}

TEST_CASE("every compression is read, outside and inside of the archive", "[storage][image_store]") {
  if (!is_root()) return;
  const auto outer = GENERATE(as<std::string>{}, "none", "gzip", "zstd", "xz", "bzip2");
  const auto inner = GENERATE(as<std::string>{}, "none", "gzip", "zstd", "xz", "bzip2");
  temp_dir dir;
  store_world world(dir.path());
  auto image = two_layers();
  image.filter = inner;
  INFO(outer << " around " << inner);
  world.must_load(compress(docker_archive({image}), outer));
  CHECK(read_file(world.layer(*world.find("app:1"), 1) / "app/run") == "run");
}

TEST_CASE("a tag that moves is told of, and the old image stays without a name", "[storage][image_store]") {
  if (!is_root()) return;
  temp_dir dir;
  store_world world(dir.path());
  const auto first = two_layers();
  auto second = two_layers();
  second.note = "other";
  world.must_load(docker_archive({first}));
  world.must_load(docker_archive({second}));
  CHECK(world.said == "The image app:1 already exists, renaming the old one with ID " + first.id() +
                          " to empty string\nLoaded image: app:1\n");
  CHECK(world.find("app:1")->id == second.id());
  REQUIRE(world.find(first.id()));
  CHECK(world.find(first.id())->repo_tags.empty());
  world.must_load(docker_archive({second})); // again: nothing to tell
  CHECK(world.said == "Loaded image: app:1\n");
}

TEST_CASE("tag moves silently and refuses digests", "[storage][image_store]") {
  if (!is_root()) return;
  temp_dir dir;
  store_world world(dir.path());
  world.must_load(docker_archive({two_layers()}));
  auto other = two_layers({"other:1"});
  other.note = "other";
  world.must_load(docker_archive({other}));
  REQUIRE(world.store->tag("other:1", "app", "1").has_value());
  CHECK(world.find("app:1")->id == other.id());
  CHECK(world.store->tag("absent", "x", "").error() == error{errc::not_found, 0, "No such image: absent:latest"});
  CHECK(world.store->tag("app:1", "sha256", "x").error() ==
        error{errc::invalid_parameter, 0, "refusing to create an ambiguous tag using digest algorithm as name"});
  CHECK(world.store->tag("app:1", "x@sha256:" + std::string(64, 'a'), "").error().code == errc::invalid_parameter);
  CHECK(world.store->tag("app:1", "x", "-bad").error().message == "invalid tag format");
  CHECK(world.store->tag("app:1", "Bad", "x").error().code == errc::invalid_parameter);
}

TEST_CASE("the init layer adds what the image lacks and keeps what it has", "[storage][image_store][init_layer]") {
  if (!is_root()) return;
  temp_dir dir;
  store_world world(dir.path());
  const auto below = tar_builder()
                         .add({"./", '5', {}, 0751, 3, 4})
                         .add({"etc/", '5', {}, 0711, 1, 2, 1'500'000'000})
                         .file("etc/hosts", "kept")
                         .symlink("etc/resolv.conf", "../run/resolv.conf")
                         .dir("dev/")
                         .dir("proc/", 0555)
                         .finish();
  const auto above = tar_builder().file("etc/.wh.hosts", "").add({"./", '5', {}, 0711, 7, 8}).finish();
  SECTION("plain") {
    world.must_load(docker_archive({{{below}, {"x:1"}}}));
    const auto dirs = *world.store->lower_dirs(*world.find("x:1"));
    REQUIRE(dirs.size() == 2);
    const std::filesystem::path init = dirs[0];
    CHECK(dirs[1] == world.layer(*world.find("x:1"), 0));
    struct stat st {};
    REQUIRE(::stat(init.c_str(), &st) == 0);
    CHECK(((st.st_mode & 07777) == 0751 && st.st_uid == 3 && st.st_gid == 4));
    REQUIRE(::stat((init / "etc").c_str(), &st) == 0);
    CHECK(((st.st_mode & 07777) == 0711 && st.st_uid == 1 && st.st_gid == 2 && st.st_mtime == 1'500'000'000));
    CHECK_FALSE(std::filesystem::exists(init / "etc/hosts"));
    CHECK(std::filesystem::is_regular_file(std::filesystem::symlink_status(init / "etc/resolv.conf")));
    CHECK(std::filesystem::is_regular_file(init / "etc/hostname"));
    CHECK(std::filesystem::read_symlink(init / "etc/mtab") == "/proc/mounts");
    CHECK(std::filesystem::is_directory(init / "dev/pts"));
    CHECK(std::filesystem::is_directory(init / "dev/shm"));
    CHECK(std::filesystem::is_regular_file(init / "dev/console"));
    CHECK_FALSE(std::filesystem::exists(init / "proc"));
    CHECK(std::filesystem::is_directory(init / "sys"));
    REQUIRE(::stat((init / ".dockerenv").c_str(), &st) == 0);
    CHECK(((st.st_mode & 07777) == 0755 && st.st_size == 0));
  }
  SECTION("a whiteout above counts") {
    world.must_load(docker_archive({{{below, above}, {"x:1"}}}));
    const auto dirs = *world.store->lower_dirs(*world.find("x:1"));
    REQUIRE(dirs.size() == 3);
    CHECK(std::filesystem::is_regular_file(std::filesystem::path(dirs[0]) / "etc/hosts"));
    struct stat st {};
    REQUIRE(::stat(dirs[0].c_str(), &st) == 0);
    CHECK(((st.st_mode & 07777) == 0711 && st.st_uid == 7 && st.st_gid == 8));
  }
  SECTION("etc is a link") {
    world.must_load(
        docker_archive({{{tar_builder().dir("usr/").dir("usr/etc/").symlink("etc", "usr/etc").finish()}, {"x:1"}}}));
    const std::filesystem::path init = world.store->lower_dirs(*world.find("x:1"))->front();
    CHECK_FALSE(std::filesystem::exists(std::filesystem::symlink_status(init / "etc")));
    CHECK(std::filesystem::is_directory(init / "dev/pts"));
  }
  SECTION("a root that hides the layers below ends the list") {
    const auto opaque = tar_builder().file(".wh..wh..opq", "").file("only", "x").finish();
    world.must_load(docker_archive({{{below, opaque, above}, {"x:1"}}}));
    CHECK(world.store->lower_dirs(*world.find("x:1"))->size() == 3); // init, above, opaque
  }
}
