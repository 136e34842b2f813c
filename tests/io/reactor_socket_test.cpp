/// The reactor's suite, run by both backends: sockets.
#include "tests/io/reactor_fixture.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <sys/un.h>
#include <vector>

using namespace gantry;
using namespace gantry::io;
using namespace gantry::io::test;

TEST_CASE("a receive waits for data, on blocking and non-blocking sockets", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  for (const int flags : {0, static_cast<int>(SOCK_NONBLOCK)}) {
    auto [a, b] = stream_pair(flags);
    buffer into;
    outcome got;
    r.recv(a.get(), into.span(), got.record());
    settle(r);
    REQUIRE(got.calls == 0);
    REQUIRE(r.in_flight() == 1);
    outcome sent;
    r.send(b.get(), bytes_of("hello"), sent.record());
    REQUIRE(run_until(r, [&] { return got.calls == 1 && sent.calls == 1; }));
    CHECK(sent.result == 5);
    CHECK(into.view(got.result) == "hello");
    CHECK(r.in_flight() == 0);
  }
}

TEST_CASE("what could complete at once still completes from run", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  auto [a, b] = stream_pair();
  outcome sent;
  r.send(a.get(), bytes_of("x"), sent.record());
  CHECK(sent.calls == 0);
  CHECK(r.in_flight() == 1);
  REQUIRE(run_until(r, [&] { return sent.calls == 1; }));
  buffer into;
  outcome got;
  r.recv(b.get(), into.span(), got.record()); // the data is there
  CHECK(got.calls == 0);
  REQUIRE(run_until(r, [&] { return got.calls == 1; }));
  CHECK(got.result == 1);
}

TEST_CASE("completions start further operations", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  auto [a, b] = stream_pair();
  buffer at_a, at_b;
  int rounds = 0;
  constexpr int rounds_max = 1000;
  // A client and a server that answer each other, each step from the completion of the one before.
  std::function<void()> ask = [&, client = a.get()] {
    r.send(client, bytes_of("ping"), [&, client](int n) {
      REQUIRE(n == 4);
      r.recv(client, at_a.span(), [&](int m) {
        REQUIRE(at_a.view(m) == "pong");
        if (++rounds < rounds_max) ask();
      });
    });
  };
  std::function<void()> serve = [&, server = b.get()] {
    r.recv(server, at_b.span(), [&, server](int n) {
      if (n == 0) return;
      REQUIRE(at_b.view(n) == "ping");
      r.send(server, bytes_of("pong"), [&](int) { serve(); });
    });
  };
  ask();
  serve();
  REQUIRE(run_until(r, [&] { return rounds == rounds_max; }));
  ::shutdown(a.get(), SHUT_WR);
  CHECK(run_until(r, [&] { return r.in_flight() == 0; }));
}

TEST_CASE("a large send goes in parts and arrives whole", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  auto [a, b] = stream_pair();
  std::string out(8 << 20, '\0');
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<char>(i * 2654435761U >> 24);
  std::string in;
  buffer into;
  std::size_t sent = 0;
  int sends = 0;
  std::function<void()> send_rest = [&, fd = a.get()] {
    r.send(fd, bytes_of(std::string_view(out).substr(sent)), [&](int n) {
      REQUIRE(n > 0);
      sent += static_cast<std::size_t>(n);
      ++sends;
      if (sent < out.size()) send_rest();
    });
  };
  send_rest();
  settle(r);
  REQUIRE(sent < out.size()); // nobody reads: the socket's buffer is full
  std::function<void()> receive = [&, fd = b.get()] {
    r.recv(fd, into.span(), [&](int n) {
      REQUIRE(n > 0);
      in += into.view(n);
      if (in.size() < out.size()) receive();
    });
  };
  receive();
  REQUIRE(run_until(r, [&] { return in.size() == out.size(); }));
  CHECK(in == out);
  CHECK(sends > 1);
}

