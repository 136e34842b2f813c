/// The shim's view of the launcher and of control groups on a real host.
#include "io/base/log.hpp"
#include "runtime/cgroup.hpp"
#include "runtime/shim/container.hpp"

namespace gantry::runtime::shim {

kernel_ops real_kernel_ops() {
  auto layout = cgroup_layout::detect();
  if (!layout) log::warn("shim: no control groups on this host", {{"error", layout.error().message}});
  const auto groups = layout ? std::make_shared<cgroup_layout>(std::move(*layout)) : nullptr;
  return {
      .begin_launch = begin_launch,
      .finish_launch = finish_launch,
      .oom_killed = [groups](std::string_view path) { return groups && !path.empty() && oom_killed(*groups, path); },
      .signal_all = [groups](std::string_view path, int number) -> result<> {
        if (!groups || path.empty())
          return error{errc::not_implemented, 0, "signal all processes: the container has no control group"};
        return signal_all(*groups, path, number);
      },
  };
}

} // namespace gantry::runtime::shim
