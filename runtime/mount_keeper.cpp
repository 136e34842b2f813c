#include "runtime/mount_keeper.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/close_range.h>
#include <map>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>

#include "runtime/syscalls.hpp"

namespace gantry::runtime {

namespace {

/// Threads that let go: each may wait for the disk.
constexpr int closers = 4;
/// Where the keeper has its descriptors.
constexpr int socket_number = 3, queue_read = 4, queue_write = 5, epoll_number = 6;

/// The launcher's end; -1 without a keeper.
int keeper_socket = -1;
/// It could not be made once: not tried again at every launch.
bool keeper_failed = false;

void close_forever() {
  int fd = -1;
  for (;;) {
    const auto n = ::read(queue_read, &fd, sizeof fd);
    if (n == sizeof fd)
      ::close(fd); // unmounts here, when it was the last reference
    else if (n >= 0 || errno != EINTR)
      return;
  }
}

struct kept {
  int pidfd = -1, mountsfd = -1;
};

/// One message: a pidfd and what is kept for as long as it runs. False at the end of the stream.
bool receive(kept& out) {
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const auto n = ::recvmsg(socket_number, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (n == 0) return false;
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c))
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(2 * sizeof(int)))
      std::memcpy(&out, CMSG_DATA(c), 2 * sizeof(int));
  return true;
}

void watch(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  (void)::epoll_ctl(epoll_number, EPOLL_CTL_ADD, fd, &event);
}

void keep_forever() {
  std::map<int, int> mounts_of; ///< by pidfd
  bool launcher_is_there = true;
  watch(socket_number);
  while (launcher_is_there || !mounts_of.empty()) {
    epoll_event events[64];
    const int n = ::epoll_wait(epoll_number, events, 64, -1);
    for (int i = 0; i < n; ++i) {
      const int fd = events[i].data.fd;
      if (fd == socket_number) {
        kept got;
        launcher_is_there = receive(got);
        if (!launcher_is_there) ::epoll_ctl(epoll_number, EPOLL_CTL_DEL, socket_number, nullptr);
        if (got.pidfd < 0) continue;
        mounts_of[got.pidfd] = got.mountsfd;
        watch(got.pidfd);
        continue;
      }
      const auto found = mounts_of.find(fd);
      if (found == mounts_of.end()) continue;
      (void)!::write(queue_write, &found->second, sizeof found->second);
      mounts_of.erase(found);
      ::close(fd);
    }
  }
}

/// Nothing of the launcher's stays open here: somebody may wait for the end of one of its pipes.
bool arrange_descriptors(int socketfd) {
  int queue[2];
  const int moved = ::fcntl(socketfd, F_DUPFD, 64);
  const int null = ::open("/dev/null", O_RDWR);
  if (moved < 0 || null < 0) return false;
  for (int fd = 0; fd < 3; ++fd)
    if (::dup2(null, fd) < 0) return false;
  if (::dup2(moved, 64) < 0 || sys_close_range(3, 63, 0) != 0 || sys_close_range(65, ~0u, 0) != 0) return false;
  if (::dup2(64, socket_number) < 0 || ::close(64) != 0) return false;
  return ::pipe2(queue, O_CLOEXEC) == 0 && queue[0] == queue_read && queue[1] == queue_write &&
         ::epoll_create1(EPOLL_CLOEXEC) == epoll_number;
}

[[noreturn]] void run_keeper(int socketfd) {
  (void)::prctl(PR_SET_NAME, "gantry-keeper");
  ::setsid();
  if (::chdir("/") != 0 || !arrange_descriptors(socketfd)) ::_exit(1);
  // Two descriptors a container.
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &files);
  }
  std::thread threads[closers];
  for (auto& t : threads) t = std::thread(close_forever);
  keep_forever();
  ::close(queue_write); // each closer empties the queue and ends
  for (auto& t : threads) t.join();
  ::_exit(0);
}

bool is_generated(const pb::Spec& spec, const std::string& path) {
  return std::any_of(spec.files().begin(), spec.files().end(),
                     [&](const pb::GeneratedFile& f) { return f.host_path() == path; });
}

bool mounts_of_host(const pb::Spec& spec) {
  return std::any_of(spec.mounts().begin(), spec.mounts().end(),
                     [&](const pb::Mount& m) { return m.type() == "bind" && !is_generated(spec, m.source()); });
}

} // namespace

void mount_keeper::start() noexcept {
  if (keeper_socket >= 0 || keeper_failed) return;
  int ends[2];
  keeper_failed = ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0;
  if (keeper_failed) return;
  // Forked twice, so that it is nobody's child: the launcher's caller waits for children of its own.
  const pid_t between = ::fork();
  if (between == 0) {
    if (::fork() == 0) {
      ::close(ends[0]);
      run_keeper(ends[1]);
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  if (between > 0)
    while (::waitpid(between, nullptr, 0) < 0 && errno == EINTR) {
    }
  keeper_socket = ends[0];
}

void mount_keeper::stop() noexcept {
  if (keeper_socket >= 0) ::close(keeper_socket);
  keeper_socket = -1;
}

unique_fd mount_keeper::own_namespace(const pb::Spec& spec, int selffd) noexcept {
  if (keeper_socket < 0 || mounts_of_host(spec)) return {};
  return unique_fd{::openat(selffd, "ns/mnt", O_RDONLY | O_CLOEXEC)};
}

void mount_keeper::keep(const unique_fd& own_namespace, int rootfd) noexcept {
  if (keeper_socket < 0) return;
  const unique_fd self{static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0))};
  if (!self) return;
  const int fds[2] = {self.get(), own_namespace ? own_namespace.get() : rootfd};
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fds)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* c = CMSG_FIRSTHDR(&message);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof fds);
  std::memcpy(CMSG_DATA(c), fds, sizeof fds);
  // A keeper that is behind gets no more: this container then unmounts for itself.
  (void)::sendmsg(keeper_socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

} // namespace gantry::runtime
