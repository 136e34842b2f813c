#include "actors/spec_security.hpp"

#include <algorithm>

#include "actors/spec_text.hpp"
#include "runtime/capability_names.hpp"
#include "runtime/seccomp.hpp"

namespace gantry::actors {

using namespace text;

namespace {

constexpr std::uint64_t capability_set(std::initializer_list<std::string_view> names) {
  std::uint64_t set = 0;
  for (const auto name : names) set |= std::uint64_t{1} << runtime::capability_number(name).value();
  return set;
}

/// Docker's fourteen (behaviours 111).
constexpr std::uint64_t default_capabilities =
    capability_set({"CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP",
                    "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"});
static_assert(default_capabilities == 0xa80425fb);

struct capability_list {
  bool all = false;
  std::uint64_t set = 0;
};

result<capability_list> read_capabilities(const api::string_list& names, const char* member) {
  capability_list out;
  for (const auto& given : names) {
    std::string name = upper(given);
    if (name == "ALL" || name == "CAP_ALL") {
      out.all = true;
      continue;
    }
    if (!name.starts_with("CAP_")) name.insert(0, "CAP_");
    const auto number = runtime::capability_number(std::string_view(name).substr(4));
    if (!number) return invalid(std::string("invalid ") + member + ": unknown capability: \"" + name + "\"");
    out.set |= std::uint64_t{1} << *number;
  }
  return out;
}

/// Go's strconv.ParseBool.
std::optional<bool> parse_bool(const std::string& text) {
  for (const char* yes : {"1", "t", "T", "TRUE", "true", "True"})
    if (text == yes) return true;
  for (const char* no : {"0", "f", "F", "FALSE", "false", "False"})
    if (text == no) return false;
  return std::nullopt;
}

constexpr const char* masked_by_default[] = {
    "/proc/asound",      "/proc/acpi",          "/proc/interrupts", "/proc/kcore",
    "/proc/keys",        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
    "/proc/sched_debug", "/proc/scsi",          "/sys/firmware",    "/sys/devices/virtual/powercap",
};
constexpr const char* read_only_by_default[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                                "/proc/sysrq-trigger"};

void fill_paths(const spec_inputs& inputs, runtime::pb::Spec& spec) {
  const auto& host = inputs.definition.host;
  if (host.privileged) return;
  if (host.masked_paths) {
    for (const auto& path : *host.masked_paths) spec.add_masked_paths(path);
  } else {
    for (const char* path : masked_by_default) spec.add_masked_paths(path);
    for (const auto& path : inputs.host.thermal_throttle_paths) spec.add_masked_paths(path);
  }
  if (host.readonly_paths) {
    for (const auto& path : *host.readonly_paths) spec.add_readonly_paths(path);
  } else {
    for (const char* path : read_only_by_default) spec.add_readonly_paths(path);
  }
}

/// Whose profile holds: the request's, the daemon's, or none (behaviours 122). A view into the inputs or the default.
std::string_view choose_profile(const spec_inputs& inputs, const security_options& options) {
  std::string_view profile = options.seccomp;
  if (profile.empty() && inputs.definition.host.privileged) profile = "unconfined";
  if (profile.empty()) profile = inputs.seccomp_profile;
  return profile.empty() || profile == "builtin" ? runtime::default_seccomp_profile() : profile;
}

result<> fill_seccomp(const spec_inputs& inputs, const security_options& options, std::uint64_t capabilities,
                      runtime::pb::Spec& spec) {
  const auto profile = choose_profile(inputs, options);
  if (profile == "unconfined") return {};
  GANTRY_TRY(program, inputs.compile_seccomp ? inputs.compile_seccomp(profile, capabilities)
                                             : runtime::compile_seccomp(profile, capabilities));
  GANTRY_TRY(flags, runtime::seccomp_flags(profile));
  spec.mutable_seccomp()->set_program(std::move(program));
  spec.mutable_seccomp()->set_flags(flags);
  return {};
}

} // namespace

result<std::uint64_t> resolve_capabilities(const api::host_config& host) {
  GANTRY_TRY(adds, read_capabilities(host.cap_add, "CapAdd"));
  GANTRY_TRY(drops, read_capabilities(host.cap_drop, "CapDrop"));
  if (host.privileged) return runtime::capabilities_all;
  if (adds.all) return runtime::capabilities_all & ~drops.set;
  if (drops.all) return adds.set;
  return (default_capabilities & ~drops.set) | adds.set;
}

result<security_options> read_security_options(const api::host_config& host) {
  security_options out;
  for (const auto& option : host.security_opt) {
    if (option == "no-new-privileges") {
      out.no_new_privileges = true;
      continue;
    }
    if (option == "disable") continue; // labels off: the old form
    auto at = option.find('=');
    if (at == std::string::npos) at = option.find(':');
    if (at == std::string::npos) return invalid("invalid --security-opt 1: \"" + option + "\"");
    const auto key = option.substr(0, at), value = option.substr(at + 1);
    if (key == "label" || key == "apparmor") continue;
    if (key == "seccomp") {
      out.seccomp = value;
      continue;
    }
    const auto flag = parse_bool(value);
    if (key == "no-new-privileges" && flag)
      out.no_new_privileges = *flag;
    else if (key == "writable-cgroups" && flag)
      out.writable_cgroups = *flag;
    else
      return invalid("invalid --security-opt 2: \"" + option + "\"");
  }
  return out;
}

result<> fill_security(const spec_inputs& inputs, const security_options& options, runtime::pb::Spec& spec) {
  GANTRY_TRY(capabilities, resolve_capabilities(inputs.definition.host));
  auto& caps = *spec.mutable_process()->mutable_capabilities();
  caps.set_bounding(capabilities);
  caps.set_permitted(capabilities);
  caps.set_effective(capabilities);
  spec.mutable_process()->set_no_new_privileges(options.no_new_privileges.value_or(inputs.no_new_privileges));
  fill_paths(inputs, spec);
  return fill_seccomp(inputs, options, capabilities, spec);
}

} // namespace gantry::actors
