/// CAF's scheduler with a reactor as its idle state: a worker resumes actors while there are any, and otherwise waits
/// in its ring for sockets, timers and other threads. So a request is read, answered and written on one thread.
///
/// An actor runs where it was last sent to: a message from an actor, or from a completion of a worker's ring, queues
/// its receiver on that worker. Nothing is stolen. Other threads hand over through the ring's `post`.
#pragma once

#include <caf/all.hpp>
#include <caf/policy/unprofiled.hpp>
#include <caf/scheduler/coordinator.hpp>

#include <atomic>
#include <deque>
#include <memory>

#include "io/reactor.hpp"

namespace gantry::actors {

/// The actor system's configuration: which backend its workers' reactors use.
class ring_config : public caf::actor_system_config {
public:
  explicit ring_config(io::backend backend, unsigned workers);
  [[nodiscard]] io::backend reactor_backend() const noexcept { return backend_; }

private:
  io::backend backend_;
};

class ring_policy : public caf::policy::unprofiled {
public:
  /// Jobs resumed between two looks into the ring while there is no lack of jobs: bounds how long a ready socket waits.
  static constexpr unsigned jobs_between_polls = 32;

  struct coordinator_data {
    explicit coordinator_data(caf::scheduler::abstract_coordinator* parent) : coordinator(parent) {}
    caf::scheduler::abstract_coordinator* coordinator;
    std::atomic<std::size_t> next_worker{0};
  };

  /// What one worker owns; only its thread touches it, but for `ring->post`.
  struct worker_state {
    explicit worker_state(caf::scheduler::abstract_coordinator* parent);
    caf::scheduler::abstract_coordinator* coordinator;
    std::deque<caf::resumable*> jobs;
    std::unique_ptr<io::reactor> ring;
    std::unique_ptr<io::reactor::scope> entered; ///< set by the worker's thread
    unsigned since_poll = 0;
  };

  /// CAF makes one and copies it for each worker, so a copy is a new worker's state.
  struct worker_data {
    explicit worker_data(caf::scheduler::abstract_coordinator* parent) : coordinator(parent) {}
    worker_data(const worker_data& other)
        : coordinator(other.coordinator), state(std::make_unique<worker_state>(other.coordinator)) {}
    worker_data& operator=(const worker_data&) = delete;
    caf::scheduler::abstract_coordinator* coordinator;
    std::unique_ptr<worker_state> state;
  };

  template <class Coordinator>
  void central_enqueue(Coordinator* self, caf::resumable* job) {
    if (this_worker != nullptr && this_worker->coordinator == d(self).coordinator) {
      this_worker->jobs.push_back(job);
      return;
    }
    auto index = d(self).next_worker.fetch_add(1, std::memory_order_relaxed) % self->num_workers();
    self->worker_by_id(index)->external_enqueue(job);
  }

  template <class Worker>
  void external_enqueue(Worker* self, caf::resumable* job) {
    auto* state = self->data().state.get();
    state->ring->post([state, job] { state->jobs.push_back(job); });
  }

  template <class Worker>
  void internal_enqueue(Worker* self, caf::resumable* job) {
    self->data().state->jobs.push_back(job);
  }

  template <class Worker>
  void resume_job_later(Worker* self, caf::resumable* job) {
    self->data().state->jobs.push_back(job);
  }

  template <class Worker>
  caf::resumable* dequeue(Worker* self) {
    return next_job(*self->data().state);
  }

  template <class Worker>
  void before_shutdown(Worker* self) {
    self->data().state->entered.reset();
    this_worker = nullptr;
  }

  template <class Worker, class UnaryFunction>
  void foreach_resumable(Worker* self, UnaryFunction f) {
    auto& jobs = self->data().state->jobs;
    while (!jobs.empty()) {
      auto* job = jobs.front();
      jobs.pop_front();
      f(job);
    }
  }

  template <class Coordinator, class UnaryFunction>
  void foreach_central_resumable(Coordinator*, UnaryFunction) {}

private:
  template <class Self>
  static auto d(Self* self) -> decltype(self->data()) {
    return self->data();
  }

  static caf::resumable* next_job(worker_state& state);

  static thread_local worker_state* this_worker;
};

using ring_scheduler = caf::scheduler::coordinator<ring_policy>;

} // namespace gantry::actors
