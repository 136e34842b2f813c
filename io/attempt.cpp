/// The system calls behind the epoll backend.
#include "io/attempt.hpp"

#include <cerrno>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace gantry::io {

namespace {

ssize_t try_poll(const request& r) noexcept {
  pollfd one{r.fd, r.events, 0};
  const int rc = ::poll(&one, 1, 0);
  if (rc < 0) return rc;
  if (rc == 0) {
    errno = EAGAIN;
    return -1;
  }
  if ((one.revents & POLLNVAL) != 0) {
    errno = EBADF;
    return -1;
  }
  return static_cast<unsigned short>(one.revents);
}

ssize_t call(const request& r) noexcept {
  auto* message = static_cast<msghdr*>(r.address);
  switch (r.kind) {
  case op_kind::recv:
    return ::recv(r.fd, r.address, r.bytes, MSG_DONTWAIT);
  case op_kind::send:
    return ::send(r.fd, r.address, r.bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
  case op_kind::recvmsg:
    return ::recvmsg(r.fd, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  case op_kind::sendmsg:
    return ::sendmsg(r.fd, message, MSG_DONTWAIT | MSG_NOSIGNAL);
  case op_kind::read:
    return ::read(r.fd, r.address, r.bytes);
  case op_kind::write:
    return ::write(r.fd, r.address, r.bytes);
  case op_kind::read_at:
    return ::pread(r.fd, r.address, r.bytes, static_cast<off_t>(r.offset));
  case op_kind::accept:
    return ::accept4(r.fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  case op_kind::poll:
    return try_poll(r);
  case op_kind::timer:
    break;
  }
  errno = EINVAL;
  return -1;
}

} // namespace

int attempt(const request& r) noexcept {
  for (;;) {
    const auto rc = call(r);
    if (rc >= 0) return static_cast<int>(rc); // at most transfer_bytes_max
    if (errno != EINTR) return -errno;
  }
}

std::uint32_t events_for(const request& r) noexcept {
  switch (r.kind) {
  case op_kind::send:
  case op_kind::sendmsg:
  case op_kind::write:
    return EPOLLOUT;
  case op_kind::poll:
    return static_cast<unsigned short>(r.events); // the POLL and EPOLL bits are the same
  default:
    return EPOLLIN;
  }
}

} // namespace gantry::io
