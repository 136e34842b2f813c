/// The kernel's capabilities by name; the number is the index.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace gantry::runtime {

inline constexpr std::array<std::string_view, 41> capability_names = {
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
};

/// Every capability that has a name: what "ALL" means.
inline constexpr std::uint64_t capabilities_all = (std::uint64_t{1} << capability_names.size()) - 1;

/// "NET_ADMIN" (without CAP_, upper case) to its number.
constexpr std::optional<unsigned> capability_number(std::string_view name) noexcept {
  for (unsigned n = 0; n < capability_names.size(); ++n)
    if (capability_names[n] == name) return n;
  return std::nullopt;
}
static_assert(capability_number("SYS_ADMIN") == 21u && capability_number("CHECKPOINT_RESTORE") == 40u);

} // namespace gantry::runtime
