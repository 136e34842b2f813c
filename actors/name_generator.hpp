/// Names for containers that were given none: "adjective_surname" (behaviours 46).
#pragma once

#include <string>

namespace gantry::actors {

/// Never "boring_wozniak". Thread: any.
std::string generate_name();
/// "0" to "9".
std::string random_digit();

} // namespace gantry::actors