TEST_CASE("a half-closed stream ends in one direction only", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  auto [a, b] = stream_pair();
  buffer at_a, at_b;
  outcome end, answer, sent;
  r.recv(b.get(), at_b.span(), end.record());
  ::shutdown(a.get(), SHUT_WR);
  REQUIRE(run_until(r, [&] { return end.calls == 1; }));
  CHECK(end.result == 0);
  r.send(b.get(), bytes_of("late"), sent.record());
  r.recv(a.get(), at_a.span(), answer.record());
  REQUIRE(run_until(r, [&] { return answer.calls == 1 && sent.calls == 1; }));
  CHECK(at_a.view(answer.result) == "late");
}

TEST_CASE("sending to a closed peer is EPIPE, without a signal", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  struct sigaction before {};
  ::sigaction(SIGPIPE, nullptr, &before);
  ::signal(SIGPIPE, SIG_DFL); // a signal would end this program
  auto [a, b] = stream_pair();
  b.reset();
  outcome sent;
  r.send(a.get(), bytes_of("x"), sent.record());
  const bool done = run_until(r, [&] { return sent.calls == 1; });
  ::sigaction(SIGPIPE, &before, nullptr);
  REQUIRE(done);
  CHECK(sent.result == -EPIPE);
}

TEST_CASE("a bad descriptor is an error of the operation", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  buffer into;
  outcome received, polled, accepted;
  r.recv(-1, into.span(), received.record());
  r.poll(1 << 20, POLLIN, polled.record());
  r.accept(-1, accepted.record());
  REQUIRE(run_until(r, [&] { return received.calls + polled.calls + accepted.calls == 3; }));
  CHECK(received.result == -EBADF);
  CHECK(polled.result == -EBADF);
  CHECK(accepted.result == -EBADF);
}

TEST_CASE("a receive, a send and a poll wait on one socket at once", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  auto [a, b] = stream_pair();
  const std::string block(4096, 'x');
  while (::send(a.get(), block.data(), block.size(), MSG_DONTWAIT) > 0) {
  } // no room for a send
  buffer into;
  outcome received, sent, polled;
  r.recv(a.get(), into.span(), received.record());
  r.send(a.get(), bytes_of("tail"), sent.record());
  r.poll(a.get(), POLLIN, polled.record());
  settle(r);
  REQUIRE(received.calls + sent.calls + polled.calls == 0);

  while (::recv(b.get(), into.data.data(), into.data.size(), MSG_DONTWAIT) > 0) {
  } // now there is room
  REQUIRE(run_until(r, [&] { return sent.calls == 1; }));
  CHECK(sent.result == 4);
  CHECK(received.calls == 0);

  REQUIRE(::send(b.get(), "in", 2, MSG_DONTWAIT) == 2);
  REQUIRE(run_until(r, [&] { return received.calls == 1; }));
  CHECK(into.view(received.result) == "in");
  if (polled.calls == 0) { // the receive may have taken the data before the poll looked
    REQUIRE(::send(b.get(), "in", 2, MSG_DONTWAIT) == 2);
    REQUIRE(run_until(r, [&] { return polled.calls == 1; }));
  }
  CHECK((polled.result & POLLIN) != 0);
}

TEST_CASE("two receives on one socket get the bytes in their order", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  auto [a, b] = stream_pair(SOCK_NONBLOCK);
  std::array<char, 1> one{}, two{};
  outcome first, second;
  r.recv(a.get(), std::as_writable_bytes(std::span(one)), first.record());
  settle(r);
  REQUIRE(::send(b.get(), "12", 2, 0) == 2);
  r.recv(a.get(), std::as_writable_bytes(std::span(two)), second.record());
  REQUIRE(run_until(r, [&] { return first.calls == 1 && second.calls == 1; }));
  if (r.name() == "epoll") { // the ring promises no order between operations on one socket
    CHECK(one[0] == '1');
    CHECK(two[0] == '2');
  }
  CHECK(one[0] + two[0] == '1' + '2');
}

TEST_CASE("accepted descriptors are non-blocking and close-on-exec", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  for (const int flags : {0, static_cast<int>(SOCK_NONBLOCK)}) {
    unique_fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener.get(), 16) == 0);
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);

    outcome accepted;
    r.accept(listener.get(), accepted.record());
    settle(r);
    REQUIRE(accepted.calls == 0);
    unique_fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(run_until(r, [&] { return accepted.calls == 1; }));
    REQUIRE(accepted.result >= 0);
    const unique_fd served(accepted.result);
    CHECK((::fcntl(served.get(), F_GETFL) & O_NONBLOCK) != 0);
    CHECK((::fcntl(served.get(), F_GETFD) & FD_CLOEXEC) != 0);
  }
}

