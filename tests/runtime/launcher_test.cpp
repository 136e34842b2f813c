/// What a container is, seen from inside: the real launcher with static busybox.
#include "tests/runtime/container_run.hpp"

#include <algorithm>
#include <sys/stat.h>

using namespace gantry;
using namespace gantry::runtime;
using namespace gantry::runtime::testing;
namespace fs = std::filesystem;

namespace {

std::string base(const char* name) { return "/tmp/gantry-launcher-" + std::to_string(::getpid()) + "-" + name; }

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

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
  const auto out = output_of(script(root, "who",
                                    "echo pid $$; hostname; ls /proc/self/fd | tr '\\n' ' '; echo; umask; "
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
  struct sigaction ignore {
  }, before{};
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
  auto spec = script(root, "u",
                     "id; echo $HOME; grep -E '^Cap(Prm|Eff|Bnd)' /proc/self/status; echo again >/dev/stdout; "
                     "echo two >/dev/stderr");
  spec.mutable_process()->mutable_user()->set_spec("ada");
  const auto done = run(spec);
  CAPTURE(done.out, done.err);
  CHECK(done.exit_code == 0);
  CHECK(has(done.out, "uid=1000(ada) gid=1001(ada) groups=10(wheel),50(staff),1001(ada)\n/home/ada\n"));
  CHECK(has(done.out, "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t00000000a80425fb\nagain\n"));
  CHECK(done.err == "two\n");
}

TEST_CASE("network none has a loopback that is up, and its sysctls", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("network"));
  const auto out = output_of(script(root, "n",
                                    "ls /sys/class/net; ip -o addr; cat /proc/sys/net/ipv4/ping_group_range "
                                    "/proc/sys/net/ipv4/ip_unprivileged_port_start"));
  CAPTURE(out);
  CHECK(out.starts_with("lo\n"));
  CHECK(has(out, "127.0.0.1/8"));
  CHECK(has(out, "0\t2147483647\n0\n"));
  auto wrong = script(root, "w", "true");
  (*wrong.mutable_sysctl())["net.ipv4.no_such_thing"] = "1";
  CHECK(run(wrong).failure->message ==
        std::string(words) +
            "error setting sysctl net.ipv4.no_such_thing: open /proc/sys/net/ipv4/no_such_thing: No such "
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

TEST_CASE("a terminal: size, controlling tty, console, who owns it", "[runtime][launcher]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("tty"));
  auto spec = script(root, "t",
                     "tty; stty size; echo hi >/dev/tty; stat -c '%F %u' /dev/console /dev/pts/0; "
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

  auto spec =
      script(root, "guest", "readlink /proc/self/ns/net; readlink /proc/self/ns/ipc; hostname; ls -d /proc/1; echo $$");
  const auto choose = [&](pb::Namespaces::Choice* c, const char* kind) {
    c->set_mode(pb::Namespaces::PATH);
    c->set_path(proc + kind);
  };
  choose(spec.mutable_namespaces()->mutable_network(), "net");
  choose(spec.mutable_namespaces()->mutable_ipc(), "ipc");
  choose(spec.mutable_namespaces()->mutable_uts(), "uts");
  choose(spec.mutable_namespaces()->mutable_pid(), "pid");
  const auto text = output_of(spec);
  CHECK(has(text, fs::read_symlink(proc + "net").string() + "\n" + fs::read_symlink(proc + "ipc").string() +
                      "\ndonor\n/proc/1\n"));
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
