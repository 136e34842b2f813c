/// See janitor.hpp.
#include "storage/janitor.hpp"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/base/log.hpp"
#include "storage/trash.hpp"

namespace gantry::storage {

namespace {
/// Deleting must not slow down starts: the idle class of the I/O scheduler (ioprio_set(2); no libc wrapper).
void use_idle_io() {
  constexpr int who_process = 1, class_idle = 3, class_shift = 13;
  (void)::syscall(SYS_ioprio_set, who_process, 0, class_idle << class_shift);
}
} // namespace

janitor::janitor(std::filesystem::path data_root, std::function<result<>()> sync)
    : data_root_(std::move(data_root)), sync_(std::move(sync)), thread_([this] { run(); }) {}

janitor::~janitor() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void janitor::empty_trash_soon() {
  std::lock_guard lock(mutex_);
  trash_asked_ = true;
  wake_.notify_one();
}

void janitor::sync_soon() {
  std::lock_guard lock(mutex_);
  sync_asked_ = true;
  wake_.notify_one();
}

result<> janitor::wait() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return !working_ && !trash_asked_ && !sync_asked_; });
  return last_sync_;
}

void janitor::run() {
  pthread_setname_np(pthread_self(), "gantry-janitor");
  use_idle_io();
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || trash_asked_ || sync_asked_; });
    if (stopping_ && !sync_asked_) return;
    const bool sync = std::exchange(sync_asked_, false);
    const bool trash = !sync && std::exchange(trash_asked_, false);
    working_ = true;
    lock.unlock();
    result<> synced;
    if (sync) synced = sync_();
    if (synced.has_error()) log::error("sync images", {{"error", synced.error().message}});
    if (trash) {
      if (auto done = empty_trash(data_root_); done.has_error()) {
        log::warn("empty the trash", {{"error", done.error().message}});
      }
    }
    lock.lock();
    if (sync) last_sync_ = synced;
    working_ = false;
    idle_.notify_all();
  }
}

} // namespace gantry::storage
