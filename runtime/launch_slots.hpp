/// Where a child between clone and exec says how far it is: memory shared with the launcher, so that nobody is woken by
/// it. It tells "the child was killed while it mounted" from "the program ran and died", which look alike from outside,
/// and shows what each step costs.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

namespace gantry::runtime {

enum class launch_step : std::uint32_t {
  none,
  cloned,
  cgroups,
  namespaces,
  rootfs,
  sources,
  pivot,
  mounts,
  devices,
  network,
  masks,
  process,
  exec,
};
inline constexpr std::size_t launch_step_count = 13;
static_assert(static_cast<std::size_t>(launch_step::exec) + 1 == launch_step_count);

std::string_view to_string(launch_step step) noexcept;

struct alignas(128) launch_slot {
  std::atomic<std::uint32_t> reached;
  std::atomic<std::uint32_t> taken;
  std::array<std::uint64_t, launch_step_count> at_ns; ///< CLOCK_MONOTONIC at each step's end; 0: not reached

  void reach(launch_step step) noexcept;
  [[nodiscard]] launch_step last() const noexcept { return static_cast<launch_step>(reached.load()); }
};

struct slot_releaser {
  void operator()(launch_slot* slot) const noexcept;
};
using launch_slot_ptr = std::unique_ptr<launch_slot, slot_releaser>;

/// Launches in flight at once that get a slot; one more goes without, and loses only the better error text.
inline constexpr std::size_t launch_slots_max = 1024;

/// A cleared slot, or null when all are in use (or there is no memory). Thread: one.
launch_slot_ptr take_launch_slot() noexcept;

} // namespace gantry::runtime
