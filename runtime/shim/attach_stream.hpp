/// One attached client: a socket that gets a container's output and gives its input.
/// Output waits here when the client does not read, up to `attach_queue_bytes_max`; beyond that the container's streams
/// are not read until it drains, so that the container's writes block as they do with Docker.
/// A client that closed its side for writing still gets output; one that is gone is forgotten at once.
/// Source: behaviours 25, 26, 30; shim.proto AttachOptions.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "runtime/shim/event_loop.hpp"
#include "runtime/shim/json_log.hpp"
#include "runtime/shim/state.pb.h"

namespace gantry::runtime::shim {

/// One read of a container's output, or of a client's input.
inline constexpr std::size_t read_buffer_bytes = 64u << 10;
/// Above this the container's streams pause. One read more fits on top.
inline constexpr std::size_t attach_queue_bytes_max = 1u << 20;
/// At or below this they go on.
inline constexpr std::size_t attach_queue_bytes_low = attach_queue_bytes_max / 2;
/// When all queues together hold more than this, each may hold only the squeezed size: a thousand clients that do not
/// read must not cost a gigabyte.
inline constexpr std::size_t attach_queues_bytes_max = 128u << 20;
inline constexpr std::size_t attach_queue_bytes_squeezed = read_buffer_bytes;
/// Clients of one container at once; one more is refused.
inline constexpr std::size_t attaches_max = 256;

class attach_stream;

/// What attach streams share: one of each for a shim.
struct attach_context {
  event_loop& loop;
  std::span<char> read_buffer;
  std::size_t& queued_total; ///< bytes in all queues
};

/// Who holds attach streams: a container, or the list of those that outlive theirs. None of these calls comes from
/// within `send` or `resume_input`: after those the owner looks at `gone` itself.
class attach_owner {
public:
  /// False: what stdin was given last is not written yet; `resume_input` will be called.
  virtual bool wants_input() = 0;
  virtual void take_input(std::string_view bytes) = 0;
  /// A client that has stdin ended its side, or vanished. May come from within `resume_input`.
  virtual void input_ended() = 0;
  /// Something was written, or dropped, and the queue is at most `attach_queue_bytes_low`.
  virtual void output_drained() = 0;
  /// Nothing goes in or out any more: the owner destroys it.
  virtual void forget(attach_stream& from) = 0;

protected:
  ~attach_owner() = default;
};

class attach_stream {
public:
  attach_stream(attach_context context, attach_owner& owner, unique_fd socket, const pb::AttachOptions& options,
                bool terminal);
  /// As an earlier shim saved it; its descriptor becomes ours.
  attach_stream(attach_context context, attach_owner& owner, const pb::AttachState& state);
  attach_stream(const attach_stream&) = delete;
  attach_stream& operator=(const attach_stream&) = delete;
  ~attach_stream() { clear_queue(); }
  void save(pb::AttachState& out) const;

  /// Begins to read input and to notice a hang-up.
  void start() { update_interest(); }
  void send(stream s, std::string_view bytes);
  /// The container takes input again.
  void resume_input();
  /// The container takes no more: what the client sends from now on is thrown away.
  void stop_input();
  /// Tells the client that nothing more comes, and closes.
  void finish();
  void move_to(attach_owner& owner) noexcept { owner_ = &owner; }

  [[nodiscard]] std::size_t queued() const noexcept { return queue_.size() - sent_; }
  [[nodiscard]] bool gone() const noexcept { return !output_open_ && !input_open_; }

private:
  void on_events(std::uint32_t events);
  void read_input();
  void end_input();
  void flush();
  void drop_output();
  void clear_queue() noexcept;
  void update_interest();
  [[nodiscard]] bool may_read() const { return input_open_ && (discard_input_ || owner_->wants_input()); }

  attach_context context_;
  attach_owner* owner_;
  watch socket_;
  std::string queue_;
  std::size_t sent_ = 0; ///< bytes of `queue_` that were written
  pb::AttachOptions options_;
  bool terminal_;
  bool input_open_ = true;  ///< the client has not ended its side
  bool output_open_ = true; ///< the client still listens
  bool discard_input_ = false;
  bool hung_up_ = false;
};

} // namespace gantry::runtime::shim
