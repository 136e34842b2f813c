#include "actors/ring_scheduler.hpp"

#include <chrono>

#include "io/base/assert.hpp"
#include "io/base/log.hpp"

namespace gantry::actors {

thread_local ring_policy::worker_state* ring_policy::this_worker = nullptr;

ring_config::ring_config(io::backend backend, unsigned workers) : backend_(backend) {
  set("scheduler.max-threads", workers > 0 ? workers : std::max(1u, std::thread::hardware_concurrency()));
  load<ring_scheduler>();
}

ring_policy::worker_state::worker_state(caf::scheduler::abstract_coordinator* parent) : coordinator(parent) {
  auto wanted = io::backend::automatic;
  if (auto* config = dynamic_cast<const ring_config*>(&parent->system().config())) wanted = config->reactor_backend();
  auto made = io::make_reactor(wanted);
  // The engine made one reactor of this backend before it made the actor system, so a refusal here is a lack of
  // memory or descriptors at start: there is no engine without its workers.
  if (made.has_error()) log::write(log::level::fatal, "make a worker's reactor", {{"error", made.error().message}});
  GANTRY_ASSERT(made.has_value());
  ring = std::move(made).value();
}

caf::resumable* ring_policy::next_job(worker_state& state) {
  if (!state.entered) {
    state.entered = std::make_unique<io::reactor::scope>(*state.ring);
    this_worker = &state;
  }
  for (;;) {
    if (!state.jobs.empty() && state.since_poll < jobs_between_polls) {
      ++state.since_poll;
      auto* job = state.jobs.front();
      state.jobs.pop_front();
      return job;
    }
    state.since_poll = 0;
    if (state.jobs.empty())
      state.ring->run(std::chrono::hours(1));
    else
      state.ring->run(std::nullopt);
  }
}

} // namespace gantry::actors
