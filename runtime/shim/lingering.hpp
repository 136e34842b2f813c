/// Attached clients that outlive their container: they get what is queued for them, then their socket is closed.
/// Bounds: one that takes nothing for `linger_patience` is cut off, and so are the oldest beyond `linger_bytes_max`.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>

#include "runtime/shim/attach_stream.hpp"

namespace gantry::runtime::shim {

inline constexpr std::chrono::seconds linger_patience{30};
inline constexpr std::size_t linger_bytes_max = 64u << 20;

class lingering final : public attach_owner {
public:
  explicit lingering(event_loop& loop)
      : timer_(
            loop, [](void* self) { static_cast<lingering*>(self)->look(); }, this) {}

  void add(std::unique_ptr<attach_stream> s);
  [[nodiscard]] bool empty() const noexcept { return streams_.empty(); }

  template <class Function>
  void for_each(Function f) const {
    for (const auto& e : streams_) f(*e.stream);
  }

private:
  struct entry {
    std::unique_ptr<attach_stream> stream;
    std::size_t queued = 0; ///< when last looked at
    event_loop::clock::time_point moved_at;
  };

  bool wants_input() override { return true; }
  void take_input(std::string_view) override {}
  void input_ended() override {}
  void output_drained() override;
  void forget(attach_stream& from) override;
  void look();

  std::list<entry> streams_; ///< oldest first
  timer timer_;
};

} // namespace gantry::runtime::shim
