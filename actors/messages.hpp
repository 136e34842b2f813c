/// Every message of the engine's actors, as plain values. They never leave the process; a descriptor travels as
/// shared_ptr<unique_fd>, and the message says who keeps it.
#pragma once

#include <caf/all.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/calls.hpp"
#include "io/base/result.hpp"
#include "io/base/time.hpp"
#include "io/base/unique_fd.hpp"
#include "runtime/proto/shim.pb.h"

namespace gantry::actors::msg {

/// Runs in the receiver's own context, one at a time with its other messages: how completions of the ring, jobs of the
/// pool and commits come back to the actor that asked for them.
struct run {
  std::function<void()> work;
};

/// The empty reply: it is done.
struct done {};

// -- to a container (named after Docker's verbs) ------------------------------

struct create {};
struct start {};
struct stop {
  std::string signal; ///< "" : the container's own
  std::optional<std::int64_t> timeout_s;
};
struct restart {
  std::string signal;
  std::optional<std::int64_t> timeout_s;
};
struct kill {
  int signal = 9;
};
/// Set by an asker that went away, so that a container that runs for ever does not keep its askers for ever.
using cancelled = std::shared_ptr<std::atomic<bool>>;
struct wait {
  api::wait_condition condition = api::wait_condition::not_running;
  cancelled gone;
};
struct wait_result {
  std::int64_t status_code = 0;
  std::string error;
};
struct rename {
  std::string name;
};
struct remove {
  bool force = false;
};
struct resize {
  std::uint32_t rows = 0, columns = 0;
};
/// The shim takes `socket`; the sender keeps the other end.
struct attach {
  std::shared_ptr<unique_fd> socket;
  bool want_stdin = false, want_stdout = false, want_stderr = false;
};
/// Runs `done` once the container is not running any more and all its output is in the log.
struct when_stopped {
  std::function<void()> done;
  cancelled gone;
};
/// From the shim: the init process has ended.
struct exited {
  int wait_status = 0;
  bool oom_killed = false;
  unix_nanos finished_at = 0;
  bool acknowledge = true; ///< false: no shim holds it (it was lost with the shim or the machine)
};
/// The engine stops: end the container in its own way, then answer.
struct shut_down {};

// -- to the shim link ----------------------------------------------------------

struct shim_call {
  std::shared_ptr<runtime::pb::ToShim> message; ///< its `request` is set by the link
  std::vector<std::shared_ptr<unique_fd>> fds;  ///< sent with it, then closed
};
struct shim_reply {
  std::int32_t pid = 0;
  unix_nanos started_at = 0;
};
/// Needs no answer.
struct shim_tell {
  std::shared_ptr<runtime::pb::ToShim> message;
};

/// The containers are taken up: read from the shim from now on.
struct shim_listen {};

} // namespace gantry::actors::msg

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(gantry::actors::msg::run)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(gantry::actors::msg::done)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(gantry::actors::msg::create)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(gantry::actors::msg::start)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(gantry::actors::msg::stop)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(gantry::actors::msg::restart)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(gantry::actors::msg::kill)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(gantry::actors::msg::wait)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(gantry::actors::msg::wait_result)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(gantry::actors::msg::rename)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(gantry::actors::msg::remove)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(gantry::actors::msg::resize)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(gantry::actors::msg::attach)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(gantry::actors::msg::when_stopped)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(gantry::actors::msg::exited)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(gantry::actors::msg::shut_down)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(gantry::actors::msg::shim_call)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(gantry::actors::msg::shim_reply)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(gantry::actors::msg::shim_listen)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(gantry::actors::msg::shim_tell)

namespace gantry::actors {

/// Sends `work` to run in an actor's context. Thread: any.
template <class Handle>
void run_in(const Handle& actor, std::function<void()> work) {
  caf::anon_send(actor, msg::run{std::move(work)});
}

} // namespace gantry::actors
