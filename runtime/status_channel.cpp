#include "runtime/status_channel.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <sys/socket.h>
#include <sys/uio.h>

namespace gantry::runtime {

namespace {

struct packet_head {
  std::uint8_t kind = 0; ///< an errc, or 0 for the terminal
  std::int32_t sys_errno = 0;
};

/// Sends `fd` too unless it is -1.
bool send_packet(int socketfd, packet_head head, std::string_view text, int fd) noexcept {
  iovec parts[2] = {{&head, sizeof head}, {const_cast<char*>(text.data()), text.size()}};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
  }
  return ::sendmsg(socketfd, &message, MSG_NOSIGNAL) >= 0;
}

} // namespace

result<status_channel> make_status_channel() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return sys_error("socketpair", errno);
  return status_channel{unique_fd{ends[0]}, unique_fd{ends[1]}};
}

void send_error(int statusfd, const error& e) noexcept {
  const std::string_view text(e.message.data(), std::min(e.message.size(), status_text_bytes_max));
  (void)send_packet(statusfd, {static_cast<std::uint8_t>(e.code), e.sys_errno}, text, -1);
}

bool send_master(int statusfd, int masterfd) noexcept { return send_packet(statusfd, {}, {}, masterfd); }

status_packet receive_status(int statusfd) noexcept {
  status_packet out;
  packet_head head;
  char text[status_text_bytes_max];
  iovec parts[2] = {{&head, sizeof head}, {text, sizeof text}};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n = 0;
  do n = ::recvmsg(statusfd, &message, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n < static_cast<ssize_t>(sizeof head)) {
    out.end = true;
    return out;
  }
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(c), sizeof fd);
    out.master.reset(fd);
  }
  if (head.kind != 0)
    out.failure = error{static_cast<errc>(head.kind), head.sys_errno,
                        std::string(text, static_cast<std::size_t>(n) - sizeof head)};
  return out;
}

} // namespace gantry::runtime
