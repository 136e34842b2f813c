/// The end of a process whose invariant is broken: one line on stderr, then abort, so that a core is left.
#include "io/base/assert.hpp"

#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace gantry {

void assertion_failed(const char* expression, const char* file, int line) noexcept {
  // Own buffer and write(2): the heap or the log may be what is broken.
  char text[512];
  int size = std::snprintf(text, sizeof text, "%s:%d: assertion failed: %s\n", file, line, expression);
  if (size >= static_cast<int>(sizeof text)) {
    size = static_cast<int>(sizeof text);
    text[size - 1] = '\n';
  }
  if (size > 0) [[maybe_unused]]
    auto written = ::write(STDERR_FILENO, text, static_cast<std::size_t>(size));
  std::abort();
}

} // namespace gantry
