/// A small interpreter of the classic BPF that seccomp runs: it answers what a filter would say, without installing it.
#include <cstring>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include "runtime/process.hpp"

namespace gantry::runtime {

namespace {

struct machine {
  std::uint32_t a = 0, x = 0;
  std::uint32_t memory[BPF_MEMWORDS] = {};
};

std::uint32_t alu(std::uint16_t code, std::uint32_t a, std::uint32_t v) {
  switch (BPF_OP(code)) {
  case BPF_ADD:
    return a + v;
  case BPF_SUB:
    return a - v;
  case BPF_MUL:
    return a * v;
  case BPF_DIV:
    return v == 0 ? 0 : a / v;
  case BPF_OR:
    return a | v;
  case BPF_AND:
    return a & v;
  case BPF_XOR:
    return a ^ v;
  case BPF_LSH:
    return v < 32 ? a << v : 0;
  case BPF_RSH:
    return v < 32 ? a >> v : 0;
  case BPF_NEG:
    return 0u - a;
  default:
    return a;
  }
}

bool taken(std::uint16_t code, std::uint32_t a, std::uint32_t v) {
  switch (BPF_OP(code)) {
  case BPF_JEQ:
    return a == v;
  case BPF_JGT:
    return a > v;
  case BPF_JGE:
    return a >= v;
  case BPF_JSET:
    return (a & v) != 0;
  default:
    return true;
  }
}

} // namespace

std::uint32_t run_filter(std::string_view bytes, std::uint32_t arch, std::int32_t number,
                         const std::uint64_t (&args)[6]) noexcept {
  seccomp_data data{};
  data.nr = number;
  data.arch = arch;
  std::memcpy(data.args, args, sizeof data.args);
  const auto load = [&](std::uint32_t at) {
    std::uint32_t word = 0;
    if (at + sizeof word <= sizeof data) std::memcpy(&word, reinterpret_cast<const char*>(&data) + at, sizeof word);
    return word;
  };
  machine m;
  const std::size_t count = bytes.size() / sizeof(sock_filter);
  for (std::size_t pc = 0; pc < count; ++pc) {
    sock_filter i;
    std::memcpy(&i, bytes.data() + pc * sizeof i, sizeof i);
    const std::uint32_t operand = BPF_SRC(i.code) == BPF_X ? m.x : i.k;
    switch (BPF_CLASS(i.code)) {
    case BPF_LD:
      m.a = BPF_MODE(i.code) == BPF_ABS   ? load(i.k)
            : BPF_MODE(i.code) == BPF_MEM ? m.memory[i.k % BPF_MEMWORDS]
            : BPF_MODE(i.code) == BPF_LEN ? static_cast<std::uint32_t>(sizeof data)
                                          : i.k;
      break;
    case BPF_LDX:
      m.x = BPF_MODE(i.code) == BPF_MEM ? m.memory[i.k % BPF_MEMWORDS] : i.k;
      break;
    case BPF_ST:
      m.memory[i.k % BPF_MEMWORDS] = m.a;
      break;
    case BPF_STX:
      m.memory[i.k % BPF_MEMWORDS] = m.x;
      break;
    case BPF_ALU:
      m.a = alu(i.code, m.a, operand);
      break;
    case BPF_JMP:
      if (BPF_OP(i.code) == BPF_JA)
        pc += i.k;
      else
        pc += taken(i.code, m.a, operand) ? i.jt : i.jf;
      break;
    case BPF_RET:
      return BPF_RVAL(i.code) == BPF_A ? m.a : i.k;
    case BPF_MISC:
      if (BPF_MISCOP(i.code) == BPF_TAX)
        m.x = m.a;
      else
        m.a = m.x;
      break;
    default:
      return SECCOMP_RET_KILL_PROCESS;
    }
  }
  return SECCOMP_RET_KILL_PROCESS;
}

bool refuses_keys(std::string_view program) noexcept {
  if (program.empty()) return false;
  const std::uint64_t none[6] = {};
  for (const int number : {SYS_add_key, SYS_request_key, SYS_keyctl})
    if ((run_filter(program, AUDIT_ARCH_X86_64, number, none) & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ALLOW)
      return false;
  return true;
}

} // namespace gantry::runtime
