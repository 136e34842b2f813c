/// One attached container from the user's side: attach, wait, start, streams, exit status (behaviours 71).
#pragma once

#include <string>

#include "cli/command.hpp"

namespace gantry::cli {

struct session_plan {
  std::string id;
  bool tty = false;
  bool want_stdin = false, want_stdout = true, want_stderr = true;
  bool start = true;           ///< also start it; otherwise it runs already
  bool remove_on_exit = false; ///< then the status is known only when it is gone
  bool proxy_signals = true;
  bool logs = false; ///< replay what it wrote before
  std::string detach_keys;
};

/// Gives the container's exit status; 0 when the user detached; 128 + N when signal N came and is not passed on.
/// The terminal is as before on every way out. Errors: those of the calls; the caller maps them to a status.
result<int> run_session(command_context& context, const session_plan& plan);

/// 127 when the command was not found, 126 when it could not be run, else 125 (behaviours 70).
int start_failure_status(const std::string& message);

} // namespace gantry::cli
