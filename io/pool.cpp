/// The pool's threads and queue.
#include "io/pool.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <pthread.h>
#include <signal.h>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace gantry::io {

struct pool::state {
  state(std::size_t most_threads, std::size_t most_waiting)
      : threads_max(most_threads == 0 ? 1 : most_threads), queue_max(most_waiting) {}

  const std::size_t threads_max;
  const std::size_t queue_max;
  std::mutex lock;
  std::condition_variable changed;
  std::deque<std::function<void()>> jobs;
  std::vector<std::thread> threads;
  std::size_t idle = 0; ///< threads that wait for a job
  bool stopping = false;
  bool stopped = false; ///< all threads have been joined

  void work() noexcept;
  bool start_thread();
};

void pool::state::work() noexcept {
  std::unique_lock hold(lock);
  for (;;) {
    while (jobs.empty() && !stopping) {
      ++idle;
      changed.wait(hold);
      --idle;
    }
    if (jobs.empty()) return;
    auto job = std::move(jobs.front());
    jobs.pop_front();
    hold.unlock();
    job();
    job = nullptr; // what it holds is freed outside the lock
    hold.lock();
  }
}

/// With the lock held. Signals are for the main thread alone, so the new thread takes none.
bool pool::state::start_thread() {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = true;
  try {
    threads.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    started = false; // EAGAIN: the pids limit. Those that run go on.
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

pool::pool(std::size_t threads, std::size_t queue_max) : state_(std::make_unique<state>(threads, queue_max)) {}

pool::~pool() { stop(); }

result<> pool::submit(std::function<void()> job) {
  auto& s = *state_;
  std::lock_guard hold(s.lock);
  if (s.stopping) return error{errc::unavailable, 0, "submit a job: the pool is stopping"};
  // Jobs that an idle or a new thread is about to take do not count as waiting.
  const bool needs_thread = s.idle <= s.jobs.size() && s.threads.size() < s.threads_max;
  const bool started = needs_thread && s.start_thread();
  if (s.threads.empty()) return error{errc::unavailable, 0, "submit a job: no thread can be started"};
  if (!started && s.jobs.size() >= s.queue_max + s.idle)
    return error{errc::unavailable, 0, "submit a job: " + std::to_string(s.jobs.size()) + " wait already"};
  s.jobs.push_back(std::move(job));
  s.changed.notify_one();
  return {};
}

void pool::stop() {
  auto& s = *state_;
  std::unique_lock hold(s.lock);
  if (std::exchange(s.stopping, true)) { // another caller joins them
    s.changed.wait(hold, [&s] { return s.stopped; });
    return;
  }
  s.changed.notify_all();
  hold.unlock();
  for (auto& t : s.threads) t.join(); // no thread is added any more
  hold.lock();
  s.stopped = true;
  s.changed.notify_all();
}

} // namespace gantry::io
