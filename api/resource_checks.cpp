/// Limits: what Docker refuses, and what it drops with a warning because the kernel lacks it (behaviours 57-59).
#include "api/create_checks.hpp"

#include <algorithm>
#include <charconv>
#include <set>

namespace gantry::api {
namespace {

constexpr std::int64_t memory_bytes_min = 6 << 20; // Docker's: less does not start
constexpr std::int64_t nanos_per_cpu = 1'000'000'000;
constexpr unsigned cpu_number_max = 8191; // Linux, NR_CPUS

result<> check_memory_limit(host_config& h, const host_facts& host, std::vector<std::string>& warnings) {
  if (h.memory != 0 && h.memory < memory_bytes_min) return bad_request("Minimum memory limit allowed is 6MB");
  if (h.memory > 0 && !host.memory_supported) {
    warnings.push_back("Your kernel does not support memory limit capabilities or the cgroup is not mounted. "
                       "Limitation discarded.");
    h.memory = 0;
    h.memory_swap = -1;
  }
  if (h.memory > 0 && h.memory_swap != -1 && !host.memory_swap_supported) {
    warnings.push_back("Your kernel does not support swap limit capabilities or the cgroup is not mounted. "
                       "Memory limited without swap.");
    h.memory_swap = -1;
  }
  if (h.memory > 0 && h.memory_swap > 0 && h.memory_swap < h.memory)
    return bad_request("Minimum memoryswap limit should be larger than memory limit, see usage");
  if (h.memory == 0 && h.memory_swap > 0)
    return bad_request("You should always set the Memory limit when using Memoryswap limit, see usage");
  return {};
}

result<> check_memory_reservation(host_config& h, const host_facts& host, std::vector<std::string>& warnings) {
  if (h.memory_reservation > 0 && !host.memory_supported) {
    warnings.push_back("Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. "
                       "Limitation discarded.");
    h.memory_reservation = 0;
  }
  if (h.memory_reservation > 0 && h.memory_reservation < memory_bytes_min)
    return bad_request("Minimum memory reservation allowed is 6MB");
  if (h.memory > 0 && h.memory_reservation > 0 && h.memory < h.memory_reservation)
    return bad_request("Minimum memory limit can not be less than memory reservation limit, see usage");
  return {};
}

result<> check_swappiness(host_config& h, const host_facts& host, std::vector<std::string>& warnings) {
  if (h.memory_swappiness == -1) h.memory_swappiness.reset(); // how older clients say "not set"
  if (!h.memory_swappiness) return {};
  if (!host.swappiness_supported) {
    warnings.push_back("Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. "
                       "Memory swappiness discarded.");
    h.memory_swappiness.reset();
    return {};
  }
  if (*h.memory_swappiness < 0 || *h.memory_swappiness > 100)
    return bad_request("Invalid value: " + std::to_string(*h.memory_swappiness) +
                       ", valid memory swappiness range is 0-100");
  return {};
}

void check_oom_and_pids(host_config& h, const host_facts& host, std::vector<std::string>& warnings) {
  if (h.oom_kill_disable && !host.oom_kill_disable_supported) {
    if (*h.oom_kill_disable)
      warnings.push_back("Your kernel does not support OomKillDisable. OomKillDisable discarded.");
    h.oom_kill_disable.reset();
  }
  if (h.oom_kill_disable.value_or(false) && h.memory == 0)
    warnings.push_back("OOM killer is disabled for the container, but no memory limit is set, this can result in the "
                       "system running out of resources.");
  if (h.pids_limit && !host.pids_supported) {
    if (*h.pids_limit > 0)
      warnings.push_back("Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. "
                         "PIDs limit discarded.");
    h.pids_limit.reset();
  }
}

result<> check_nano_cpus(const host_config& h, const host_facts& host) {
  if (h.nano_cpus > 0 && h.cpu_period > 0)
    return bad_request("Conflicting options: Nano CPUs and CPU Period cannot both be set");
  if (h.nano_cpus > 0 && h.cpu_quota > 0)
    return bad_request("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
  if (h.nano_cpus > 0 && !host.cpu_cfs_supported)
    return bad_request("NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is "
                       "not mounted");
  if (h.nano_cpus < 0 || h.nano_cpus > static_cast<std::int64_t>(host.cpus) * nanos_per_cpu) {
    const auto n = std::to_string(host.cpus);
    return bad_request("range of CPUs is from 0.01 to " + n + ".00, as there are only " + n + " CPUs available");
  }
  return {};
}

result<> check_cpu_time(host_config& h, const host_facts& host, std::vector<std::string>& warnings) {
  if (h.cpu_shares > 0 && !host.cpu_shares_supported) {
    warnings.push_back("Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.");
    h.cpu_shares = 0;
  }
  if ((h.cpu_period != 0 || h.cpu_quota != 0) && !host.cpu_cfs_supported) {
    warnings.push_back("Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.");
    h.cpu_period = h.cpu_quota = 0;
  }
  if (h.cpu_period != 0 && (h.cpu_period < 1000 || h.cpu_period > 1000000))
    return bad_request("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  if (h.cpu_quota > 0 && h.cpu_quota < 1000) return bad_request("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  return {};
}

std::optional<unsigned> parse_number(std::string_view text) {
  unsigned number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// "0-2,4": numbers and ranges, as cpuset(7) writes lists.
std::optional<std::set<unsigned>> parse_cpu_list(std::string_view text) {
  std::set<unsigned> numbers;
  while (!text.empty()) {
    const auto comma = text.find(',');
    const auto part = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    if (part.empty()) continue; // kernel lists may have empty parts
    const auto dash = part.find('-');
    const auto first = parse_number(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_number(part.substr(dash + 1));
    if (!first || !last || *last < *first || *last > cpu_number_max) return std::nullopt;
    for (unsigned n = *first; n <= *last; ++n) numbers.insert(numbers.end(), n);
  }
  return numbers;
}

result<> check_cpu_list(const std::string& wanted, const std::string& available, const std::string& kind,
                        const std::string& plural) {
  if (wanted.empty()) return {};
  const auto numbers = parse_cpu_list(wanted);
  if (!numbers) return bad_request("Invalid value " + wanted + " for cpuset " + kind + ": invalid format: " + wanted);
  const auto have = parse_cpu_list(available);
  if (available.empty() || !have) return {}; // the host did not say
  if (!std::includes(have->begin(), have->end(), numbers->begin(), numbers->end()))
    return bad_request("Requested " + plural + " are not available - requested " + wanted +
                       ", available: " + available);
  return {};
}

result<> check_cpuset(host_config& h, const host_facts& host, std::vector<std::string>& warnings) {
  if ((!h.cpuset_cpus.empty() || !h.cpuset_mems.empty()) && !host.cpuset_supported) {
    warnings.push_back("Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.");
    h.cpuset_cpus.clear();
    h.cpuset_mems.clear();
  }
  GANTRY_TRYV(check_cpu_list(h.cpuset_cpus, host.cpuset_available, "cpus", "CPUs"));
  return check_cpu_list(h.cpuset_mems, host.mems_available, "mems", "memory nodes");
}

void drop_throttles(host_config& h, std::vector<std::string>& warnings) {
  const auto drop = [&](std::vector<throttle_device>& devices, const char* unit, const char* way) {
    if (devices.empty()) return;
    const bool iops = std::string_view(unit) == "IOPS"; // Docker words the two differently
    warnings.push_back(std::string("Your kernel does not support ") + unit + (iops ? " Block " : " Block I/O ") + way +
                       " limit or the cgroup is not mounted. Block I/O " + unit + " " + way + " limit discarded.");
    devices.clear();
  };
  drop(h.blkio_device_read_bps, "BPS", "read");
  drop(h.blkio_device_write_bps, "BPS", "write");
  drop(h.blkio_device_read_iops, "IOPS", "read");
  drop(h.blkio_device_write_iops, "IOPS", "write");
}

result<> check_blkio(host_config& h, const host_facts& host, std::vector<std::string>& warnings) {
  if (h.blkio_weight > 0 && !host.blkio_supported) {
    warnings.push_back("Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.");
    h.blkio_weight = 0;
  }
  if (h.blkio_weight > 0 && (h.blkio_weight < 10 || h.blkio_weight > 1000))
    return bad_request("Range of blkio weight is from 10 to 1000");
  if (host.blkio_supported) return {};
  if (!h.blkio_weight_device.empty()) {
    warnings.push_back("Your kernel does not support Block I/O weight_device or the cgroup is not mounted. "
                       "Weight-device discarded.");
    h.blkio_weight_device.clear();
  }
  drop_throttles(h, warnings);
  return {};
}

constexpr std::string_view ulimit_names[] = {"core",     "cpu",        "data",   "fsize", "locks", "memlock",
                                             "msgqueue", "nice",       "nofile", "nproc", "rss",   "rtprio",
                                             "rttime",   "sigpending", "stack",  "as"};

/// Docker leaves these to the start; the texts are those of its client's library.
result<> check_ulimits(const host_config& h) {
  for (const auto& u : h.ulimits) {
    if (std::find(std::begin(ulimit_names), std::end(ulimit_names), u.name) == std::end(ulimit_names))
      return bad_request("invalid ulimit type: " + u.name);
    const std::string wrong = "ulimit soft limit must be less than or equal to hard limit: ";
    if (u.hard != -1 && u.soft == -1)
      return bad_request(wrong + "soft: -1 (unlimited), hard: " + std::to_string(u.hard));
    if (u.hard != -1 && u.soft > u.hard)
      return bad_request(wrong + std::to_string(u.soft) + " > " + std::to_string(u.hard));
  }
  return {};
}

} // namespace

result<> check_realtime(const create_check& c) {
  const auto& h = c.request.host;
  if ((h.cpu_realtime_period != 0 || h.cpu_realtime_runtime != 0) && !c.host.cpu_realtime_supported)
    return bad_request("kernel does not support CPU real-time scheduler");
  if (h.cpu_realtime_period != 0 && h.cpu_realtime_runtime != 0 && h.cpu_realtime_runtime > h.cpu_realtime_period)
    return bad_request("cpu real-time runtime cannot be higher than cpu real-time period");
  if (h.cpu_shares < 0)
    return bad_request("invalid CPU shares (" + std::to_string(h.cpu_shares) + "): value must be a positive integer");
  return check_capabilities(h);
}

result<> check_resources(const create_check& c) {
  auto& h = c.request.host;
  GANTRY_TRYV(check_memory_limit(h, c.host, c.warnings));
  GANTRY_TRYV(check_swappiness(h, c.host, c.warnings));
  GANTRY_TRYV(check_memory_reservation(h, c.host, c.warnings));
  check_oom_and_pids(h, c.host, c.warnings);
  GANTRY_TRYV(check_nano_cpus(h, c.host));
  GANTRY_TRYV(check_cpu_time(h, c.host, c.warnings));
  GANTRY_TRYV(check_cpuset(h, c.host, c.warnings));
  GANTRY_TRYV(check_blkio(h, c.host, c.warnings));
  return check_ulimits(h);
}

} // namespace gantry::api
