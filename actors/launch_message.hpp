/// The Launch message of a container: its compiled spec, where its log goes, which sockets are attached from the start.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "actors/messages.hpp"
#include "actors/services.hpp"
#include "api/container_view.hpp"

namespace gantry::actors {

/// Errors: what compile_spec says of the request.
result<msg::shim_call> make_launch(services& s, const api::container_definition& definition, std::string_view name,
                                   std::vector<msg::attach> attached);

/// State.ExitCode of a start that failed: 126, 127 or 128 by the error's words (behaviours 69).
int exit_code_of_start_failure(std::string_view message);

} // namespace gantry::actors
