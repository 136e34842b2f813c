/// Profiles compiled to programs, judged by what the program answers and by what a container may do.
#include "tests/runtime/container_run.hpp"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <set>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <seccomp.h>
#include <simdjson.h>

#include "runtime/capability_names.hpp"
#include "runtime/process.hpp"
#include "runtime/seccomp.hpp"
#include "runtime/seccomp_compact.hpp"
#include "runtime/seccomp_profile.hpp"

using namespace gantry;
using namespace gantry::runtime;
using namespace gantry::runtime::testing;

namespace {

constexpr std::uint32_t allow = SECCOMP_RET_ALLOW;
constexpr std::uint32_t refuse(std::uint32_t err) { return SECCOMP_RET_ERRNO | err; }

std::uint64_t with(std::string_view name) {
  return default_capabilities | std::uint64_t{1} << capability_number(name).value();
}

class program {
public:
  explicit program(std::string_view profile, std::uint64_t capabilities = default_capabilities) {
    auto made = compile_seccomp(profile, capabilities);
    if (made.has_error()) FAIL(made.error().message);
    bytes_ = *made;
  }
  std::uint32_t operator()(std::int32_t number, std::uint64_t a0 = 0, std::uint64_t a1 = 0,
                           std::uint64_t a2 = 0) const {
    return run_filter(bytes_, AUDIT_ARCH_X86_64, number, {a0, a1, a2, 0, 0, 0});
  }
  std::uint32_t on(std::uint32_t arch, std::int32_t number) const { return run_filter(bytes_, arch, number, {}); }
  const std::string& bytes() const { return bytes_; }

private:
  std::string bytes_;
};

std::string message_of(std::string_view profile) {
  const auto made = compile_seccomp(profile, default_capabilities);
  return made.has_error() ? made.error().message : "";
}

} // namespace

TEST_CASE("the default profile answers as Docker's", "[runtime][seccomp]") {
  const program p(default_seccomp_profile());
  CHECK(p(SYS_read) == allow);
  CHECK(p(SYS_clone, 0x11) == allow);
  CHECK(p(SYS_clone, CLONE_NEWUSER) == refuse(EPERM));
  CHECK(p(SYS_clone3) == refuse(ENOSYS)); // so that programs fall back to clone, whose flags can be read
  CHECK(p(SYS_unshare) == refuse(EPERM));
  CHECK(p(SYS_mount) == refuse(EPERM));
  CHECK(p(SYS_bpf) == refuse(EPERM));
  CHECK(p(SYS_keyctl) == refuse(EPERM));
  CHECK(p(SYS_add_key) == refuse(EPERM));
  CHECK(p(425 /* io_uring_setup */) == refuse(EPERM));
  CHECK(p(SYS_chroot) == allow); // SYS_CHROOT is one of the defaults
  CHECK(p(SYS_personality, 0) == allow);
  CHECK(p(SYS_personality, 0xffffffff) == allow);
  CHECK(p(SYS_personality, 1) == refuse(EPERM));
  CHECK(p(SYS_socket, 2 /* AF_INET */) == allow);
  CHECK(p(SYS_socket, 40 /* AF_VSOCK */) == refuse(EPERM));
  CHECK(p(SYS_ptrace) == allow); // since 4.8
  CHECK(p(SYS_arch_prctl) == allow);
}

TEST_CASE("calls newer than libseccomp or than the profile", "[runtime][seccomp]") {
  const program p(default_seccomp_profile());
  for (const int known : {451, 452, 453, 454, 455, 456, 457, 458, 462, 463, 466, 335}) {
    CAPTURE(known);
    CHECK(p(known) == allow);
  }
  CHECK(p(459 /* lsm_get_self_attr: SYS_ADMIN alone */) == refuse(EPERM));
  CHECK(program(default_seccomp_profile(), with("SYS_ADMIN"))(459) == allow);
  CHECK(p(467) == refuse(ENOSYS));
  CHECK(p(600) == refuse(ENOSYS));
  CHECK(p(0x3fffffff) == refuse(ENOSYS));
  // uretprobe's number means another call to a 32-bit program.
  CHECK(p.on(AUDIT_ARCH_I386, 452) == allow);
  CHECK(p.on(AUDIT_ARCH_I386, 600) == refuse(ENOSYS));
}

