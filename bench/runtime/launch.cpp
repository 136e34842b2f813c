/// Launches containers of static busybox's `true` one after another by begin_launch and finish_launch, and prints what
/// a launch costs: to exec, to the end of the process, with everything removed, and step by step.
/// Usage (root): bench_launch [COUNT] [none|host] [DIRECTORY] [FILTER FILE]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "runtime/cgroup.hpp"
#include "runtime/files.hpp"
#include "runtime/launch_slots.hpp"
#include "runtime/launcher.hpp"
#include "tests/runtime/sample_root.hpp"

using namespace gantry;
using namespace gantry::runtime;
using steady = std::chrono::steady_clock;

namespace {

double percentile(std::vector<double>& values, double p) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<std::size_t>(static_cast<double>(values.size()) * p))];
}

double milliseconds(steady::time_point from) {
  return std::chrono::duration<double, std::milli>(steady::now() - from).count();
}

} // namespace

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 200;
  const bool host_network = argc > 2 && std::string(argv[2]) == "host";
  const std::string base = argc > 3 ? argv[3] : "/tmp/gantry-bench-launch";
  testing::sample_root root(base);
  const auto layout = cgroup_layout::detect();
  std::vector<double> to_exec, to_exit, to_removed;
  std::vector<double> steps[launch_step_count];
  std::string filter;
  if (argc > 4) filter = read_file_at(AT_FDCWD, argv[4], 1u << 20).value();
  for (int i = 0; i < count; ++i) {
    auto spec = root.make_spec("bench" + std::to_string(i), {"true"});
    spec.mutable_seccomp()->set_program(filter);
    if (host_network) spec.mutable_namespaces()->mutable_network()->set_mode(pb::Namespaces::HOST);
    const auto start = steady::now();
    const auto start_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(start.time_since_epoch()).count();
    auto child = begin_launch(spec, {});
    if (child.has_error()) return std::fprintf(stderr, "%s\n", child.error().message.c_str()), 1;
    pollfd status{child->status.get(), POLLIN, 0};
    ::poll(&status, 1, -1);
    std::array<std::uint64_t, launch_step_count> at{};
    if (child->slot) at = child->slot->at_ns;
    auto running = finish_launch(std::move(*child), spec);
    if (running.has_error()) return std::fprintf(stderr, "%s\n", running.error().message.c_str()), 1;
    to_exec.push_back(milliseconds(start));
    siginfo_t info{};
    ::waitid(P_PIDFD, static_cast<id_t>(running->pidfd.get()), &info, WEXITED);
    if (info.si_code != CLD_EXITED || info.si_status != 0)
      return std::fprintf(stderr, "status %d\n", info.si_status), 1;
    to_exit.push_back(milliseconds(start));
    if (auto removed = remove(*layout, spec.cgroup().path()); removed.has_error())
      return std::fprintf(stderr, "%s\n", removed.error().message.c_str()), 1;
    to_removed.push_back(milliseconds(start));
    root.remove_upper(spec);
    auto before = static_cast<std::uint64_t>(start_ns);
    for (std::size_t s = 1; s < launch_step_count; ++s) {
      if (at[s] == 0) continue;
      steps[s].push_back(static_cast<double>(at[s] - before) / 1000.0);
      before = at[s];
    }
  }
  std::printf("%d launches, network %s, filter %zu bytes\n", count, host_network ? "host" : "none", filter.size());
  std::printf("%-22s %10s %10s %10s\n", "", "p5", "p50", "p99");
  for (auto [name, values] :
       {std::pair{"to exec, ms", &to_exec}, {"to exit, ms", &to_exit}, {"to removed, ms", &to_removed}})
    std::printf("%-22s %10.3f %10.3f %10.3f\n", name, percentile(*values, 0.05), percentile(*values, 0.5),
                percentile(*values, 0.99));
  for (std::size_t s = 1; s < launch_step_count; ++s)
    if (!steps[s].empty())
      std::printf("  step %-13s us %7.1f %10.1f %10.1f\n", std::string(to_string(static_cast<launch_step>(s))).c_str(),
                  percentile(steps[s], 0.05), percentile(steps[s], 0.5), percentile(steps[s], 0.99));
}
