/// Parts of the launcher that this kernel's usual path does not take: the root for kernels before 6.5, devices where
/// mknod(2) is refused, control groups of a host with v2 alone.
#include "tests/runtime/container_run.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#undef major // glibc defines these two as macros, and protobuf has them as fields
#undef minor

#include "runtime/devices.hpp"
#include "runtime/empty_namespace.hpp"
#include "runtime/rootfs_mount.hpp"

using namespace gantry;
using namespace gantry::runtime;
using namespace gantry::runtime::testing;

namespace {

std::string base(const char* name) { return "/tmp/gantry-parts-" + std::to_string(::getpid()) + "-" + name; }

/// Runs `part` in a child, which may change its namespaces, and gives back what it said; "" when it died.
std::string said_by_child(const std::function<std::string()>& part) {
  auto said = pipe_pair::make();
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const std::string text = part();
    (void)!::write(said.write.get(), text.data(), text.size());
    ::_exit(0);
  }
  said.write.reset();
  std::string text;
  REQUIRE(read_to_end({{said.read.get(), &text}}));
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return text;
}

bool exists(const char* path) {
  struct stat st {};
  return ::stat(path, &st) == 0;
}

/// Seen from a root that was just entered.
std::string look_around(const result<unique_fd>& entered) {
  if (entered.has_error()) return entered.error().message;
  std::string out = file_text("/which");
  out += exists("/bin/busybox") ? " image" : " no image";
  out += exists("/usr/lib") || exists("/../usr/lib") ? " host" : " no host";
  const int fd = ::open("/new", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  return out + (fd >= 0 ? " writable" : " read-only");
}

pb::Root two_layers(const sample_root& root) {
  fs::create_directories(root.base() + "/top");
  std::ofstream(root.base() + "/top/which") << "top";
  std::ofstream(root.layer() + "/which") << "bottom";
  pb::Root r = root.make_spec("r", {}).root();
  r.clear_lower_dirs();
  r.add_lower_dirs(root.base() + "/top");
  r.add_lower_dirs(root.layer());
  return r;
}

} // namespace

TEST_CASE("a root is entered in three ways, and all look the same from inside", "[runtime][launcher][parts]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("ways"));
  const pb::Root r = two_layers(root);
  const std::string want = "top image no host writable";
  SECTION("from an empty namespace") {
    const int empty = empty_mount_namespace();
    REQUIRE(empty >= 0);
    CHECK(said_by_child([&] {
            auto made = make_rootfs(r, overlay_layers::in_one_option);
            return look_around(made.has_value() ? enter_rootfs(r, std::move(*made), empty) : std::move(made));
          }) == want);
  }
  SECTION("from an empty namespace, layers one by one") {
    if (overlay_layers_of_kernel() != overlay_layers::one_by_one) {
      std::cerr << "skipped: this kernel takes layers in one option only\n";
      return;
    }
    CHECK(said_by_child([&] {
            auto made = make_rootfs(r, overlay_layers::one_by_one);
            return look_around(made.has_value() ? enter_rootfs(r, std::move(*made), empty_mount_namespace())
                                                : std::move(made));
          }) == want);
  }
  SECTION("from a copy of the host's") {
    CHECK(said_by_child([&] {
            auto made = make_rootfs(r, overlay_layers::in_one_option);
            return look_around(made.has_value() ? enter_rootfs(r, std::move(*made), -1) : std::move(made));
          }) == want);
  }
  SECTION("by mount(2), as before Linux 6.5") {
    CHECK(said_by_child([&] {
            auto made = make_rootfs(r, overlay_layers::in_one_option); // makes the upper directory
            return look_around(enter_rootfs(r, unique_fd{}, empty_mount_namespace()));
          }) == want);
  }
  SECTION("by mount(2) with as many layers as the kernel takes") {
    pb::Root many = r;
    many.clear_lower_dirs();
    many.add_lower_dirs(root.base() + "/top");
    for (int i = 0; i < overlay_layers_max - 2; ++i) {
      const std::string dir = root.base() + "/a-layer-with-a-rather-long-name-" + std::to_string(i);
      fs::create_directory(dir);
      many.add_lower_dirs(dir);
    }
    many.add_lower_dirs(root.layer());
    CHECK(said_by_child([&] {
            auto made = make_rootfs(many, overlay_layers::in_one_option);
            if (made.has_value() && *made) return std::string("in one option of fsconfig");
            return look_around(enter_rootfs(many, unique_fd{}, -1));
          }) == want);
  }
}

