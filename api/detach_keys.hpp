/// Detach keys of attach and exec: the sequence as clients write it, and a scanner that finds it in what they type
/// (behaviours 31).
#pragma once

#include <string>
#include <string_view>

#include "io/base/result.hpp"

namespace gantry::api {

inline constexpr std::string_view default_detach_keys = "ctrl-p,ctrl-q";
/// Keys in one sequence: the scanner's work for a byte grows with it. [400]
inline constexpr std::size_t detach_keys_max = 32;

/// "ctrl-p,ctrl-q" or "a,DEL" -> the bytes. Errors: invalid_parameter (the callers have texts of their own).
result<std::string> parse_detach_keys(std::string_view text);

/// Looks for the sequence in bytes that arrive in any pieces. Bytes that begin a match are held back until they either
/// complete it, and are swallowed, or turn out not to, and are passed on.
class detach_scanner {
public:
  explicit detach_scanner(std::string sequence) : sequence_(std::move(sequence)) {}

  struct step {
    std::string pass;      ///< what the process shall read
    bool detached = false; ///< the sequence is complete; bytes after it are dropped
  };
  step feed(std::string_view bytes);

private:
  std::string sequence_;
  std::size_t matched_ = 0; ///< how much of the sequence the held bytes are
};

} // namespace gantry::api
