/// The shim's signals as a descriptor for the loop. Handlers and not a blocked mask with signalfd: a container's
/// program starts with the shim's mask and ignored signals, but never with its handlers.
#pragma once

#include "io/base/result.hpp"
#include "io/base/unique_fd.hpp"

namespace gantry::runtime::shim {

struct signal_set {
  bool child = false;     ///< SIGCHLD
  bool terminate = false; ///< SIGTERM, SIGINT
  bool upgrade = false;   ///< SIGUSR2
};

/// Installs the handlers; gives an eventfd that turns readable when one ran. SIGPIPE, SIGHUP and SIGXFSZ do nothing.
result<unique_fd> install_signals();

/// What came since the last call. Clears the eventfd.
signal_set take_signals(int eventfd) noexcept;

} // namespace gantry::runtime::shim
