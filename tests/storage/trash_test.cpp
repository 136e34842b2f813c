// The trash: moved at once, emptied behind.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/stat.h>

#include "storage/trash.hpp"
#include "storage/tree.hpp"
#include "tests/storage/store_fixture.hpp"

using namespace gantry;
using namespace gantry::storage;
using namespace gantry::test;

TEST_CASE("a tree goes to the trash at once and away later; links are not followed", "[storage][trash]") {
  temp_dir dir;
  std::filesystem::create_directories(dir / "tree/a/b");
  std::filesystem::create_directories(dir / "safe");
  std::ofstream(dir / "safe/file") << "kept";
  std::ofstream(dir / "tree/a/b/file") << "x";
  std::filesystem::create_directory_symlink(dir / "safe", dir / "tree/a/link");
  REQUIRE(move_to_trash(dir.path(), dir / "tree").has_value());
  CHECK_FALSE(std::filesystem::exists(dir / "tree"));
  CHECK(count_in(dir / "trash") == 1);
  CHECK(move_to_trash(dir.path(), dir / "tree").has_value()); // gone already
  std::filesystem::create_directory_symlink(dir / "safe", dir / "link");
  REQUIRE(move_to_trash(dir.path(), dir / "link").has_value());
  REQUIRE(empty_trash(dir.path()).has_value());
  CHECK(count_in(dir / "trash") == 0);
  CHECK(read_file(dir / "safe/file") == "kept");
}

TEST_CASE("no trash is an empty trash", "[storage][trash]") {
  temp_dir dir;
  CHECK(empty_trash(dir.path()).has_value());
}

TEST_CASE("a tree deeper than any path is deleted with few descriptors", "[storage][trash]") {
  temp_dir dir;
  std::filesystem::create_directory(dir / "deep");
  {
    auto at = open_directory(dir / "deep");
    for (int i = 0; i < 5000; ++i) {
      REQUIRE(::mkdirat(at->get(), "d", 0700) == 0);
      REQUIRE(::close(::openat(at->get(), "f", O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0);
      at = open_directory_at(at->get(), "d");
      REQUIRE(at.has_value());
    }
  }
  REQUIRE(move_to_trash(dir.path(), dir / "deep").has_value());
  auto emptied = empty_trash(dir.path());
  if (emptied.has_error()) FAIL(emptied.error().message);
  CHECK(count_in(dir / "trash") == 0);
}
