/// The root and the mounts of a container, seen from inside and from the host.
#include "tests/runtime/container_run.hpp"

#include <algorithm>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

using namespace gantry;
using namespace gantry::runtime;
using namespace gantry::runtime::testing;
namespace fs = std::filesystem;

namespace {

std::string base(const char* name) { return "/tmp/gantry-mounts-" + std::to_string(::getpid()) + "-" + name; }

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

void add_bind(pb::Spec& spec, const std::string& source, const std::string& destination,
              std::initializer_list<const char*> options = {"rbind", "rprivate"}) {
  auto& m = *spec.add_mounts();
  m.set_type("bind");
  m.set_source(source);
  m.set_destination(destination);
  for (const char* o : options) m.add_options(o);
}

void add_tmpfs(pb::Spec& spec, const std::string& destination, std::initializer_list<const char*> options) {
  auto& m = *spec.add_mounts();
  m.set_type("tmpfs");
  m.set_source("tmpfs");
  m.set_destination(destination);
  for (const char* o : options) m.add_options(o);
}

constexpr const char* words =
    "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: error during container init: ";

} // namespace

TEST_CASE("mounts, devices and links are Docker's", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("mounts"));
  const auto out = output_of(script(root, "m",
                                    "cat /proc/self/mounts; for d in null zero full random urandom tty; do stat -c "
                                    "'%n %t:%T %a %F' /dev/$d; done; for l in fd stdin stdout stderr ptmx; do "
                                    "echo $l $(readlink /dev/$l); done; ls -d /dev/console; ls /dev/pts; "
                                    "stat -c %a /dev/shm /dev; ls /sys/fs/cgroup | sort | tr '\\n' ' '"));
  CAPTURE(out);
  CHECK(out.starts_with("overlay / overlay rw"));
  CHECK(has(out, "proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\n"));
  CHECK(has(out, "tmpfs /dev tmpfs rw,nosuid,size=65536k,mode=755"));
  CHECK(has(out, "devpts /dev/pts devpts rw,nosuid,noexec,relatime,gid=5,mode=620,ptmxmode=666"));
  CHECK(has(out, "sysfs /sys sysfs ro,nosuid,nodev,noexec,relatime 0 0\n"));
  CHECK(has(out, "mqueue /dev/mqueue mqueue rw,nosuid,nodev,noexec,relatime 0 0\n"));
  CHECK(has(out, "shm /dev/shm tmpfs rw,nosuid,nodev,noexec,relatime,size=65536k"));
  CHECK(has(out, "proc /proc/sys proc ro,nosuid,nodev,noexec,relatime 0 0\n"));
  CHECK(has(out,
            "/dev/null 1:3 666 character special file\n/dev/zero 1:5 666 character special file\n/dev/full 1:7 666 "
            "character special file\n/dev/random 1:8 666 character special file\n/dev/urandom 1:9 666 character "
            "special file\n/dev/tty 5:0 666 character special file\n"));
  CHECK(has(
      out, "fd /proc/self/fd\nstdin /proc/self/fd/0\nstdout /proc/self/fd/1\nstderr /proc/self/fd/2\nptmx pts/ptmx\n"));
  CHECK_FALSE(has(out, "/dev/console")); // only with a terminal
  CHECK(has(out, "ptmx\n1777\n755\n"));
  const auto layout = cgroup_layout::detect();
  REQUIRE(layout.has_value());
  if (layout->mode == cgroup_layout::kind::v2)
    CHECK(has(out, "cgroup /sys/fs/cgroup cgroup2 ro"));
  else
    CHECK(has(out, "devices memory pids"));
  // Nothing of the host is left in the namespace.
  CHECK(std::count(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(out.find("/dev/null 1:3")), '\n') < 40);
  CHECK_FALSE(has(out, "/etc/hosts"));
}

