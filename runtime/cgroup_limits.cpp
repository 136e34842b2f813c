#include "runtime/cgroup_limits.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "runtime/device_rules.hpp"
#include "runtime/files.hpp"

namespace gantry::runtime {

namespace {

/// Writes files of one group; the first failure names the file and the value.
class limit_writer {
public:
  explicit limit_writer(int dirfd) : dirfd_(dirfd) {}

  result<> write(const std::string& file, const std::string& value) const {
    const int err = write_file_at(dirfd_, file.c_str(), value);
    if (err == 0) return {};
    std::string text = "cgroup: write `" + value + "` to " + file;
    if (err == ENOENT) text += " (this kernel or its parent group lacks that controller)";
    return sys_error(std::move(text), err);
  }
  result<> write(const std::string& file, std::int64_t value) const { return write(file, std::to_string(value)); }

  /// False when the file is absent.
  result<bool> try_write(const std::string& file, const std::string& value) const {
    const int err = write_file_at(dirfd_, file.c_str(), value);
    if (err == ENOENT) return false;
    if (err != 0) return sys_error("cgroup: write `" + value + "` to " + file, err);
    return true;
  }

private:
  int dirfd_;
};

std::string or_max(std::int64_t value) { return value < 0 ? "max" : std::to_string(value); }

result<> memory_v1(const limit_writer& w, const pb::Resources& r) {
  // The limit first when it shrinks and the sum first when it grows; a fresh group is unlimited, so one order fails
  // only for an existing group, where the other one then works.
  const bool sum = r.has_memory_swap_limit_bytes();
  if (r.has_memory_limit_bytes()) {
    auto done = w.write("memory.limit_in_bytes", r.memory_limit_bytes());
    if (done.has_error() && sum) {
      GANTRY_TRYV(w.write("memory.memsw.limit_in_bytes", r.memory_swap_limit_bytes()));
      done = w.write("memory.limit_in_bytes", r.memory_limit_bytes());
    }
    GANTRY_TRYV(done);
  }
  if (sum) GANTRY_TRYV(w.write("memory.memsw.limit_in_bytes", r.memory_swap_limit_bytes()));
  if (r.has_memory_reservation_bytes())
    GANTRY_TRYV(w.write("memory.soft_limit_in_bytes", r.memory_reservation_bytes()));
  if (r.has_memory_swappiness()) GANTRY_TRYV(w.write("memory.swappiness", r.memory_swappiness()));
  if (r.oom_kill_disable()) GANTRY_TRYV(w.write("memory.oom_control", std::string("1")));
  return {};
}

result<> cpu_v1(const limit_writer& w, const pb::Resources& r) {
  if (r.has_cpu_shares()) GANTRY_TRYV(w.write("cpu.shares", std::to_string(r.cpu_shares())));
  if (r.has_cpu_period_us()) GANTRY_TRYV(w.write("cpu.cfs_period_us", std::to_string(r.cpu_period_us())));
  if (r.has_cpu_quota_us()) GANTRY_TRYV(w.write("cpu.cfs_quota_us", r.cpu_quota_us()));
  if (r.has_cpu_realtime_period_us())
    GANTRY_TRYV(w.write("cpu.rt_period_us", std::to_string(r.cpu_realtime_period_us())));
  if (r.has_cpu_realtime_runtime_us()) GANTRY_TRYV(w.write("cpu.rt_runtime_us", r.cpu_realtime_runtime_us()));
  return {};
}

std::string device_number(const pb::BlkioDevice& d) {
  return std::to_string(d.major()) + ":" + std::to_string(d.minor());
}

result<> blkio_devices_v1(const limit_writer& w, const pb::Resources& r) {
  for (const auto& d : r.blkio_devices()) {
    const std::string text = device_number(d) + " " + std::to_string(d.value());
    switch (d.kind()) {
    case pb::BlkioDevice::READ_BPS:
      GANTRY_TRYV(w.write("blkio.throttle.read_bps_device", text));
      break;
    case pb::BlkioDevice::WRITE_BPS:
      GANTRY_TRYV(w.write("blkio.throttle.write_bps_device", text));
      break;
    case pb::BlkioDevice::READ_IOPS:
      GANTRY_TRYV(w.write("blkio.throttle.read_iops_device", text));
      break;
    case pb::BlkioDevice::WRITE_IOPS:
      GANTRY_TRYV(w.write("blkio.throttle.write_iops_device", text));
      break;
    default: {
      GANTRY_TRY(plain, w.try_write("blkio.weight_device", text));
      if (!plain) GANTRY_TRYV(w.write("blkio.bfq.weight_device", text));
    }
    }
  }
  return {};
}

result<> blkio_devices_v2(const limit_writer& w, const pb::Resources& r) {
  for (const auto& d : r.blkio_devices()) {
    const std::string number = device_number(d) + " ", value = std::to_string(d.value());
    switch (d.kind()) {
    case pb::BlkioDevice::READ_BPS:
      GANTRY_TRYV(w.write("io.max", number + "rbps=" + value));
      break;
    case pb::BlkioDevice::WRITE_BPS:
      GANTRY_TRYV(w.write("io.max", number + "wbps=" + value));
      break;
    case pb::BlkioDevice::READ_IOPS:
      GANTRY_TRYV(w.write("io.max", number + "riops=" + value));
      break;
    case pb::BlkioDevice::WRITE_IOPS:
      GANTRY_TRYV(w.write("io.max", number + "wiops=" + value));
      break;
    default: {
      GANTRY_TRY(bfq, w.try_write("io.bfq.weight", number + value));
      if (!bfq) GANTRY_TRYV(w.write("io.weight", number + std::to_string(io_weight(d.value()))));
    }
    }
  }
  return {};
}

result<> devices_v1(int dirfd, const pb::Resources& r) {
  // A dozen rules a container: the files are opened once.
  const unique_fd allow{::openat(dirfd, "devices.allow", O_WRONLY | O_CLOEXEC)};
  const unique_fd deny{::openat(dirfd, "devices.deny", O_WRONLY | O_CLOEXEC)};
  if (!allow || !deny) return sys_error("cgroup: open devices.allow", errno);
  for (const auto& rule : effective_device_rules(r)) {
    // On v1 a denial inside what is denied already changes nothing.
    if (!rule.allow() && rule.type() != "a" && !rule.type().empty() && r.devices_size() == 0) continue;
    const std::string text = device_rule_text(rule);
    if (::write(rule.allow() ? allow.get() : deny.get(), text.data(), text.size()) < 0)
      return sys_error("cgroup: write `" + text + "` to " + (rule.allow() ? "devices.allow" : "devices.deny"), errno);
  }
  return {};
}

} // namespace

bool has_controller(std::string_view controllers, std::string_view one) noexcept {
  while (!controllers.empty()) {
    const auto comma = std::min(controllers.find(','), controllers.size());
    if (controllers.substr(0, comma) == one) return true;
    controllers.remove_prefix(std::min(comma + 1, controllers.size()));
  }
  return false;
}

result<> limit_v1(const cgroup_layout::hierarchy& h, int dirfd, const pb::Resources& r, group_age age) {
  const limit_writer w(dirfd);
  if (has_controller(h.controllers, "memory")) GANTRY_TRYV(memory_v1(w, r));
  if (has_controller(h.controllers, "cpu")) GANTRY_TRYV(cpu_v1(w, r));
  if (has_controller(h.controllers, "pids") && r.has_pids_limit())
    GANTRY_TRYV(w.write("pids.max", or_max(r.pids_limit() == 0 ? -1 : r.pids_limit())));
  if (has_controller(h.controllers, "cpuset")) {
    if (!r.cpuset_cpus().empty()) GANTRY_TRYV(w.write("cpuset.cpus", r.cpuset_cpus()));
    if (!r.cpuset_mems().empty()) GANTRY_TRYV(w.write("cpuset.mems", r.cpuset_mems()));
  }
  if (has_controller(h.controllers, "blkio") && r.has_blkio_weight()) {
    const auto weight = std::to_string(r.blkio_weight());
    GANTRY_TRY(plain, w.try_write("blkio.weight", weight));
    if (!plain) GANTRY_TRYV(w.write("blkio.bfq.weight", weight)); // since 5.0 weights are the BFQ scheduler's alone
  }
  if (has_controller(h.controllers, "blkio")) GANTRY_TRYV(blkio_devices_v1(w, r));
  if (has_controller(h.controllers, "devices") && (age == group_age::fresh || r.devices_size() > 0))
    GANTRY_TRYV(devices_v1(dirfd, r));
  return {};
}

std::uint64_t cpu_weight(std::uint64_t shares) noexcept {
  if (shares < 2) shares = 2;
  if (shares > 262144) shares = 262144;
  return 1 + ((shares - 2) * 9999) / 262142;
}

std::uint64_t io_weight(std::uint64_t weight) noexcept {
  if (weight < 10) weight = 10;
  return 1 + (weight - 10) * 9999 / 990;
}

namespace {

result<> memory_v2(const limit_writer& w, const pb::Resources& r) {
  if (r.has_memory_limit_bytes()) GANTRY_TRYV(w.write("memory.max", or_max(r.memory_limit_bytes())));
  if (r.has_memory_reservation_bytes()) GANTRY_TRYV(w.write("memory.low", or_max(r.memory_reservation_bytes())));
  if (r.has_memory_swap_limit_bytes()) {
    // Docker counts memory and swap together, v2 swap alone.
    const auto sum = r.memory_swap_limit_bytes();
    const auto swap = sum < 0 ? -1 : sum - r.memory_limit_bytes();
    if (sum >= 0 && swap < 0)
      return error{errc::invalid_parameter, EINVAL, "cgroup: memory+swap limit is below the memory limit"};
    GANTRY_TRYV(w.write("memory.swap.max", or_max(swap)));
  }
  return {};
}

result<> cpu_v2(const limit_writer& w, const pb::Resources& r) {
  if (r.has_cpu_shares() && r.cpu_shares() != 0)
    GANTRY_TRYV(w.write("cpu.weight", std::to_string(cpu_weight(r.cpu_shares()))));
  if (r.has_cpu_quota_us() || r.has_cpu_period_us()) {
    const auto quota = r.has_cpu_quota_us() && r.cpu_quota_us() > 0 ? std::to_string(r.cpu_quota_us()) : "max";
    const auto period = r.has_cpu_period_us() && r.cpu_period_us() > 0 ? r.cpu_period_us() : 100000;
    GANTRY_TRYV(w.write("cpu.max", quota + " " + std::to_string(period)));
  }
  if (!r.cpuset_cpus().empty()) GANTRY_TRYV(w.write("cpuset.cpus", r.cpuset_cpus()));
  if (!r.cpuset_mems().empty()) GANTRY_TRYV(w.write("cpuset.mems", r.cpuset_mems()));
  return {};
}

} // namespace

result<> limit_v2(int dirfd, const pb::Resources& r, group_age age) {
  const limit_writer w(dirfd);
  GANTRY_TRYV(memory_v2(w, r));
  GANTRY_TRYV(cpu_v2(w, r));
  if (r.has_pids_limit()) GANTRY_TRYV(w.write("pids.max", or_max(r.pids_limit() == 0 ? -1 : r.pids_limit())));
  if (r.has_blkio_weight()) {
    GANTRY_TRY(bfq, w.try_write("io.bfq.weight", std::to_string(r.blkio_weight())));
    if (!bfq) GANTRY_TRYV(w.write("io.weight", std::to_string(io_weight(r.blkio_weight()))));
  }
  GANTRY_TRYV(blkio_devices_v2(w, r));
  for (const auto& [file, value] : r.unified()) {
    if (file.find('/') != std::string::npos || file.starts_with("cgroup."))
      return error{errc::invalid_parameter, EINVAL, "cgroup: `" + file + "` is no resource file"};
    GANTRY_TRYV(w.write(file, value));
  }
  if (age == group_age::fresh) GANTRY_TRYV(attach_device_program(dirfd, effective_device_rules(r)));
  return {};
}

} // namespace gantry::runtime
