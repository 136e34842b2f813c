/// A container's two records on disk and back: what never changes (but for the name), and its state.
#pragma once

#include <string>
#include <string_view>

#include "api/container_view.hpp"
#include "io/base/result.hpp"

namespace gantry::actors {

/// What the state record says beside the state.
struct stored_state {
  api::container_state state; ///< status is created or exited; running is the shim's to say
  bool was_running = false;
  std::int64_t restart_count = 0;
};

std::string encode_container(const api::container_definition& definition, const std::string& name);
std::string encode_state(const stored_state& s);

struct stored_container {
  std::shared_ptr<api::container_definition> definition; ///< paths and lower_dirs are not stored: the engine fills them
  std::string name;
};
/// Errors: internal (the record is not readable; the message says why).
result<stored_container> decode_container(std::string_view bytes);
result<stored_state> decode_state(std::string_view bytes);

} // namespace gantry::actors
