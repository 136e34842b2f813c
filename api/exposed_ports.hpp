/// Ports as configs write them: "80/tcp", "8000-8010/udp", "53" (tcp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/container_view.hpp"

namespace gantry::api {

struct port_range {
  std::uint16_t first = 0, last = 0;
  std::string protocol; ///< "tcp", "udp", "sctp"
};
/// Nothing for text that is no port.
std::optional<port_range> parse_port_range(std::string_view text);

struct exposed_port {
  std::uint16_t number = 0;
  std::string protocol;
};
/// The exposed ports of a container that runs with a network of its own; of others, and of ports that are written
/// badly, nothing (behaviours 172).
std::vector<exposed_port> live_ports(const container_view& view);

} // namespace gantry::api
