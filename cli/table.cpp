/// Column widths and list formats.
#include "cli/table.hpp"

#include <algorithm>
#include <ostream>

#include "cli/format_template.hpp"

namespace gantry::cli {

namespace json = boost::json;

namespace {

/// How wide a terminal shows it: the number of characters, not of bytes.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::size_t from = 0;
  for (;;) {
    const auto tab = line.find('\t', from);
    cells.push_back(line.substr(from, tab == std::string::npos ? tab : tab - from));
    if (tab == std::string::npos) return cells;
    from = tab + 1;
  }
}

json::object sorted(const json::object& row) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : row) keys.emplace_back(key);
  std::sort(keys.begin(), keys.end());
  json::object by_key;
  for (const auto& key : keys) by_key[key] = row.at(key);
  return by_key;
}

/// A row as JSON has <, > and & escaped, because docker's rows do.
std::string one_line_json(const json::object& row) {
  std::string out;
  for (const char c : json::serialize(row)) {
    if (c == '<')
      out += "\\u003c";
    else if (c == '>')
      out += "\\u003e";
    else if (c == '&')
      out += "\\u0026";
    else
      out += c;
  }
  return out;
}

} // namespace

std::string align_columns(const std::vector<std::string>& lines, std::size_t width_min, std::size_t padding) {
  std::vector<std::vector<std::string>> rows;
  std::vector<std::size_t> widths;
  for (const auto& line : lines) {
    rows.push_back(cells_of(line));
    // A row's last cell does not count: nothing stands behind it.
    for (std::size_t i = 0; i + 1 < rows.back().size(); ++i) {
      if (widths.size() <= i) widths.resize(i + 1, width_min);
      widths[i] = std::max(widths[i], width_of(rows.back()[i]) + padding);
    }
  }
  std::string out;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) out.append(widths[i] - width_of(row[i]), ' ');
    }
    out += '\n';
  }
  return out;
}

result<> print_list(std::ostream& out, const list_format& how, const std::string& format,
                    const std::vector<json::object>& rows) {
  if (format == "json") {
    for (const auto& row : rows) out << one_line_json(sorted(row)) << '\n';
    return {};
  }
  std::string text = format.empty() || format == "table" ? how.default_table : format;
  const bool is_table = text.starts_with("table ") || text.starts_with("table\t");
  if (is_table) text = text.substr(6);
  GANTRY_TRY(pattern, format_template::parse(unescape_format(text)));
  for (const auto& field : pattern.fields()) {
    const auto known = [&](const auto& header) { return header.first == field; };
    if (std::none_of(how.headers.begin(), how.headers.end(), known))
      return error{errc::invalid_parameter, 0, "template parsing error: can't evaluate field " + field};
  }
  std::vector<std::string> lines;
  if (is_table) {
    json::object headers;
    for (const auto& [field, head] : how.headers) headers[field] = head;
    GANTRY_TRY(head, pattern.render_header(headers));
    lines.push_back(std::move(head));
  }
  for (const auto& row : rows) {
    GANTRY_TRY(line, pattern.render(sorted(row)));
    lines.push_back(std::move(line));
  }
  if (is_table) {
    out << align_columns(lines);
    return {};
  }
  for (const auto& line : lines) out << line << '\n';
  return {};
}

} // namespace gantry::cli