TEST_CASE("descriptors travel in control messages and arrive close-on-exec", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  auto [a, b] = stream_pair();
  auto carried = pipe_pair();
  char letter = 'f';
  iovec out_part{&letter, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> out_control{}, in_control{};
  msghdr out{};
  out.msg_iov = &out_part;
  out.msg_iovlen = 1;
  out.msg_control = out_control.data();
  out.msg_controllen = out_control.size();
  auto* header = CMSG_FIRSTHDR(&out);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int passed = carried.second.get();
  std::memcpy(CMSG_DATA(header), &passed, sizeof passed);

  char got_letter = 0;
  iovec in_part{&got_letter, 1};
  msghdr in{};
  in.msg_iov = &in_part;
  in.msg_iovlen = 1;
  in.msg_control = in_control.data();
  in.msg_controllen = in_control.size();
  outcome received, sent;
  r.recvmsg(b.get(), &in, received.record());
  settle(r);
  REQUIRE(received.calls == 0);
  r.sendmsg(a.get(), &out, sent.record());
  REQUIRE(run_until(r, [&] { return received.calls == 1 && sent.calls == 1; }));
  REQUIRE(received.result == 1);
  CHECK(got_letter == 'f');
  auto* got = CMSG_FIRSTHDR(&in);
  REQUIRE(got != nullptr);
  REQUIRE(got->cmsg_type == SCM_RIGHTS);
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(got), sizeof fd);
  const unique_fd arrived(fd);
  CHECK((::fcntl(arrived.get(), F_GETFD) & FD_CLOEXEC) != 0);
  REQUIRE(::write(arrived.get(), "!", 1) == 1);
  char through = 0;
  REQUIRE(::read(carried.first.get(), &through, 1) == 1);
  CHECK(through == '!');
}

TEST_CASE("a descriptor number that is used again is watched again", "[io][reactor]") {
  GANTRY_ON_EACH_BACKEND(r);
  for (int i = 0; i < 50; ++i) {
    auto [a, b] = stream_pair(); // the same numbers each time round
    // A copy keeps the old file alive, so the kernel does not forget the registration by itself.
    const unique_fd copy(::fcntl(a.get(), F_DUPFD_CLOEXEC, 100));
    buffer into;
    outcome got;
    const auto token = r.recv(a.get(), into.span(), got.record());
    if (i % 2 == 0) {
      r.cancel(token);
      REQUIRE(run_until(r, [&] { return got.calls == 1; }));
      REQUIRE(got.result == -ECANCELED);
    } else {
      settle(r);
      REQUIRE(::send(b.get(), "x", 1, 0) == 1);
      REQUIRE(run_until(r, [&] { return got.calls == 1; }));
      REQUIRE(got.result == 1);
    }
  }
}

TEST_CASE("many sockets wait and are served at once", "[io][reactor]") {
  constexpr std::size_t count = 2000;
  if (!may_open(2 * count + 100)) {
    std::printf("skipped: RLIMIT_NOFILE is below %zu\n", 2 * count + 100);
    return;
  }
  GANTRY_ON_EACH_BACKEND(r);
  struct one {
    fd_pair fds;
    std::array<std::byte, 8> into{};
    int received = 0;
  };
  std::vector<one> all(count);
  std::size_t done = 0;
  for (auto& o : all) {
    o.fds = stream_pair();
    r.recv(o.fds.first.get(), o.into, [&done, &o](int n) {
      o.received = n;
      ++done;
    });
  }
  REQUIRE(r.in_flight() == count);
  settle(r);
  REQUIRE(done == 0);
  std::size_t sent = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto size = 1 + i % 8;
    r.send(all[i].fds.second.get(), bytes_of("12345678").first(size), [&sent](int n) { sent += n > 0; });
  }
  REQUIRE(run_until(r, [&] { return done == count && sent == count; }));
  for (std::size_t i = 0; i < count; ++i) REQUIRE(all[i].received == static_cast<int>(1 + i % 8));
}