TEST_CASE("what must be hidden is hidden, what must be read-only is", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("masks"));
  auto out = output_of(script(root, "m",
                              "cat /proc/kcore /proc/keys /proc/interrupts /proc/timer_list 2>/dev/null | wc -c; "
                              "ls /proc/acpi /sys/firmware 2>/dev/null | grep -v : | wc -w; "
                              "(echo 1 >/proc/sys/kernel/panic) 2>&1; touch /proc/bus 2>&1; "
                              "touch /sys/x 2>&1; touch /sys/fs/cgroup/x 2>&1; true"));
  CAPTURE(out);
  CHECK(has(out, "0\n0\n"));
  CHECK(has(out, "can't create /proc/sys/kernel/panic: Read-only file system"));
  CHECK(has(out, "touch: /proc/bus: Read-only file system"));
  CHECK(has(out, "touch: /sys/fs/cgroup/x: Read-only file system"));

  auto open = script(root, "o", "cat /proc/interrupts | wc -c");
  open.clear_masked_paths();
  CHECK(output_of(open) != "0\n");
}

TEST_CASE("a masked path cannot be opened up by what stands at /dev/null", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("null"));
  fs::create_directories(root.base() + "/dev");
  std::ofstream(root.base() + "/dev/null") << "not a device";
  auto spec = script(root, "n", "cat /proc/kcore");
  add_bind(spec, root.base() + "/dev/null", "/dev/null");
  const auto done = run(spec);
  REQUIRE(done.failure);
  CHECK(done.failure->message == std::string(words) + "mask paths: /dev/null is not the null device");
}

TEST_CASE("a read-only root refuses writes, its tmpfs mounts do not", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("readonly"));
  auto spec = script(root, "r", "touch /x 2>&1; touch /dev/shm/y && echo shm; touch /dev/z && echo dev");
  spec.mutable_root()->set_readonly(true);
  CHECK(output_of(spec) == "touch: /x: Read-only file system\nshm\ndev\n");
}

TEST_CASE("tmpfs options are obeyed", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("tmpfs"));
  auto spec = script(root, "t",
                     "stat -c '%a %u %g' /a; grep ' /a ' /proc/mounts; dd if=/dev/zero of=/a/x bs=1k count=2000 "
                     "2>&1 | grep -o 'No space.*'; touch /b/x 2>&1; ls /b; grep ' /c ' /proc/mounts");
  add_tmpfs(spec, "/a", {"noexec", "nosuid", "nodev", "size=1m", "mode=1770", "uid=3", "gid=4"});
  add_tmpfs(spec, "/b", {"ro"});
  add_tmpfs(spec, "/b/inner", {"size=1m"}); // in a read-only one: its target still has to be made
  add_tmpfs(spec, "/c", {"noexec", "nosuid", "nodev", "exec", "size=1m", "size=2m"});
  const auto out = output_of(spec);
  CAPTURE(out);
  CHECK(has(out, "1770 3 4\n"));
  CHECK(has(out, "tmpfs /a tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k,mode=1770,uid=3,gid=4"));
  CHECK(has(out, "No space left on device\n"));
  CHECK(has(out, "touch: /b/x: Read-only file system\ninner\n"));
  CHECK(has(out, "tmpfs /c tmpfs rw,nosuid,nodev,relatime,size=2048k"));
  auto wrong = script(root, "w", "true");
  add_tmpfs(wrong, "/a", {"size=very"});
  const auto failure = run(wrong).failure;
  REQUIRE(failure);
  CHECK(has(failure->message, "error mounting \"tmpfs\" to rootfs at \"/a\": "));
  CHECK(has(failure->message, "size"));
}

