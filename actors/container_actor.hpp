/// One container, from `create` to `remove`.
/// Owns:    its status, its two records, its view in the directory, and <data root>/containers/<id>/. Nobody else
/// writes
///          these.
/// Runs on: any worker, one message at a time. Never blocks: launching is the shim's, deleting the pool's, committing
///          the store thread's.
/// Source:  Docker API `POST /containers/...`; behaviours sections 3 to 5.
///
/// (create)  -> done         after its commit; once, first
/// (start)   -> done         not_modified: running already · conflict: being removed · else what the launcher said
/// (stop)    -> done         after the exit · not_modified: not running
/// (restart) -> done         stop and start in one; an AutoRemove container survives it
/// (kill)    -> done         conflict: not running. SIGKILL answers after the exit, others at once
/// (wait)    -> wait_result  when the condition holds
/// (rename)  -> done         conflict: the name is taken
/// (remove)  -> done         after its commit, name and id free · conflict: running and not forced, or being removed
/// (resize)  -> done         conflict: not running
/// (attach)  -> done         kept until the start when it does not run yet
/// (exited), (when_stopped), (shut_down), (run): see messages.hpp
#pragma once

#include <memory>

#include "actors/messages.hpp"
#include "api/container_view.hpp"

namespace gantry::actors {

struct services;

using container_actor =
    caf::typed_actor<caf::replies_to<msg::create>::with<msg::done>, caf::replies_to<msg::start>::with<msg::done>,
                     caf::replies_to<msg::stop>::with<msg::done>, caf::replies_to<msg::restart>::with<msg::done>,
                     caf::replies_to<msg::kill>::with<msg::done>, caf::replies_to<msg::wait>::with<msg::wait_result>,
                     caf::replies_to<msg::rename>::with<msg::done>, caf::replies_to<msg::remove>::with<msg::done>,
                     caf::replies_to<msg::resize>::with<msg::done>, caf::replies_to<msg::attach>::with<msg::done>,
                     caf::replies_to<msg::shut_down>::with<msg::done>, caf::reacts_to<msg::when_stopped>,
                     caf::reacts_to<msg::exited>, caf::reacts_to<msg::run>>;

/// `start_as` is the view the container begins with: a fresh one before (create), or what records and shim say of it
/// after the engine's own start. `services` outlives all actors.
container_actor spawn_container(services& s, api::container_view_ptr start_as);

} // namespace gantry::actors
