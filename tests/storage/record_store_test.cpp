// Records: group commit, atomicity, two engines on one root.
#include <catch2/catch.hpp>

#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <random>
#include <set>
#include <sqlite3.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "storage/record_store.hpp"
#include "tests/storage/temp_dir.hpp"

using namespace gantry;
using namespace gantry::storage;

namespace {
change put(std::string id, std::string value, record_kind kind = record_kind::container) {
  return {kind, std::move(id), false, std::move(value)};
}
change erase(std::string id) { return {record_kind::container, std::move(id), true, {}}; }

std::unique_ptr<record_store> must_open(const std::filesystem::path& dir) {
  auto opened = record_store::open(dir);
  if (opened.has_error()) FAIL(opened.error().message);
  return std::move(*opened);
}
} // namespace

TEST_CASE("records survive a close and keep kinds apart", "[storage][record_store]") {
  test::temp_dir dir;
  const std::string binary("a\0b", 3);
  {
    auto store = must_open(dir.path());
    REQUIRE(store->commit({put("1", "one"), put("2", binary), put("1", "image", record_kind::image)}).has_value());
    REQUIRE(store->commit({put("1", "uno"), put("3", ""), put("4", "x")}).has_value());
    REQUIRE(store->commit({erase("4"), erase("absent")}).has_value());
  }
  auto store = must_open(dir.path());
  auto all = store->load(record_kind::container);
  REQUIRE(all.has_value());
  REQUIRE(all->size() == 3);
  CHECK((*all)[0].value == "uno");
  CHECK((*all)[1].value == binary);
  CHECK((*all)[2].value.empty());
  CHECK(store->load(record_kind::image)->size() == 1);
  CHECK(store->load(record_kind::layer)->empty());
}

TEST_CASE("calls of many threads are all answered and all there", "[storage][record_store]") {
  test::temp_dir dir;
  auto store = must_open(dir.path());
  constexpr int threads = 4, each = 500;
  std::atomic<int> good = 0;
  {
    std::vector<std::jthread> running;
    for (int t = 0; t < threads; ++t) {
      running.emplace_back([&, t] {
        for (int i = 0; i < each; ++i) {
          store->commit({put(std::to_string(t) + "-" + std::to_string(i), "v")},
                        [&](result<> r) { good += r.has_value() ? 1 : 0; });
        }
      });
    }
  }
  REQUIRE(store->load(record_kind::container)->size() == threads * each); // a load sees what was accepted before it
  CHECK(good == threads * each);
}

TEST_CASE("a second engine on the same data root is refused", "[storage][record_store]") {
  test::temp_dir dir;
  auto first = must_open(dir.path());
  auto second = record_store::open(dir.path());
  REQUIRE(second.has_error());
  CHECK(second.error().code == errc::unavailable);
  CHECK(second.error().message.find("another engine uses this data root") != std::string::npos);
  CHECK(second.error().message.find((dir / "records.db").string()) != std::string::npos);

  const auto child = fork(); // and from another process
  if (child == 0) {
    auto third = record_store::open(dir.path());
    _exit(third.has_error() && third.error().code == errc::unavailable ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  first.reset();
  CHECK(record_store::open(dir.path()).has_value());
}

TEST_CASE("what is not our file is refused, and the error names it", "[storage][record_store]") {
  test::temp_dir dir;
  const auto file = dir / "records.db";
  std::string expected;
  SECTION("rubbish") {
    std::ofstream(file) << std::string(8192, 'x');
    expected = "file is not a database";
  }
  SECTION("torn header") {
    { must_open(dir.path()); }
    std::fstream(file, std::ios::in | std::ios::out) << "SQLite formaX";
    expected = "file is not a database";
  }
  SECTION("a directory") {
    std::filesystem::create_directory(file);
    expected = "unable to open";
  }
  SECTION("another program's database") {
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open(file.c_str(), &db) == SQLITE_OK);
    REQUIRE(sqlite3_exec(db, "CREATE TABLE other(x)", nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(db);
    expected = "not a record file of this engine";
  }
  SECTION("a newer schema") {
    { must_open(dir.path()); }
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open(file.c_str(), &db) == SQLITE_OK);
    REQUIRE(sqlite3_exec(db, "PRAGMA user_version=99", nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(db);
    expected = "newer engine";
  }
  auto opened = record_store::open(dir.path());
  REQUIRE(opened.has_error());
  INFO(opened.error().message);
  CHECK(opened.error().message.find(expected) != std::string::npos);
  CHECK(opened.error().message.find(file.string()) != std::string::npos);
}

TEST_CASE("a page that is damaged later is told of, with the file's name", "[storage][record_store]") {
  test::temp_dir dir;
  {
    auto store = must_open(dir.path());
    for (int i = 0; i < 200; ++i) REQUIRE(store->commit({put(std::to_string(i), std::string(500, 'v'))}).has_value());
  }
  const auto size = std::filesystem::file_size(dir / "records.db");
  {
    std::fstream file(dir / "records.db", std::ios::in | std::ios::out | std::ios::binary);
    for (std::uintmax_t at = 8192; at + 64 < size; at += 4096) { // all pages behind the schema
      file.seekp(static_cast<std::streamoff>(at));
      file << std::string(64, '\xff');
    }
  }
  auto store = record_store::open(dir.path());
  auto loaded = store.has_value() ? (*store)->load(record_kind::container) : store.error();
  REQUIRE(loaded.has_error());
  CHECK(loaded.error().code == errc::internal);
  INFO(loaded.error().message);
  CHECK(loaded.error().message.find((dir / "records.db").string()) != std::string::npos);
}

TEST_CASE("kill -9 loses no acknowledged commit and tears none", "[storage][record_store]") {
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  INFO("seed " << seed);
  for (int round = 0; round < 5; ++round) {
    test::temp_dir dir;
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    const auto child = fork();
    if (child == 0) {
      auto opened = record_store::open(dir.path());
      if (opened.has_error()) _exit(1);
      for (std::uint32_t i = 0;; ++i) { // each commit is a pair: both or neither
        const auto id = std::to_string(i);
        if ((*opened)->commit({put("a" + id, "v"), put("b" + id, "v")}).has_error()) _exit(1);
        if (write(ends[1], &i, sizeof i) != sizeof i) _exit(1);
      }
    }
    close(ends[1]);
    std::uint32_t acknowledged = 0, got = 0;
    const auto target = 1 + random() % 300;
    while (got < target && read(ends[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged) ++got;
    kill(child, SIGKILL);
    while (read(ends[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged) ++got;
    close(ends[0]);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));

    auto store = must_open(dir.path());
    std::set<std::string> ids;
    for (auto& r : *store->load(record_kind::container)) ids.insert(r.id);
    for (std::uint32_t i = 0; i <= acknowledged; ++i) CHECK(ids.contains("a" + std::to_string(i)));
    for (const auto& id : ids) CHECK(ids.contains((id[0] == 'a' ? "b" : "a") + id.substr(1)));
  }
}