TEST_CASE("binds: files, directories, made sources, recursion of read-only", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("binds"));
  const std::string host = root.base() + "/host";
  fs::create_directories(host + "/inner");
  std::ofstream(host + "/file") << "content\n";
  REQUIRE(::mount("none", (host + "/inner").c_str(), "tmpfs", 0, "size=64k") == 0);
  const auto unmount = [&] { ::umount2((host + "/inner").c_str(), MNT_DETACH); };

  SECTION("a file and a directory on targets that are missing") {
    auto spec = script(root, "f", "cat /deep/er/file /dir/file; touch /dir/new");
    add_bind(spec, host + "/file", "/deep/er/file");
    add_bind(spec, host, "/dir");
    CHECK(output_of(spec) == "content\ncontent\n");
    CHECK(fs::exists(host + "/new"));
  }
  SECTION("read-only with what is mounted below") {
    const std::string probe =
        "touch /d/x 2>/dev/null || echo top; touch /d/inner/x 2>/dev/null || echo inner; ls /d | wc -l";
    auto plain = script(root, "p", probe);
    add_bind(plain, host, "/d", {"rbind", "ro"});
    CHECK(output_of(plain) == "top\n2\n");
    auto deep = script(root, "q", probe);
    add_bind(deep, host, "/d", {"rbind", "ro", "rro", "rprivate"});
    CHECK(output_of(deep) == "top\ninner\n2\n");
    auto shallow = script(root, "s", "ls /d/inner; ls /d");
    std::ofstream(host + "/inner/here") << "x";
    add_bind(shallow, host, "/d", {"bind"});
    CHECK(output_of(shallow) == "file\ninner\n");
  }
  SECTION("a source that is missing") {
    auto spec = script(root, "m", "ls -a /d | wc -l");
    add_bind(spec, host + "/made/here", "/d");
    const auto failure = run(spec).failure;
    REQUIRE(failure);
    CHECK(failure->message ==
          words + ("error mounting \"" + host + "/made/here\" to rootfs at \"/d\": No such file or directory"));
    spec.mutable_mounts(spec.mounts_size() - 1)->set_create_source(true);
    CHECK(output_of(spec) == "2\n");
    CHECK((fs::status(host + "/made/here").permissions() & fs::perms::all) == fs::perms(0755));
  }
  SECTION("a directory onto a file") {
    auto spec = script(root, "k", "true");
    add_bind(spec, host, "/etc/passwd");
    const auto failure = run(spec).failure;
    REQUIRE(failure);
    CHECK(has(failure->message,
              "not a directory: Are you trying to mount a directory onto a file (or vice-versa)? Check "
              "if the specified host path exists and is the expected type"));
    CHECK(failure->code == errc::invalid_parameter);
  }
  SECTION("propagation") {
    // The host's side is made shared first; what the container mounts there shows on the host with rshared alone.
    REQUIRE(::mount(host.c_str(), host.c_str(), nullptr, MS_BIND, nullptr) == 0);
    REQUIRE(::mount(nullptr, host.c_str(), nullptr, MS_SHARED, nullptr) == 0);
    fs::create_directory(host + "/point");
    for (const auto& [mode, seen] : {std::pair{"rprivate", false}, {"rslave", false}, {"rshared", true}}) {
      auto spec =
          script(root, "g", "mount -t tmpfs x /d/point && touch /d/point/seen; grep ' /d ' /proc/self/mountinfo");
      spec.mutable_process()->mutable_capabilities()->set_bounding(~0ull);
      spec.mutable_process()->mutable_capabilities()->set_permitted(~0ull);
      spec.mutable_process()->mutable_capabilities()->set_effective(~0ull);
      add_bind(spec, host, "/d", {"rbind", mode});
      CAPTURE(mode);
      const auto out = output_of(spec);
      CHECK(has(out, "master:") == (std::string(mode) == "rslave"));
      CHECK(has(out, "shared:") == (std::string(mode) == "rshared"));
      CHECK(fs::exists(host + "/point/seen") == seen);
      ::umount2((host + "/point").c_str(), MNT_DETACH);
    }
    ::umount2(host.c_str(), MNT_DETACH);
  }
  unmount();
}

