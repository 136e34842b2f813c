/// What is on disk after things went wrong: every step failing in turn, kill -9 at random moments, a full disk, another
/// boot, archives that inflate without end.
#include <catch2/catch.hpp>

#include <chrono>
#include <csignal>
#include <random>
#include <set>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>

#include "io/base/ids.hpp"
#include "storage/trash.hpp"
#include "storage/tree.hpp"
#include "tests/storage/store_fixture.hpp"

using namespace gantry;
using namespace gantry::storage;
using namespace gantry::test;

namespace fs = std::filesystem;

namespace {

std::string layer_of(const std::string& name, int files) {
  tar_builder tar;
  tar.dir(name + "/");
  for (int i = 0; i < files; ++i) {
    tar.file(name + "/" + std::to_string(i), name + std::string(static_cast<std::size_t>(i * 37 % 5000), 'x'));
  }
  return tar.symlink(name + "/link", "0").hard_link(name + "/hard", name + "/0").file(name + "/.wh.gone", "").finish();
}

test_image image_a(int files = 40) {
  return {{layer_of("base", files), layer_of("a", files)}, {"a:1", "both:1"}, {}, 0, "gzip", "a"};
}
test_image image_b(int files = 40) {
  return {{layer_of("base", files), layer_of("b", files)}, {"b:1", "both:1"}, {}, 0, "zstd", "b"};
}

/// Everything below a directory, as text: names, kinds, modes, contents.
std::string describe_tree(const fs::path& root) {
  std::set<std::string> lines;
  for (const auto& item : fs::recursive_directory_iterator(root)) {
    struct stat st {};
    REQUIRE(::lstat(item.path().c_str(), &st) == 0);
    auto line = item.path().lexically_relative(root).string() + " " + std::to_string(st.st_mode) + " " +
                std::to_string(st.st_nlink) + " " + std::to_string(st.st_mtim.tv_sec);
    if (S_ISREG(st.st_mode)) line += " " + sha256_of(read_file(item.path()));
    if (S_ISLNK(st.st_mode)) line += " " + fs::read_symlink(item.path()).string();
    lines.insert(line);
  }
  std::string all;
  for (const auto& line : lines) all += line + "\n";
  return all;
}

/// chain id -> what its directory must look like, from a load that nothing disturbed.
std::map<std::string, std::string> expected_layers(const std::vector<test_image>& images) {
  temp_dir dir;
  store_world world(dir.path());
  world.must_load(docker_archive(images));
  std::map<std::string, std::string> expected;
  const auto index_now = world.store->images();
  for (const auto& image : index_now->all()) {
    for (std::size_t i = 0; i < image->layers.size(); ++i) {
      expected[image->layers[i].chain_id] = describe_tree(world.layer(*image, i));
    }
  }
  return expected;
}

/// Every image there is is exact, and nothing else is on disk.
void check_exact(store_world& world, const std::map<std::string, std::string>& expected) {
  std::set<std::string> chains;
  const auto index_now = world.store->images();
  for (const auto& image : index_now->all()) {
    for (std::size_t i = 0; i < image->layers.size(); ++i) {
      const auto& chain = image->layers[i].chain_id;
      if (!chains.insert(chain).second) continue;
      CHECK(describe_tree(world.layer(*image, i)) == expected.at(chain));
    }
  }
  world.check_clean(chains.size());
}

std::set<std::string> tags_of(const image_store& store) {
  std::set<std::string> tags;
  const auto index_now = store.images();
  for (const auto& image : index_now->all()) {
    for (const auto& tag : image->repo_tags) tags.insert(tag + "=" + short_id(image->id.substr(7)));
    if (image->repo_tags.empty()) tags.insert("<none>=" + short_id(image->id.substr(7)));
  }
  return tags;
}

/// The n-th step fails; 0 is never.
struct fault_plan {
  int fail_at = 0, seen = 0;
  store_options options() {
    store_options o;
    o.unpack_threads = 1; // so that the order of steps is the same each time
    o.before_step = [this](std::string_view step) -> result<> {
      if (++seen != fail_at) return {};
      return error{errc::internal, EIO, "fault at " + std::string(step)};
    };
    return o;
  }
};

} // namespace

