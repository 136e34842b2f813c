/// bench_floor: what the kernel alone charges for a container. One process that runs `true`, with what a container has
/// added step by step: namespaces, overlay root, cgroups, network namespace. An engine is measured against this.
///
/// Everything it makes has `gantry-floor` in its name, and is gone when it ends, after a failure too.
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "bench/arguments.hpp"
#include "bench/figures.hpp"

namespace gantry::bench {
namespace {

namespace fs = std::filesystem;

constexpr const char* usage = "usage: bench_floor --rootfs DIR [--count N] [--threads N] [--work DIR] [--json]\n"
                              "DIR holds bin/busybox (static) and empty folders proc, dev, sys; run as root.\n";

enum class groups { none, v1, v2 };

struct step {
  const char* name;
  unsigned long namespaces;
  bool overlay;
  groups cgroup;
};

constexpr unsigned long four = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC;
constexpr step steps[] = {
    {"fork+exec+wait", 0, false, groups::none},
    {"+namespaces", four, false, groups::none},
    {"+overlay root", four, true, groups::none},
    {"+cgroup v2", four | CLONE_NEWCGROUP, true, groups::v2},
    {"+cgroup v1", four | CLONE_NEWCGROUP, true, groups::v1},
    {"+network, cgroup v2", four | CLONE_NEWCGROUP | CLONE_NEWNET, true, groups::v2},
    {"+network, cgroup v1", four | CLONE_NEWCGROUP | CLONE_NEWNET, true, groups::v1},
};

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

void make_dir(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0) fail("mkdir `" + path + "`");
}

void write_file(const std::string& path, const std::string& text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) fail("open `" + path + "`");
  const bool written = ::write(fd, text.data(), text.size()) == ssize_t(text.size());
  ::close(fd);
  if (!written) fail("write `" + path + "`");
}

std::string read_file(const std::string& path) {
  std::string text;
  std::getline(std::ifstream(path), text);
  return text;
}

/// What the machine has: the mount point of cgroup v2 and those of the v1 hierarchies an engine uses; "" or empty for
/// none.
struct machine {
  std::string v2;
  std::vector<std::string> v1;
  std::string cpus, mems;

  static machine look() {
    machine m;
    for (const char* path : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
      if (fs::exists(std::string(path) + "/cgroup.procs")) m.v2 = path;
    }
    for (const char* name : {"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids"}) {
      const std::string path = std::string("/sys/fs/cgroup/") + name;
      if (fs::exists(path + "/cgroup.procs")) m.v1.push_back(path);
    }
    m.cpus = read_file("/sys/fs/cgroup/cpuset/cpuset.cpus");
    m.mems = read_file("/sys/fs/cgroup/cpuset/cpuset.mems");
    return m;
  }

  [[nodiscard]] bool can(const step& s) const {
    if (s.cgroup == groups::v1) return !v1.empty();
    return s.cgroup == groups::none || !v2.empty();
  }
};

/// The cgroup directories of one container.
class container_groups {
public:
  container_groups(const machine& m, groups kind, const std::string& name) {
    const std::string leaf = "/gantry-floor-" + name;
    if (kind == groups::v2) {
      make(m.v2 + leaf);
      fd_ = ::open(paths_.back().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
      if (fd_ < 0) fail("open `" + paths_.back() + "`");
    }
    if (kind == groups::v1) {
      for (const std::string& hierarchy : m.v1) {
        make(hierarchy + leaf);
        if (!hierarchy.ends_with("/cpuset")) continue;
        write_file(paths_.back() + "/cpuset.cpus", m.cpus);
        write_file(paths_.back() + "/cpuset.mems", m.mems);
      }
    }
  }
  ~container_groups() {
    if (fd_ >= 0) ::close(fd_);
    for (const std::string& path : paths_) ::rmdir(path.c_str());
  }
  container_groups(const container_groups&) = delete;
  container_groups& operator=(const container_groups&) = delete;

  [[nodiscard]] int v2_fd() const { return fd_; }
  void enter_v1(pid_t pid) const {
    if (fd_ >= 0) return;
    for (const std::string& path : paths_) write_file(path + "/cgroup.procs", std::to_string(pid));
  }

private:
  void make(const std::string& path) {
    make_dir(path);
    paths_.push_back(path);
  }
  std::vector<std::string> paths_;
  int fd_ = -1;
};

/// The folders of one overlay: upper, work, and the mount point, which only the container's own namespace sees mounted.
class overlay_folders {
public:
  overlay_folders(const std::string& lower, std::string base) : base_(std::move(base)) {
    make_dir(base_);
    for (const char* name : {"/upper", "/work", "/merged"}) make_dir(base_ + name);
    mount_options = "lowerdir=" + lower + ",upperdir=" + base_ + "/upper,workdir=" + base_ + "/work";
    merged = base_ + "/merged";
  }
  ~overlay_folders() {
    std::error_code ignored;
    fs::remove_all(base_, ignored);
  }
  overlay_folders(const overlay_folders&) = delete;
  overlay_folders& operator=(const overlay_folders&) = delete;