TEST_CASE("a mount's target that is a link of the image's leads nowhere outside", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("links"));
  const std::string outside = root.base() + "/outside";
  fs::create_directory(outside);
  std::ofstream(outside + "/file") << "host\n";
  std::ofstream(root.base() + "/source") << "bound\n";

  SECTION("/proc and /sys") {
    for (const char* dir : {"proc", "sys"}) {
      fs::remove(root.layer() + "/" + dir);
      fs::create_directory_symlink("/tmp", root.layer() + "/" + dir);
      const auto failure = run(root.make_spec("p", {"true"})).failure;
      REQUIRE(failure);
      CHECK(failure->message == words + ("\"/" + std::string(dir) + "\" must be mounted on ordinary directory"));
      fs::remove(root.layer() + "/" + dir);
      fs::create_directory(root.layer() + "/" + dir);
    }
  }
  SECTION("a file to the host's path, absolute and by ..") {
    for (const auto& to : {outside + "/file", "../../../../../../../../.." + outside + "/file"}) {
      fs::create_symlink(to, root.layer() + "/etc/hosts");
      auto spec = script(root, "f", "cat /etc/hosts; cat " + outside + "/file");
      add_bind(spec, root.base() + "/source", "/etc/hosts");
      // The link is followed inside the root, where its target is made.
      CHECK(output_of(spec) == "bound\nbound\n");
      CHECK(file_text(outside + "/file") == "host\n");
      fs::remove(root.layer() + "/etc/hosts");
      root.remove_upper(spec);
    }
  }
  SECTION("a directory by .., which must not be made on the host") {
    fs::create_directory_symlink("../../../../../../../../.." + outside, root.layer() + "/data");
    auto spec = script(root, "v", "cat /data/new/dir/file");
    add_bind(spec, root.base() + "/source", "/data/new/dir/file");
    CHECK(output_of(spec) == "bound\n");
    CHECK_FALSE(fs::exists(outside + "/new"));
  }
  SECTION("a link that turns in circles") {
    fs::create_symlink("loop", root.layer() + "/etc/loop");
    auto spec = script(root, "l", "true");
    add_bind(spec, root.base() + "/source", "/etc/loop/x");
    CHECK(run(spec).failure);
  }
  SECTION("the device directory and the console") {
    fs::create_symlink(outside + "/file", root.layer() + "/dev/console");
    auto spec = script(root, "d", "true");
    spec.mutable_process()->set_terminal(true);
    CHECK_FALSE(run(spec).failure); // hidden by the tmpfs on /dev
    CHECK(file_text(outside + "/file") == "host\n");
  }
}

TEST_CASE("layers up to the kernel's number, not one more", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("layers"));
  auto spec = script(root, "l", "cat /one /499 /122");
  spec.mutable_root()->clear_lower_dirs();
  for (int i = 1; i < 500; ++i) {
    const std::string dir = root.base() + "/l" + std::to_string(i);
    fs::create_directory(dir);
    std::ofstream(dir + "/" + std::to_string(i)) << i << "\n";
    std::ofstream(dir + "/one") << "from " << i << "\n";
    spec.mutable_root()->add_lower_dirs(dir);
  }
  spec.mutable_root()->add_lower_dirs(root.layer());
  CHECK(output_of(spec) == "from 1\n499\n122\n"); // topmost first
  spec.mutable_root()->add_lower_dirs(root.base() + "/l1");
  CHECK(run(spec).failure->message == words + std::string("mount overlay: more than 500 layers"));
  spec.mutable_root()->clear_lower_dirs();
  CHECK(run(spec).failure->message == words + std::string("mount overlay: no layer"));
  spec.mutable_root()->add_lower_dirs(root.base() + "/missing");
  CHECK(has(run(spec).failure->message, "mount overlay: "));
}