TEST_CASE("whichever step of a load fails, nothing of it is left and the next load works", "[storage][crash]") {
  if (!is_root()) return;
  const auto archive_a = docker_archive({image_a()}), archive_b = docker_archive({image_b()});
  const auto expected = expected_layers({image_a(), image_b()});
  int steps = 0;
  for (int fail_at = 1;; ++fail_at) {
    temp_dir dir;
    fault_plan plan;
    store_world world(dir.path(), plan.options());
    world.must_load(archive_a);
    (void)world.store->flush(); // its sync is a step too
    const auto before = tags_of(*world.store);
    plan.seen = 0;
    plan.fail_at = fail_at;
    auto loaded = world.load(archive_b);
    plan.fail_at = 0;
    if (loaded.has_value()) break; // past the last step
    ++steps;
    INFO(loaded.error().message);
    CHECK_THAT(loaded.error().message, Catch::Contains("fault at"));
    CHECK(tags_of(*world.store) == before);
    check_exact(world, expected);
    world.must_load(archive_b);
    check_exact(world, expected);
  }
  CHECK(steps >= 6); // ingest, spools, unpack, unpacked, rename, commit
}

TEST_CASE("a store that was killed at any moment holds what it said, exactly, and nothing more", "[storage][crash]") {
  if (!is_root()) return;
  const auto archive_a = docker_archive({image_a()}), archive_b = docker_archive({image_b()});
  const auto expected = expected_layers({image_a(), image_b()});
  const std::function<bool(image_store&)> operations[] = {
      [&](image_store& s) { return s.load(memory_file(archive_a).get(), {}).has_value(); },
      [&](image_store& s) { return s.load(memory_file(archive_b).get(), {}).has_value(); },
      [&](image_store& s) { return s.tag("a:1", "c", "1").has_value(); },
      [&](image_store& s) { return s.lower_dirs(**s.images()->find("c:1")).has_value(); },
      [&](image_store& s) { return s.remove("a:1", false, false, unused).has_value(); },
      [&](image_store& s) { return s.remove("c:1", false, false, unused).has_value(); },
      [&](image_store& s) { return s.remove("b:1", true, false, unused).has_value(); },
      [&](image_store& s) { return s.remove("both:1", true, false, unused).has_value(); },
  };
  std::vector<std::set<std::string>> states{{}};
  std::chrono::nanoseconds whole{};
  {
    temp_dir dir;
    store_world world(dir.path());
    const auto start = std::chrono::steady_clock::now();
    for (const auto& operation : operations) {
      REQUIRE(operation(*world.store));
      states.push_back(tags_of(*world.store));
    }
    whole = std::chrono::steady_clock::now() - start;
    world.check_clean(0);
  }
  const auto seed = std::random_device{}();
  std::mt19937_64 random(seed);
  INFO("seed " << seed);
  std::size_t killed_inside = 0;
  for (int round = 0; round < 50; ++round) {
    temp_dir dir;
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const auto child = ::fork();
    if (child == 0) {
      auto records = record_store::open(dir.path());
      if (records.has_error()) ::_exit(1);
      auto store = image_store::open(dir.path(), **records);
      if (store.has_error()) ::_exit(1);
      char done = 0;
      if (::write(ends[1], &done, 1) != 1) ::_exit(1);
      for (const auto& operation : operations) {
        if (!operation(**store)) ::_exit(2);
        ++done;
        if (::write(ends[1], &done, 1) != 1) ::_exit(1);
      }
      ::pause();
    }
    ::close(ends[1]);
    char acknowledged = 0;
    REQUIRE(::read(ends[0], &acknowledged, 1) == 1); // opened
    const auto moment = std::chrono::nanoseconds(random() % static_cast<std::uint64_t>(whole.count() * 3 / 2));
    std::this_thread::sleep_for(moment); // the random moment is the test; nothing is waited for
    ::kill(child, SIGKILL);
    char next = 0;
    while (::read(ends[0], &next, 1) == 1) acknowledged = next;
    ::close(ends[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));

    store_world world(dir.path());
    const auto k = static_cast<std::size_t>(acknowledged);
    const auto now = tags_of(*world.store);
    INFO("round " << round << ", acknowledged " << k);
    CHECK((now == states[k] || (k + 1 < states.size() && now == states[k + 1])));
    check_exact(world, expected);
    if (k + 1 < states.size()) ++killed_inside;
    world.must_load(archive_a); // and it goes on working
    check_exact(world, expected);
  }
  CHECK(killed_inside > 0);
}

