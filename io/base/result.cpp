/// What happens when `value()` is asked of a result that holds an error.
#include "io/base/result.hpp"

#include <stdexcept>

namespace gantry {

void throw_exception_from_error(const error& e, const boost::source_location& where) {
  throw std::logic_error(std::string("value() of an error at ") + where.file_name() + ':' +
                         std::to_string(where.line()) + ": " + e.message);
}

} // namespace gantry