TEST_CASE("layers with long paths and a volatile upper directory", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("long"));
  const std::string deep = root.base() + "/" + std::string(200, 'a') + "/" + std::string(200, 'b');
  fs::create_directories(deep);
  std::ofstream(deep + "/file") << "deep\n";
  auto spec = script(root, "l", "cat /file; touch /new; grep -o volatile /proc/mounts");
  spec.mutable_root()->clear_lower_dirs();
  spec.mutable_root()->add_lower_dirs(deep);
  spec.mutable_root()->add_lower_dirs(root.layer());
  spec.mutable_root()->set_upper_dir(deep + "-c/upper");
  spec.mutable_root()->set_work_dir(deep + "-c/work");
  spec.mutable_root()->set_volatile_upper(true);
  CHECK(output_of(spec) == "deep\nvolatile\n");
  CHECK(fs::exists(deep + "-c/upper/new"));
  CHECK((fs::status(deep + "-c").permissions() & fs::perms::all) == fs::perms(0710));
}

TEST_CASE("a root of one layer without upper directory is that layer, read-only", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("single"));
  auto spec = script(root, "s", "touch /x 2>&1; echo done");
  spec.mutable_root()->clear_upper_dir();
  spec.mutable_root()->clear_work_dir();
  CHECK(output_of(spec) == "touch: /x: Read-only file system\ndone\n");
  CHECK_FALSE(fs::exists(root.layer() + "/x"));
}

TEST_CASE("nothing shows in the host's mount table", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("table"));
  auto spec = script(root, "t", "echo ready; cat");
  add_bind(spec, root.base(), "/bound");
  const auto before = file_text("/proc/self/mountinfo");
  auto in = pipe_pair::make(), out = pipe_pair::make();
  auto running = launch(spec, {std::move(in.read), std::move(out.write), {}});
  REQUIRE(running.has_value());
  char ready[8] = {};
  REQUIRE(::read(out.read.get(), ready, sizeof ready) == 6);
  CHECK(file_text("/proc/self/mountinfo") == before);
  in.write.reset();
  outcome done;
  wait_for_end(*running, done);
  CHECK(done.exit_code == 0);
  CHECK(remove(*cgroup_layout::detect(), spec.cgroup().path()).has_value());
}

TEST_CASE("generated files are written before they are mounted", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("files"));
  auto spec = script(root, "f", "cat /etc/hosts; stat -c %a /etc/hosts");
  const std::string path = root.base() + "/run/c/hosts";
  auto& file = *spec.add_files();
  file.set_host_path(path);
  file.set_content("127.0.0.1\tlocalhost\n");
  file.set_mode(0644);
  add_bind(spec, path, "/etc/hosts", {"bind", "rprivate"});
  CHECK(output_of(spec) == "127.0.0.1\tlocalhost\n644\n");
  // A link that was put in its place is not followed.
  std::ofstream(root.base() + "/victim") << "safe";
  fs::remove(path);
  fs::create_symlink(root.base() + "/victim", path);
  CHECK(run(spec).failure);
  CHECK(file_text(root.base() + "/victim") == "safe");
}

