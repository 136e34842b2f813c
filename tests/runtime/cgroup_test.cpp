/// Control groups on this host's hierarchies, and the parts for other hosts as far as they can be tried here.
#include "tests/runtime/container_run.hpp"

#include <linux/bpf.h>

#include "runtime/cgroup_limits.hpp"
#include "runtime/device_rules.hpp"
#include "runtime/files.hpp"
#include "runtime/syscalls.hpp"

using namespace gantry;
using namespace gantry::runtime;
using namespace gantry::runtime::testing;
namespace fs = std::filesystem;

namespace {

std::string base(const char* name) { return "/tmp/gantry-cgroup-" + std::to_string(::getpid()) + "-" + name; }

std::string value(const cgroup_layout& layout, const char* controller, const std::string& path, const char* file) {
  for (const auto& h : layout.hierarchies)
    if (has_controller(h.controllers, controller)) return file_text(h.mount_point + path + "/" + file);
  return "no " + std::string(controller);
}

bool exists_anywhere(const cgroup_layout& layout, const std::string& path) {
  for (const auto& h : layout.hierarchies)
    if (fs::exists(h.mount_point + path)) return true;
  return !layout.unified_mount_point.empty() && fs::exists(layout.unified_mount_point + path);
}

pb::DeviceRule rule(bool allow, const char* type, int major, int minor, const char* access) {
  pb::DeviceRule r;
  r.set_allow(allow);
  r.set_type(type);
  if (major >= 0) r.set_major(major);
  if (minor >= 0) r.set_minor(minor);
  r.set_access(access);
  return r;
}

/// Runs the few instructions that device programs are made of.
int run_device_program(const std::vector<bpf_insn>& program, std::uint32_t type, std::uint32_t access,
                       std::uint32_t major, std::uint32_t minor) {
  const std::uint32_t context[3] = {access << 16 | type, major, minor};
  std::uint64_t reg[11] = {};
  for (std::size_t pc = 0; pc < program.size(); ++pc) {
    const auto& i = program[pc];
    const std::uint64_t operand = BPF_SRC(i.code) == BPF_X ? reg[i.src_reg] : static_cast<std::uint64_t>(i.imm);
    auto& dst = reg[i.dst_reg];
    switch (i.code) {
    case BPF_LDX | BPF_MEM | BPF_W:
      dst = context[i.off / 4];
      break;
    case BPF_ALU | BPF_AND | BPF_K:
      dst = static_cast<std::uint32_t>(dst & operand);
      break;
    case BPF_ALU | BPF_RSH | BPF_K:
      dst = static_cast<std::uint32_t>(dst) >> operand;
      break;
    case BPF_ALU64 | BPF_AND | BPF_K:
      dst &= operand;
      break;
    case BPF_ALU64 | BPF_MOV | BPF_K:
    case BPF_ALU64 | BPF_MOV | BPF_X:
      dst = operand;
      break;
    case BPF_JMP | BPF_JNE | BPF_K:
    case BPF_JMP | BPF_JNE | BPF_X:
      pc += dst != operand ? static_cast<std::size_t>(i.off) : 0;
      break;
    case BPF_JMP | BPF_JEQ | BPF_K:
      pc += dst == operand ? static_cast<std::size_t>(i.off) : 0;
      break;
    case BPF_JMP | BPF_EXIT:
      return static_cast<int>(reg[0]);
    default:
      FAIL("instruction " << int(i.code));
      return -1;
    }
  }
  FAIL("ran off the end");
  return -1;
}

constexpr std::uint32_t chr = BPF_DEVCG_DEV_CHAR, blk = BPF_DEVCG_DEV_BLOCK;
constexpr std::uint32_t rd = BPF_DEVCG_ACC_READ, wr = BPF_DEVCG_ACC_WRITE, mk = BPF_DEVCG_ACC_MKNOD;

} // namespace

