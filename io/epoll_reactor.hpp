/// The reactor on epoll, for kernels and sandboxes that refuse io_uring: an operation is tried at once, and tried again
/// when epoll reports its descriptor. Reading files, which epoll cannot wait for, is done by a pool.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include <sys/epoll.h>

#include "io/pool.hpp"
#include "io/reactor_base.hpp"

namespace gantry::io {

class epoll_reactor final : public reactor_base {
public:
  /// Errors: unavailable (no descriptors left).
  static result<std::unique_ptr<reactor>> make();

  epoll_reactor(unique_fd epoll, unique_fd event) : reactor_base(std::move(event)), epoll_(std::move(epoll)) {}
  ~epoll_reactor() override;

  [[nodiscard]] std::string_view name() const noexcept override { return "epoll"; }

private:
  /// The operations that wait for one descriptor, oldest first.
  struct waiters {
    std::vector<std::uint64_t> ids;
    std::uint32_t armed_for = 0; ///< events
    bool armed = false;          ///< epoll will report it, once
    bool known = false;          ///< a guess that epoll has the descriptor: it forgets closed ones by itself
  };

  void begin(std::uint64_t id) override;
  void abort(std::uint64_t id) override;
  void collect(std::optional<nanos> wait) override;

  waiters& at(int fd);
  bool someone_waits(int fd, std::uint32_t direction);
  void wait_for(int fd, std::uint64_t id);
  void arm(int fd);
  void disarm(int fd);
  int control(int fd, waiters& w, std::uint32_t events);
  void retry(int fd, std::uint32_t events);
  void fail_all(int fd, int err);
  int wait_events(std::span<epoll_event> into, std::optional<nanos> wait);
  void begin_file_read(std::uint64_t id);
  void next_file_reads();

  unique_fd epoll_;
  std::vector<waiters> waiters_; ///< by descriptor
  std::size_t armed_count_ = 0;
  bool nanosecond_waits_ = true;         ///< epoll_pwait2 works here
  std::deque<std::uint64_t> file_reads_; ///< not yet given to the pool
  std::shared_ptr<std::atomic<std::size_t>> reading_ = std::make_shared<std::atomic<std::size_t>>(0);
};

} // namespace gantry::io