  std::string mount_options, merged;

private:
  std::string base_;
};

// ---- in the child, between clone and exec: system calls only; an exit status tells the step that failed

constexpr int failed_mount = 101, failed_pivot = 102, failed_exec = 103, failed_wait = 104;

void must(bool ok, int status) {
  if (!ok) ::_exit(status);
}

void mount_root(const char* merged, const char* options, unsigned long namespaces) {
  must(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, failed_mount);
  must(::mount("overlay", merged, "overlay", 0, options) == 0, failed_mount);
  must(::chdir(merged) == 0, failed_mount);
  must(::mount("proc", "proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, nullptr) == 0, failed_mount);
  must(::mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=65536k") == 0, failed_mount);
  for (const char* path : {"dev/pts", "dev/shm", "dev/mqueue"}) must(::mkdir(path, 0755) == 0, failed_mount);
  must(::mount("devpts", "dev/pts", "devpts", MS_NOSUID, "newinstance,ptmxmode=0666") == 0, failed_mount);
  must(::mount("shm", "dev/shm", "tmpfs", MS_NOSUID, "size=65536k") == 0, failed_mount);
  must(::mount("mqueue", "dev/mqueue", "mqueue", MS_NOSUID, nullptr) == 0, failed_mount);
  if (namespaces & CLONE_NEWNET) must(::mount("sysfs", "sys", "sysfs", MS_RDONLY, nullptr) == 0, failed_mount);
  must(::syscall(SYS_pivot_root, ".", ".") == 0, failed_pivot);
  must(::umount2(".", MNT_DETACH) == 0 && ::chdir("/") == 0, failed_pivot);
}

[[noreturn]] void child(const step& s, const overlay_folders* folders, int go_fd) {
  char byte;
  if (go_fd >= 0) must(::read(go_fd, &byte, 1) == 1, failed_wait);
  if (folders) mount_root(folders->merged.c_str(), folders->mount_options.c_str(), s.namespaces);
  ::execl("/bin/busybox", "true", nullptr);
  ::_exit(failed_exec);
}

// ---- in the parent

pid_t clone_child(const step& s, int cgroup_fd) {
  clone_args args{};
  args.flags = s.namespaces | (cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0);
  args.exit_signal = SIGCHLD;
  args.cgroup = cgroup_fd >= 0 ? std::uint64_t(cgroup_fd) : 0;
  return pid_t(::syscall(SYS_clone3, &args, sizeof args));
}

/// Ends the process whatever happens between its clone and its normal end.
class running {
public:
  explicit running(pid_t pid) : pid_(pid) {}
  ~running() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  running(const running&) = delete;
  running& operator=(const running&) = delete;

  int wait() {
    int status = 0;
    if (::waitpid(pid_, &status, 0) < 0) fail("waitpid");
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

private:
  pid_t pid_;
};

struct pipe_pair {
  int fds[2] = {-1, -1};
  pipe_pair() {
    if (::pipe2(fds, O_CLOEXEC) != 0) fail("pipe");
  }
  ~pipe_pair() {
    ::close(fds[0]);
    ::close(fds[1]);
  }
  pipe_pair(const pipe_pair&) = delete;
  pipe_pair& operator=(const pipe_pair&) = delete;
};

void run_container(const machine& m, const step& s, const std::string& rootfs, const std::string& work,
                   unsigned number) {
  const std::string name = std::to_string(::getpid()) + "-" + std::to_string(number);
  std::unique_ptr<overlay_folders> folders;
  if (s.overlay) folders = std::make_unique<overlay_folders>(rootfs, work + "/" + name);
  const container_groups cgroups(m, s.cgroup, name);
  const pipe_pair go;

  const pid_t pid = clone_child(s, cgroups.v2_fd());
  if (pid < 0) fail("clone3");
  if (pid == 0) child(s, folders.get(), s.cgroup == groups::v1 ? go.fds[0] : -1);
  running process(pid);
  if (s.cgroup == groups::v1) {
    cgroups.enter_v1(pid);
    if (::write(go.fds[1], "x", 1) != 1) fail("write");
  }
  if (const int status = process.wait(); status != 0) {
    throw std::runtime_error(std::string(s.name) + ": exit status " + std::to_string(status));
  }
}

struct options {
  std::string rootfs;
  std::string work = "/tmp";
  unsigned count = 100;
  unsigned threads = 1;
  bool json = false;
};

double run_step(const machine& m, const step& s, const options& opts, const std::string& work, figures& all) {
  std::atomic<unsigned> next{0};
  std::mutex guard;
  std::exception_ptr failure;
  const auto begin = clock::now();
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < opts.threads; ++t) {
    threads.emplace_back([&] {
      figures mine;
      std::exception_ptr failed;
      try {
        for (unsigned number = next++; number < opts.count; number = next++) {
          const auto start = clock::now();
          run_container(m, s, opts.rootfs, work, number);
          mine.add(ms_since(start));
        }
      } catch (...) {
        failed = std::current_exception();
        next = opts.count;
      }
      const std::lock_guard lock(guard);
      all.add(mine);
      if (failed) failure = failed;
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = ms_since(begin) / 1000;
  if (failure) std::rethrow_exception(failure);
  all.sort();
  return opts.count / seconds;
}

void run_all(const options& opts, const std::string& work) {
  const machine m = machine::look();
  if (opts.json)
    std::printf("[");
  else
    std::printf("%u containers, %u thread(s)\n%-22s %s      rate\n", opts.count, opts.threads, "", figures::heading());
  bool first = true;
  for (const step& s : steps) {
    if (!m.can(s)) {
      std::fprintf(stderr, "bench_floor: skipped `%s`: no such cgroup hierarchy here\n", s.name);
      continue;
    }
    figures all;
    const double rate = run_step(m, s, opts, work, all);
    if (opts.json) {
      std::printf(R"(%s{"step":"%s","threads":%u,"count":%u,"rate":%.2f,"total":%s})", first ? "" : ",", s.name,
                  opts.threads, opts.count, rate, all.json().c_str());
    } else {
      std::printf("%-22s %s %7.0f /s\n", s.name, all.row().c_str(), rate);
    }
    first = false;
  }
  if (opts.json) std::printf("]\n");
}

options read_options(int argc, char** argv) {
  options opts;
  arguments args(usage);
  args.value("--rootfs", opts.rootfs);
  args.value("--work", opts.work);
  args.value("--count", opts.count);
  args.value("--threads", opts.threads);
  args.flag("--json", opts.json);
  args.parse(argc, argv);
  if (opts.rootfs.empty()) args.fail();
  return opts;
}

} // namespace
} // namespace gantry::bench

int main(int argc, char** argv) {
  using namespace gantry::bench;
  const options opts = read_options(argc, argv);
  std::string work = opts.work + "/gantry-floor-XXXXXX";
  int status = 0;
  try {
    if (!::mkdtemp(work.data())) fail("mkdtemp `" + work + "`");
    run_all(opts, work);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_floor: %s\n", e.what());
    status = 1;
  }
  std::error_code ignored;
  fs::remove_all(work, ignored);
  return status;
}
