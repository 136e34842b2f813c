#include "api/dockerfile_words.hpp"

#include "api/json_read.hpp"

namespace gantry::api {

namespace {

constexpr std::string_view blanks = " \t\r\v\f";
constexpr int substitution_depth_max = 16;

error bad(std::string message) { return {errc::invalid_parameter, 0, std::move(message)}; }
bool is_blank(char c) noexcept { return blanks.find(c) != std::string_view::npos || c == '\n'; }
bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

/// True when the line goes on in the next: a backslash at its end that no backslash escapes. Takes it off.
bool take_continuation(std::string_view& line) {
  auto end = line.find_last_not_of(" \t\r");
  if (end == std::string_view::npos || line[end] != '\\' || (end > 0 && line[end - 1] == '\\')) return false;
  line = line.substr(0, end);
  return true;
}

/// The variable name at the head of `rest`, taken off it.
std::string take_name(std::string_view& rest) {
  std::size_t n = 0;
  if (!rest.empty() && is_letter(rest[0])) {
    while (n < rest.size() && (is_letter(rest[n]) || is_digit(rest[n]))) ++n;
  } else if (!rest.empty() && is_digit(rest[0])) {
    while (n < rest.size() && is_digit(rest[n])) ++n;
  } else if (!rest.empty() && std::string_view("@*#?-$!").find(rest[0]) != std::string_view::npos) {
    n = 1;
  }
  std::string out(rest.substr(0, n));
  rest.remove_prefix(n);
  return out;
}

} // namespace

std::string_view trim_blanks(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string upper_case(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = char(c - 32);
  return out;
}

std::vector<dockerfile_line> split_dockerfile(std::string_view text) {
  std::vector<dockerfile_line> out;
  std::string joined;
  std::size_t number = 0, began = 1;
  bool continued = false;
  auto flush = [&] {
    if (auto whole = trim_blanks(joined); !whole.empty()) out.push_back({std::string(whole), began});
    joined.clear();
    continued = false;
  };
  while (!text.empty()) {
    auto end = text.find('\n');
    auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    auto bare = trim_blanks(line);
    if (bare.empty() || bare[0] == '#') continue; // also between continued lines
    if (!continued) began = number;
    continued = take_continuation(line);
    joined.append(line);
    if (!continued) flush();
  }
  flush();
  return out;
}

string_list split_words(std::string_view text) {
  string_list out;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (!in_word && is_blank(c)) continue;
    in_word = true;
    if (quote == 0 && is_blank(c)) {
      out.push_back(std::move(word));
      word.clear();
      in_word = false;
      continue;
    }
    if (c == '\\' && quote != '\'') { // the escaped character, blank or quote, belongs to the word
      if (i + 1 == text.size()) break;
      word.push_back(c);
      c = text[++i];
    } else if (c == quote) {
      quote = 0;
    } else if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    }
    word.push_back(c);
  }
  if (!word.empty()) out.push_back(std::move(word));
  return out;
}

string_list split_blanks(std::string_view text) {
  string_list out;
  while (!(text = trim_blanks(text)).empty()) {
    std::size_t n = 0;
    while (n < text.size() && !is_blank(text[n])) ++n;
    out.emplace_back(text.substr(0, n));
    text.remove_prefix(n);
  }
  return out;
}

std::optional<string_list> parse_json_words(std::string_view text) {
  text = trim_blanks(text);
  if (text.empty() || text[0] != '[') return std::nullopt;
  auto document = json_document::parse(text);
  if (document.has_error()) return std::nullopt;
  string_list out;
  for (json_element item : simdjson::dom::array(document->root())) {
    std::string_view s;
    if (item.get(s)) return std::nullopt;
    out.emplace_back(s);
  }
  return out;
}

result<> word_expander::append(std::string& out, std::string_view text) {
  written_ += text.size();
  if (written_ > dockerfile_expansion_bytes_max) return bad("expanded text is too long");
  out.append(text);
  return {};
}

result<std::string> word_expander::expand(std::string_view word) { return run(word, 0, 0); }

/// Up to `stop` (which stays), or the end.
result<std::string> word_expander::run(std::string_view& rest, char stop, int depth) {
  if (depth > substitution_depth_max) return bad("substitutions are nested too deeply");
  std::string out;
  while (!rest.empty() && (stop == 0 || rest[0] != stop)) {
    char c = rest[0];
    rest.remove_prefix(1);
    if (c == '\'') {
      auto end = rest.find('\'');
      if (end == std::string_view::npos)
        return bad("unexpected end of statement while looking for matching single-quote");
      GANTRY_TRYV(append(out, rest.substr(0, end)));
      rest.remove_prefix(end + 1);
    } else if (c == '"') {
      GANTRY_TRYV(double_quoted(rest, out, depth));
    } else if (c == '$') {
      GANTRY_TRYV(dollar(rest, out, depth));
    } else if (c == '\\') {
      if (rest.empty()) break;
      GANTRY_TRYV(append(out, rest.substr(0, 1)));
      rest.remove_prefix(1);
    } else {
      GANTRY_TRYV(append(out, {&c, 1}));
    }
  }
  return out;
}

result<> word_expander::double_quoted(std::string_view& rest, std::string& out, int depth) {
  while (!rest.empty()) {
    char c = rest[0];
    rest.remove_prefix(1);
    if (c == '"') return {};
    if (c == '$') {
      GANTRY_TRYV(dollar(rest, out, depth));
      continue;
    }
    // Inside double quotes only these lose their backslash.
    if (c == '\\' && !rest.empty() && std::string_view("\"$\\").find(rest[0]) != std::string_view::npos) {
      c = rest[0];
      rest.remove_prefix(1);
    }
    GANTRY_TRYV(append(out, {&c, 1}));
  }
  return bad("unexpected end of statement while looking for matching double-quote");
}

result<> word_expander::dollar(std::string_view& rest, std::string& out, int depth) {
  if (!rest.empty() && rest[0] == '{') {
    rest.remove_prefix(1);
    return substitution(rest, out, depth);
  }
  auto name = take_name(rest);
  if (name.empty()) return append(out, "$");
  return append(out, variables_(name).value_or(""));
}

result<> word_expander::substitution(std::string_view& rest, std::string& out, int depth) {
  auto name = take_name(rest);
  if (name.empty()) return bad("syntax error: bad substitution");
  auto value = variables_(name);
  bool colon = !rest.empty() && rest[0] == ':';
  if (colon) rest.remove_prefix(1);
  if (rest.empty()) return bad("syntax error: missing '}'");
  char modifier = rest[0];
  rest.remove_prefix(1);
  if (modifier == '}' && !colon) return append(out, value.value_or(""));
  if (modifier != '-' && modifier != '+' && modifier != '?')
    return bad(std::string("unsupported modifier (") + modifier + ") in substitution");
  GANTRY_TRY(word, run(rest, '}', depth + 1));
  if (rest.empty()) return bad("syntax error: missing '}'");
  rest.remove_prefix(1);
  bool set = value && !(colon && value->empty());
  if (modifier == '?' && !set) return bad(name + ": " + (word.empty() ? "is not allowed to be unset" : word));
  if (modifier == '+') return append(out, set ? word : "");
  return append(out, set ? *value : modifier == '-' ? word : "");
}

} // namespace gantry::api