TEST_CASE("where mknod is refused the host's nodes are bound", "[runtime][launcher][parts]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("devices"));
  pb::Spec spec = root.make_spec("d", {});
  auto& fuse = *spec.add_devices();
  fuse.set_path("/dev/sub/zero2");
  fuse.set_type("c");
  fuse.set_major(1);
  fuse.set_minor(5);
  const auto attempt = [&](bool with_extra) {
    return said_by_child([&]() -> std::string {
      if (!with_extra) spec.clear_devices();
      if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        return "unshare";
      const std::string at = root.base() + "/d";
      fs::create_directories(at);
      if (::mount("none", at.c_str(), "tmpfs", 0, "mode=755") != 0) return "tmpfs";
      const unique_fd dir{::open(at.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
      auto sources = device_sources::take(spec, true);
      if (sources.has_error()) return sources.error().message;
      const auto made = make_devices(spec, dir.get(), *sources, true);
      if (made.has_error()) return made.error().message;
      struct stat st {};
      std::string out;
      for (const char* name : {"null", "zero", "full", "random", "urandom", "tty"})
        out += ::stat((at + "/dev/" + name).c_str(), &st) == 0 && S_ISCHR(st.st_mode) ? "c" : "-";
      char byte = 1;
      const unique_fd zero{::open((at + "/dev/zero").c_str(), O_RDONLY | O_CLOEXEC)};
      out += ::read(zero.get(), &byte, 1) == 1 && byte == 0 ? " reads" : " does not read";
      return out + (fs::is_symlink(at + "/dev/stdin") ? " links" : "");
    });
  };
  CHECK(attempt(false) == "cccccc reads links");
  // The host has no such node, so there is nothing to bind.
  CHECK(attempt(true) == "error creating device nodes: /dev/sub/zero2: Operation not permitted");
}

TEST_CASE("a group of a v2 host: made, limited, its devices guarded", "[runtime][cgroup][parts]") {
  GANTRY_NEEDS_CONTAINERS();
  auto layout = cgroup_layout::detect();
  REQUIRE(layout.has_value());
  if (layout->unified_mount_point.empty()) {
    std::cerr << "skipped: no cgroup v2 here\n";
    return;
  }
  layout->hierarchies.clear(); // as if the host had nothing else
  layout->mode = cgroup_layout::kind::v2;
  pb::Cgroup cgroup;
  cgroup.set_path("/gantry-parts-" + std::to_string(::getpid()) + "/one");
  auto group = create_unified(*layout, cgroup);
  if (group.has_error() && group.error().sys_errno == EINVAL) {
    std::cerr << "skipped: this kernel attaches no device programs\n";
    return;
  }
  if (group.has_error()) FAIL(group.error().message);
  const auto said = said_by_child([&]() -> std::string {
    const auto joined = create_and_join(*layout, cgroup);
    if (joined.has_error()) return joined.error().message;
    std::string out = ::open("/dev/null", O_RDWR | O_CLOEXEC) >= 0 ? "null" : "no null";
    const std::string node = base("node");
    if (::mknod(node.c_str(), S_IFCHR | 0600, makedev(10, 229)) == 0)
      out += " made fuse";
    else
      out += errno == EPERM ? " no fuse" : " odd";
    if (::mknod(node.c_str(), S_IFCHR | 0600, makedev(1, 1)) == 0) out += " made mem";
    out += ::open(node.c_str(), O_RDONLY | O_CLOEXEC) >= 0 ? " opened mem"
           : errno == EPERM                                ? " mem is guarded"
                                                           : " odd";
    ::unlink(node.c_str());
    return out;
  });
  CHECK(said == "null no fuse made mem mem is guarded");
  CHECK(children(*layout, "/gantry-parts-" + std::to_string(::getpid())) == std::vector<std::string>{"one"});
  const auto parent = "/gantry-parts-" + std::to_string(::getpid());
  CHECK(remove(*layout, parent).has_value());
  CHECK_FALSE(fs::exists(layout->unified_mount_point + parent));
}
