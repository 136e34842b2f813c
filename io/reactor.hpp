/// The floor under every worker: waits for sockets, pipes, pidfds, files, timers and other threads in one place.
/// Two backends stand behind this one interface, io_uring and epoll; `make_reactor` takes what the kernel allows.
///
/// A reactor belongs to the thread that calls `run`. Every method is for that thread alone, unless it says otherwise.
/// A completion runs on that thread, from `run`, never from inside the call that started the operation, and exactly
/// once: with a result >= 0, or with -errno (-ECANCELED after `cancel`).
///
/// Completions and posted functions must not throw (that ends the process), nor call `run`.
///
/// Buffers and descriptors are borrows: they must live until the completion has run. Closing a descriptor with an
/// operation in flight is a defect; shut a socket down or cancel first.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include <sys/socket.h>

#include "io/base/result.hpp"

namespace gantry::io {

class reactor;

/// A bytes count, an accepted descriptor or poll events; or -errno.
using completion = std::function<void(int result)>;

/// Names an operation in flight, for `cancel`. Copyable, outlives the operation, and may be passed between threads.
struct op_token {
  reactor* owner = nullptr;
  std::uint64_t id = 0; ///< 0: none
  explicit operator bool() const noexcept { return id != 0; }
};

enum class backend { automatic, io_uring, epoll };

class reactor {
public:
  virtual ~reactor() = default;
  reactor(const reactor&) = delete;
  reactor& operator=(const reactor&) = delete;

  /// recv(2)/send(2) on a socket; short counts are normal. 0 from recv is the end of the stream. send never raises
  /// SIGPIPE.
  virtual op_token recv(int socket_fd, std::span<std::byte> into, completion done) = 0;
  virtual op_token send(int socket_fd, std::span<const std::byte> from, completion done) = 0;
  /// recvmsg(2)/sendmsg(2), for descriptors in control messages. `message` and all that it points to are borrows.
  virtual op_token recvmsg(int socket_fd, msghdr* message, completion done) = 0;
  virtual op_token sendmsg(int socket_fd, const msghdr* message, completion done) = 0;
  /// read(2)/write(2) on a pipe, pty, eventfd, timerfd or inotify descriptor (which must be O_NONBLOCK). Writing to a
  /// pipe that nobody reads raises SIGPIPE as well as EPIPE: a process that runs a reactor ignores that signal.
  virtual op_token read(int fd, std::span<std::byte> into, completion done) = 0;
  virtual op_token write(int fd, std::span<const std::byte> from, completion done) = 0;
  /// pread(2) on a regular file. The epoll backend does it in the bounded pool.
  virtual op_token read_at(int file_fd, std::uint64_t offset, std::span<std::byte> into, completion done) = 0;
  /// accept4(2): the listener may become O_NONBLOCK by it. The result is a descriptor that the completion owns,
  /// close-on-exec and non-blocking.
  virtual op_token accept(int listen_fd, completion done) = 0;
  /// poll(2) once, for POLLIN or POLLOUT and the like (a pidfd turns POLLIN when its process ends). The result is the
  /// events.
  virtual op_token poll(int fd, short events, completion done) = 0;
  /// Runs `done` with 0 after `delay` (CLOCK_MONOTONIC), or with -ECANCELED.
  virtual op_token timer(std::chrono::nanoseconds delay, completion done) = 0;

  /// Ends an operation early. It completes with -ECANCELED, or with its result when that was first. A token whose
  /// operation has completed is ignored. Thread: any (from another one it is posted to the owner).
  virtual void cancel(op_token token) = 0;

  /// Runs `work` on the owner's thread, soon, in the order of each poster. Thread: any. Wakes the owner if it waits in
  /// `run`. The queue has no bound of its own: who posts in proportion to a client's input bounds that input.
  virtual void post(std::function<void()> work) = 0;
  /// Makes a `run` that waits return, or the next one that would wait. Cheap when the owner is not waiting, and safe in
  /// a signal handler. Thread: any.
  virtual void wake() = 0;

  /// Submits what is queued, collects completions and runs them, then posted work. With `wait` it waits for at least
  /// one of these (or a `wake`) for at most that long; without, it only takes what is there.
  /// Returns the number of completions and posted functions that ran.
  virtual std::size_t run(std::optional<std::chrono::nanoseconds> wait) = 0;

  /// Operations started and not completed: 0 means that the reactor may be destroyed.
  [[nodiscard]] virtual std::size_t in_flight() const noexcept = 0;
  /// "io_uring" or "epoll", for the log and `docker info`.
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;

  /// The reactor that the calling thread entered with `scope`; null on other threads.
  static reactor* current() noexcept;
  /// Makes `r` the calling thread's `current()` while it lives.
  class scope {
  public:
    explicit scope(reactor& r) noexcept;
    ~scope();
    scope(const scope&) = delete;
    scope& operator=(const scope&) = delete;

  private:
    reactor* previous_;
  };

protected:
  reactor() = default;
};

/// `automatic` probes io_uring (setup and every opcode used) and falls back to epoll where it is refused: by the
/// kernel.io_uring_disabled sysctl, a seccomp profile (Docker's own default refuses it), or an old kernel.
/// Errors: unavailable (that backend is refused here; the message names the likely cause).
result<std::unique_ptr<reactor>> make_reactor(backend which);

} // namespace gantry::io
