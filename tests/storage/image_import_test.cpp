// docker import: one layer of any tar.
#include <catch2/catch.hpp>

#include <simdjson.h>

#include "tests/storage/store_fixture.hpp"

using namespace gantry;
using namespace gantry::storage;
using namespace gantry::test;

TEST_CASE("a root filesystem's tar becomes an image, whatever its compression", "[storage][image_import]") {
  if (!is_root()) return;
  const auto filter = GENERATE(as<std::string>{}, "none", "gzip", "zstd", "xz", "bzip2");
  INFO(filter);
  temp_dir dir;
  store_world world(dir.path());
  const auto tar = tar_builder().dir("etc/").file("etc/os-release", "ID=x").finish();
  const auto fd = memory_file(compress(tar, filter));
  auto id =
      world.store->import(fd.get(), {"mine:1", "Imported from -", R"({"Cmd":["/bin/sh"]})", "linux", "arm64", "v8"});
  if (id.has_error()) FAIL(id.error().message);
  const auto image = world.find("mine:1");
  REQUIRE(image);
  CHECK(image->id == *id);
  CHECK(image->id == sha256_of(image->config));
  CHECK(image->last_tagged > 0);
  CHECK(read_file(world.layer(*image, 0) / "etc/os-release") == "ID=x");

  simdjson::dom::parser parser;
  const auto json = parser.parse(image->config);
  const auto text = [&](const char* pointer) { return std::string(std::string_view(json.at_pointer(pointer))); };
  CHECK(text("/architecture") == "arm64");
  CHECK(text("/variant") == "v8");
  CHECK(text("/os") == "linux");
  CHECK(text("/comment") == "Imported from -");
  CHECK(text("/history/0/comment") == "Imported from -");
  CHECK(text("/history/0/created") == text("/created"));
  CHECK(text("/config/Cmd/0") == "/bin/sh");
  CHECK(text("/rootfs/type") == "layers");
  CHECK(text("/rootfs/diff_ids/0") == sha256_of(tar));
  world.check_clean(1);
}

TEST_CASE("an import that cannot be leaves nothing", "[storage][image_import]") {
  if (!is_root()) return;
  temp_dir dir;
  store_world world(dir.path());
  const auto refused = [&](const std::string& bytes, const image_store::import_options& options) {
    const auto fd = memory_file(bytes);
    auto id = world.store->import(fd.get(), options);
    REQUIRE(id.has_error());
    CHECK(id.error().code == errc::invalid_parameter);
    world.check_clean(0);
    CHECK(world.store->images()->all().empty());
    return id.error().message;
  };
  const auto tar = tar_builder().file("f", "x").finish();
  CHECK(refused(tar, {"x@sha256:" + std::string(64, 'a'), {}, "{}"}) == "cannot import digest reference");
  CHECK(refused(tar, {"Bad", {}, "{}"}) == "invalid reference format: repository name (library/Bad) must be lowercase");
  CHECK_THAT(refused(tar, {"", {}, "[]"}), Catch::Contains("not a JSON object"));
  CHECK_THAT(refused("not a tar", {}), Catch::Contains("read tar"));
  CHECK_THAT(refused(tar_builder().file("../x", "").finish(), {}), Catch::Contains("outside"));
}
