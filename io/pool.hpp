/// A bounded pool of threads for work that blocks: unpacking, hashing, deleting trees. Workers never block; they submit
/// here and are called back.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "io/base/result.hpp"

namespace gantry::io {

class pool {
public:
  /// `threads` run jobs; at most `queue_max` wait. Threads start when first needed.
  pool(std::size_t threads, std::size_t queue_max);
  ~pool(); ///< runs what was accepted, then joins
  pool(const pool&) = delete;
  pool& operator=(const pool&) = delete;

  /// Runs `job` on a pool thread; jobs must not throw. Thread: any.
  /// Errors: unavailable (the queue is full: the caller is told to come back later).
  result<> submit(std::function<void()> job);
  /// Runs all accepted jobs to their end and refuses new ones. Thread: any but a pool thread.
  void stop();

private:
  struct state;
  std::unique_ptr<state> state_;
};

} // namespace gantry::io
