/// What the reactor's suite needs on both backends: a reactor or a printed reason, pairs of descriptors, and waiting
/// for a condition with a deadline.
#pragma once

#include <catch2/catch.hpp>

#include <array>
#include <chrono>
#include <cstdio>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/base/unique_fd.hpp"
#include "io/reactor.hpp"

namespace gantry::io::test {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr auto patience = 20s; ///< far more than any condition needs, even under a sanitizer on a busy machine

/// Null, with the reason printed, where this machine refuses the backend. Writers to closed pipes want SIGPIPE ignored.
inline std::unique_ptr<reactor> reactor_or_skip(backend which) {
  ::signal(SIGPIPE, SIG_IGN);
  auto made = make_reactor(which);
  if (made.has_error()) {
    std::printf("skipped on %s: %s\n", which == backend::io_uring ? "io_uring" : "epoll", made.error().message.c_str());
    return nullptr;
  }
  return std::move(made).value();
}

template <class Condition>
bool run_until(reactor& r, Condition condition) {
  const auto limit = clock::now() + patience;
  while (!condition()) {
    if (clock::now() > limit) return false;
    r.run(1s);
  }
  return true;
}

/// Runs until nothing more happens at once: what was going to complete has completed.
inline void settle(reactor& r) {
  for (int i = 0; i < 3; ++i) r.run(10ms);
}

struct fd_pair {
  unique_fd first, second;
};

inline fd_pair stream_pair(int flags = SOCK_NONBLOCK) {
  std::array<int, 2> fds{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0, fds.data()) == 0);
  return {unique_fd(fds[0]), unique_fd(fds[1])};
}

/// first reads, second writes
inline fd_pair pipe_pair() {
  std::array<int, 2> fds{};
  REQUIRE(::pipe2(fds.data(), O_CLOEXEC | O_NONBLOCK) == 0);
  return {unique_fd(fds[0]), unique_fd(fds[1])};
}

inline std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

struct buffer {
  std::array<char, 4096> data{};
  std::span<std::byte> span() { return std::as_writable_bytes(std::span(data)); }
  std::string_view view(int size) const { return {data.data(), static_cast<std::size_t>(size)}; }
};

/// Records a completion: how often it ran, and with what.
struct outcome {
  int calls = 0;
  int result = 0;
  completion record() {
    return [this](int r) {
      ++calls;
      result = r;
    };
  }
};

inline bool may_open(std::size_t count) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < count && limit.rlim_max >= count) {
    limit.rlim_cur = count;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  return limit.rlim_cur >= count;
}

} // namespace gantry::io::test

/// Each case of the suite runs once on each backend.
#define GANTRY_ON_EACH_BACKEND(r)                                                                                      \
  const auto gantry_backend = GENERATE(gantry::io::backend::io_uring, gantry::io::backend::epoll);                     \
  const auto gantry_reactor = gantry::io::test::reactor_or_skip(gantry_backend);                                       \
  if (!gantry_reactor) return;                                                                                         \
  auto& r = *gantry_reactor;                                                                                           \
  INFO("backend: " << r.name())
