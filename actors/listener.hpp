/// The sockets that clients connect to, and the actors that accept on them: one for each worker and socket, so that
/// every worker takes connections on its own ring.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "actors/services.hpp"
#include "io/base/unique_fd.hpp"

namespace gantry::actors {

struct listening_socket {
  std::shared_ptr<unique_fd> fd;
  std::string address;   ///< as configured
  std::string unix_path; ///< removed at the stop; "" for others
};

/// Opens "unix:///path", "tcp://host:port" or "fd://[N]" (behaviours 307, 308).
/// Errors: conflict (another engine serves there; the message names the flag) · invalid_parameter · internal.
result<std::vector<listening_socket>> open_listeners(const std::vector<std::string>& hosts, const std::string& group);

/// Spawns the accepting actors; sending them an exit ends the accepting.
std::vector<caf::actor> spawn_listeners(services& s, const std::vector<listening_socket>& sockets, unsigned workers);

} // namespace gantry::actors
