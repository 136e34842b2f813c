/// The choice of a backend where io_uring is refused, seen from a child under a seccomp filter as Docker's default has
/// it.
#include <catch2/catch.hpp>

#include <array>
#include <cerrno>
#include <cstddef>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "io/base/unique_fd.hpp"
#include "io/reactor.hpp"

using namespace gantry;
using namespace gantry::io;

namespace {

/// Refuses `calls` with `err` in this process from now on.
bool refuse(const std::vector<unsigned>& calls, int err) {
  std::vector<sock_filter> program{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const auto nr : calls) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(err)));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// What a child under the filter says: the automatic choice, then why io_uring was refused.
std::string ask_child(const std::vector<unsigned>& calls, int err) {
  std::array<int, 2> fds{};
  REQUIRE(::pipe(fds.data()) == 0);
  unique_fd out(fds[0]), in(fds[1]);
  const auto pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    std::string text = "no seccomp filters here";
    if (refuse(calls, err)) {
      auto chosen = make_reactor(backend::automatic);
      auto ring = make_reactor(backend::io_uring);
      text = chosen.has_value() ? std::string(chosen.value()->name()) : chosen.error().message;
      text += '|';
      text += ring.has_value() ? "made" : ring.error().message;
      if (ring.has_error() && ring.error().code != errc::unavailable) text += " (wrong class)";
      int ran = 0;
      if (chosen.has_value()) chosen.value()->timer(std::chrono::nanoseconds(0), [&ran](int) { ++ran; });
      if (chosen.has_value()) chosen.value()->run(std::chrono::seconds(5));
      if (ran != 1) text += " (does not run)";
    }
    [[maybe_unused]] auto n = ::write(in.get(), text.data(), text.size());
    ::_exit(0);
  }
  in.reset();
  std::string text;
  std::array<char, 512> part{};
  for (ssize_t n = 0; (n = ::read(out.get(), part.data(), part.size())) > 0;)
    text.append(part.data(), static_cast<std::size_t>(n));
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  CHECK(status == 0);
  return text;
}

const std::vector<unsigned> all_calls{SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register};

} // namespace

TEST_CASE("epoll is chosen where io_uring is refused", "[io][reactor]") {
  struct refusal {
    std::vector<unsigned> calls;
    int err;
    std::string_view says;
  };
  const std::vector<refusal> table{
      {all_calls, EPERM, "seccomp"},                 // Docker's default profile
      {all_calls, ENOSYS, "the kernel has none"},    // a kernel without, or gVisor
      {{SYS_io_uring_enter}, EPERM, "seccomp"},      // a profile that knows only half of it
      {{SYS_io_uring_register}, EPERM, "the probe"}, // or the other half
  };
  for (const auto& row : table) {
    const auto text = ask_child(row.calls, row.err);
    if (text == "no seccomp filters here") {
      std::printf("skipped: %s\n", text.c_str());
      return;
    }
    INFO(text);
    CHECK(text.starts_with("epoll|set up io_uring: "));
    if (make_reactor(backend::io_uring).has_value()) CHECK(text.find(row.says) != std::string::npos);
    CHECK(text.find('(') == std::string::npos);
  }
}

TEST_CASE("the backend asked for by name is the one made", "[io][reactor]") {
  auto epoll = make_reactor(backend::epoll);
  REQUIRE(epoll.has_value());
  CHECK(epoll.value()->name() == "epoll");
  auto ring = make_reactor(backend::io_uring);
  auto automatic = make_reactor(backend::automatic);
  REQUIRE(automatic.has_value());
  CHECK(automatic.value()->name() == (ring.has_value() ? "io_uring" : "epoll"));
}