TEST_CASE("after another boot only what was synced is trusted", "[storage][crash]") {
  if (!is_root()) return;
  temp_dir dir;
  std::atomic<bool> fail_commits = false;
  store_options options;
  options.before_step = [&](std::string_view step) -> result<> {
    if (step == "mark durable" && fail_commits) return error{errc::internal, EIO, "fault"};
    return {};
  };
  const auto other_boot = [&] {
    auto records = record_store::open(dir.path());
    REQUIRE(records.has_value());
    REQUIRE((*records)->commit({{record_kind::engine, "storage.boot_id", false, "another"}}).has_value());
  };
  {
    store_world world(dir.path(), options);
    world.must_load(docker_archive({image_a()}));
    (void)world.store->lower_dirs(*world.find("a:1"));
    REQUIRE(world.store->flush().has_value()); // durable
    fail_commits = true;
    world.must_load(docker_archive({image_b()}));
    CHECK(world.store->flush().has_error());
  }
  SECTION("the same boot keeps both") {
    store_world world(dir.path());
    CHECK(world.find("a:1"));
    CHECK(world.find("b:1"));
    world.check_clean(3);
  }
  SECTION("another boot drops the unsynced one, and what is left is exact") {
    other_boot();
    store_world world(dir.path());
    CHECK(world.find("a:1"));
    CHECK_FALSE(world.find("b:1"));
    CHECK_FALSE(world.find("both:1")); // it had moved to b
    check_exact(world, expected_layers({image_a()}));
    CHECK(count_in(dir / "init") == 0); // made anew when needed
    CHECK(world.store->lower_dirs(*world.find("a:1")).has_value());
  }
  SECTION("a layer that is gone takes its images along") {
    {
      store_world world(dir.path());
      const auto chain = world.find("a:1")->layers[1].chain_id;
      fs::remove_all(dir / "layers" / chain.substr(7));
    }
    store_world world(dir.path());
    CHECK_FALSE(world.find("a:1"));
    CHECK(world.find("b:1"));
    world.check_clean(2);
    world.must_load(docker_archive({image_a()}));
    check_exact(world, expected_layers({image_a(), image_b()}));
  }
}

TEST_CASE("a full disk fails the load in words and leaves the store as it was", "[storage][crash]") {
  if (!is_root()) return;
  temp_dir dir;
  const auto mounted = [&](const char* options) {
    if (::mount("gantry-test", dir.path().c_str(), "tmpfs", 0, options) == 0) return true;
    WARN("skipped: cannot mount a tmpfs: " << std::strerror(errno));
    return false;
  };
  const test_image small{{tar_builder().file("f", "x").finish()}, {"small:1"}};
  std::string message;
  int sys_errno = 0;
  const auto run = [&](const test_image& big) {
    {
      store_world world(dir.path());
      world.must_load(docker_archive({small}));
      auto loaded = world.load(docker_archive({big}));
      REQUIRE(loaded.has_error());
      message = loaded.error().message;
      sys_errno = loaded.error().sys_errno;
      CHECK(loaded.error().code == errc::internal);
      world.check_clean(1);
      CHECK(world.find("small:1"));
      REQUIRE(world.store->remove("small:1", false, false, unused).has_value());
      world.must_load(docker_archive({small}));
      world.check_clean(1);
    }
    CHECK(::umount(dir.path().c_str()) == 0);
  };
  SECTION("bytes: the reserve is kept") {
    if (!mounted("size=24m")) return;
    run({{tar_builder().file("f", std::string(20 << 20, 'x')).finish()}, {"big:1"}});
    CHECK(sys_errno == ENOSPC);
    CHECK_THAT(message, Catch::Contains("no space left on the data root") && Catch::Contains("in reserve"));
  }
  SECTION("inodes: the kernel's own refusal") {
    if (!mounted("size=24m,nr_inodes=200")) return;
    run({{layer_of("many", 400)}, {"big:1"}});
    CHECK(sys_errno == ENOSPC);
    CHECK_THAT(message, Catch::Contains("No space left on device") && Catch::Contains("unpack `many/"));
  }
}