TEST_CASE("the layout of this host is found", "[runtime][cgroup]") {
  const auto layout = cgroup_layout::detect();
  if (layout.has_error()) {
    std::cerr << "skipped: " << layout.error().message << "\n";
    return;
  }
  for (const auto& h : layout->hierarchies) {
    CHECK_FALSE(h.controllers.empty());
    CHECK(fs::exists(h.mount_point + "/cgroup.procs"));
  }
  if (!layout->unified_mount_point.empty()) CHECK(fs::exists(layout->unified_mount_point + "/cgroup.controllers"));
  CHECK((layout->mode == cgroup_layout::kind::v2) == layout->hierarchies.empty());
}

TEST_CASE("limits reach their files, and only the needed hierarchies are joined", "[runtime][cgroup]") {
  GANTRY_NEEDS_CONTAINERS();
  const auto layout = cgroup_layout::detect();
  REQUIRE(layout.has_value());
  if (layout->hierarchies.empty()) {
    std::cerr << "skipped: no cgroup v1 here\n";
    return;
  }
  sample_root root(base("limits"));
  auto spec =
      script(root, "l", "echo ready; cat; cat /proc/self/cgroup; cat /sys/fs/cgroup/memory/memory.limit_in_bytes");
  auto& r = *spec.mutable_cgroup()->mutable_resources();
  r.set_memory_limit_bytes(64 << 20);
  r.set_memory_swap_limit_bytes(128 << 20);
  r.set_memory_reservation_bytes(32 << 20);
  r.set_cpu_shares(512);
  r.set_cpu_period_us(50000);
  r.set_cpu_quota_us(25000);
  r.set_pids_limit(33);
  r.set_cpuset_cpus("0");
  auto in = pipe_pair::make(), out = pipe_pair::make();
  auto running = launch(spec, {std::move(in.read), std::move(out.write), {}});
  if (running.has_error()) FAIL(running.error().message);
  char ready[8] = {};
  REQUIRE(::read(out.read.get(), ready, sizeof ready) == 6);
  const std::string path = spec.cgroup().path();
  CHECK(value(*layout, "memory", path, "memory.limit_in_bytes") == "67108864\n");
  CHECK(value(*layout, "memory", path, "memory.memsw.limit_in_bytes") == "134217728\n");
  CHECK(value(*layout, "memory", path, "memory.soft_limit_in_bytes") == "33554432\n");
  CHECK(value(*layout, "cpu", path, "cpu.shares") == "512\n");
  CHECK(value(*layout, "cpu", path, "cpu.cfs_quota_us") == "25000\n");
  CHECK(value(*layout, "cpu", path, "cpu.cfs_period_us") == "50000\n");
  CHECK(value(*layout, "pids", path, "pids.max") == "33\n");
  CHECK(value(*layout, "cpuset", path, "cpuset.cpus") == "0\n");
  CHECK(value(*layout, "devices", path, "devices.list").find("c 1:3 rwm") != std::string::npos);
  for (const auto& h : layout->hierarchies)
    if (has_controller(h.controllers, "blkio") || h.controllers.starts_with("name="))
      CHECK_FALSE(fs::exists(h.mount_point + path));
  // New limits for a running group, up and down.
  pb::Cgroup change;
  change.set_path(path);
  change.mutable_resources()->set_memory_limit_bytes(256 << 20);
  change.mutable_resources()->set_memory_swap_limit_bytes(512 << 20);
  REQUIRE(update_limits(*layout, change).has_value());
  CHECK(value(*layout, "memory", path, "memory.limit_in_bytes") == "268435456\n");
  change.mutable_resources()->set_memory_limit_bytes(32 << 20);
  change.mutable_resources()->set_memory_swap_limit_bytes(64 << 20);
  REQUIRE(update_limits(*layout, change).has_value());
  CHECK(value(*layout, "memory", path, "memory.memsw.limit_in_bytes") == "67108864\n");

  in.write.reset();
  std::string text;
  REQUIRE(read_to_end({{out.read.get(), &text}}));
  CHECK(text.find(":memory:" + path + "\n") != std::string::npos);
  CHECK(text.ends_with("33554432\n"));
  outcome done;
  wait_for_end(*running, done);
  CHECK(remove(*layout, path).has_value());
  CHECK_FALSE(exists_anywhere(*layout, path));
  CHECK(remove(*layout, path).has_value()); // absent is success
}

