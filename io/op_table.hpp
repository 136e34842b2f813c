/// The operations in flight of one reactor: a table of slots whose ids are never mistaken for a later operation's.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "io/base/assert.hpp"
#include "io/reactor.hpp"
#include "io/request.hpp"

namespace gantry::io {

enum class op_state : std::uint8_t {
  unused,
  queued,    ///< known to us, not yet to the kernel
  submitted, ///< in the ring, or waiting for its descriptor or its time
  polling,   ///< the kernel said EAGAIN: the ring polls the descriptor, then the operation is tried again
  done,      ///< its completion runs next
};

struct op {
  request what;
  completion done;
  std::uint64_t generation = 1;
  std::uint32_t next_unused = 0;
  op_state state = op_state::unused;
  bool cancelled = false; ///< asked to end; a retry must not start it again
};

class op_table {
public:
  /// Names the new operation, which is `queued`.
  std::uint64_t add(const request& what, completion done) {
    if (first_unused_ == ops_.size()) {
      GANTRY_ASSERT(ops_.size() < index_limit);
      auto& fresh = ops_.emplace_back();
      fresh.next_unused = static_cast<std::uint32_t>(ops_.size());
    }
    const auto index = first_unused_;
    auto& o = ops_[index];
    first_unused_ = o.next_unused;
    o.what = what;
    o.done = std::move(done);
    o.state = op_state::queued;
    o.cancelled = false;
    ++size_;
    return o.generation << index_bits | index;
  }

  /// Null once the operation has been taken.
  op* find(std::uint64_t id) noexcept {
    const auto index = id & (index_limit - 1);
    if (index >= ops_.size()) return nullptr;
    auto& o = ops_[index];
    return o.generation == id >> index_bits && o.state != op_state::unused ? &o : nullptr;
  }

  /// Frees the slot and gives what has to be called. `id` must be in the table.
  completion take(std::uint64_t id) noexcept {
    auto* o = find(id);
    GANTRY_ASSERT(o != nullptr);
    auto out = std::move(o->done);
    o->done = nullptr;
    o->state = op_state::unused;
    ++o->generation;
    o->next_unused = first_unused_;
    first_unused_ = static_cast<std::uint32_t>(id & (index_limit - 1));
    --size_;
    return out;
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
  // 40 bits of generation: a slot reused a million times a second repeats an id after twelve days. It starts at 1, so
  // no id is 0.
  static constexpr unsigned index_bits = 24;
  static constexpr std::size_t index_limit = std::size_t{1} << index_bits;

  std::vector<op> ops_;
  std::uint32_t first_unused_ = 0;
  std::size_t size_ = 0;
};

} // namespace gantry::io
