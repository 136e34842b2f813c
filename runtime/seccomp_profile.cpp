#include "runtime/seccomp_profile.hpp"

#include <algorithm>
#include <cstdio>
#include <simdjson.h>
#include <sys/utsname.h>

#include "runtime/capability_names.hpp"

namespace gantry::runtime {

namespace {

using simdjson::dom::element;

#if defined(__x86_64__)
constexpr std::string_view machine_arch = "SCMP_ARCH_X86_64", machine_name = "amd64";
#elif defined(__aarch64__)
constexpr std::string_view machine_arch = "SCMP_ARCH_AARCH64", machine_name = "arm64";
#else
#error "name this machine's architecture as seccomp profiles do"
#endif

error wrong(const std::string& what) {
  return error{errc::invalid_parameter, 0, "Decoding seccomp profile failed: " + what};
}

/// A member that may be absent or null.
std::optional<element> member(const element& object, const char* key) {
  element found;
  if (object[key].get(found) != simdjson::SUCCESS || found.is_null()) return std::nullopt;
  return found;
}

result<std::string> text_of(const element& e, const char* what) {
  std::string_view text;
  if (e.get(text) != simdjson::SUCCESS) return wrong(std::string(what) + " is not a string");
  return std::string(text);
}

result<std::string> text_member(const element& object, const char* key) {
  const auto found = member(object, key);
  if (!found) return std::string();
  return text_of(*found, key);
}

result<std::vector<std::string>> texts_member(const element& object, const char* key) {
  std::vector<std::string> out;
  const auto found = member(object, key);
  if (!found) return out;
  simdjson::dom::array items;
  if (found->get(items) != simdjson::SUCCESS) return wrong(std::string(key) + " is not an array");
  for (const auto& item : items) {
    GANTRY_TRY(text, text_of(item, key));
    out.push_back(std::move(text));
  }
  return out;
}

result<std::optional<std::uint64_t>> number_member(const element& object, const char* key) {
  const auto found = member(object, key);
  if (!found) return std::optional<std::uint64_t>();
  std::uint64_t value = 0;
  if (found->get(value) != simdjson::SUCCESS) return wrong(std::string(key) + " is not a number");
  return std::optional<std::uint64_t>(value);
}

result<std::optional<std::uint32_t>> errno_member(const element& object, const char* key) {
  GANTRY_TRY(value, number_member(object, key));
  if (!value) return std::optional<std::uint32_t>();
  if (*value > 4095) return wrong(std::string(key) + " is not an errno"); // MAX_ERRNO
  return std::optional<std::uint32_t>(static_cast<std::uint32_t>(*value));
}

/// "4.8" against this kernel's "6.18.44-cloud".
result<bool> kernel_is_at_least(const std::string& wanted) {
  unsigned want_major = 0, want_minor = 0, major = 0, minor = 0;
  char rest = 0;
  if (std::sscanf(wanted.c_str(), "%u.%u%c", &want_major, &want_minor, &rest) != 2)
    return wrong("minKernel `" + wanted + "` is not a version");
  utsname name{};
  if (::uname(&name) != 0 || std::sscanf(name.release, "%u.%u", &major, &minor) != 2) return false;
  return major > want_major || (major == want_major && minor >= want_minor);
}

bool has_capability(std::string_view name, std::uint64_t capabilities) {
  if (name.starts_with("CAP_")) name.remove_prefix(4);
  const auto number = capability_number(name);
  return number && (capabilities >> *number & 1) != 0;
}

/// An includes or excludes object, resolved.
struct filter_state {
  bool has_arches = false, arch_listed = false;
  bool has_caps = false, all_caps = true, any_cap = false;
  bool has_kernel = false, kernel_new_enough = false;
};

result<filter_state> resolve_filter(const element& rule, const char* key, std::uint64_t capabilities) {
  filter_state state;
  const auto found = member(rule, key);
  if (!found) return state;
  if (!found->is_object()) return wrong(std::string(key) + " is not an object");
  GANTRY_TRY(arches, texts_member(*found, "arches"));
  GANTRY_TRY(caps, texts_member(*found, "caps"));
  GANTRY_TRY(kernel, text_member(*found, "minKernel"));
  state.has_arches = !arches.empty();
  state.arch_listed = std::find(arches.begin(), arches.end(), machine_name) != arches.end();
  state.has_caps = !caps.empty();
  for (const auto& c : caps) {
    const bool has = has_capability(c, capabilities);
    state.all_caps = state.all_caps && has;
    state.any_cap = state.any_cap || has;
  }
  state.has_kernel = !kernel.empty();
  if (state.has_kernel) {
    GANTRY_TRY(enough, kernel_is_at_least(kernel));
    state.kernel_new_enough = enough;
  }
  return state;
}

result<bool> applies(const element& rule, std::uint64_t capabilities) {
  GANTRY_TRY(excludes, resolve_filter(rule, "excludes", capabilities));
  if (excludes.has_arches && excludes.arch_listed) return false;
  if (excludes.has_caps && excludes.any_cap) return false;
  if (excludes.has_kernel && excludes.kernel_new_enough) return false;
  GANTRY_TRY(includes, resolve_filter(rule, "includes", capabilities));
  if (includes.has_arches && !includes.arch_listed) return false;
  if (includes.has_caps && !includes.all_caps) return false;
  if (includes.has_kernel && !includes.kernel_new_enough) return false;
  return true;
}

result<seccomp_condition> read_condition(const element& e) {
  if (!e.is_object()) return wrong("args has something that is not an object");
  seccomp_condition c;
  GANTRY_TRY(index, number_member(e, "index"));
  GANTRY_TRY(value, number_member(e, "value"));
  GANTRY_TRY(value_two, number_member(e, "valueTwo"));
  GANTRY_TRY(op, text_member(e, "op"));
  if (index.value_or(0) > 5) return wrong("args index " + std::to_string(*index) + ": a system call has six");
  c.index = static_cast<std::uint32_t>(index.value_or(0));
  c.value = value.value_or(0);
  c.value_two = value_two.value_or(0);
  c.op = std::move(op);
  return c;
}

result<seccomp_rule> read_rule(const element& e) {
  seccomp_rule rule;
  GANTRY_TRY(name, text_member(e, "name"));
  GANTRY_TRY(names, texts_member(e, "names"));
  if (!name.empty() && !names.empty()) return wrong("use either 'name' or 'names'");
  rule.names = std::move(names);
  if (!name.empty()) rule.names.push_back(std::move(name));
  GANTRY_TRY(action, text_member(e, "action"));
  rule.action = std::move(action);
  GANTRY_TRY(errno_value, errno_member(e, "errnoRet"));
  rule.errno_value = errno_value;
  if (const auto args = member(e, "args")) {
    simdjson::dom::array items;
    if (args->get(items) != simdjson::SUCCESS) return wrong("args is not an array");
    for (const auto& item : items) {
      GANTRY_TRY(condition, read_condition(item));
      rule.conditions.push_back(std::move(condition));
    }
  }
  return rule;
}

result<std::vector<std::string>> read_architectures(const element& root) {
  GANTRY_TRY(plain, texts_member(root, "architectures"));
  const auto map = member(root, "archMap");
  if (!map) return plain;
  simdjson::dom::array entries;
  if (map->get(entries) != simdjson::SUCCESS) return wrong("archMap is not an array");
  if (!plain.empty() && entries.size() != 0) return wrong("use either 'architectures' or 'archMap'");
  std::vector<std::string> out = std::move(plain);
  for (const auto& entry : entries) {
    GANTRY_TRY(arch, text_member(entry, "architecture"));
    if (arch != machine_arch) continue;
    out.push_back(arch);
    GANTRY_TRY(others, texts_member(entry, "subArchitectures"));
    out.insert(out.end(), others.begin(), others.end());
    break;
  }
  return out;
}

} // namespace

result<seccomp_profile> read_seccomp_profile(std::string_view json, std::uint64_t capabilities) {
  if (json.size() > seccomp_profile_bytes_max)
    return wrong("larger than " + std::to_string(seccomp_profile_bytes_max) + " bytes");
  simdjson::dom::parser parser;
  if (parser.allocate(json.size() + 1, seccomp_profile_depth_max) != simdjson::SUCCESS)
    return error{errc::internal, ENOMEM, "read seccomp profile: no memory"};
  element root;
  if (const auto err = parser.parse(json.data(), json.size()).get(root); err != simdjson::SUCCESS)
    return wrong(simdjson::error_message(err));
  if (!root.is_object()) return wrong("not an object");

  seccomp_profile profile;
  GANTRY_TRY(default_action, text_member(root, "defaultAction"));
  GANTRY_TRY(default_errno, errno_member(root, "defaultErrnoRet"));
  GANTRY_TRY(architectures, read_architectures(root));
  GANTRY_TRY(flags, texts_member(root, "flags"));
  profile.default_action = std::move(default_action);
  profile.default_errno = default_errno;
  profile.architectures = std::move(architectures);
  profile.flags = std::move(flags);

  const auto rules = member(root, "syscalls");
  if (!rules) return profile;
  simdjson::dom::array items;
  if (rules->get(items) != simdjson::SUCCESS) return wrong("syscalls is not an array");
  std::size_t count = 0;
  for (const auto& item : items) {
    if (!item.is_object()) return wrong("syscalls has something that is not an object");
    GANTRY_TRY(wanted, applies(item, capabilities));
    GANTRY_TRY(rule, read_rule(item));
    count += rule.names.size();
    if (count > seccomp_rules_max) return wrong("more than " + std::to_string(seccomp_rules_max) + " rules");
    if (wanted) profile.rules.push_back(std::move(rule));
  }
  return profile;
}

} // namespace gantry::runtime