TEST_CASE("a limit that the kernel refuses is said with its file and value", "[runtime][cgroup]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("refused"));
  auto spec = script(root, "r", "true");
  spec.mutable_cgroup()->mutable_resources()->set_cpuset_cpus("4000");
  const auto failure = run(spec).failure;
  REQUIRE(failure);
  CHECK(failure->message.find("cgroup: write `4000` to cpuset.cpus") != std::string::npos);
  const auto layout = cgroup_layout::detect();
  CHECK_FALSE(exists_anywhere(*layout, spec.cgroup().path()));
}

TEST_CASE("killed for memory is seen, and so is a limit too small to start with", "[runtime][cgroup]") {
  GANTRY_NEEDS_CONTAINERS();
  const auto layout = cgroup_layout::detect();
  REQUIRE(layout.has_value());
  sample_root root(base("oom"));
  auto spec = script(root, "o", "dd if=/dev/zero of=/dev/shm/x bs=1M count=60 2>/dev/null");
  spec.mutable_cgroup()->mutable_resources()->set_memory_limit_bytes(16 << 20);
  spec.mutable_cgroup()->mutable_resources()->set_memory_swap_limit_bytes(16 << 20);
  auto running = launch(spec);
  REQUIRE(running.has_value());
  outcome done;
  wait_for_end(*running, done);
  CHECK(oom_killed(*layout, spec.cgroup().path()));
  CHECK(remove(*layout, spec.cgroup().path()).has_value());
  CHECK_FALSE(oom_killed(*layout, spec.cgroup().path()));

  auto tiny = script(root, "t", "true");
  tiny.mutable_cgroup()->mutable_resources()->set_memory_limit_bytes(4096);
  tiny.mutable_cgroup()->mutable_resources()->set_memory_swap_limit_bytes(4096);
  const auto failed = run(tiny);
  REQUIRE(failed.failure);
  CHECK(failed.failure->message.ends_with("container init was OOM-killed (memory limit too low?)"));
}

TEST_CASE("every process of a group is signalled, and the group goes with what is nested in it", "[runtime][cgroup]") {
  GANTRY_NEEDS_CONTAINERS();
  const auto layout = cgroup_layout::detect();
  REQUIRE(layout.has_value());
  sample_root root(base("all"));
  // In the host's pid namespace the children outlive the first process, as with --pid=host.
  auto spec = script(root, "a", "sleep 1000 & sleep 1000 & echo ready; cat; exit 3");
  spec.mutable_namespaces()->mutable_pid()->set_mode(pb::Namespaces::HOST);
  auto in = pipe_pair::make(), out = pipe_pair::make();
  auto running = launch(spec, {std::move(in.read), std::move(out.write), {}});
  REQUIRE(running.has_value());
  char ready[8] = {};
  REQUIRE(::read(out.read.get(), ready, sizeof ready) == 6);
  const std::string path = spec.cgroup().path();
  CHECK(children(*layout, root.cgroup_parent()) == std::vector<std::string>{"a"});
  const auto removed = remove(*layout, path);
  REQUIRE(removed.has_error());
  CHECK(removed.error().code == errc::conflict);
  in.write.reset();
  outcome done;
  wait_for_end(*running, done);
  CHECK(done.exit_code == 3);
  for (const auto& h : layout->hierarchies)
    if (fs::exists(h.mount_point + path)) fs::create_directories(h.mount_point + path + "/nested/deeper");
  REQUIRE(signal_all(*layout, path, SIGKILL).has_value());
  std::string text;
  CHECK(read_to_end({{out.read.get(), &text}})); // the sleepers held the pipe
  // The pipe is closed early in a process's end: on a busy machine its group is left much later.
  const auto deadline = std::chrono::steady_clock::now() + run_limit;
  while (remove(*layout, path).has_error() && std::chrono::steady_clock::now() < deadline) {
  }
  CHECK_FALSE(exists_anywhere(*layout, path));
  CHECK(remove(*layout, "/").error().code == errc::invalid_parameter);
}

