/// The user's terminal: raw mode that ends with its scope, its size, and the signals that are read in order instead of
/// interrupting.
#pragma once

#include <csignal>
#include <optional>
#include <termios.h>
#include <vector>

#include "io/base/result.hpp"
#include "io/base/unique_fd.hpp"

namespace gantry::cli {

struct window_size {
  unsigned rows = 0, columns = 0;
  friend bool operator==(const window_size&, const window_size&) = default;
};
/// Nothing when `fd` is no terminal.
std::optional<window_size> size_of_window(int fd);
bool is_terminal(int fd);

/// Raw mode of a terminal from construction to destruction. Does nothing when `fd` is no terminal.
class raw_mode {
public:
  explicit raw_mode(int fd);
  ~raw_mode() { restore(); }
  raw_mode(const raw_mode&) = delete;
  raw_mode& operator=(const raw_mode&) = delete;
  void restore() noexcept;

private:
  int fd_;
  bool active_ = false;
  termios before_{};
};

/// From construction to destruction the process's signals wait in a descriptor, so that none can end the program
/// between raw mode and its end. Signals that mean a fault, and those that stop a job, keep their effect.
class signal_queue {
public:
  static result<signal_queue> open();
  signal_queue(signal_queue&& other) noexcept;
  ~signal_queue();
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  /// The signals that came since the last call.
  std::vector<int> take();

private:
  signal_queue() = default;
  unique_fd fd_;
  sigset_t before_{};
  bool active_ = false;
};

/// "SIGTERM" for 15, as the kill call takes it.
std::string signal_name(int number);

} // namespace gantry::cli
