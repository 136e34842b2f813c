/// Runs a Spec by the real launcher to its end, with streams on pipes (or its terminal), and gives back what came of
/// it.
#pragma once

#include <catch2/catch.hpp>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <iostream>
#include <optional>
#include <poll.h>
#include <sstream>
#include <string>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/cgroup.hpp"
#include "runtime/launcher.hpp"
#include "tests/runtime/sample_root.hpp"

namespace gantry::runtime::testing {

/// No container of these tests runs longer, on however busy a machine.
inline constexpr std::chrono::seconds run_limit{60};

struct outcome {
  std::optional<error> failure; ///< the launch failed
  int exit_code = -1;           ///< -1: killed by `signal`
  int signal = 0;
  std::string out, err;
};

struct pipe_pair {
  unique_fd read, write;
  static pipe_pair make() {
    int fds[2];
    REQUIRE(::pipe2(fds, O_CLOEXEC) == 0);
    return {unique_fd{fds[0]}, unique_fd{fds[1]}};
  }
};

/// Reads until the other side is closed (or is no terminal any more); false when the limit passes.
inline bool read_to_end(std::initializer_list<std::pair<int, std::string*>> from) {
  const auto deadline = std::chrono::steady_clock::now() + run_limit;
  std::vector<std::pair<int, std::string*>> open(from);
  while (!open.empty()) {
    std::vector<pollfd> fds;
    for (const auto& [fd, text] : open) fds.push_back({fd, POLLIN, 0});
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0 || ::poll(fds.data(), fds.size(), static_cast<int>(left.count())) <= 0) return false;
    for (std::size_t i = fds.size(); i-- > 0;) {
      if (fds[i].revents == 0) continue;
      char buffer[65536];
      const auto n = ::read(fds[i].fd, buffer, sizeof buffer);
      if (n > 0)
        open[i].second->append(buffer, static_cast<std::size_t>(n));
      else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  return true;
}

inline void wait_for_end(const launched& running, outcome& into) {
  pollfd fd{running.pidfd.get(), POLLIN, 0};
  REQUIRE(::poll(&fd, 1, static_cast<int>(std::chrono::milliseconds(run_limit).count())) == 1);
  siginfo_t info{};
  REQUIRE(::waitid(P_PIDFD, static_cast<id_t>(running.pidfd.get()), &info, WEXITED) == 0);
  if (info.si_code == CLD_EXITED)
    into.exit_code = info.si_status;
  else
    into.signal = info.si_status;
}

inline result<launched> launch(const pb::Spec& spec, stdio streams = {}) {
  auto child = begin_launch(spec, std::move(streams));
  if (child.has_error()) return child.error();
  return finish_launch(std::move(*child), spec);
}

/// With a terminal everything it wrote is `out`.
inline outcome run(const pb::Spec& spec, const std::string& input = {}) {
  outcome result_of_run;
  const bool terminal = spec.process().terminal();
  auto in = pipe_pair::make(), out = pipe_pair::make(), err = pipe_pair::make();
  stdio streams;
  if (!terminal) streams = {std::move(in.read), std::move(out.write), std::move(err.write)};
  auto running = launch(spec, std::move(streams));
  if (running.has_error()) {
    result_of_run.failure = running.error();
    return result_of_run;
  }
  const int to = terminal ? running->pty_master.get() : in.write.get();
  if (!input.empty()) REQUIRE(::write(to, input.data(), input.size()) == static_cast<ssize_t>(input.size()));
  in.write.reset();
  if (terminal)
    REQUIRE(read_to_end({{running->pty_master.get(), &result_of_run.out}}));
  else
    REQUIRE(read_to_end({{out.read.get(), &result_of_run.out}, {err.read.get(), &result_of_run.err}}));
  wait_for_end(*running, result_of_run);
  REQUIRE(remove(*cgroup_layout::detect(), spec.cgroup().path()).has_value());
  return result_of_run;
}

/// A shell script's words.
inline pb::Spec script(const sample_root& root, const std::string& name, const std::string& text) {
  return root.make_spec(name, {"/bin/sh", "-c", text});
}

/// What `text` prints in a default container. Fails the test when it cannot be run or its status is not 0.
inline std::string output_of(const pb::Spec& spec) {
  const auto done = run(spec);
  if (done.failure) FAIL(done.failure->message);
  CAPTURE(done.out, done.err);
  CHECK(done.exit_code == 0);
  return done.out;
}

inline std::string file_text(const std::string& path) {
  std::ifstream in(path);
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

} // namespace gantry::runtime::testing

/// Leaves the test, with the reason printed, where containers cannot be run.
#define GANTRY_NEEDS_CONTAINERS()                                                                                      \
  do {                                                                                                                 \
    std::string why_not;                                                                                               \
    if (!gantry::runtime::testing::sample_root::possible(why_not)) {                                                   \
      std::cerr << "skipped: " << why_not << "\n";                                                                     \
      return;                                                                                                          \
    }                                                                                                                  \
  } while (0)
