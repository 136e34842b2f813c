/// How a shim takes a run root as its own, and how it becomes a daemon.
#pragma once

#include <functional>
#include <string>

#include "io/base/result.hpp"
#include "runtime/shim/shim.hpp"

namespace gantry::runtime::shim {

/// Takes DIR/shim.lock and makes DIR/shim.sock (0600), in place of one that nobody serves any more.
/// Errors: conflict (another shim serves this run root) · internal.
result<endpoint> take_run_root(const std::string& dir);

/// Forks; the parent waits until the child calls `report` and exits with its answer: 0, or 1 with the error printed.
/// Returns in the child only, which is in a session of its own and at `/`.
class daemon_start {
public:
  /// Errors: internal (no fork).
  static result<daemon_start> fork_away();
  /// The child is ready, or failed. Then stdin and stdout are /dev/null, and stderr `log_file` (or /dev/null).
  void report(const result<>& ready, const std::string& log_file);

private:
  explicit daemon_start(unique_fd to_parent) : to_parent_(std::move(to_parent)) {}
  unique_fd to_parent_;
};

/// Opens `log_file` for appending as stderr; /dev/null for an empty one.
result<> redirect_log(const std::string& log_file);

} // namespace gantry::runtime::shim