TEST_CASE("the root is the whole world: from above it, and for who enters the namespace", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("world"));
  std::ofstream(root.layer() + "/mark") << "here";
  auto spec = script(root, "w", "cat /../mark; cat ../../../mark; grep -c ' / / ' /proc/self/mountinfo; echo; cat");
  auto in = pipe_pair::make(), out = pipe_pair::make();
  auto running = launch(spec, {std::move(in.read), std::move(out.write), {}});
  REQUIRE(running.has_value());
  char ready[64] = {};
  std::string text;
  while (text.find("\n\n") == std::string::npos) {
    const auto n = ::read(out.read.get(), ready, sizeof ready);
    REQUIRE(n > 0);
    text.append(ready, static_cast<std::size_t>(n));
  }
  CHECK(text == "herehere1\n\n");
  // As `exec` enters: the namespace's root is what is mounted on top, not the empty directory below.
  const std::string proc = "/proc/" + std::to_string(running->pid);
  CHECK(file_text(proc + "/root/mark") == "here");
  const pid_t guest = ::fork();
  if (guest == 0) {
    const int ns = ::open((proc + "/ns/mnt").c_str(), O_RDONLY | O_CLOEXEC);
    struct stat st {};
    ::_exit(::setns(ns, CLONE_NEWNS) == 0 && ::stat("/mark", &st) == 0 && ::unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(guest, &status, 0) == guest);
  CHECK(status == 0);
  // Who breaks out of the chroot finds an empty directory that nobody can write to.
  const pid_t burglar = ::fork();
  if (burglar == 0) {
    const int ns = ::open((proc + "/ns/mnt").c_str(), O_RDONLY | O_CLOEXEC);
    const int above = ::setns(ns, CLONE_NEWNS) == 0 ? ::open("/", O_PATH | O_DIRECTORY) : -1;
    bool ok = above >= 0 && ::chroot("/tmp") == 0 && ::fchdir(above) == 0;
    for (int i = 0; i < 8; ++i) ok = ok && ::chdir("..") == 0;
    ok = ok && ::chroot(".") == 0;
    // Either the same root again, or the empty one.
    struct stat st {};
    const bool same = ::stat("/mark", &st) == 0;
    const bool empty = ::rmdir("/nothing") != 0 && ::mkdir("/new", 0755) != 0 && errno == EROFS;
    ::_exit(ok && (same || empty) && ::stat("/etc/hostname", &st) != 0 ? 0 : 1);
  }
  REQUIRE(::waitpid(burglar, &status, 0) == burglar);
  CHECK(status == 0);
  in.write.reset();
  outcome done;
  wait_for_end(*running, done);
  CHECK(remove(*cgroup_layout::detect(), spec.cgroup().path()).has_value());
}

TEST_CASE("a container that was volatile can be started again", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("again"));
  auto spec = script(root, "v", "cat /kept 2>/dev/null; echo run >>/kept");
  spec.mutable_root()->set_volatile_upper(true);
  CHECK(output_of(spec) == "");
  CHECK(output_of(spec) == "run\n");
  spec.mutable_root()->set_volatile_upper(false);
  CHECK(output_of(spec) == "run\nrun\n");
}

TEST_CASE("the mounts of an ended container are let go of, by whoever keeps them", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("kept"));
  const std::string lent = root.base() + "/lent";
  fs::create_directory(lent);
  REQUIRE(::mount("none", lent.c_str(), "tmpfs", 0, "size=64k") == 0);
  auto spec = script(root, "k", "true");
  add_bind(spec, lent, "/lent");
  CHECK(output_of(spec) == "");
  // A mount of the host's is free the moment that the container has ended.
  CHECK(::umount(lent.c_str()) == 0);
  CHECK(fs::is_empty(lent));
  // A container without one leaves its overlay to the keeper: in the end it is unmounted there.
  auto own = script(root, "o", "true");
  CHECK(output_of(own) == "");
  const auto overlays = [] {
    std::ifstream in("/proc/self/mountinfo");
    std::string all((std::istreambuf_iterator<char>(in)), {});
    return all.find("gantry-mounts-") != std::string::npos;
  };
  CHECK_FALSE(overlays());
  // The kernel marks an upper directory that is mounted; without the mark the next mount says nothing. What can be seen
  // from outside is that the directory can be mounted again with an index, which a mounted one refuses.
  const auto deadline = std::chrono::steady_clock::now() + run_limit;
  const std::string data =
      "index=on,lowerdir=" + root.layer() + ",upperdir=" + own.root().upper_dir() + ",workdir=" + own.root().work_dir();
  fs::create_directory(root.base() + "/m");
  bool free = false;
  while (!free && std::chrono::steady_clock::now() < deadline) {
    free = ::mount("overlay", (root.base() + "/m").c_str(), "overlay", 0, data.c_str()) == 0;
    REQUIRE((free || errno == EBUSY));
  }
  CHECK(free);
  ::umount((root.base() + "/m").c_str());
}
