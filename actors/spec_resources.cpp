#include "actors/spec_resources.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <set>

#include "actors/spec_text.hpp"

namespace gantry::actors {

using namespace text;

namespace {

constexpr std::int64_t memory_bytes_min = 6 << 20;
/// CFS period that NanoCPUs stand on, in microseconds.
constexpr std::int64_t nano_cpu_period_us = 100000;

/// "0-2,5" -> the set; nothing when it is no such list.
std::optional<std::set<unsigned>> parse_cpu_list(const std::string& text) {
  constexpr unsigned cpus_max = 8192;
  std::set<unsigned> out;
  for (const auto& part : split(text, ',')) {
    const auto dash = part.find('-');
    const auto first = parse_number<unsigned>(std::string_view(part).substr(0, dash));
    const auto last =
        dash == std::string::npos ? first : parse_number<unsigned>(std::string_view(part).substr(dash + 1));
    if (!first || !last || *last < *first || *last >= cpus_max) return std::nullopt;
    for (unsigned n = *first; n <= *last; ++n) out.insert(n);
  }
  return out;
}

result<> check_memory(const api::host_config& h, std::vector<std::string>& warnings, const host_facts& facts) {
  if (h.memory != 0 && h.memory < memory_bytes_min) return invalid("Minimum memory limit allowed is 6MB");
  if (h.memory > 0 && h.memory_swap > 0 && h.memory_swap < h.memory)
    return invalid("Minimum memoryswap limit should be larger than memory limit, see usage");
  if (h.memory == 0 && h.memory_swap > 0)
    return invalid("You should always set the Memory limit when using Memoryswap limit, see usage");
  if (h.memory > 0 && h.memory_swap != -1 && !facts.swap_limit)
    warnings.emplace_back("Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory "
                          "limited without swap.");
  if (h.memory_swappiness && (*h.memory_swappiness < -1 || *h.memory_swappiness > 100))
    return invalid("Invalid value: " + std::to_string(*h.memory_swappiness) +
                   ", valid memory swappiness range is 0-100");
  if (h.memory_swappiness && *h.memory_swappiness != -1 && facts.cgroup_v2)
    warnings.emplace_back("Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. "
                          "Memory swappiness discarded.");
  if (h.memory_reservation != 0 && h.memory_reservation < memory_bytes_min)
    return invalid("Minimum memory reservation allowed is 6MB");
  if (h.memory > 0 && h.memory_reservation > 0 && h.memory < h.memory_reservation)
    return invalid("Minimum memory limit can not be less than memory reservation limit, see usage");
  if (h.oom_kill_disable.value_or(false) && facts.cgroup_v2)
    warnings.emplace_back("Your kernel does not support OomKillDisable. OomKillDisable discarded.");
  else if (h.oom_kill_disable.value_or(false) && h.memory == 0)
    warnings.emplace_back(
        "OOM killer is disabled for the container, but no memory limit is set, this can result in the "
        "system running out of resources.");
  return {};
}

result<> check_cpu(const api::host_config& h, const host_facts& facts) {
  if (h.nano_cpus > 0 && h.cpu_period > 0)
    return invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set");
  if (h.nano_cpus > 0 && h.cpu_quota > 0)
    return invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
  if (h.nano_cpus < 0 || h.nano_cpus > static_cast<std::int64_t>(facts.cpus) * 1'000'000'000) {
    char text[160];
    std::snprintf(text, sizeof text, "range of CPUs is from %.2f to %.2f, as there are only %u CPUs available", 0.01,
                  static_cast<double>(facts.cpus), facts.cpus);
    return invalid(text);
  }
  if (h.cpu_shares < 0)
    return invalid("invalid CPU shares (" + std::to_string(h.cpu_shares) + "): value must be a positive integer");
  if (h.cpu_period != 0 && (h.cpu_period < 1000 || h.cpu_period > 1000000))
    return invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  if (h.cpu_quota > 0 && h.cpu_quota < 1000) return invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  if (h.cpuset_cpus.empty()) return {};
  const auto wanted = parse_cpu_list(h.cpuset_cpus);
  if (!wanted) return invalid("Invalid value " + h.cpuset_cpus + " for cpuset cpus");
  if (!wanted->empty() && *wanted->rbegin() >= facts.cpus)
    return invalid("Requested CPUs are not available - requested " + h.cpuset_cpus +
                   ", available: " + (facts.cpus > 1 ? "0-" + std::to_string(facts.cpus - 1) : std::string("0")));
  return {};
}

constexpr std::int64_t unlimited = -1;

/// memory + swap as Docker counts it, or nothing when there is no limit to set.
std::optional<std::int64_t> swap_limit(const api::host_config& h, const host_facts& facts) {
  if (h.memory <= 0 || !facts.swap_limit) return std::nullopt;
  if (h.memory_swap == unlimited) return unlimited;
  return h.memory_swap != 0 ? h.memory_swap : 2 * h.memory;
}

} // namespace

result<> check_limits(const api::host_config& h, const host_facts& facts, std::vector<std::string>& warnings) {
  GANTRY_TRYV(check_memory(h, warnings, facts));
  GANTRY_TRYV(check_cpu(h, facts));
  if (!h.cpuset_mems.empty() && !parse_cpu_list(h.cpuset_mems))
    return invalid("Invalid value " + h.cpuset_mems + " for cpuset mems");
  if (h.blkio_weight != 0 && (h.blkio_weight < 10 || h.blkio_weight > 1000))
    return invalid("Range of blkio weight is from 10 to 1000");
  if (h.oom_score_adj < -1000 || h.oom_score_adj > 1000)
    return invalid("Invalid value " + std::to_string(h.oom_score_adj) + ", range for oom score adj is [-1000, 1000]");
  if (h.shm_size < 0) return invalid("SHM size can not be less than 0");
  for (const auto& d : h.blkio_weight_device)
    if (d.weight > 0 && (d.weight < 10 || d.weight > 1000)) return invalid("Range of blkio weight is from 10 to 1000");
  return {};
}

void fill_resources(const spec_inputs& in, runtime::pb::Spec& spec) {
  const auto& h = in.definition.host;
  auto& r = *spec.mutable_cgroup()->mutable_resources();
  if (h.memory > 0) r.set_memory_limit_bytes(h.memory);
  if (const auto swap = swap_limit(h, in.host)) r.set_memory_swap_limit_bytes(*swap);
  if (h.memory_reservation > 0) r.set_memory_reservation_bytes(h.memory_reservation);
  if (h.memory_swappiness && *h.memory_swappiness >= 0 && !in.host.cgroup_v2)
    r.set_memory_swappiness(static_cast<std::uint32_t>(*h.memory_swappiness));
  if (h.oom_kill_disable.value_or(false) && !in.host.cgroup_v2) r.set_oom_kill_disable(true);
  if (h.cpu_shares > 0) r.set_cpu_shares(static_cast<std::uint64_t>(h.cpu_shares));
  if (h.nano_cpus > 0) {
    r.set_cpu_period_us(static_cast<std::uint64_t>(nano_cpu_period_us));
    r.set_cpu_quota_us(static_cast<std::int64_t>(static_cast<double>(h.nano_cpus) / 1e9 * nano_cpu_period_us));
  } else {
    if (h.cpu_period > 0) r.set_cpu_period_us(static_cast<std::uint64_t>(h.cpu_period));
    if (h.cpu_quota != 0) r.set_cpu_quota_us(h.cpu_quota);
  }
  if (h.cpu_realtime_period > 0) r.set_cpu_realtime_period_us(static_cast<std::uint64_t>(h.cpu_realtime_period));
  if (h.cpu_realtime_runtime > 0) r.set_cpu_realtime_runtime_us(h.cpu_realtime_runtime);
  r.set_cpuset_cpus(h.cpuset_cpus);
  r.set_cpuset_mems(h.cpuset_mems);
  if (h.pids_limit && *h.pids_limit > 0) r.set_pids_limit(*h.pids_limit);
  if (h.blkio_weight != 0) r.set_blkio_weight(h.blkio_weight);
}

result<runtime::pb::Rlimit> read_ulimit(const api::ulimit& u) {
  static const std::set<std::string> names = {"core",    "cpu",      "data",   "fsize",      "locks",
                                              "memlock", "msgqueue", "nice",   "nofile",     "nproc",
                                              "rss",     "rtprio",   "rttime", "sigpending", "stack"};
  if (!names.contains(u.name)) return invalid("invalid ulimit type: " + u.name);
  if (u.hard >= 0 && (u.soft < 0 || u.soft > u.hard))
    return invalid("ulimit soft limit must be less than or equal to hard limit: " + std::to_string(u.soft) + " > " +
                   std::to_string(u.hard));
  const auto value = [](std::int64_t n) { // -1: unlimited, RLIM_INFINITY
    return n < 0 ? std::numeric_limits<std::uint64_t>::max() : static_cast<std::uint64_t>(n);
  };
  runtime::pb::Rlimit out;
  out.set_type(u.name);
  out.set_soft(value(u.soft));
  out.set_hard(value(u.hard));
  return out;
}

result<> fill_ulimits(const spec_inputs& in, runtime::pb::Spec& spec) {
  const auto& own = in.definition.host.ulimits;
  for (const auto& u : own) {
    GANTRY_TRY(limit, read_ulimit(u));
    *spec.mutable_process()->add_rlimits() = limit;
  }
  for (const auto& u : in.default_ulimits) {
    if (std::any_of(own.begin(), own.end(), [&](const api::ulimit& o) { return o.name == u.name; })) continue;
    GANTRY_TRY(limit, read_ulimit(u));
    *spec.mutable_process()->add_rlimits() = limit;
  }
  return {};
}

result<> fill_sysctls(const spec_inputs& in, runtime::pb::Spec& spec) {
  using runtime::pb::Namespaces;
  const bool own_network = spec.namespaces().network().mode() == Namespaces::PRIVATE;
  const bool host_network = spec.namespaces().network().mode() == Namespaces::HOST;
  const bool host_ipc = spec.namespaces().ipc().mode() == Namespaces::HOST;
  auto& out = *spec.mutable_sysctl();
  const bool plain_network = own_network || !in.network_namespace_path.empty();
  if (plain_network && !in.definition.host.network_mode.starts_with("container:")) {
    out["net.ipv4.ip_unprivileged_port_start"] = "0";
    out["net.ipv4.ping_group_range"] = "0 2147483647";
  }
  static const std::set<std::string> ipc_names = {"kernel.msgmax", "kernel.msgmnb",         "kernel.msgmni",
                                                  "kernel.sem",    "kernel.shmall",         "kernel.shmmax",
                                                  "kernel.shmmni", "kernel.shm_rmid_forced"};
  for (const auto& [given, value] : in.definition.host.sysctls) {
    // "net/ipv4/ip_forward" is the same name: only one with dots in its parts needs the slashes.
    std::string name = given;
    if (name.find('.') == std::string::npos) std::replace(name.begin(), name.end(), '/', '.');
    const bool is_net = name.starts_with("net.") || name.starts_with("net/");
    if (is_net && host_network) return invalid("sysctl \"" + given + "\" not allowed in host network namespace");
    const bool is_ipc = ipc_names.contains(name) || name.starts_with("fs.mqueue.");
    if (is_ipc && host_ipc) return invalid("sysctl \"" + given + "\" is not allowed in the hosts ipc namespace");
    if (!is_net && !is_ipc && name != "kernel.domainname")
      return invalid("sysctl \"" + given + "\" is not in a separate kernel namespace");
    out[name] = value;
  }
  return {};
}

} // namespace gantry::actors
