#include "runtime/launch_slots.hpp"

#include <ctime>
#include <sys/mman.h>

namespace gantry::runtime {

std::string_view to_string(launch_step step) noexcept {
  switch (step) {
  case launch_step::none:
    return "clone";
  case launch_step::cloned:
    return "cloned";
  case launch_step::cgroups:
    return "cgroups";
  case launch_step::namespaces:
    return "namespaces";
  case launch_step::sources:
    return "sources";
  case launch_step::rootfs:
    return "rootfs";
  case launch_step::pivot:
    return "pivot";
  case launch_step::mounts:
    return "mounts";
  case launch_step::devices:
    return "devices";
  case launch_step::masks:
    return "masks";
  case launch_step::network:
    return "network";
  case launch_step::process:
    return "process";
  case launch_step::exec:
    return "exec";
  }
  return "?";
}

void launch_slot::reach(launch_step step) noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  at_ns[static_cast<std::size_t>(step)] =
      static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
  reached.store(static_cast<std::uint32_t>(step));
}

namespace {

launch_slot* slots() noexcept {
  static launch_slot* const memory = [] {
    void* p = ::mmap(nullptr, sizeof(launch_slot) * launch_slots_max, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? nullptr : static_cast<launch_slot*>(p);
  }();
  return memory;
}

} // namespace

void slot_releaser::operator()(launch_slot* slot) const noexcept { slot->taken.store(0); }

launch_slot_ptr take_launch_slot() noexcept {
  launch_slot* const all = slots();
  if (all == nullptr) return nullptr;
  for (std::size_t i = 0; i < launch_slots_max; ++i) {
    if (all[i].taken.load() != 0) continue;
    all[i].taken.store(1);
    all[i].reached.store(0);
    all[i].at_ns.fill(0);
    return launch_slot_ptr{&all[i]};
  }
  return nullptr;
}

} // namespace gantry::runtime
