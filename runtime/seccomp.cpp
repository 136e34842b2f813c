/// Profiles to programs by libseccomp, and the two things that it does not do: system calls that are newer than itself,
/// and ENOSYS instead of EPERM for those that are newer than the profile.
#include "runtime/seccomp.hpp"

#include <algorithm>
#include <cerrno>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <map>
#include <memory>
#include <optional>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/base/unique_fd.hpp"
#include "runtime/files.hpp"
#include "runtime/seccomp_compact.hpp"
#include "runtime/seccomp_profile.hpp"

namespace gantry::runtime {

namespace {

/// BPF_MAXINSNS of the kernel, in instructions.
constexpr std::size_t filter_instructions_max = 4096;

error wrong(std::string what) { return error{errc::invalid_parameter, 0, std::move(what)}; }

struct named_call {
  std::string_view name;
  int number;
};
/// From here on a number is the same on all architectures.
constexpr int first_shared_number = 424;
/// Calls that libseccomp 2.5.4 does not know.
constexpr named_call newer_calls[] = {
    {"cachestat", 451},         {"fchmodat2", 452},         {"map_shadow_stack", 453}, {"futex_wake", 454},
    {"futex_wait", 455},        {"futex_requeue", 456},     {"statmount", 457},        {"listmount", 458},
    {"lsm_get_self_attr", 459}, {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
    {"setxattrat", 463},        {"getxattrat", 464},        {"listxattrat", 465},      {"removexattrat", 466},
    {"open_tree_attr", 467},    {"file_getattr", 468},      {"file_setattr", 469},
#if defined(__x86_64__)
    {"uretprobe", 335},
#endif
};

std::optional<int> newer_call(std::string_view name) {
  for (const auto& c : newer_calls)
    if (c.name == name) return c.number;
  return std::nullopt;
}

result<std::uint32_t> action_of(const std::string& name, std::optional<std::uint32_t> errno_value) {
  const auto data = errno_value.value_or(EPERM);
  if (name == "SCMP_ACT_ALLOW") return SCMP_ACT_ALLOW;
  if (name == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(data);
  if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD") return SCMP_ACT_KILL_THREAD;
  if (name == "SCMP_ACT_KILL_PROCESS") return SCMP_ACT_KILL_PROCESS;
  if (name == "SCMP_ACT_TRAP") return SCMP_ACT_TRAP;
  if (name == "SCMP_ACT_TRACE") return SCMP_ACT_TRACE(data);
  if (name == "SCMP_ACT_LOG") return SCMP_ACT_LOG;
  if (name == "SCMP_ACT_NOTIFY") return error{errc::not_implemented, 0, "seccomp: SCMP_ACT_NOTIFY is not supported"};
  return wrong("string " + name + " is not a valid action for seccomp");
}

result<scmp_compare> operator_of(const std::string& name) {
  static const std::map<std::string, scmp_compare> names = {
      {"SCMP_CMP_NE", SCMP_CMP_NE},
      {"SCMP_CMP_LT", SCMP_CMP_LT},
      {"SCMP_CMP_LE", SCMP_CMP_LE},
      {"SCMP_CMP_EQ", SCMP_CMP_EQ},
      {"SCMP_CMP_GE", SCMP_CMP_GE},
      {"SCMP_CMP_GT", SCMP_CMP_GT},
      {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
  };
  const auto found = names.find(name);
  if (found == names.end()) return wrong("string " + name + " is not a valid operator for seccomp");
  return found->second;
}

result<std::uint32_t> architecture_of(const std::string& name) {
  static const std::map<std::string, std::uint32_t> names = {
      {"SCMP_ARCH_X86", SCMP_ARCH_X86},
      {"SCMP_ARCH_X86_64", SCMP_ARCH_X86_64},
      {"SCMP_ARCH_X32", SCMP_ARCH_X32},
      {"SCMP_ARCH_ARM", SCMP_ARCH_ARM},
      {"SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64},
      {"SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64},
      {"SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE},
      {"SCMP_ARCH_S390X", SCMP_ARCH_S390X},
      {"SCMP_ARCH_S390", SCMP_ARCH_S390},
      {"SCMP_ARCH_MIPS", SCMP_ARCH_MIPS},
      {"SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64},
      {"SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32},
      {"SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL},
      {"SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64},
      {"SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32},
      {"SCMP_ARCH_PPC", SCMP_ARCH_PPC},
      {"SCMP_ARCH_PPC64", SCMP_ARCH_PPC64},
  };
  const auto found = names.find(name);
  if (found == names.end()) return wrong("string " + name + " is not a valid arch for seccomp");
  return found->second;
}

#if defined(__x86_64__)
constexpr std::uint32_t native_arch = AUDIT_ARCH_X86_64;
/// libseccomp's names and the kernel's; x32 shares the first one's.
constexpr std::pair<std::uint32_t, std::uint32_t> table_archs[] = {{SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64},
                                                                   {SCMP_ARCH_X86, AUDIT_ARCH_I386}};
#else
constexpr std::uint32_t native_arch = AUDIT_ARCH_AARCH64;
constexpr std::pair<std::uint32_t, std::uint32_t> table_archs[] = {{SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64},
                                                                   {SCMP_ARCH_ARM, AUDIT_ARCH_ARM}};
#endif

struct context_deleter {
  void operator()(void* context) const noexcept { ::seccomp_release(context); }
};
using context = std::unique_ptr<void, context_deleter>;

class compiler {
public:
  explicit compiler(const seccomp_profile& profile) : profile_(profile) {}

  result<std::string> compile() {
    GANTRY_TRY(default_action, action_of(profile_.default_action, profile_.default_errno));
    default_action_ = default_action;
    context_.reset(::seccomp_init(default_action));
    if (!context_) return wrong("seccomp: the default action is not supported");
    (void)::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_NNP, 0);
    // A binary tree instead of a list: fewer steps for each call of the container, and the kernel's walk of the filter
    // for every call number when it is installed becomes cheap.
    (void)::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
    for (const auto& name : profile_.architectures) {
      GANTRY_TRY(arch, architecture_of(name));
      const int rc = ::seccomp_arch_add(context_.get(), arch);
      if (rc != 0 && rc != -EEXIST) return sys_error("seccomp: add architecture " + name, -rc);
    }
    for (const auto& rule : profile_.rules) GANTRY_TRYV(add(rule));
    GANTRY_TRY(program, export_program());
    return finish(std::move(program));
  }

private:
  result<> add(const seccomp_rule& rule) {
    GANTRY_TRY(action, action_of(rule.action, rule.errno_value));
    GANTRY_TRY(conditions, conditions_of(rule));
    for (const auto& name : rule.names) {
      const int number = ::seccomp_syscall_resolve_name(name.c_str());
      if (number == __NR_SCMP_ERROR) {
        // Names that nobody knows are of other kernels: skipped, as by Docker.
        if (const auto newer = newer_call(name); newer && rule.conditions.empty()) newer_[*newer] = action;
        continue;
      }
      newest_ = std::max(newest_, number);
      if (action == default_action_) continue;
      GANTRY_TRYV(add_call(name, number, action, conditions));
    }
    return {};
  }

  static result<std::vector<scmp_arg_cmp>> conditions_of(const seccomp_rule& rule) {
    std::vector<scmp_arg_cmp> out;
    for (const auto& c : rule.conditions) {
      GANTRY_TRY(op, operator_of(c.op));
      scmp_arg_cmp compare{};
      compare.arg = c.index;
      compare.op = op;
      compare.datum_a = c.value;
      compare.datum_b = c.value_two;
      out.push_back(compare);
    }
    return out;
  }

  result<> add_call(const std::string& name, int number, std::uint32_t action,
                    const std::vector<scmp_arg_cmp>& conditions) {
    // Conditions on one argument twice cannot stand in one rule of libseccomp: then each is its own, as with runc.
    std::vector<std::uint32_t> seen;
    bool apart = false;
    for (const auto& c : conditions) {
      apart = apart || std::find(seen.begin(), seen.end(), c.arg) != seen.end();
      seen.push_back(c.arg);
    }
    int rc = 0;
    if (!apart)
      rc = ::seccomp_rule_add_array(context_.get(), action, number, static_cast<unsigned>(conditions.size()),
                                    conditions.data());
    else
      for (const auto& c : conditions)
        if (rc == 0) rc = ::seccomp_rule_add_array(context_.get(), action, number, 1, &c);
    // EEXIST: the profile says it twice.
    if (rc != 0 && rc != -EEXIST) return sys_error("seccomp: add rule for " + name, -rc, errc::invalid_parameter);
    return {};
  }

  result<std::string> export_program() {
    const unique_fd file{::memfd_create("seccomp", MFD_CLOEXEC)};
    if (!file) return sys_error("seccomp: memfd", errno);
    if (const int rc = ::seccomp_export_bpf(context_.get(), file.get()); rc != 0)
      return sys_error("seccomp: export", -rc);
    if (::lseek(file.get(), 0, SEEK_SET) < 0) return sys_error("seccomp: export", errno);
    return read_all(file.get(), "seccomp program", filter_instructions_max * sizeof(sock_filter));
  }

  [[nodiscard]] bool refuses_by_default() const {
    const auto kind = default_action_ & SECCOMP_RET_ACTION_FULL;
    return kind == SECCOMP_RET_ERRNO || kind == SECCOMP_RET_KILL_THREAD || kind == SECCOMP_RET_KILL_PROCESS ||
           kind == SECCOMP_RET_TRAP;
  }

  /// The same answers in fewer instructions, and two that libseccomp cannot give: the profile's for calls that it does
  /// not know, and ENOSYS for calls that are newer than every call of the profile, because programs fall back to older
  /// calls for that and not for EPERM.
  result<std::string> finish(std::string program) const {
    std::vector<seccomp_table> tables;
    for (const auto& arch : table_archs) {
      if (::seccomp_arch_exist(context_.get(), arch.first) != 0) continue;
      seccomp_table table{arch.second, {}};
      if (refuses_by_default() && !profile_.rules.empty()) add_newer(table);
      tables.push_back(std::move(table));
    }
    if (tables.empty()) return program;
    auto small = compact_seccomp(program, tables);
    if (small.has_error()) return small.error().code == errc::not_implemented ? result<std::string>(program) : small;
    if (small->size() / sizeof(sock_filter) > filter_instructions_max)
      return wrong("seccomp: the profile makes a program that is too long");
    return small;
  }

  void add_newer(seccomp_table& table) const {
    auto& over = table.overrides;
    for (const auto& [number, action] : newer_)
      if (number >= first_shared_number || table.arch == native_arch)
        over.actions[static_cast<std::uint32_t>(number)] = action;
    const int newest = std::max(newest_, newer_.empty() ? 0 : newer_.rbegin()->first);
    over.newer_from = static_cast<std::uint32_t>(newest) + 1;
    over.newer_to = 0x40000000; // above are x32's numbers
    over.newer_action = SECCOMP_RET_ERRNO | ENOSYS;
  }

  const seccomp_profile& profile_;
  context context_;
  std::uint32_t default_action_ = 0;
  std::map<int, std::uint32_t> newer_; ///< by number
  int newest_ = 0;                     ///< newest call that the profile names and libseccomp knows
};

} // namespace

result<std::uint32_t> seccomp_flags(std::string_view profile_json) {
  if (profile_json.data() == default_seccomp_profile().data()) return SECCOMP_FILTER_FLAG_SPEC_ALLOW;
  GANTRY_TRY(profile, read_seccomp_profile(profile_json, 0));
  if (profile.flags.empty()) return SECCOMP_FILTER_FLAG_SPEC_ALLOW;
  std::uint32_t flags = 0;
  for (const auto& name : profile.flags) {
    if (name == "SECCOMP_FILTER_FLAG_LOG")
      flags |= SECCOMP_FILTER_FLAG_LOG;
    else if (name == "SECCOMP_FILTER_FLAG_SPEC_ALLOW")
      flags |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    else if (name == "SECCOMP_FILTER_FLAG_TSYNC")
      continue; // for programs of several threads; a container's has one here
    else
      return wrong("unknown seccomp flag " + name);
  }
  return flags;
}

result<std::string> compile_seccomp(std::string_view profile_json, std::uint64_t capabilities) {
  GANTRY_TRY(profile, read_seccomp_profile(profile_json, capabilities));
  return compiler(profile).compile();
}

} // namespace gantry::runtime
