/// The part of Go's templates that `--format` is used with: text, {{.Field.Field}}, {{json .X}}, and the functions
/// below with pipes. Not here: control structures (range, if, with, define, variables); they are refused by name.
/// Functions: json, upper, lower, title, len, print, println, join LIST SEP, split TEXT SEP, index X KEY..., truncate
/// TEXT N, and .Label KEY of a row with Labels.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "io/base/result.hpp"

namespace gantry::cli {

class format_template {
public:
  /// Errors: invalid_parameter `template parsing error: ...`.
  static result<format_template> parse(std::string_view text);
  /// Errors: invalid_parameter (a field of something that has none, a wrong argument).
  [[nodiscard]] result<std::string> render(const boost::json::value& root) const;
  /// With each {{.Field}} replaced by what `headers` maps it to (the name itself when it does not): a table's head.
  [[nodiscard]] result<std::string> render_header(const boost::json::object& headers) const;
  /// The fields of the root that are used.
  [[nodiscard]] std::vector<std::string> fields() const;

private:
  struct term {
    enum class kind { dot, field, literal, call };
    kind what = kind::dot;
    std::vector<std::string> path; ///< of a field
    std::string place;             ///< of a field: ":1:2: executing "" at <.Foo>", for errors
    boost::json::value literal;
    std::string function; ///< of a call
    std::vector<term> arguments;
  };
  struct part {
    std::string text;       ///< when `is_action` is false
    std::vector<term> pipe; ///< stages, first to last
    bool is_action = false;
  };

  static result<part> parse_action(std::string_view inside, std::size_t offset);
  static result<boost::json::value> evaluate(const term& t, const boost::json::value& root,
                                             const boost::json::value* piped);
  static result<boost::json::value> call(const std::string& name, const std::vector<boost::json::value>& arguments);
  friend class template_parser;

  std::vector<part> parts_;
};

/// As Go prints a value with %v: `[a b]`, `map[k:v]`, `<no value>` for null.
std::string print_value(const boost::json::value& value);
/// `\t` and `\n` written as two characters become one: table formats are given so.
std::string unescape_format(std::string_view text);

} // namespace gantry::cli
