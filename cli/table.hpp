/// Rows of text in columns, as docker's commands print them, and the choice between table, JSON and template that their
/// --format makes.
#pragma once

#include <boost/json.hpp>
#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include "io/base/result.hpp"

namespace gantry::cli {

/// Columns are as wide as their widest cell plus `padding`, at least `width_min`; the last one is not padded. Cells are
/// cut by tabs.
std::string align_columns(const std::vector<std::string>& lines, std::size_t width_min = 10, std::size_t padding = 3);

/// How a list command prints: what its fields are called in the head of a table, and what it shows by default.
struct list_format {
  std::vector<std::pair<std::string, std::string>> headers; ///< field -> head: {"ID", "CONTAINER ID"}
  std::string default_table;                                ///< "table {{.ID}}\t{{.Image}}"
};
/// Rows are objects of strings, one member a field of `headers`. `format`: "" or "table", "json", "table TEMPLATE",
/// or TEMPLATE. Errors: invalid_parameter (the template; a field that is not in `headers`).
result<> print_list(std::ostream& out, const list_format& how, const std::string& format,
                    const std::vector<boost::json::object>& rows);

} // namespace gantry::cli
