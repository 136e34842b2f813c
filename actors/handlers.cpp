#include "actors/handlers.hpp"

namespace gantry::actors {

void handle_call(connection& c, api::call call) {
  std::visit([&](auto& verb) { handle(c, std::move(verb)); }, call);
}

} // namespace gantry::actors