TEST_CASE("all three tables of the machine are covered, others are killed", "[runtime][seccomp]") {
  const program p(default_seccomp_profile());
  CHECK(p.on(AUDIT_ARCH_I386, 3 /* read */) == allow);
  CHECK(p.on(AUDIT_ARCH_I386, 21 /* mount */) == refuse(EPERM));
  CHECK(p.on(AUDIT_ARCH_X86_64, 0x40000000 + SYS_read) == allow);
  CHECK(p.on(AUDIT_ARCH_X86_64, 0x40000000 + SYS_mount) == refuse(EPERM));
  CHECK(p.on(AUDIT_ARCH_AARCH64, 63) == SECCOMP_RET_KILL_THREAD);
}

TEST_CASE("capabilities open their calls", "[runtime][seccomp]") {
  const program admin(default_seccomp_profile(), with("SYS_ADMIN"));
  CHECK(admin(SYS_mount) == allow);
  CHECK(admin(SYS_clone, CLONE_NEWUSER) == allow);
  CHECK(admin(SYS_clone3) == allow);
  CHECK(admin(SYS_reboot) == refuse(EPERM));
  CHECK(program(default_seccomp_profile(), with("SYS_BOOT"))(SYS_reboot) == allow);
  CHECK(program(default_seccomp_profile(), with("SYS_TIME"))(SYS_settimeofday) == allow);
  CHECK(program(default_seccomp_profile(), 0)(SYS_chroot) == refuse(EPERM));
}

TEST_CASE("operators, actions and errnos", "[runtime][seccomp]") {
  struct row {
    const char* op;
    std::uint64_t value, value_two, arg;
    bool matches;
  };
  const row rows[] = {
      {"SCMP_CMP_EQ", 5, 0, 5, true},
      {"SCMP_CMP_EQ", 5, 0, 6, false},
      {"SCMP_CMP_NE", 5, 0, 6, true},
      {"SCMP_CMP_NE", 5, 0, 5, false},
      {"SCMP_CMP_LT", 5, 0, 4, true},
      {"SCMP_CMP_LT", 5, 0, 5, false},
      {"SCMP_CMP_LE", 5, 0, 5, true},
      {"SCMP_CMP_LE", 5, 0, 6, false},
      {"SCMP_CMP_GT", 5, 0, 6, true},
      {"SCMP_CMP_GT", 5, 0, 5, false},
      {"SCMP_CMP_GE", 5, 0, 5, true},
      {"SCMP_CMP_GE", 5, 0, 4, false},
      {"SCMP_CMP_MASKED_EQ", 0xf0, 0x20, 0x2f, true},
      {"SCMP_CMP_MASKED_EQ", 0xf0, 0x20, 0x3f, false},
      {"SCMP_CMP_EQ", 0x100000005, 0, 5, false},
  };
  for (const auto& x : rows) {
    const std::string profile =
        std::string("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],"
                    "\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":77,\"args\":[{\"index\":1,\"op\":\"") +
        x.op + "\",\"value\":" + std::to_string(x.value) + ",\"valueTwo\":" + std::to_string(x.value_two) + "}]}]}";
    CAPTURE(x.op, x.value, x.arg);
    CHECK(program(profile)(SYS_read, 0, x.arg) == (x.matches ? refuse(77) : allow));
  }
  const auto action = [](const std::string& name) {
    return program("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"name\":\"read\",\"action\":\"" + name +
                   "\"}]}")(SYS_read);
  };
  CHECK(action("SCMP_ACT_ERRNO") == refuse(EPERM));
  CHECK(action("SCMP_ACT_KILL") == SECCOMP_RET_KILL_THREAD);
  CHECK(action("SCMP_ACT_KILL_PROCESS") == SECCOMP_RET_KILL_PROCESS);
  CHECK(action("SCMP_ACT_TRAP") == SECCOMP_RET_TRAP);
  CHECK(action("SCMP_ACT_LOG") == SECCOMP_RET_LOG);
  CHECK(action("SCMP_ACT_TRACE") == (SECCOMP_RET_TRACE | EPERM));
  // Two conditions on one argument are two rules.
  const program both(
      "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ALLOW\","
      "\"args\":[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},{\"index\":0,\"value\":2,\"op\":\"SCMP_CMP_EQ\"}]}]"
      "}");
  CHECK(both(SYS_socket, 1) == allow);
  CHECK(both(SYS_socket, 2) == allow);
  CHECK(both(SYS_socket, 3) == refuse(EPERM));
  const program unknown("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"no_such_call\",\"read\"],"
                        "\"action\":\"SCMP_ACT_ALLOW\"}]}");
  CHECK(unknown(SYS_read) == allow);
}

