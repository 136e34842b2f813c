/// Carries bytes between the user and an attached container: stdin to the connection, the connection to stdout and
/// stderr, signals and the terminal's size to whoever asked for them.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "cli/http_client.hpp"
#include "cli/terminal.hpp"

namespace gantry::cli {

/// Splits the multiplexed stream (behaviours 25) into its frames, whatever the pieces it comes in.
class frame_splitter {
public:
  using sink = std::function<result<>(int stream, std::string_view payload)>;
  /// Errors: internal (no frame starts like this) · those of `out`.
  result<> feed(std::string_view bytes, const sink& out);
  /// True between frames: the stream may end here.
  [[nodiscard]] bool between_frames() const noexcept { return head_.empty() && left_ == 0; }

private:
  std::string head_;
  int stream_ = 0;
  std::uint32_t left_ = 0;
};

/// Watches what the user types for the keys that detach. The engine acts on them; this only tells a detached stream
/// from an ended one.
class detach_watch {
public:
  /// "ctrl-p,ctrl-q"; "" for that default. Errors: invalid_parameter `Invalid detach keys (X) provided`.
  static result<detach_watch> parse(const std::string& keys);
  void feed(std::string_view typed) noexcept;
  [[nodiscard]] bool seen() const noexcept { return matched_ == keys_.size() && !keys_.empty(); }

private:
  std::string keys_;
  std::size_t matched_ = 0;
};

enum class stream_end {
  ended,       ///< the engine closed it: the container ended, or closed its output
  detached,    ///< the user typed the detach keys
  interrupted, ///< a signal that is not passed on
};

struct stream_plan {
  bool raw = false;                   ///< a TTY: no frames
  int in_fd = -1;                     ///< -1: no stdin
  int out_fd = 1, err_fd = 2;         ///< -1: drop
  signal_queue* signals = nullptr;    ///< null: signals have their usual effect
  std::function<void(int)> on_signal; ///< null: a signal interrupts
  std::function<void()> on_resize;    ///< null: SIGWINCH is dropped
  detach_watch* detach = nullptr;
};

/// Runs until one of the ends. `interrupted_by` gets the signal's number. Blocks.
/// Errors: internal (reading or writing failed; `Error` frames of the engine).
result<stream_end> carry_streams(hijacked connection, const stream_plan& plan, int* interrupted_by = nullptr);

/// Waits for a begun request's reply while signals still pass. Nothing when a signal interrupted.
result<std::optional<http_reply>> await_reply(http_client& client, const stream_plan& plan,
                                              int* interrupted_by = nullptr);

/// All of it, however many write(2)s it takes.
result<> write_all(int fd, std::string_view bytes);

} // namespace gantry::cli
