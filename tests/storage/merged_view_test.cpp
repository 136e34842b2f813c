/// Layers made at random, judged three ways: by a model that applies image-spec's rules in memory, by the kernel's
/// overlayfs, and by merged_view. All must agree.
#include <catch2/catch.hpp>

#include <map>
#include <random>
#include <set>
#include <sys/mount.h>

#include "storage/merged_view.hpp"
#include "tests/storage/store_fixture.hpp"

using namespace gantry;
using namespace gantry::storage;
using namespace gantry::test;

namespace fs = std::filesystem;

namespace {

using tree = std::map<std::string, std::string>; ///< path -> "D" or a file's content

struct random_layer {
  std::set<std::string> whiteouts, opaque;
  tree entries;
  std::string tar;
  std::string story; ///< its members in order, for a failure's report
};

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == path.npos ? "" : path.substr(0, slash);
}

void erase_below(tree& t, const std::string& path) {
  std::erase_if(t, [&](const auto& item) { return path.empty() || item.first.starts_with(path + "/"); });
}

/// Each path once a layer, in random order, so that a whiteout comes before or after what it stands beside.
random_layer make_layer(std::mt19937& random, int number) {
  const auto name = [&] { return std::string(1, static_cast<char>('a' + random() % 3)); };
  random_layer layer;
  tar_builder tar;
  std::set<std::string> used;
  for (int i = 0; i < 14; ++i) {
    auto path = name();
    for (auto depth = random() % 3; depth > 0; --depth) path += "/" + name();
    const auto kind = random() % 5;
    if (kind == 4 && i > 10) { // an opaque directory
      if (layer.entries.contains(path) && layer.entries[path] != "D") continue;
      bool blocked = false;
      for (auto p = parent_of(path); !p.empty(); p = parent_of(p)) {
        blocked = blocked || (layer.entries.contains(p) && layer.entries[p] != "D");
      }
      if (blocked) continue;
      for (auto p = path; !p.empty(); p = parent_of(p)) layer.entries[p] = "D";
      layer.opaque.insert(path);
      tar.file(path + "/.wh..wh..opq", "");
      layer.story += " opaque:" + path;
      continue;
    }
    if (!used.insert((kind == 3 ? "-" : "+") + path).second) continue;
    bool blocked = false; // by a file of this layer on the way, or by a directory where a file shall be
    for (auto p = parent_of(path); !p.empty(); p = parent_of(p)) {
      blocked = blocked || (layer.entries.contains(p) && layer.entries[p] != "D");
    }
    if (kind != 2 && kind != 3) blocked = blocked || layer.entries.contains(path);
    if (kind == 2) blocked = blocked || (layer.entries.contains(path) && layer.entries[path] != "D");
    if (blocked) continue;
    for (auto p = parent_of(path); !p.empty(); p = parent_of(p)) layer.entries[p] = "D";
    layer.story += (kind == 3 ? " gone:" : kind == 2 ? " dir:" : " file:") + path;
    if (kind == 3) {
      layer.whiteouts.insert(path);
      const auto parent = parent_of(path);
      tar.file((parent.empty() ? "" : parent + "/") + ".wh." + path.substr(path.rfind('/') + 1), "");
    } else if (kind == 2) {
      layer.entries[path] = "D";
      tar.dir(path + "/");
    } else {
      layer.entries[path] = std::to_string(number) + path;
      tar.file(path, layer.entries[path]);
    }
  }
  layer.tar = tar.finish();
  return layer;
}

void apply(tree& state, const random_layer& layer) {
  for (const auto& path : layer.whiteouts) {
    erase_below(state, path);
    state.erase(path);
  }
  for (const auto& path : layer.opaque) erase_below(state, path);
  for (const auto& [path, what] : layer.entries) {
    if (what != "D") erase_below(state, path);
    state[path] = what;
  }
}

tree read_tree(const fs::path& root) {
  tree found;
  for (const auto& item : fs::recursive_directory_iterator(root)) {
    found[item.path().lexically_relative(root).string()] = item.is_directory() ? "D" : read_file(item.path());
  }
  return found;
}

std::string as_text(const tree& t) {
  std::string text;
  for (const auto& [path, what] : t) text += path + "=" + what + "\n";
  return text;
}

/// False where overlayfs cannot be mounted.
bool read_overlay(const std::vector<std::string>& lower_dirs, const fs::path& target, tree& into) {
  std::string options = "lowerdir=";
  for (const auto& dir : lower_dirs) options += (options.back() == '=' ? "" : ":") + dir;
  fs::create_directory(target);
  if (::mount("gantry-test", target.c_str(), "overlay", MS_RDONLY, options.c_str()) != 0) return false;
  into = read_tree(target);
  REQUIRE(::umount(target.c_str()) == 0);
  return true;
}

} // namespace

TEST_CASE("unpacked layers mean what image-spec says, to the kernel and to merged_view", "[storage][merged_view]") {
  if (!is_root()) return;
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  INFO("seed " << seed);
  bool kernel_asked = true;
  for (int round = 0; round < 60; ++round) {
    temp_dir dir;
    store_world world(dir / "data");
    test_image image{{}, {"x:1"}};
    tree expected;
    std::string story;
    for (int i = 0; i < 4; ++i) {
      const auto layer = make_layer(random, i);
      apply(expected, layer);
      story += "\n" + layer.story;
      image.layers.push_back(layer.tar);
    }
    world.must_load(docker_archive({image}));
    const auto info = world.find("x:1");
    const auto lower = *world.store->lower_dirs(*info);
    INFO("round " << round << story);

    auto view = merged_view::open(std::vector<fs::path>(lower.begin() + 1, lower.end())); // without the init layer
    REQUIRE(view.has_value());
    for (const auto& a : {"a", "b", "c"}) {
      for (const auto& b : {"", "/a", "/b", "/c"}) {
        for (const auto& c : {"", "/a", "/b", "/c"}) {
          if (!*b && *c) continue;
          const auto path = std::string(a) + b + c;
          INFO(path);
          const auto found = *view->find(path);
          REQUIRE(found.has_value() == expected.contains(path));
          if (found) CHECK(S_ISDIR(found->info.st_mode) == (expected[path] == "D"));
        }
      }
    }
    tree shown;
    kernel_asked = kernel_asked && read_overlay(lower, dir / "mnt", shown);
    if (!kernel_asked) continue;
    for (const auto& own : {".dockerenv", "dev", "dev/pts", "dev/shm", "dev/console", "proc", "sys", "etc", "etc/hosts",
                            "etc/hostname", "etc/resolv.conf", "etc/mtab"}) {
      CHECK(shown.erase(own) == 1);
    }
    CHECK(as_text(shown) == as_text(expected));
  }
  if (!kernel_asked) WARN("the kernel's part was skipped: cannot mount overlayfs here");
}