TEST_CASE("flags of a profile", "[runtime][seccomp]") {
  CHECK(*seccomp_flags(default_seccomp_profile()) == SECCOMP_FILTER_FLAG_SPEC_ALLOW);
  CHECK(*seccomp_flags("{\"defaultAction\":\"SCMP_ACT_ALLOW\"}") == SECCOMP_FILTER_FLAG_SPEC_ALLOW);
  CHECK(*seccomp_flags("{\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\",\"SECCOMP_FILTER_FLAG_TSYNC\"]}") ==
        SECCOMP_FILTER_FLAG_LOG);
  CHECK(seccomp_flags("{\"flags\":[\"FLY\"]}").error().message == "unknown seccomp flag FLY");
}

TEST_CASE("profiles that are none", "[runtime][seccomp]") {
  for (const char* text :
       {"", "{", "[]", "7", "{\"defaultAction\":7}", "{\"defaultAction\":\"X\"}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":{}}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[7]}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":\"read\"}]}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"name\":\"read\",\"names\":[\"read\"]}]}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"name\":\"read\",\"action\":\"SCMP_ACT_ERRNO\","
        "\"args\":[{\"index\":6,\"op\":\"SCMP_CMP_EQ\"}]}]}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_VAX\"]}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"name\":\"read\",\"action\":\"SCMP_ACT_ERRNO\","
        "\"includes\":{\"minKernel\":\"new\"}}]}"}) {
    CAPTURE(text);
    const auto made = compile_seccomp(text, 0);
    REQUIRE(made.has_error());
    CHECK(made.error().code == errc::invalid_parameter);
  }
  CHECK(compile_seccomp("{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", 0).error().code == errc::not_implemented);
}

TEST_CASE("limits of a profile's text: size, depth, rules", "[runtime][seccomp]") {
  std::string deep;
  for (std::size_t i = 0; i < seccomp_profile_depth_max + 1; ++i) deep += "[";
  for (std::size_t i = 0; i < seccomp_profile_depth_max + 1; ++i) deep += "]";
  CHECK(message_of("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"x\":" + deep + "}") != "");
  const std::string fits = "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}";
  CHECK(message_of(fits + std::string(seccomp_profile_bytes_max - fits.size(), ' ')) == "");
  CHECK(message_of(fits + std::string(seccomp_profile_bytes_max - fits.size() + 1, ' ')) ==
        "Decoding seccomp profile failed: larger than 1048576 bytes");
  std::string names;
  for (std::size_t i = 0; i < seccomp_rules_max; ++i) names += "\"read\",";
  const std::string head =
      "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"action\":\"SCMP_ACT_ALLOW\",\"names\":[";
  CHECK(message_of(head + names + "\"read\"]}]}") == "Decoding seccomp profile failed: more than 20000 rules");
}

TEST_CASE("the default profile holds the same facts as Docker's document", "[runtime][seccomp]") {
  const std::string path =
      (std::filesystem::path(__FILE__).parent_path() / "../../../shared/spec/seccomp-default.json").string();
  simdjson::dom::parser ours, theirs;
  simdjson::dom::element a, b;
  if (theirs.load(path).get(b) != simdjson::SUCCESS) {
    std::cerr << "skipped: no " << path << "\n";
    return;
  }
  REQUIRE(ours.parse(simdjson::padded_string(default_seccomp_profile())).get(a) == simdjson::SUCCESS);
  const auto facts = [](simdjson::dom::element e) {
    std::set<std::string> out;
    for (auto rule : e["syscalls"].get_array()) {
      std::string conditions;
      for (const char* key : {"action", "errnoRet", "args", "includes", "excludes"}) {
        simdjson::dom::element part;
        if (rule[key].get(part) == simdjson::SUCCESS)
          conditions += std::string(" ") + key + "=" + simdjson::minify(part);
      }
      for (std::string_view name : rule["names"].get_array()) out.insert(std::string(name) + conditions);
    }
    for (auto arch : e["archMap"].get_array()) out.insert(simdjson::minify(arch));
    out.insert(std::string(e["defaultAction"].get_string().value()));
    out.insert(std::to_string(e["defaultErrnoRet"].get_uint64().value()));
    return out;
  };
  CHECK(facts(a) == facts(b));
}

