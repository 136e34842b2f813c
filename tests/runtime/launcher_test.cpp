/// What a container is, seen from inside: the real launcher with static busybox.
#include "tests/runtime/container_run.hpp"

#include <algorithm>
#include <dirent.h>
#include <sys/mount.h>
#include <sys/stat.h>

using namespace gantry;
using namespace gantry::runtime;
using namespace gantry::runtime::testing;
namespace fs = std::filesystem;

namespace {

std::string base(const char* name) { return "/tmp/gantry-launcher-" + std::to_string(::getpid()) + "-" + name; }

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

std::size_t open_descriptors() {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

constexpr const char* words =
    "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: error during container init: ";

} // namespace

TEST_CASE("a first container says hello", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("hello"));
  const auto done = run(root.make_spec("hello", {"echo", "hi"}));
  REQUIRE_FALSE(done.failure);
  CHECK(done.out == "hi\n");
  CHECK(done.exit_code == 0);
}

TEST_CASE("streams, exit status and signal come through", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("streams"));
  auto done = run(script(root, "a", "cat; echo bad >&2; exit 7"), "from outside");
  CHECK(done.out == "from outside");
  CHECK(done.err == "bad\n");
  CHECK(done.exit_code == 7);
  // The first process of a pid namespace gets no signal that it sends itself: this one is in the host's.
  auto killed = script(root, "b", "kill -9 $$");
  killed.mutable_namespaces()->mutable_pid()->set_mode(pb::Namespaces::HOST);
  CHECK(run(killed).signal == SIGKILL);
}

