/// Undo beside the do: runs a function at the end of the scope, unless released.
#pragma once

#include <utility>

namespace gantry {

template <class Function>
class [[nodiscard]] defer {
public:
  explicit defer(Function f) : function_(std::move(f)) {}
  defer(const defer&) = delete;
  defer& operator=(const defer&) = delete;
  ~defer() {
    if (armed_) function_();
  }
  void release() noexcept { armed_ = false; }

private:
  Function function_;
  bool armed_ = true;
};

} // namespace gantry
