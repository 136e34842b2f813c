/// The engine's end of the connection to gantry-shim.
/// Owns:    the socket, the calls that wait for a reply, what could not be sent yet.
/// Runs on: any worker. Sends on the worker that asks; the reply comes on the ring where it last read.
/// Source:  runtime/proto/shim.proto.
///
/// (shim_call) -> shim_reply   or the shim's failure · unavailable: the shim is gone (it is started again)
/// (shim_tell)                 the same without an answer
/// (shim_listen)               once, when every recorded container has its actor: before it an Exited would find nobody
///
/// An Exited goes to the container's actor as (exited). When the connection ends the link starts a new shim; every
/// container that the new one does not hold has ended with the old one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/messages.hpp"
#include "io/base/result.hpp"
#include "io/base/unique_fd.hpp"
#include "runtime/shim_codec.hpp"

namespace gantry::actors {

struct services;

using shim_actor = caf::typed_actor<caf::replies_to<msg::shim_call>::with<msg::shim_reply>,
                                    caf::reacts_to<msg::shim_tell>, caf::reacts_to<msg::shim_listen>,
                                    caf::reacts_to<msg::run>>;

/// A connection after Hello: what the shim holds.
struct shim_session {
  unique_fd socket;
  runtime::frame_reader reader; ///< may hold what came behind the answer to Hello
  std::int32_t shim_pid = 0;
  std::vector<runtime::pb::Held> held;
};

/// Connects to the run root's shim, or starts one and connects. Blocks: until the shim answers, at most some seconds;
/// for the main thread or the pool.
/// Errors: unavailable (cannot be started, or speaks another protocol version: the message says what to do).
result<shim_session> open_shim(const std::string& shim_path, const std::string& run_root, const std::string& log_level,
                               const std::string& log_format);

/// Spawns the link over an open session. `services` outlives it.
shim_actor spawn_shim_link(services& s, shim_session session);

} // namespace gantry::actors