TEST_CASE("identity: pid 1, name, capabilities, no leftover of the launcher", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("identity"));
  // Descriptors that somebody forgot to mark: nothing of them may be seen inside.
  const unique_fd careless{::open("/etc/passwd", O_RDONLY)};
  const unique_fd directory{::open("/", O_PATH | O_DIRECTORY)};
  const auto out = output_of(script(root, "who", "echo pid $$; hostname; ls /proc/self/fd | tr '\\n' ' '; echo; umask; "
                                                 "grep -E '^(Cap|NoNewPrivs|Seccomp:|SigBlk|SigIgn|Uid|Groups)' "
                                                 "/proc/self/status; ls /proc | grep -c '^[0-9]'"));
  CAPTURE(out);
  CHECK(has(out, "pid 1\nwho\n0 1 2 3 \n0022\n"));
  CHECK(has(out, "CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n"
                 "CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\n"));
  CHECK(has(out, "NoNewPrivs:\t0"));
  CHECK(has(out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000"));
  CHECK(has(out, "Groups:\t0 10 \n"));
}

TEST_CASE("an ignored or blocked signal of the launcher is not the container's", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("signals"));
  struct sigaction ignore{}, before{};
  ignore.sa_handler = SIG_IGN;
  sigset_t block, old;
  sigemptyset(&block);
  sigaddset(&block, SIGUSR1);
  REQUIRE(::sigaction(SIGPIPE, &ignore, &before) == 0);
  REQUIRE(::sigprocmask(SIG_BLOCK, &block, &old) == 0);
  const auto out = output_of(root.make_spec("s", {"grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"}));
  ::sigprocmask(SIG_SETMASK, &old, nullptr);
  ::sigaction(SIGPIPE, &before, nullptr);
  CHECK(out == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_CASE("a user who is not root has no capability in force", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("user"));
  auto spec = script(root, "u", "id; echo $HOME; grep -E '^Cap(Prm|Eff|Bnd)' /proc/self/status; echo again >/dev/stdout; "
                                "echo two >/dev/stderr");
  spec.mutable_process()->mutable_user()->set_spec("ada");
  const auto done = run(spec);
  CAPTURE(done.out, done.err);
  CHECK(done.exit_code == 0);
  CHECK(has(done.out, "uid=1000(ada) gid=1001(ada) groups=10(wheel),50(staff),1001(ada)\n/home/ada\n"));
  CHECK(has(done.out, "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t00000000a80425fb\nagain\n"));
  CHECK(done.err == "two\n");
}

TEST_CASE("mounts, devices and links are Docker's", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("mounts"));
  const auto out = output_of(script(root, "m", "cat /proc/self/mounts; for d in null zero full random urandom tty; do stat -c "
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
  CHECK(has(out, "/dev/null 1:3 666 character special file\n/dev/zero 1:5 666 character special file\n/dev/full 1:7 666 "
                 "character special file\n/dev/random 1:8 666 character special file\n/dev/urandom 1:9 666 character "
                 "special file\n/dev/tty 5:0 666 character special file\n"));
  CHECK(has(out, "fd /proc/self/fd\nstdin /proc/self/fd/0\nstdout /proc/self/fd/1\nstderr /proc/self/fd/2\nptmx pts/ptmx\n"));
  CHECK_FALSE(has(out, "/dev/console")); // only with a terminal
  CHECK(has(out, "ptmx\n1777\n755\n"));
  const auto layout = cgroup_layout::detect();
  REQUIRE(layout.has_value());
  if (layout->mode == cgroup_layout::kind::v2) CHECK(has(out, "cgroup2 /sys/fs/cgroup cgroup2 ro"));
  else CHECK(has(out, "devices memory pids"));
  // Nothing of the host is left in the namespace.
  CHECK(std::count(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(out.find("/dev/null 1:3")), '\n') < 40);
  CHECK_FALSE(has(out, "/etc/hosts"));
}

TEST_CASE("what must be hidden is hidden, what must be read-only is", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("masks"));
  auto out = output_of(script(root, "m", "cat /proc/kcore /proc/keys /proc/interrupts /proc/timer_list 2>/dev/null | wc -c; "
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

TEST_CASE("network none has a loopback that is up, and its sysctls", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("network"));
  const auto out = output_of(script(root, "n", "ls /sys/class/net; ip -o addr; cat /proc/sys/net/ipv4/ping_group_range "
                                               "/proc/sys/net/ipv4/ip_unprivileged_port_start"));
  CAPTURE(out);
  CHECK(out.starts_with("lo\n"));
  CHECK(has(out, "127.0.0.1/8"));
  CHECK(has(out, "0\t2147483647\n0\n"));
  auto wrong = script(root, "w", "true");
  (*wrong.mutable_sysctl())["net.ipv4.no_such_thing"] = "1";
  CHECK(run(wrong).failure->message ==
        std::string(words) + "error setting sysctl net.ipv4.no_such_thing: open /proc/sys/net/ipv4/no_such_thing: No such "
                             "file or directory");
  auto escape = script(root, "e", "true");
  (*escape.mutable_sysctl())["net/../kernel/panic"] = "1";
  CHECK(run(escape).failure->code == errc::invalid_parameter);
}

TEST_CASE("what cannot be executed is said in runc's words", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("exec"));
  std::ofstream(root.layer() + "/plain") << "text";
  struct row {
    const char *program, *message;
    errc code;
  };
  const row rows[] = {
      {"nosuch", "exec: \"nosuch\": executable file not found in $PATH", errc::invalid_parameter},
      {"/nosuch", "exec: \"/nosuch\": stat /nosuch: no such file or directory", errc::invalid_parameter},
      {"/plain/x", "exec: \"/plain/x\": stat /plain/x: not a directory", errc::invalid_parameter},
      {"/etc/passwd", "exec: \"/etc/passwd\": permission denied", errc::invalid_parameter},
      {"/tmp", "exec: \"/tmp\": is a directory: permission denied", errc::invalid_parameter},
      {"./nosuch", "exec: \"./nosuch\": stat ./nosuch: no such file or directory", errc::invalid_parameter},
      {"", "exec: \"\": executable file not found in $PATH", errc::invalid_parameter},
  };
  const auto before = open_descriptors();
  for (const auto& x : rows) {
    const auto done = run(root.make_spec("x", {x.program}));
    CAPTURE(x.program);
    REQUIRE(done.failure);
    CHECK(done.failure->message == words + std::string(x.message));
    CHECK(done.failure->code == x.code);
  }
  auto relative = root.make_spec("r", {"busybox", "true"});
  relative.mutable_process()->set_env(0, "PATH=bin");
  CHECK(run(relative).failure->message ==
        words + std::string("exec: \"busybox\": cannot run executable found relative to current directory"));
  auto nobody = root.make_spec("n", {"true"});
  nobody.mutable_process()->mutable_user()->set_spec("nobody-here");
  CHECK(run(nobody).failure->message == "unable to find user nobody-here: no matching entries in passwd file");
  CHECK(run(nobody).failure->code == errc::internal);
  // Nothing is left: no descriptor, no zombie, no group.
  CHECK(open_descriptors() == before);
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
  const auto layout = cgroup_layout::detect();
  REQUIRE(layout.has_value());
  CHECK(children(*layout, root.cgroup_parent()).empty());
}

TEST_CASE("what execve itself refuses ends with 255 and a line on stderr, as under runc", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("format"));
  std::ofstream(root.layer() + "/garbage") << "garbage";
  std::ofstream(root.layer() + "/orphan") << "#!/no/interpreter\n";
  for (const char* f : {"/garbage", "/orphan"}) fs::permissions(root.layer() + f, fs::perms(0755));
  auto done = run(root.make_spec("g", {"/garbage"}));
  REQUIRE_FALSE(done.failure);
  CHECK(done.exit_code == 255);
  CHECK(done.err == "exec /garbage: exec format error\n");
  done = run(root.make_spec("o", {"/orphan"}));
  CHECK(done.exit_code == 255);
  CHECK(done.err == "exec /orphan: no such file or directory\n");
}

TEST_CASE("working directory: made when missing, refused when a file is in the way", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("cwd"));
  auto spec = root.make_spec("c", {"pwd"});
  spec.mutable_process()->set_cwd("/srv/new/dir");
  CHECK(output_of(spec) == "/srv/new/dir\n");
  spec.mutable_process()->set_cwd("/etc/passwd/x");
  CHECK(run(spec).failure->message == words + std::string("Cannot mkdir: /etc/passwd/x is not a directory"));
  // CVE-2024-21626: a descriptor of the launcher as working directory.
  spec.mutable_process()->set_cwd("/proc/self/fd/7");
  CHECK(run(spec).failure);
  auto read_only = root.make_spec("r", {"pwd"});
  read_only.mutable_root()->set_readonly(true);
  read_only.mutable_process()->set_cwd("/not/there/yet");
  CHECK(output_of(read_only) == "/not/there/yet\n");
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
  auto spec = script(root, "t", "stat -c '%a %u %g' /a; grep ' /a ' /proc/mounts; dd if=/dev/zero of=/a/x bs=1k count=2000 "
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
    const std::string probe = "touch /d/x 2>/dev/null || echo top; touch /d/inner/x 2>/dev/null || echo inner; ls /d | wc -l";
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
    CHECK(failure->message == words + ("error mounting \"" + host + "/made/here\" to rootfs at \"/d\": No such file or directory"));
    spec.mutable_mounts(spec.mounts_size() - 1)->set_create_source(true);
    CHECK(output_of(spec) == "2\n");
    CHECK((fs::status(host + "/made/here").permissions() & fs::perms::all) == fs::perms(0755));
  }
  SECTION("a directory onto a file") {
    auto spec = script(root, "k", "true");
    add_bind(spec, host, "/etc/passwd");
    const auto failure = run(spec).failure;
    REQUIRE(failure);
    CHECK(has(failure->message, "not a directory: Are you trying to mount a directory onto a file (or vice-versa)? Check "
                                "if the specified host path exists and is the expected type"));
    CHECK(failure->code == errc::invalid_parameter);
  }
  SECTION("propagation") {
    // The host's side is made shared first; what the container mounts there shows on the host with rshared alone.
    REQUIRE(::mount(host.c_str(), host.c_str(), nullptr, MS_BIND, nullptr) == 0);
    REQUIRE(::mount(nullptr, host.c_str(), nullptr, MS_SHARED, nullptr) == 0);
    fs::create_directory(host + "/point");
    for (const auto& [mode, seen] : {std::pair{"rprivate", false}, {"rslave", false}, {"rshared", true}}) {
      auto spec = script(root, "g", "mount -t tmpfs x /d/point && touch /d/point/seen; grep ' /d ' /proc/self/mountinfo");
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

TEST_CASE("passwd files that somebody made to hurt", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("passwd"));
  const std::string passwd = root.layer() + "/etc/passwd";
  fs::remove(passwd);
  auto named = script(root, "p", "id -u");
  named.mutable_process()->mutable_user()->set_spec("ada");
  SECTION("absent") {
    CHECK(run(named).failure->message == "unable to find user ada: no matching entries in passwd file");
    CHECK(output_of(script(root, "q", "id -u; echo $HOME")) == "0\n/\n");
  }
  SECTION("a fifo, a directory, a device") {
    REQUIRE(::mkfifo(passwd.c_str(), 0644) == 0);
    CHECK(run(named).failure);
    fs::remove(passwd);
    fs::create_directory(passwd);
    CHECK(run(named).failure);
    fs::remove(passwd);
    fs::create_symlink("/dev/zero", passwd);
    CHECK(run(named).failure->message == "read `/etc/passwd`: larger than 16777216 bytes");
  }
  SECTION("a link out of the root") {
    std::ofstream(root.base() + "/passwd") << "ada:x:0:0::/:/bin/sh\n";
    fs::create_symlink("../../../../../../../.." + root.base() + "/passwd", passwd);
    CHECK(run(named).failure->message == "unable to find user ada: no matching entries in passwd file");
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

TEST_CASE("a terminal: size, controlling tty, console, who owns it", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("tty"));
  auto spec = script(root, "t", "tty; stty size; echo hi >/dev/tty; stat -c '%F %u' /dev/console /dev/pts/0; "
                                "read line; echo got $line; test -t 2 && echo err; ls /proc/self/fd | tr '\\n' ' '");
  spec.mutable_process()->set_terminal(true);
  spec.mutable_process()->set_console_rows(33);
  spec.mutable_process()->set_console_columns(101);
  const auto done = run(spec, "typed\n");
  CAPTURE(done.out);
  CHECK(done.exit_code == 0);
  CHECK(has(done.out, "/dev/pts/0\r\n"));
  CHECK(has(done.out, "33 101\r\n"));
  CHECK(has(done.out, "hi\r\n"));
  CHECK(has(done.out, "character special file 0\r\ncharacter special file 0\r\n"));
  CHECK(has(done.out, "got typed\r\nerr\r\n"));
  CHECK(has(done.out, "0 1 2 3 "));
  auto user = script(root, "u", "stat -c '%u' /dev/pts/0; echo x >/dev/tty");
  user.mutable_process()->set_terminal(true);
  user.mutable_process()->mutable_user()->set_spec("1000");
  CHECK(run(user).out == "1000\r\nx\r\n");
  auto missing = root.make_spec("m", {"nosuch"});
  missing.mutable_process()->set_terminal(true);
  CHECK(run(missing).failure->message == words + std::string("exec: \"nosuch\": executable file not found in $PATH"));
}

TEST_CASE("--init: the host's program comes first", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("init"));
  const std::string program = root.base() + "/init";
  std::ofstream(program) << "#!/bin/sh\necho init $$ $0 \"$@\"\nshift\n\"$@\"\n";
  fs::permissions(program, fs::perms(0755));
  auto spec = root.make_spec("i", {"sh", "-c", "echo child $$; touch /sbin/docker-init 2>&1"});
  spec.mutable_process()->set_init_path(program);
  const auto done = run(spec);
  CAPTURE(done.out, done.err);
  CHECK(has(done.out, "init 1 /sbin/docker-init -- sh -c echo child"));
  CHECK_FALSE(has(done.out, "child 1\n"));
  CHECK(has(done.out, "touch: /sbin/docker-init: Read-only file system"));
  spec.mutable_process()->set_init_path(root.base() + "/nosuch");
  CHECK(has(run(spec).failure->message, "open init program"));
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

TEST_CASE("resource limits of the process", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("rlimits"));
  auto spec = script(root, "r", "ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj");
  auto& limit = *spec.mutable_process()->add_rlimits();
  limit.set_type("nofile");
  limit.set_soft(100);
  limit.set_hard(200);
  spec.mutable_process()->set_oom_score_adj(321);
  CHECK(output_of(spec) == "100\n200\n321\n");
  limit.set_type("wings");
  CHECK(run(spec).failure->message == words + std::string("invalid rlimit type: wings"));
}

TEST_CASE("namespaces of others are joined by path", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("join"));
  auto donor_spec = script(root, "donor", "echo ready; cat");
  auto in = pipe_pair::make(), out = pipe_pair::make();
  auto donor = launch(donor_spec, {std::move(in.read), std::move(out.write), {}});
  REQUIRE(donor.has_value());
  char ready[8] = {};
  REQUIRE(::read(out.read.get(), ready, sizeof ready) == 6);
  const std::string proc = "/proc/" + std::to_string(donor->pid) + "/ns/";
  const auto own_pids = fs::read_symlink("/proc/self/ns/pid_for_children");

  auto spec = script(root, "guest", "readlink /proc/self/ns/net; readlink /proc/self/ns/ipc; hostname; ls -d /proc/1; echo $$");
  const auto choose = [&](pb::Namespaces::Choice* c, const char* kind) {
    c->set_mode(pb::Namespaces::PATH);
    c->set_path(proc + kind);
  };
  choose(spec.mutable_namespaces()->mutable_network(), "net");
  choose(spec.mutable_namespaces()->mutable_ipc(), "ipc");
  choose(spec.mutable_namespaces()->mutable_uts(), "uts");
  choose(spec.mutable_namespaces()->mutable_pid(), "pid");
  const auto text = output_of(spec);
  CHECK(has(text, fs::read_symlink(proc + "net").string() + "\n" + fs::read_symlink(proc + "ipc").string() + "\ndonor\n/proc/1\n"));
  CHECK_FALSE(has(text, "\n1\n"));
  CHECK(fs::read_symlink("/proc/self/ns/pid_for_children") == own_pids);
  in.write.reset();
  outcome done;
  wait_for_end(*donor, done);
  CHECK(remove(*cgroup_layout::detect(), donor_spec.cgroup().path()).has_value());
  // And when it is gone, that is an error that names it.
  CHECK(has(run(spec).failure->message, "namespace `" + proc));
}

TEST_CASE("no new privileges, and a filter with and without them", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("nnp"));
  auto spec = script(root, "n", "grep -E '^(NoNewPrivs|Seccomp:)' /proc/self/status");
  spec.mutable_process()->set_no_new_privileges(true);
  CHECK(output_of(spec) == "NoNewPrivs:\t1\nSeccomp:\t0\n");
}
