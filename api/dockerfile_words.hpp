/// The small language inside Dockerfile lines: words with quotes, escapes and $variables. Only what the instructions
/// that `import --change` and commit allow need; no heredocs, no escape directive.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "api/container_config.hpp"
#include "io/base/result.hpp"

namespace gantry::api {

/// What all expansions of one request may write: $A$A in turn would double without end. [400]
inline constexpr std::size_t dockerfile_expansion_bytes_max = 1u << 20;

struct dockerfile_line {
  std::string text;       ///< continuation lines joined, no blanks around
  std::size_t number = 1; ///< where it began
};
/// Lines without comments and empty ones.
std::vector<dockerfile_line> split_dockerfile(std::string_view text);

/// Words as they stand, quotes and escapes kept: `a="b c" d\ e` gives two.
string_list split_words(std::string_view text);
/// Words parted by blanks alone.
string_list split_blanks(std::string_view text);
/// ["a","b"]; nothing for anything else.
std::optional<string_list> parse_json_words(std::string_view text);
std::string_view trim_blanks(std::string_view text);
std::string upper_case(std::string_view text);

/// Takes quotes and escapes off and puts variables in: $X ${X} ${X:-word} ${X:+word} and the forms without the colon.
class word_expander {
public:
  using lookup = std::function<std::optional<std::string>(std::string_view name)>;
  explicit word_expander(lookup variables) : variables_(std::move(variables)) {}

  /// Errors: invalid_parameter (an unclosed quote or brace, an unknown modifier, too much text).
  result<std::string> expand(std::string_view word);

private:
  result<std::string> run(std::string_view& rest, char stop, int depth);
  result<> double_quoted(std::string_view& rest, std::string& out, int depth);
  result<> dollar(std::string_view& rest, std::string& out, int depth);
  result<> substitution(std::string_view& rest, std::string& out, int depth);
  result<> append(std::string& out, std::string_view text);

  lookup variables_;
  std::size_t written_ = 0;
};

} // namespace gantry::api
