// Unpacking a layer: whiteouts, links, limits, hostile paths.
#include <catch2/catch.hpp>

#include <random>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "storage/layer_unpack.hpp"
#include "storage/tree.hpp"
#include "tests/storage/store_fixture.hpp"

using namespace gantry;
using namespace gantry::storage;
using namespace gantry::test;

namespace {

/// One layer directory with a canary beside it that must never change.
struct unpack_world {
  unpack_world() {
    std::filesystem::create_directories(layer());
    std::filesystem::create_directories(outside());
    std::ofstream(outside() / "canary") << "alive";
    before = fingerprint();
  }
  [[nodiscard]] std::filesystem::path layer() const { return dir / "layer"; }
  [[nodiscard]] std::filesystem::path outside() const { return dir / "outside"; }

  result<unpacked_layer> unpack(const std::string& tar) {
    const auto fd = memory_file(tar);
    fd_source source(fd.get());
    auto root = open_directory(layer());
    auto space = space_guard::open(root->get(), options.unpacked_bytes_max);
    if (space.has_error()) return space.error();
    return unpack_layer(source, root->get(), options, *space);
  }
  void must_unpack(const std::string& tar) {
    auto unpacked = unpack(tar);
    if (unpacked.has_error()) FAIL(unpacked.error().message);
  }
  [[nodiscard]] struct stat look(const std::string& path) const {
    struct stat st {};
    if (::lstat((layer() / path).c_str(), &st) != 0) FAIL("no " << path);
    return st;
  }
  [[nodiscard]] bool has(const std::string& path) const {
    return std::filesystem::exists(std::filesystem::symlink_status(layer() / path));
  }
  [[nodiscard]] std::string text(const std::string& path) const { return read_file(layer() / path); }
  [[nodiscard]] std::string xattr(const std::string& path, const char* name) const {
    char value[256];
    const auto n = ::lgetxattr((layer() / path).c_str(), name, value, sizeof value);
    return n < 0 ? "<none>" : std::string(value, static_cast<std::size_t>(n));
  }
  [[nodiscard]] std::string fingerprint() const {
    struct stat d {
    }, f{};
    ::lstat(outside().c_str(), &d);
    ::lstat((outside() / "canary").c_str(), &f);
    return std::to_string(d.st_mtim.tv_nsec) + " " + std::to_string(d.st_mode) + " " + std::to_string(f.st_mode) + " " +
           std::to_string(f.st_nlink) + " " + std::to_string(f.st_uid) + " " + std::to_string(f.st_ctim.tv_nsec) + " " +
           read_file(outside() / "canary") + " " + std::to_string(count_in(dir.path()));
  }
  [[nodiscard]] bool is_outside_untouched() const { return fingerprint() == before; }

  temp_dir dir;
  store_options options;
  std::string before;
};

bool is_whiteout_at(const unpack_world& world, const std::string& path) {
  const auto st = world.look(path);
  return S_ISCHR(st.st_mode) && st.st_rdev == 0;
}

} // namespace

