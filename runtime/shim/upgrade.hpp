/// Replacing a running shim by the program that is now at its path: all state goes into a memfd, all descriptors stay
/// open over exec, and the process stays the parent of its containers.
/// Before that the new program is asked (in a child) whether it understands the state; when it does not, or cannot be
/// run, this one goes on.
#pragma once

#include <string>
#include <vector>

#include "io/base/result.hpp"
#include "runtime/shim/shim.hpp"

namespace gantry::runtime::shim {

/// Of ShimState. A shim refuses others.
inline constexpr std::uint32_t shim_state_version = 1;

/// Does not return when it succeeds. `arguments`: of this program, to be given to the next.
/// Blocks: while the new program looks at the state; milliseconds, at most five seconds.
error upgrade(server& from, const std::string& program, std::vector<std::string> arguments);

/// Where this program was started from; a new version may lie there by now.
result<std::string> program_path();

/// Reads what `upgrade` wrote; the descriptors in it become close-on-exec again.
/// Errors: invalid_parameter (no state, or of another version).
result<pb::ShimState> load_state(int state_fd);
/// Whether `load_state` would succeed; touches no descriptor in it.
bool check_state(int state_fd);
/// Listener and lock become the caller's.
endpoint take_endpoint(const pb::ShimState& state, const std::string& run_root);

} // namespace gantry::runtime::shim