TEST_CASE("devices outside the rules are refused", "[runtime][cgroup]") {
  GANTRY_NEEDS_CONTAINERS();
  sample_root root(base("devices"));
  auto spec = script(root, "d",
                     "mknod /dev/f c 10 237 && echo made; true 2>&1 </dev/f; head -c1 /dev/zero | od -An -tx1; "
                     "mknod /dev/x b 8 0 && echo made; cat /dev/x 2>&1");
  const auto out = run(spec).out;
  CAPTURE(out);
  CHECK(out.find("can't open /dev/f: Operation not permitted") != std::string::npos);
  CHECK(out.find(" 00\n") != std::string::npos);
  CHECK(out.find("Operation not permitted", out.find(" 00\n")) != std::string::npos);
  auto& allowed = *spec.mutable_cgroup()->mutable_resources()->add_devices();
  allowed = rule(true, "c", 10, 237, "r");
  CHECK(run(spec).out.find("can't open /dev/f: Operation not permitted") == std::string::npos);
}

TEST_CASE("device programs: the last matching rule wins", "[runtime][cgroup][devices]") {
  const auto standard = device_program(effective_device_rules({}));
  CHECK(run_device_program(standard, chr, rd | wr, 1, 3) == 1);
  CHECK(run_device_program(standard, chr, mk, 1, 11) == 1); // any node may be made
  CHECK(run_device_program(standard, blk, mk, 8, 0) == 1);
  CHECK(run_device_program(standard, chr, rd, 1, 11) == 0);
  CHECK(run_device_program(standard, blk, rd, 8, 0) == 0);
  CHECK(run_device_program(standard, chr, rd | wr | mk, 136, 5) == 1);
  CHECK(run_device_program(standard, chr, mk, 10, 229) == 0);

  pb::Resources r;
  *r.add_devices() = rule(true, "b", 8, -1, "r");
  *r.add_devices() = rule(false, "b", 8, 1, "rwm");
  const auto more = device_program(effective_device_rules(r));
  CHECK(run_device_program(more, blk, rd, 8, 0) == 1);
  CHECK(run_device_program(more, blk, rd | wr, 8, 0) == 0);
  CHECK(run_device_program(more, blk, rd, 8, 1) == 0);
  CHECK(run_device_program(more, blk, rd, 9, 0) == 0);

  pb::Resources all;
  *all.add_devices() = rule(true, "a", -1, -1, "rwm");
  const auto open = device_program(effective_device_rules(all));
  CHECK(run_device_program(open, blk, rd | wr | mk, 8, 1) == 1);

  pb::Resources some; // "a" with numbers is about both kinds, and opens nothing else
  *some.add_devices() = rule(true, "a", 7, -1, "rwm");
  const auto sevens = device_program(effective_device_rules(some));
  CHECK(run_device_program(sevens, blk, rd, 7, 1) == 1);
  CHECK(run_device_program(sevens, chr, rd, 7, 1) == 1);
  CHECK(run_device_program(sevens, blk, rd, 8, 1) == 0);
}