TEST_CASE("files keep mode, owner, times and attributes", "[storage][layer_unpack]") {
  if (!is_root()) return;
  unpack_world world;
  const std::string capability("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
  world.must_unpack(
      tar_builder()
          .add({"d/", '5', {}, 01777, 5, 6, 1'400'000'000})
          .add({"d/su", '0', "x", 06755, 70000, 80000, 1'500'000'000, {}, 0, 0, {{"mtime", "1500000000.123456789"}}})
          .add({"d/cap", '0', "x", 0755, 1, 1, 0, {}, 0, 0, {{"SCHILY.xattr.security.capability", capability}}})
          .add({"d/attr", '0', "x", 0600, 0, 0, 0, {}, 0, 0, {{"SCHILY.xattr.user.note", std::string("a\0b\n", 4)}}})
          .add({"d/big-id", '0', "x", 0644, 0, 0, 0, {}, 0, 0, {{"uid", "4294967294"}, {"gid", "3000000000"}}})
          .finish());
  auto st = world.look("d/su");
  CHECK(((st.st_mode & 07777) == 06755 && st.st_uid == 70000 && st.st_gid == 80000));
  CHECK((st.st_mtim.tv_sec == 1'500'000'000 && st.st_mtim.tv_nsec == 123456789));
  CHECK(world.xattr("d/cap", "security.capability") == capability);
  CHECK(world.xattr("d/attr", "user.note") == std::string("a\0b\n", 4));
  st = world.look("d/big-id");
  CHECK((st.st_uid == 4294967294 && st.st_gid == 3000000000));
  st = world.look("d");
  CHECK(((st.st_mode & 07777) == 01777 && st.st_uid == 5 && st.st_gid == 6));
  CHECK(st.st_mtim.tv_sec == 1'400'000'000); // though entries were made in it afterwards
}

TEST_CASE("every kind of entry is made", "[storage][layer_unpack]") {
  if (!is_root()) return;
  unpack_world world;
  const std::string long_name = std::string(120, 'd') + "/" + std::string(200, 'f');
  const std::string long_target(300, 't');
  auto unpacked =
      world.unpack(tar_builder()
                       .dir("./")
                       .file("./plain", "12345")
                       .add({"char", '3', {}, 0620, 0, 5, 0, {}, 1, 3})
                       .add({"block", '4', {}, 0660, 0, 6, 0, {}, 8, 300})
                       .add({"pipe", '6', {}, 0600})
                       .symlink("link", "/outside/nowhere")
                       .symlink("long-link", long_target)
                       .hard_link("hard", "plain")
                       .hard_link("hard-to-link", "link")
                       .file(long_name, "long")
                       .add({"x", '0', "pax", 0644, 0, 0, 0, {}, 0, 0, {{"path", "p/\xc3\xbc\xe2\x82\xac"}}})
                       .add({"y", '0', "raw", 0644, 0, 0, 0, {}, 0, 0, {{"path", "p/\xff\xfe"}}})
                       .file("ustar-\xff", "raw")
                       .finish());
  if (unpacked.has_error()) FAIL(unpacked.error().message);
  CHECK(unpacked->size_bytes == 5 + 4 + 3 + 3 + 3);
  CHECK(unpacked->implied_directories == std::vector<std::string>{std::string(120, 'd'), "p"});
  auto st = world.look("char");
  CHECK((S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3) && (st.st_mode & 07777) == 0620 && st.st_gid == 5));
  st = world.look("block");
  CHECK((S_ISBLK(st.st_mode) && st.st_rdev == makedev(8, 300)));
  CHECK(S_ISFIFO(world.look("pipe").st_mode));
  CHECK(std::filesystem::read_symlink(world.layer() / "link") == "/outside/nowhere");
  CHECK(std::filesystem::read_symlink(world.layer() / "long-link") == long_target);
  CHECK(world.look("hard").st_ino == world.look("plain").st_ino);
  CHECK(world.look("hard-to-link").st_ino == world.look("link").st_ino);
  CHECK(world.text(long_name) == "long");
  CHECK(world.text("p/\xc3\xbc\xe2\x82\xac") == "pax");
  CHECK(world.text("p/\xff\xfe") == "raw");
  CHECK(world.text("ustar-\xff") == "raw");
}

TEST_CASE("an empty tar and an empty stream are empty layers", "[storage][layer_unpack]") {
  if (!is_root()) return;
  unpack_world world;
  CHECK(world.unpack(tar_builder().finish())->entries == 0);
  CHECK(world.unpack("")->entries == 0);
}

TEST_CASE("whiteouts become what overlayfs understands", "[storage][layer_unpack]") {
  if (!is_root()) return;
  unpack_world world;
  world.must_unpack(tar_builder()
                        .file("d/.wh.gone", "")
                        .dir("o/")
                        .file("o/.wh..wh..opq", "")
                        .file("implied/.wh..wh..opq", "")
                        // both in one layer: what the layer has stays, and hides what was below
                        .file("both1/.wh.x", "")
                        .dir("both1/x/")
                        .dir("both2/x/")
                        .file("both2/x/f", "f")
                        .file("both2/.wh.x", "")
                        .file("both3/.wh.f", "")
                        .file("both3/f", "f")
                        .file("both4/f", "f")
                        .file("both4/.wh.f", "")
                        // aufs
                        .file(".wh..wh.aufs", "")
                        .dir(".wh..wh.plnk/")
                        .file(".wh..wh.plnk/1.2", "x")
                        .finish());
  CHECK(is_whiteout_at(world, "d/gone"));
  CHECK_FALSE(world.has("d/.wh.gone"));
  CHECK(world.xattr("o", "trusted.overlay.opaque") == "y");
  CHECK_FALSE(world.has("o/.wh..wh..opq"));
  CHECK(world.xattr("implied", "trusted.overlay.opaque") == "y");
  CHECK(world.xattr("both1/x", "trusted.overlay.opaque") == "y");
  CHECK(world.xattr("both2/x", "trusted.overlay.opaque") == "y");
  CHECK(world.text("both2/x/f") == "f");
  CHECK(world.text("both3/f") == "f");
  CHECK(world.text("both4/f") == "f");
  CHECK(world.xattr("d", "trusted.overlay.opaque") == "<none>");
  CHECK_FALSE(world.has(".wh..wh.aufs"));
  CHECK_FALSE(world.has(".wh..wh.plnk"));
}

TEST_CASE("a later entry replaces an earlier one", "[storage][layer_unpack]") {
  if (!is_root()) return;
  unpack_world world;
  world.must_unpack(tar_builder()
                        .file("f", "old", 0600)
                        .file("f", "new", 0644)
                        .dir("dir-to-file/")
                        .dir("dir-to-file/a/")
                        .file("dir-to-file/a/b", "x")
                        .file("dir-to-file", "file")
                        .file("file-to-dir", "x")
                        .dir("file-to-dir/")
                        .file("file-to-dir/inside", "y")
                        .dir("dir-to-link/")
                        .file("dir-to-link/inside", "x")
                        .symlink("dir-to-link", "file-to-dir")
                        .file("dir-to-link/through", "z") // the kept parent must not be the old directory
                        .dir("d/", 0700)
                        .file("d/kept", "k")
                        .dir("d/", 0711)
                        .symlink("link-to-dir", "d")
                        .dir("link-to-dir/")
                        .hard_link("self", "f")
                        .hard_link("self", "f")
                        .hard_link("f", "f")
                        .finish());
  CHECK(world.text("f") == "new");
  CHECK((world.look("f").st_mode & 07777) == 0644);
  CHECK(world.text("dir-to-file") == "file");
  CHECK(world.text("file-to-dir/inside") == "y");
  CHECK(S_ISLNK(world.look("dir-to-link").st_mode));
  CHECK(world.text("file-to-dir/through") == "z");
  CHECK(world.text("d/kept") == "k");
  CHECK((world.look("d").st_mode & 07777) == 0711);
  CHECK(S_ISDIR(world.look("link-to-dir").st_mode));
  CHECK(world.look("self").st_nlink == 2);
}

TEST_CASE("links lead nowhere outside of the layer", "[storage][layer_unpack]") {
  if (!is_root()) return;
  unpack_world world;
  const auto outside = world.outside().string();
  // The absolute ones are looked up below the layer's root, as in a chroot; there they name nothing or a made
  // directory.
  const std::vector<std::string> archives = {
      tar_builder().symlink("l", outside).file("l/canary", "dead").finish(),
      tar_builder().symlink("l", "../outside").file("l/canary", "dead").finish(),
      tar_builder().symlink("l", "../../../../../../../.." + outside).file("l/canary", "dead").finish(),
      tar_builder().symlink("a", "b").symlink("b", "..").file("a/outside/canary", "dead").finish(),
      tar_builder().symlink("l", outside + "/canary").file("l", "replaced, not followed").finish(),
      tar_builder().symlink("l", outside + "/canary").hard_link("h", "l").file("h", "replaced").finish(),
      tar_builder().hard_link("h", outside + "/canary").file("h", "dead").finish(),
      tar_builder().hard_link("h", "../outside/canary").finish(),
      tar_builder().symlink("l", "../outside").hard_link("h", "l/canary").file("h", "dead").finish(),
      tar_builder().symlink("l", outside).dir("l/", 0).finish(),
      tar_builder().symlink("l", outside).file("l/.wh.canary", "").finish(),
      tar_builder().symlink("l", outside).file("l/.wh..wh..opq", "").finish(),
      tar_builder().file(".wh..", "").finish(),
      tar_builder().file(".wh...", "").finish(),
      tar_builder().file(".wh.", "").finish(),
      tar_builder().file("../outside/canary", "dead").finish(),
      tar_builder().file("a/../../outside/canary", "dead").finish(),
      tar_builder().file(outside + "/canary", "dead").finish(),
      tar_builder().symlink("l", "/proc/self/cwd").file("l/x", "dead").finish(),
      tar_builder().symlink("l", "l").file("l/x", "loop").finish(),
      tar_builder().dir("..").finish(),
      tar_builder().symlink(".", outside).file("canary", "dead").finish(),
      tar_builder().symlink("", outside).finish(),
      tar_builder()
          .dir("d/")
          .symlink("d/l", "../../outside")
          .add({"d/l/dev", '3', {}, 0666, 0, 0, 0, {}, 1, 3})
          .finish(),
  };
  for (std::size_t i = 0; i < archives.size(); ++i) {
    INFO("archive " << i);
    (void)world.unpack(archives[i]);
    CHECK(world.is_outside_untouched());
    auto root = open_directory(world.dir.path());
    REQUIRE(remove_tree_at(root->get(), "layer").has_value());
    std::filesystem::create_directory(world.layer());
  }
}

TEST_CASE("what an archive may not ask for is refused, and the member named", "[storage][layer_unpack]") {
  if (!is_root()) return;
  struct row {
    std::string tar, message;
  };
  const auto with_xattr = [](const std::string& key, std::size_t size) {
    return tar_builder()
        .add({"f", '0', "", 0644, 0, 0, 0, {}, 0, 0, {{"SCHILY.xattr." + key, std::string(size, 'v')}}})
        .finish();
  };
  const auto with_pax = [](const std::string& key, const std::string& value) {
    return tar_builder().add({"f", '0', "", 0644, 0, 0, 0, {}, 0, 0, {{key, value}}}).finish();
  };
  std::string deep;
  for (std::size_t i = 0; i <= path_depth_max; ++i) deep += "d/";
  const row rows[] = {
      {tar_builder().file("../x", "").finish(), "unpack `../x`: path `../x`: leads outside of the root"},
      {tar_builder().file(std::string(name_bytes_max + 1, 'n'), "").finish(), "a name is longer than 255 bytes"},
      {tar_builder().file(deep + "f", "").finish(), "too many directories deep"},
      {with_pax("path", std::string(path_bytes_max, '/') + "f"), "longer than 4095 bytes"},
      {tar_builder().symlink("l", std::string(link_target_bytes_max + 1, 't')).finish(), "link target is longer"},
      {tar_builder().hard_link("h", "absent").finish(), "hard link to `absent`, which this layer does not hold"},
      {tar_builder().dir("d").hard_link("h", "d").finish(), "hard link to a directory"},
      {tar_builder().hard_link("h", "/").finish(), "hard link to the root"},
      {tar_builder().file(".wh.x", "").hard_link("h", "x").finish(), "which this layer does not hold"},
      {tar_builder().file(".wh.x/y", "").finish(), "a whiteout is not a directory"},
      {tar_builder().file("f", "").file("f/x", "").finish(), "Not a directory"},
      {tar_builder().symlink("l", "nothing").file("l/x", "").finish(), "File exists"},
      {tar_builder().file("./", "").file(".", "x").finish(), "the root is not a directory"},
      {with_xattr("trusted.overlay.redirect", 1), "not an image's to set"},
      {with_xattr("trusted.overlay.opaque", 1), "not an image's to set"},
      {with_xattr("user.big", xattr_bytes_max), "extended attributes are too long"},
      {with_xattr("user." + std::string(xattr_name_bytes_max, 'n'), 1), "extended attributes are too long"},
      {with_pax("uid", "4294967295"), "owner 4294967295:0 is out of range"},
      {with_pax("gid", "99999999999"), "out of range"},
      {with_pax("comment", std::string(2 << 20, 'c')), "read tar"},
      {std::string(512, 'x'), "read tar"},
      {tar_builder().file("f", std::string(2000, 'x')).finish().substr(0, 1000), "Truncated"},
      {tar_builder().add({"f", '0', "x", 0644, 0, 0, 0, {}, 0, 0, {}, 1 << 30}).finish(), "Truncated"},
  };
  for (const auto& r : rows) {
    unpack_world world;
    auto unpacked = world.unpack(r.tar);
    INFO(r.message);
    REQUIRE(unpacked.has_error());
    CHECK(unpacked.error().code == errc::invalid_parameter);
    CHECK_THAT(unpacked.error().message, Catch::Contains(r.message));
  }
}

TEST_CASE("bounds are exact: what lies just below them is taken", "[storage][layer_unpack]") {
  if (!is_root()) return;
  unpack_world world;
  world.options.layer_entries_max = 3;
  world.options.unpacked_bytes_max = 1000;
  CHECK(world.unpack(tar_builder().file("a", "").file("b", "").file("c", "").finish()).has_value());
  CHECK_THAT(
      world.unpack(tar_builder().file("a", "").file("b", "").file("c", "").file("d", "").finish()).error().message,
      Catch::Contains("more entries"));
  CHECK(world.unpack(tar_builder().file("a", std::string(1000, 'x')).finish()).has_value());
  CHECK(world.unpack(tar_builder().file("a", std::string(1001, 'x')).finish()).has_error());
  CHECK(world.unpack(tar_builder().file("a", std::string(600, 'x')).file("b", std::string(600, 'x')).finish())
            .has_error());
  CHECK(world.unpack(tar_builder().file(std::string(name_bytes_max, 'n'), "").finish()).has_value());
  world.options.layer_entries_max = 3000;
  world.options.directory_bytes_max = 2 * (64 + 3);
  CHECK(world.unpack(tar_builder().dir("abc").file("def/x", "").finish()).has_value());
  CHECK_THAT(world.unpack(tar_builder().dir("abc").file("ghi/x", "").dir("jkl").finish()).error().message,
             Catch::Contains("more directories"));
  world.options.directory_bytes_max = store_options{}.directory_bytes_max;
  std::string deep;
  for (std::size_t i = 1; i < path_depth_max; ++i) deep += "d/";
  CHECK(world.unpack(tar_builder().file(deep + "f", "").finish()).has_value());
}

TEST_CASE("a sparse file keeps its holes and cannot claim more than the bound", "[storage][layer_unpack]") {
  if (!is_root()) return;
  unpack_world world;
  std::string bytes(1 << 20, '\0');
  std::size_t used = 0;
  archive* a = archive_write_new();
  archive_write_set_format_pax(a);
  REQUIRE(archive_write_open_memory(a, bytes.data(), bytes.size(), &used) == ARCHIVE_OK);
  archive_entry* entry = archive_entry_new();
  archive_entry_set_pathname(entry, "sparse");
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_entry_set_perm(entry, 0644);
  constexpr la_int64_t size = 64 << 20, at = 32 << 20;
  archive_entry_set_size(entry, size);
  archive_entry_sparse_add_entry(entry, at, 512);
  REQUIRE(archive_write_header(a, entry) == ARCHIVE_OK);
  const std::string zeros(1 << 20, '\0');
  for (la_int64_t done = 0; done < size; done += 1 << 20) {
    auto piece = zeros;
    if (done == at) piece.replace(0, 4, "DATA");
    archive_write_data(a, piece.data(), piece.size());
  }
  archive_entry_free(entry);
  archive_write_close(a);
  archive_write_free(a);
  bytes.resize(used);
  world.must_unpack(bytes);
  const auto st = world.look("sparse");
  CHECK(st.st_size == size);
  CHECK(st.st_blocks * 512 < 1 << 20);
  std::ifstream in(world.layer() / "sparse");
  in.seekg(at);
  std::string four(4, ' ');
  in.read(four.data(), 4);
  CHECK(four == "DATA");
  world.options.unpacked_bytes_max = size - 1;
  CHECK(world.unpack(bytes).has_error());
}

TEST_CASE("the map of a sparse file cannot fill the memory", "[storage][layer_unpack]") {
  if (!is_root()) return;
  unpack_world world;
  // GNU sparse 1.0: the map stands before the data, as decimal lines, and is read whole.
  const auto sparse = [](std::size_t entries) {
    std::string map = std::to_string(entries) + "\n";
    for (std::size_t i = 0; i < entries; ++i) map += "0\n0\n";
    map.append((512 - map.size() % 512) % 512, '\0');
    return tar_builder()
        .add({"s",
              '0',
              map,
              0644,
              0,
              0,
              0,
              {},
              0,
              0,
              {{"GNU.sparse.major", "1"},
               {"GNU.sparse.minor", "0"},
               {"GNU.sparse.name", "s"},
               {"GNU.sparse.realsize", "0"}}})
        .finish();
  };
  CHECK(world.unpack(sparse(100)).has_value());
  CHECK_THAT(world.unpack(sparse(tar_header_bytes_max / 4 + 300'000)).error().message, Catch::Contains("16 MiB"));
}

TEST_CASE("data behind an entry that has none is a damaged archive", "[storage][layer_unpack]") {
  if (!is_root()) return;
  for (const char type : {'2', '3', '4', '5', '6'}) {
    INFO(type);
    unpack_world world;
    auto unpacked = world.unpack(
        tar_builder().add({"e", type, std::string(600'000, 'x'), 0755, 0, 0, 0, "t"}).file("f", "lost").finish());
    REQUIRE(unpacked.has_error());
    CHECK(unpacked.error().code == errc::invalid_parameter);
    CHECK_THAT(unpacked.error().message, Catch::Contains("read tar: "));
  }
}

TEST_CASE("an archive changed at random does no harm", "[storage][layer_unpack][fuzz]") {
  if (!is_root()) return;
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  INFO("seed " << seed);
  unpack_world world;
  world.options.unpacked_bytes_max = 1 << 20;
  const auto outside = world.outside().string();
  const auto valid =
      tar_builder()
          .dir("d/")
          .file("d/f", std::string(700, 'x'))
          .symlink("d/l", "../../outside")
          .hard_link("d/h", "d/f")
          .add({"p", '0', "v", 0644, 0, 0, 0, {}, 0, 0, {{"SCHILY.xattr.user.a", "b"}, {"path", "d/l/canary"}}})
          .file(".wh.gone", "")
          .symlink("abs", outside)
          .file("abs/canary", "dead")
          .file(std::string(150, 'n'), "long")
          .finish();
  auto root = open_directory(world.dir.path());
  int unpacked = 0, refused = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(4);
  for (int round = 0; round < 5000 && std::chrono::steady_clock::now() < end; ++round) {
    auto changed = valid;
    const auto edits = 1 + random() % 6;
    for (std::size_t i = 0; i < edits; ++i) {
      const auto at = random() % changed.size();
      switch (random() % 4) {
      case 0:
        changed[at] = static_cast<char>(random());
        break;
      case 1:
        changed[at] ^= static_cast<char>(1 << random() % 8);
        break;
      case 2:
        changed.erase(at, random() % 600);
        break;
      case 3:
        changed.insert(at, valid, random() % valid.size(), random() % 1024);
        break;
      }
    }
    fix_checksums(changed);
    (world.unpack(changed).has_value() ? unpacked : refused)++;
    if (!world.is_outside_untouched()) {
      FAIL("round " << round << " reached outside");
    }
    REQUIRE(remove_tree_at(root->get(), "layer").has_value());
    std::filesystem::create_directory(world.layer());
  }
  CHECK(unpacked > 0);
  CHECK(refused > 0);
}
