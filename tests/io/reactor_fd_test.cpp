/// The reactor's suite, run by both backends: pipes, ptys, eventfds, inotify, processes and files.
#include "tests/io/reactor_fixture.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <vector>

using namespace gantry;
using namespace gantry::io;
using namespace gantry::io::test;

namespace {

/// A file without a name, in the test's own folder for temporary files.
unique_fd temporary_file(std::string_view content) {
  char path[] = "/tmp/gantry-io-test-XXXXXX";
  unique_fd file(::mkostemp(path, O_CLOEXEC));
  REQUIRE(file);
  ::unlink(path);
  REQUIRE(::write(file.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  return file;
}

} // namespace

TEST_CASE("a non-blocking pipe is read when data comes, and to its end", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  auto [out, in] = pipe_pair();
  buffer into;
  outcome got, end, written;
  r.read(out.get(), into.span(), got.record());
  settle(r);
  REQUIRE(got.calls == 0);
  r.write(in.get(), bytes_of("line\n"), written.record());
  REQUIRE(run_until(r, [&] { return got.calls == 1 && written.calls == 1; }));
  CHECK(into.view(got.result) == "line\n");
  r.read(out.get(), into.span(), end.record());
  settle(r);
  REQUIRE(end.calls == 0);
  in.reset();
  REQUIRE(run_until(r, [&] { return end.calls == 1; }));
  CHECK(end.result == 0);
}

TEST_CASE("a full pipe is written when there is room", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  auto [out, in] = pipe_pair();
  const std::string block(4096, 'x');
  while (::write(in.get(), block.data(), block.size()) > 0) {
  }
  outcome written;
  r.write(in.get(), bytes_of("more"), written.record());
  settle(r);
  REQUIRE(written.calls == 0);
  std::vector<char> drain(1 << 20);
  REQUIRE(::read(out.get(), drain.data(), drain.size()) > 0);
  REQUIRE(run_until(r, [&] { return written.calls == 1; }));
  CHECK(written.result == 4);
}

TEST_CASE("writing to a pipe that nobody reads is EPIPE", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  auto [out, in] = pipe_pair();
  const std::string block(4096, 'x');
  while (::write(in.get(), block.data(), block.size()) > 0) {
  }
  outcome waiting, later;
  r.write(in.get(), bytes_of("x"), waiting.record());
  settle(r);
  REQUIRE(waiting.calls == 0);
  out.reset(); // while the write waits
  REQUIRE(run_until(r, [&] { return waiting.calls == 1; }));
  CHECK(waiting.result == -EPIPE);
  r.write(in.get(), bytes_of("x"), later.record());
  REQUIRE(run_until(r, [&] { return later.calls == 1; }));
  CHECK(later.result == -EPIPE);
}

TEST_CASE("a pty master is read, written, and ends with its slave", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  unique_fd master(::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  if (!master) {
    std::printf("skipped: no pty here: %s\n", std::strerror(errno));
    return;
  }
  REQUIRE(::grantpt(master.get()) == 0);
  REQUIRE(::unlockpt(master.get()) == 0);
  char name[128];
  REQUIRE(::ptsname_r(master.get(), name, sizeof name) == 0);
  unique_fd slave(::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
  REQUIRE(slave);

  buffer into;
  outcome got, written, end;
  r.read(master.get(), into.span(), got.record());
  settle(r);
  REQUIRE(got.calls == 0);
  REQUIRE(::write(slave.get(), "out", 3) == 3);
  REQUIRE(run_until(r, [&] { return got.calls == 1; }));
  CHECK(into.view(got.result) == "out");

  r.write(master.get(), bytes_of("in\n"), written.record());
  REQUIRE(run_until(r, [&] { return written.calls == 1; }));
  CHECK(written.result == 3);
  char line[16];
  CHECK(::read(slave.get(), line, sizeof line) == 3);

  std::string echo; // the terminal shows what was typed
  while (echo.size() < 4) {
    outcome part;
    r.read(master.get(), into.span(), part.record());
    REQUIRE(run_until(r, [&] { return part.calls == 1; }));
    REQUIRE(part.result > 0);
    echo += into.view(part.result);
  }
  CHECK(echo == "in\r\n");
  r.read(master.get(), into.span(), end.record());
  settle(r);
  REQUIRE(end.calls == 0);
  slave.reset();
  REQUIRE(run_until(r, [&] { return end.calls == 1; }));
  CHECK(end.result == -EIO); // as Linux says it
}

TEST_CASE("eventfds and inotify descriptors are read when something happens", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  const unique_fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const unique_fd notify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  char folder[] = "/tmp/gantry-io-test-XXXXXX";
  REQUIRE(::mkdtemp(folder) != nullptr);
  REQUIRE(::inotify_add_watch(notify.get(), folder, IN_CREATE) >= 0);
  std::uint64_t counted = 0;
  buffer into;
  outcome rang, noticed;
  r.read(event.get(), std::as_writable_bytes(std::span(&counted, 1)), rang.record());
  r.read(notify.get(), into.span(), noticed.record());
  settle(r);
  REQUIRE(rang.calls + noticed.calls == 0);

  const std::uint64_t seven = 7;
  REQUIRE(::write(event.get(), &seven, sizeof seven) == sizeof seven);
  const auto file = std::string(folder) + "/new";
  const unique_fd made(::open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  const bool done = run_until(r, [&] { return rang.calls == 1 && noticed.calls == 1; });
  ::unlink(file.c_str());
  ::rmdir(folder);
  REQUIRE(done);
  CHECK(counted == 7);
  CHECK(noticed.result >= static_cast<int>(sizeof(inotify_event)));
}

TEST_CASE("a pidfd turns readable when its process ends", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  auto [hold, let_go] = pipe_pair();
  ::fcntl(hold.get(), F_SETFL, 0);
  const auto pid = ::fork();
  if (pid == 0) {
    ::close(let_go.release());
    char c = 0;
    [[maybe_unused]] auto n = ::read(hold.get(), &c, 1);
    ::_exit(3);
  }
  REQUIRE(pid > 0);
  const unique_fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  REQUIRE(pidfd);
  outcome ended, cancelled;
  r.poll(pidfd.get(), POLLIN, ended.record());
  const auto token = r.poll(pidfd.get(), POLLIN, cancelled.record());
  settle(r);
  CHECK(ended.calls == 0);
  r.cancel(token);
  CHECK(run_until(r, [&] { return cancelled.calls == 1; }));
  CHECK(cancelled.result == -ECANCELED);
  let_go.reset();
  CHECK(run_until(r, [&] { return ended.calls == 1; }));
  CHECK((ended.result & POLLIN) != 0);
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  CHECK(WEXITSTATUS(status) == 3);
}

TEST_CASE("a poll for room, for data and for a hang-up gives the events", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  auto [a, b] = stream_pair();
  outcome room, data, gone;
  r.poll(a.get(), POLLIN | POLLOUT, room.record());
  REQUIRE(run_until(r, [&] { return room.calls == 1; }));
  CHECK(room.result == POLLOUT);
  r.poll(a.get(), POLLIN, data.record());
  settle(r);
  REQUIRE(data.calls == 0); // once means once: the room reported before is not reported again
  REQUIRE(::send(b.get(), "x", 1, 0) == 1);
  REQUIRE(run_until(r, [&] { return data.calls == 1; }));
  CHECK((data.result & POLLIN) != 0);
  char c = 0;
  REQUIRE(::recv(a.get(), &c, 1, 0) == 1);
  r.poll(a.get(), POLLPRI, gone.record()); // hang-ups are reported without being asked for
  settle(r);
  REQUIRE(gone.calls == 0);
  b.reset();
  REQUIRE(run_until(r, [&] { return gone.calls == 1; }));
  CHECK((gone.result & POLLHUP) != 0);
}

TEST_CASE("files are read at offsets, short at their end", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  std::string content(100'000, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>('a' + i / 7 % 26);
  const auto file = temporary_file(content);
  buffer middle, tail, beyond;
  outcome at_middle, at_tail, at_beyond;
  r.read_at(file.get(), 50'000, middle.span(), at_middle.record());
  r.read_at(file.get(), 99'990, tail.span(), at_tail.record());
  r.read_at(file.get(), 1 << 30, beyond.span(), at_beyond.record());
  REQUIRE(run_until(r, [&] { return at_middle.calls + at_tail.calls + at_beyond.calls == 3; }));
  CHECK(middle.view(at_middle.result) == content.substr(50'000, 4096));
  CHECK(tail.view(at_tail.result) == content.substr(99'990));
  CHECK(at_beyond.result == 0);
}

TEST_CASE("thousands of file reads wait their turn", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  constexpr std::size_t count = 5000; // more than the pool's queue and the ring's
  std::string content(count * 4, '\0');
  for (std::size_t i = 0; i < count; ++i) std::snprintf(content.data() + i * 4, 5, "%04zu", i);
  const auto file = temporary_file(content);
  std::vector<std::array<std::byte, 4>> into(count);
  std::size_t done = 0, wrong = 0;
  for (std::size_t i = 0; i < count; ++i) {
    r.read_at(file.get(), i * 4, into[i], [&, i](int n) {
      ++done;
      wrong += n != 4 || std::memcmp(into[i].data(), content.data() + i * 4, 4) != 0;
    });
  }
  REQUIRE(run_until(r, [&] { return done == count; }));
  CHECK(wrong == 0);
  CHECK(r.in_flight() == 0);
}