TEST_CASE("the kernel's verifier takes the device programs", "[runtime][cgroup][devices]") {
  pb::Resources some, all;
  *some.add_devices() = rule(true, "b", 8, -1, "rw");
  *all.add_devices() = rule(true, "a", -1, -1, "rwm");
  for (const auto& r : {pb::Resources(), some, all}) {
    const auto program = device_program(effective_device_rules(r));
    char log[4096] = {};
    bpf_attr load{};
    load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    load.insns = reinterpret_cast<__u64>(program.data());
    load.insn_cnt = static_cast<__u32>(program.size());
    load.license = reinterpret_cast<__u64>("Apache-2.0");
    load.log_buf = reinterpret_cast<__u64>(log);
    load.log_size = sizeof log;
    load.log_level = 4; // statistics alone: a full log that does not fit is an error too
    const unique_fd loaded{sys_bpf(BPF_PROG_LOAD, load)};
    if (!loaded && (errno == EPERM || errno == ENOSYS || (errno == EINVAL && log[0] == '\0'))) {
      std::cerr << "skipped: this kernel loads no device programs: " << std::strerror(errno) << "\n";
      return;
    }
    CAPTURE(log);
    CHECK(loaded.get() >= 0);
  }
}

TEST_CASE("v1's numbers in v2's measures", "[runtime][cgroup]") {
  CHECK(cpu_weight(2) == 1);
  CHECK(cpu_weight(1024) == 39);
  CHECK(cpu_weight(262144) == 10000);
  CHECK(cpu_weight(0) == 1);
  CHECK(cpu_weight(1u << 30) == 10000);
  CHECK(io_weight(10) == 1);
  CHECK(io_weight(1000) == 10000);
  CHECK(has_controller("cpu,cpuacct", "cpuacct"));
  CHECK_FALSE(has_controller("cpuacct", "cpu"));
}

TEST_CASE("v2's files get v2's values", "[runtime][cgroup]") {
  // A directory stands in for a group: what would be written is seen, though no kernel checks it.
  const std::string dir = base("v2");
  fs::create_directories(dir);
  for (const char* f : {"memory.max", "memory.low", "memory.swap.max", "cpu.weight", "cpu.max", "cpuset.cpus",
                        "pids.max", "io.weight", "io.max", "memory.high"})
    std::ofstream(dir + "/" + f) << "";
  const unique_fd fd{::open(dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  pb::Resources r;
  r.set_memory_limit_bytes(100);
  r.set_memory_swap_limit_bytes(150);
  r.set_memory_reservation_bytes(50);
  r.set_cpu_shares(1024);
  r.set_cpu_quota_us(5000);
  r.set_cpuset_cpus("0-1");
  r.set_pids_limit(-1);
  r.set_blkio_weight(500);
  auto& throttle = *r.add_blkio_devices();
  throttle.set_kind(pb::BlkioDevice::WRITE_IOPS);
  throttle.set_major(8);
  throttle.set_minor(16);
  throttle.set_value(77);
  (*r.mutable_unified())["memory.high"] = "90";
  const auto done = limit_v2(fd.get(), r, group_age::existing);
  if (done.has_error()) FAIL(done.error().message);
  CHECK(file_text(dir + "/memory.max") == "100");
  CHECK(file_text(dir + "/memory.swap.max") == "50");
  CHECK(file_text(dir + "/memory.low") == "50");
  CHECK(file_text(dir + "/cpu.weight") == "39");
  CHECK(file_text(dir + "/cpu.max") == "5000 100000");
  CHECK(file_text(dir + "/cpuset.cpus") == "0-1");
  CHECK(file_text(dir + "/pids.max") == "max");
  CHECK(file_text(dir + "/io.weight") == "4950");
  CHECK(file_text(dir + "/memory.high") == "90");
  CHECK(file_text(dir + "/io.max") == "8:16 wiops=77");
  r.set_memory_swap_limit_bytes(-1);
  REQUIRE(limit_v2(fd.get(), r, group_age::existing).has_value());
  CHECK(file_text(dir + "/memory.swap.max").starts_with("max"));
  (*r.mutable_unified())["../escape"] = "1";
  CHECK(limit_v2(fd.get(), r, group_age::existing).error().code == errc::invalid_parameter);
  fs::remove_all(dir);
}
