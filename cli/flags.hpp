/// Command-line flags in the manner of docker and dockerd: --name, --name=value, --name value, -n, -nvalue, -n=value,
/// -n value, and short booleans joined (-it). Flags may repeat; what a repetition means is the setter's affair.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/base/result.hpp"

namespace gantry::cli {

using string_list = std::vector<std::string>;

/// Whether flags may stand behind the first argument: yes for most commands, no where that argument starts another
/// program's command line (`run IMAGE COMMAND --its-flag`).
enum class interspersed : bool { no, yes };

class flag_set {
public:
  using setter = std::function<result<>(const std::string&)>;

  struct flag {
    std::string name;
    char shorthand = 0;
    std::string value_name;   ///< "string", "list"; "" for a boolean
    std::string help;         ///< "" hides the flag from the usage text
    std::string implied;      ///< value when none is given ("true" for a boolean); "" : a value is needed
    std::string default_text; ///< as the usage text shows it; "" : not shown
    setter set;
    bool changed = false;
  };

  void boolean(bool& into, std::string name, char shorthand, std::string help);
  void boolean(std::optional<bool>& into, std::string name, char shorthand, std::string help);
  void text(std::string& into, std::string name, char shorthand, std::string help, std::string value_name = "string");
  void list(string_list& into, std::string name, char shorthand, std::string help, std::string value_name = "list");
  void integer(std::int64_t& into, std::string name, char shorthand, std::string help);
  void integer(std::optional<std::int64_t>& into, std::string name, char shorthand, std::string help);
  /// The general form. Errors of `set` are shown as: invalid argument "X" for "-n, --name" flag: <message>.
  void add(flag definition);

  /// Sets what the arguments say and gives those that are no flags, in order. Everything after `--` is no flag.
  /// Errors: invalid_parameter `unknown flag: --x`, `unknown shorthand flag: 'x' in -xyz`, `flag needs an argument:
  /// ...`, `invalid argument ...`, `bad flag syntax: ...`.
  result<string_list> parse(const string_list& arguments, interspersed mode);

  [[nodiscard]] bool changed(std::string_view name) const;
  [[nodiscard]] const std::vector<flag>& flags() const noexcept { return flags_; }
  /// One line a flag, sorted by name, as `docker --help` aligns them.
  [[nodiscard]] std::string usage() const;

private:
  flag* find(std::string_view name);
  flag* find(char shorthand);
  result<> parse_long(const string_list& arguments, std::size_t& at);
  result<> parse_short(const string_list& arguments, std::size_t& at);
  static result<> apply(flag& f, const std::string& value);

  std::vector<flag> flags_;
};

/// Go's strconv.ParseBool: 1 t T true True TRUE, 0 f F false False FALSE.
std::optional<bool> parse_bool(std::string_view text) noexcept;
/// A whole decimal number, with a sign if any.
std::optional<std::int64_t> parse_integer(std::string_view text) noexcept;

} // namespace gantry::cli