TEST_CASE("a compacted program answers as the original, for every number and many arguments", "[runtime][seccomp]") {
  scmp_filter_ctx context = ::seccomp_init(SCMP_ACT_ERRNO(1));
  REQUIRE(context != nullptr);
  for (const auto arch : {SCMP_ARCH_X86, SCMP_ARCH_X32}) REQUIRE(::seccomp_arch_add(context, arch) == 0);
  // A rule for three of four numbers, with conditions on some, and other actions on others.
  for (int nr = 0; nr < 450; ++nr) {
    if (nr % 4 == 3 || nr % 17 == 5) continue;
    const scmp_arg_cmp one = {static_cast<unsigned>(nr % 6), nr % 2 ? SCMP_CMP_GT : SCMP_CMP_MASKED_EQ, 0xf0, 0x20};
    const std::uint32_t action = nr % 13 == 0 ? SCMP_ACT_KILL_PROCESS : nr % 11 == 0 ? SCMP_ACT_LOG : SCMP_ACT_ALLOW;
    if (nr % 9 == 0)
      (void)::seccomp_rule_add_array(context, action, nr, 1, &one);
    else
      (void)::seccomp_rule_add_array(context, action, nr, 0, nullptr);
  }
  for (const int optimize : {1, 2}) {
    REQUIRE(::seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, static_cast<unsigned>(optimize)) == 0);
    const unique_fd file{::memfd_create("filter", MFD_CLOEXEC)};
    REQUIRE(::seccomp_export_bpf(context, file.get()) == 0);
    std::string original(1 << 20, '\0');
    original.resize(static_cast<std::size_t>(::pread(file.get(), original.data(), original.size(), 0)));
    const auto small = compact_seccomp(original, {{AUDIT_ARCH_X86_64, {}}, {AUDIT_ARCH_I386, {}}});
    if (small.has_error()) FAIL(small.error().message);
    const std::uint64_t values[] = {0, 0x20, 0x2f, 0xf0, 0xf1, 0x100000020, ~0ull};
    std::size_t differ = 0, compared = 0;
    for (const std::uint32_t arch :
         std::initializer_list<std::uint32_t>{AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, 0})
      for (const std::uint32_t base : {0u, 0x3ffffff0u, 0x40000000u, 0x7ffffff0u, 0xfffffe00u})
        for (std::uint32_t nr = base; nr != base + 512; ++nr)
          for (const auto v : values) {
            ++compared;
            const std::uint64_t args[6] = {v, v, v, v, v, v};
            differ += run_filter(original, arch, static_cast<std::int32_t>(nr), args) !=
                      run_filter(*small, arch, static_cast<std::int32_t>(nr), args);
          }
    CAPTURE(optimize, compared);
    CHECK(differ == 0);
  }
  ::seccomp_release(context);
}

TEST_CASE("a container under the default filter", "[runtime][seccomp]") {
  GANTRY_NEEDS_CONTAINERS();
  const std::string filter = program(default_seccomp_profile()).bytes();
  CHECK(refuses_keys(filter));
  sample_root root("/tmp/gantry-seccomp-" + std::to_string(::getpid()));
  auto spec = script(root, "s", "grep '^Seccomp:' /proc/self/status; mount -t tmpfs x /tmp 2>&1; echo alive");
  spec.mutable_seccomp()->set_program(filter);
  spec.mutable_seccomp()->set_flags(SECCOMP_FILTER_FLAG_SPEC_ALLOW);
  spec.mutable_process()->mutable_user()->set_spec("ada");
  for (const bool no_new_privileges : {false, true}) {
    spec.mutable_process()->set_no_new_privileges(no_new_privileges);
    const auto out = output_of(spec);
    CHECK(out.starts_with("Seccomp:\t2\n"));
    CHECK(out.ends_with("alive\n"));
  }
  // The message of a failed exec still gets out from behind the filter.
  auto missing = root.make_spec("m", {"nosuch"});
  missing.mutable_seccomp()->set_program(filter);
  CHECK(run(missing).failure->message.ends_with("exec: \"nosuch\": executable file not found in $PATH"));
}

TEST_CASE("a compilation is quick enough to make once a profile, not once a container", "[runtime][seccomp][cost]") {
  const auto start = std::chrono::steady_clock::now();
  constexpr int rounds = 20;
  std::size_t bytes = 0;
  for (int i = 0; i < rounds; ++i) bytes = program(default_seccomp_profile()).bytes().size();
  const auto each =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count() / rounds;
  std::cerr << "seccomp: the default profile compiles in " << each << " ms to " << bytes / 8 << " instructions\n";
  CHECK(each < 500);
  CHECK(bytes / 8 < 400); // libseccomp's own has over a thousand
  if (const char* file = std::getenv("GANTRY_WRITE_FILTER"))
    std::ofstream(file) << program(default_seccomp_profile()).bytes();
}
