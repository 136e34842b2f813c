#include "runtime/device_rules.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/base/unique_fd.hpp"
#include "runtime/syscalls.hpp"

namespace gantry::runtime {

namespace {

struct default_rule {
  bool allow;
  const char* type;
  int major, minor; ///< -1: any
  const char* access;
};
/// Docker's set (behaviours 116) and what runc adds: making any node, the standard ones, pseudo terminals.
constexpr default_rule default_rules[] = {
    {false, "a", -1, -1, "rwm"},  {true, "c", -1, -1, "m"}, {true, "b", -1, -1, "m"}, {true, "c", 1, 3, "rwm"},
    {true, "c", 1, 5, "rwm"},     {true, "c", 1, 7, "rwm"}, {true, "c", 1, 8, "rwm"}, {true, "c", 1, 9, "rwm"},
    {true, "c", 5, 0, "rwm"},     {true, "c", 5, 1, "rwm"}, {true, "c", 5, 2, "rwm"}, {true, "c", 136, -1, "rwm"},
    {false, "c", 10, 229, "rwm"},
};

pb::DeviceRule to_rule(const default_rule& d) {
  pb::DeviceRule rule;
  rule.set_allow(d.allow);
  rule.set_type(d.type);
  if (d.major >= 0) rule.set_major(d.major);
  if (d.minor >= 0) rule.set_minor(d.minor);
  rule.set_access(d.access);
  return rule;
}

bpf_insn insn(int code, int dst, int src, int offset, int imm) {
  bpf_insn i{};
  i.code = static_cast<__u8>(code);
  i.dst_reg = static_cast<__u8>(dst & 0xf);
  i.src_reg = static_cast<__u8>(src & 0xf);
  i.off = static_cast<__s16>(offset);
  i.imm = imm;
  return i;
}

int access_bits(const std::string& access) {
  int bits = 0;
  for (const char c : access)
    bits |= c == 'r' ? BPF_DEVCG_ACC_READ : c == 'w' ? BPF_DEVCG_ACC_WRITE : c == 'm' ? BPF_DEVCG_ACC_MKNOD : 0;
  return bits;
}

constexpr int access_all = BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD;
/// Registers: 2 type, 3 access, 4 major, 5 minor of the request; 1 is scratch.
constexpr int r_result = 0, r_scratch = 1, r_type = 2, r_access = 3, r_major = 4, r_minor = 5;

/// One rule: jumps over its own end when something does not match.
void append_rule(std::vector<bpf_insn>& program, const pb::DeviceRule& rule) {
  std::vector<bpf_insn> block;
  std::vector<std::size_t> misses;
  const auto jump_if_not = [&](int reg, int value) {
    misses.push_back(block.size());
    block.push_back(insn(BPF_JMP | BPF_JNE | BPF_K, reg, 0, 0, value));
  };
  if (rule.type() == "c") jump_if_not(r_type, BPF_DEVCG_DEV_CHAR);
  if (rule.type() == "b") jump_if_not(r_type, BPF_DEVCG_DEV_BLOCK);
  const int bits = access_bits(rule.access());
  if (bits != access_all) {
    block.push_back(insn(BPF_ALU64 | BPF_MOV | BPF_X, r_scratch, r_access, 0, 0));
    if (rule.allow()) { // every access asked for must be among the allowed ones
      block.push_back(insn(BPF_ALU64 | BPF_AND | BPF_K, r_scratch, 0, 0, bits));
      misses.push_back(block.size());
      block.push_back(insn(BPF_JMP | BPF_JNE | BPF_X, r_scratch, r_access, 0, 0));
    } else { // any of the denied ones is enough
      block.push_back(insn(BPF_ALU64 | BPF_AND | BPF_K, r_scratch, 0, 0, bits));
      misses.push_back(block.size());
      block.push_back(insn(BPF_JMP | BPF_JEQ | BPF_K, r_scratch, 0, 0, 0));
    }
  }
  if (rule.has_major() && rule.major() >= 0) jump_if_not(r_major, static_cast<int>(rule.major()));
  if (rule.has_minor() && rule.minor() >= 0) jump_if_not(r_minor, static_cast<int>(rule.minor()));
  block.push_back(insn(BPF_ALU64 | BPF_MOV | BPF_K, r_result, 0, 0, rule.allow() ? 1 : 0));
  block.push_back(insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
  for (const auto at : misses) block[at].off = static_cast<__s16>(block.size() - at - 1);
  program.insert(program.end(), block.begin(), block.end());
}

} // namespace

namespace {

bool is_about_all(const pb::DeviceRule& rule) {
  return (rule.type() == "a" || rule.type().empty()) && !rule.has_major() && !rule.has_minor() &&
         (rule.access().empty() || access_bits(rule.access()) == access_all);
}

} // namespace

std::vector<pb::DeviceRule> effective_device_rules(const pb::Resources& r) {
  std::vector<pb::DeviceRule> rules;
  if (r.devices_size() == 0 || !is_about_all(r.devices(0)))
    for (const auto& d : default_rules) rules.push_back(to_rule(d));
  for (const auto& rule : r.devices()) {
    rules.push_back(rule);
    if (is_about_all(rule) || (rule.type() != "a" && !rule.type().empty())) continue;
    // To v1 the letter "a" means everything, whatever numbers follow: a rule about some numbers is meant for both
    // kinds.
    rules.back().set_type("c");
    rules.push_back(rules.back());
    rules.back().set_type("b");
  }
  return rules;
}

std::string device_rule_text(const pb::DeviceRule& rule) {
  const auto number = [](bool has, std::int64_t n) { return has && n >= 0 ? std::to_string(n) : std::string("*"); };
  return (rule.type().empty() ? "a" : rule.type()) + " " + number(rule.has_major(), rule.major()) + ":" +
         number(rule.has_minor(), rule.minor()) + " " + (rule.access().empty() ? "rwm" : rule.access());
}

std::vector<bpf_insn> device_program(const std::vector<pb::DeviceRule>& rules) {
  // struct bpf_cgroup_dev_ctx { u32 access_type (access << 16 | type), major, minor; }, behind r1.
  std::vector<bpf_insn> program{
      insn(BPF_LDX | BPF_MEM | BPF_W, r_type, r_scratch, 0, 0),
      insn(BPF_ALU | BPF_AND | BPF_K, r_type, 0, 0, 0xffff),
      insn(BPF_LDX | BPF_MEM | BPF_W, r_access, r_scratch, 0, 0),
      insn(BPF_ALU | BPF_RSH | BPF_K, r_access, 0, 0, 16),
      insn(BPF_LDX | BPF_MEM | BPF_W, r_major, r_scratch, 4, 0),
      insn(BPF_LDX | BPF_MEM | BPF_W, r_minor, r_scratch, 8, 0),
  };
  bool ends = false;
  for (auto rule = rules.rbegin(); rule != rules.rend() && !ends; ++rule) {
    append_rule(program, *rule);
    // Nothing after a rule that matches all is reached, and the verifier refuses what cannot be reached.
    ends = rule->type() != "c" && rule->type() != "b" && access_bits(rule->access()) == access_all &&
           !(rule->has_major() && rule->major() >= 0) && !(rule->has_minor() && rule->minor() >= 0);
  }
  if (!ends) {
    program.push_back(insn(BPF_ALU64 | BPF_MOV | BPF_K, r_result, 0, 0, 0));
    program.push_back(insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
  }
  return program;
}

namespace {

/// Most containers have the same rules, and the kernel verifies a program each time that it is loaded: the last one is
/// kept. Thread: the launcher's only one, or a child's.
result<int> load_device_program(const std::vector<bpf_insn>& program) {
  static std::vector<bpf_insn> last;
  static unique_fd loaded;
  const auto same = [&] {
    return loaded && last.size() == program.size() &&
           std::memcmp(last.data(), program.data(), program.size() * sizeof(bpf_insn)) == 0;
  };
  if (same()) return loaded.get();
  bpf_attr load{};
  load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  load.insns = reinterpret_cast<__u64>(program.data());
  load.insn_cnt = static_cast<__u32>(program.size());
  load.license = reinterpret_cast<__u64>("Apache-2.0");
  loaded.reset(sys_bpf(BPF_PROG_LOAD, load));
  if (!loaded) return sys_error("load the device program", errno);
  last = program;
  return loaded.get();
}

/// Whether this very program guards the group already: the kernel refuses to attach one twice.
bool is_attached(int cgroup_dirfd, int programfd) {
  bpf_prog_info info{};
  bpf_attr ask{};
  ask.info.bpf_fd = static_cast<__u32>(programfd);
  ask.info.info_len = sizeof info;
  ask.info.info = reinterpret_cast<__u64>(&info);
  if (sys_bpf(BPF_OBJ_GET_INFO_BY_FD, ask) != 0) return false;
  __u32 ids[64] = {};
  bpf_attr query{};
  query.query.target_fd = static_cast<__u32>(cgroup_dirfd);
  query.query.attach_type = BPF_CGROUP_DEVICE;
  query.query.prog_ids = reinterpret_cast<__u64>(ids);
  query.query.prog_cnt = 64;
  if (sys_bpf(BPF_PROG_QUERY, query) != 0) return false;
  return std::find(ids, ids + query.query.prog_cnt, info.id) != ids + query.query.prog_cnt;
}

} // namespace

result<> attach_device_program(int cgroup_dirfd, const std::vector<pb::DeviceRule>& rules) {
  GANTRY_TRY(programfd, load_device_program(device_program(rules)));
  bpf_attr attach{};
  attach.target_fd = static_cast<__u32>(cgroup_dirfd);
  attach.attach_bpf_fd = static_cast<__u32>(programfd);
  attach.attach_type = BPF_CGROUP_DEVICE;
  attach.attach_flags = BPF_F_ALLOW_MULTI;
  if (sys_bpf(BPF_PROG_ATTACH, attach) == 0) return {};
  const int err = errno;
  if (err == EINVAL && is_attached(cgroup_dirfd, programfd)) return {};
  return sys_error("attach the device program", err);
}

} // namespace gantry::runtime
