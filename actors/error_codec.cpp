#include "actors/error_codec.hpp"

namespace gantry::actors {

namespace {
constexpr auto category = caf::atom("gantry");
} // namespace

caf::error to_caf(const error& e) {
  return caf::error{static_cast<std::uint8_t>(e.code), category,
                    caf::make_message(static_cast<std::int32_t>(e.sys_errno), e.message)};
}

error from_caf(const caf::error& e) {
  if (e.category() == category && e.context().match_elements<std::int32_t, std::string>())
    return error{static_cast<errc>(e.code()), e.context().get_as<std::int32_t>(0), e.context().get_as<std::string>(1)};
  return error{errc::unavailable, 0, "the engine is shutting down"};
}

} // namespace gantry::actors