TEST_CASE("an archive that inflates without end is stopped", "[storage][crash]") {
  if (!is_root()) return;
  temp_dir dir;
  store_options options;
  options.unpacked_bytes_max = 8 << 20;
  store_world world(dir.path(), options);
  const std::string zeros(16 << 20, '\0');
  const auto filter = GENERATE(as<std::string>{}, "gzip", "zstd", "xz");
  INFO(filter);
  const auto refused = [&](const std::string& archive) {
    auto loaded = world.load(archive);
    REQUIRE(loaded.has_error());
    CHECK(loaded.error().code == errc::invalid_parameter);
    INFO(loaded.error().message);
    CHECK((loaded.error().message.find("larger than this engine accepts") != std::string::npos ||
           loaded.error().message.find("unpacks to more than 8 MiB") != std::string::npos));
    world.check_clean(0);
  };
  refused(docker_archive({{{tar_builder().file("zeros", zeros).finish()}, {"x:1"}, {}, 0, filter}}));
  refused(docker_archive({{{tar_builder().finish() + zeros}, {"x:1"}, {}, 0, filter}})); // behind the end marker
  refused(compress(tar_builder().file("blobs/x", zeros).finish(), filter));              // the archive itself
  refused(compress(docker_archive({{{}, {"x:1"}}}) + zeros, filter));                    // behind its end
}

TEST_CASE("image archives changed at random do no harm", "[storage][crash][fuzz]") {
  if (!is_root()) return;
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  INFO("seed " << seed);
  temp_dir dir;
  store_options options;
  options.unpacked_bytes_max = 4 << 20;
  store_world world(dir / "data", options);
  const auto filter = GENERATE(as<std::string>{}, "none", "gzip", "zstd");
  auto image = image_a(5);
  image.filter = filter;
  const auto valid = docker_archive({image});
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  for (int round = 0; round < 1000 && std::chrono::steady_clock::now() < end; ++round) {
    auto changed = valid;
    for (std::size_t i = 0, edits = 1 + random() % 4; i < edits; ++i) {
      const auto at = random() % changed.size();
      if (random() % 3)
        changed[at] = static_cast<char>(random());
      else
        changed.erase(at, random() % 700);
    }
    if (random() % 2) fix_checksums(changed);
    (void)world.load(changed);
    const auto index_now = world.store->images();
    for (const auto& known : index_now->all()) REQUIRE(world.store->remove_image(known->id, unused).has_value());
    REQUIRE(count_in(world.root / "layers") == 0);
    REQUIRE(count_in(world.root / "ingest") == 0);
    REQUIRE(count_in(dir.path()) == 1);
  }
}

TEST_CASE("loads at the same time share layers, and removals in between do no harm", "[storage][crash]") {
  if (!is_root()) return;
  temp_dir dir;
  const auto expected = expected_layers({image_a(), image_b()});
  store_world world(dir.path());
  const auto archive_a = docker_archive({image_a()}), archive_b = docker_archive({image_b()});
  std::atomic<int> failures = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 10; ++i) {
          unique_fd fd(::memfd_create("test", MFD_CLOEXEC));
          const auto& bytes = t % 2 ? archive_a : archive_b;
          if (::write(fd.get(), bytes.data(), bytes.size()) < 0 || ::lseek(fd.get(), 0, SEEK_SET) != 0) ++failures;
          if (world.store->load(fd.get(), {}).has_error()) ++failures;
          auto removed = world.store->remove(t % 2 ? "a:1" : "b:1", true, false, unused);
          if (removed.has_error() && removed.error().code != errc::not_found) ++failures;
        }
      });
    }
  }
  CHECK(failures == 0);
  world.must_load(archive_a);
  world.must_load(archive_b);
  check_exact(world, expected);
}
