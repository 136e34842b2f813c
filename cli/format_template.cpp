/// Reading templates and filling them in.
#include "cli/format_template.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "cli/flags.hpp"

namespace gantry::cli {

namespace json = boost::json;

namespace {

error bad(const std::string& message) {
  return error{errc::invalid_parameter, 0, "template parsing error: " + message};
}

constexpr std::string_view refused[] = {"range",    "if",    "with",     "else",    "end",   "define", "block",
                                        "template", "break", "continue", "printf",  "slice", "eq",     "ne",
                                        "and",      "or",    "not",      "lt",      "gt",    "le",     "ge",
                                        "pad",      "html",  "js",       "urlquery"};
constexpr std::string_view known[] = {"json",    "upper", "lower", "title", "len",     "print",
                                      "println", "join",  "split", "index", "truncate"};

template <std::size_t Count>
bool contains(const std::string_view (&words)[Count], std::string_view word) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

} // namespace

/// The inside of one {{ }}.
class template_parser {
public:
  using term = format_template::term;
  template_parser(std::string_view text, std::size_t offset) : text_(text), offset_(offset) {}

  result<std::vector<term>> pipe() {
    std::vector<term> stages;
    for (;;) {
      GANTRY_TRY(stage, command());
      stages.push_back(std::move(stage));
      blanks();
      if (at_ == text_.size()) return stages;
      if (text_[at_] != '|') return bad("unexpected \"" + std::string(text_.substr(at_)) + "\" in command");
      ++at_;
    }
  }

private:
  void blanks() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  [[nodiscard]] bool at_end_of_command() {
    blanks();
    return at_ == text_.size() || text_[at_] == '|' || text_[at_] == ')';
  }

  result<term> command() {
    blanks();
    if (at_ == text_.size()) return bad("missing value for command");
    GANTRY_TRY(first, operand());
    if (first.what == term::kind::field && first.path.size() == 1 && first.path[0] == "Label" && !at_end_of_command()) {
      // The one method with an argument that rows have.
      first.what = term::kind::call;
      first.function = "Label";
      first.path[0] = "Labels";
      term labels = first;
      labels.what = term::kind::field;
      first.arguments.push_back(std::move(labels));
    }
    if (first.what == term::kind::call && !first.function.empty()) {
      while (!at_end_of_command()) {
        GANTRY_TRY(argument, operand());
        first.arguments.push_back(std::move(argument));
      }
    } else if (!at_end_of_command()) {
      return bad("can't give argument to non-function " + std::string(text_));
    }
    return first;
  }

  result<term> operand() {
    blanks();
    if (at_ == text_.size()) return bad("missing operand");
    const char c = text_[at_];
    if (c == '.') return field();
    if (c == '"' || c == '`') return quoted(c);
    if (c == '(') return grouped();
    if (c == '$') return bad("variables are not supported");
    if (std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '-') return number();
    return word();
  }

  result<term> field() {
    term t;
    const auto start = at_++;
    while (at_ < text_.size() && name_char(text_[at_])) {
      const auto from = at_;
      while (at_ < text_.size() && name_char(text_[at_])) ++at_;
      t.path.emplace_back(text_.substr(from, at_ - from));
      if (at_ < text_.size() && text_[at_] == '.') ++at_;
    }
    t.what = t.path.empty() ? term::kind::dot : term::kind::field;
    t.place = "template: :1:" + std::to_string(offset_ + start) + ": executing \"\" at <" +
              std::string(text_.substr(start, at_ - start)) + ">: ";
    return t;
  }

  result<term> quoted(char quote) {
    term t;
    t.what = term::kind::literal;
    std::string value;
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (quote == '"' && text_[at_] == '\\' && at_ + 1 < text_.size()) {
        const char escaped = text_[++at_];
        value += escaped == 'n' ? '\n' : escaped == 't' ? '\t' : escaped;
      } else {
        value += text_[at_];
      }
    }
    if (at_ == text_.size()) return bad("unterminated quoted string");
    ++at_;
    t.literal = value;
    return t;
  }

  result<term> grouped() {
    if (++depth_ > 16) return bad("parentheses are nested too deep");
    ++at_;
    GANTRY_TRY(inner, command());
    blanks();
    if (at_ == text_.size() || text_[at_] != ')') return bad("unclosed left paren");
    ++at_;
    --depth_;
    term group;
    group.what = term::kind::call;
    group.arguments.push_back(std::move(inner));
    return group; // a call without a name is its one argument
  }

  result<term> number() {
    const auto from = at_++;
    while (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
    const auto value = parse_integer(text_.substr(from, at_ - from));
    if (!value) return bad("bad number syntax: \"" + std::string(text_.substr(from, at_ - from)) + "\"");
    term t;
    t.what = term::kind::literal;
    t.literal = *value;
    return t;
  }

  result<term> word() {
    const auto from = at_;
    while (at_ < text_.size() && name_char(text_[at_])) ++at_;
    const std::string name(text_.substr(from, at_ - from));
    if (name.empty()) return bad("unexpected \"" + std::string(1, text_[at_]) + "\" in command");
    if (contains(refused, name)) return bad("\"" + name + "\" is not supported");
    if (!contains(known, name)) return bad("function \"" + name + "\" not defined");
    term t;
    t.what = term::kind::call;
    t.function = name;
    return t;
  }

  static bool name_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

  std::string_view text_;
  std::size_t offset_, at_ = 0;
  int depth_ = 0;
};

result<format_template::part> format_template::parse_action(std::string_view inside, std::size_t offset) {
  GANTRY_TRY(stages, template_parser(inside, offset).pipe());
  part p;
  p.is_action = true;
  p.pipe = std::move(stages);
  return p;
}

result<format_template> format_template::parse(std::string_view text) {
  format_template t;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto open = text.find("{{", at);
    part plain;
    plain.text = text.substr(at, open == std::string_view::npos ? std::string_view::npos : open - at);
    std::size_t from = open == std::string_view::npos ? text.size() : open + 2;
    // {{- and -}} trim the white space beside them.
    if (text.substr(from).starts_with("- ")) {
      ++from;
      while (!plain.text.empty() && std::isspace(static_cast<unsigned char>(plain.text.back())) != 0)
        plain.text.pop_back();
    }
    if (!plain.text.empty()) t.parts_.push_back(std::move(plain));
    if (open == std::string_view::npos) break;
    const auto close = text.find("}}", from);
    if (close == std::string_view::npos) return bad("unclosed action");
    auto inside = text.substr(from, close - from);
    at = close + 2;
    if (inside.ends_with(" -")) {
      inside.remove_suffix(2);
      while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at])) != 0) ++at;
    }
    if (inside.starts_with("/*")) continue;
    GANTRY_TRY(action, parse_action(inside, from));
    t.parts_.push_back(std::move(action));
  }
  return t;
}

result<json::value> format_template::evaluate(const term& t, const json::value& root, const json::value* piped) {
  switch (t.what) {
  case term::kind::dot:
    return root;
  case term::kind::literal:
    return t.literal;
  case term::kind::field: {
    const json::value* here = &root;
    for (const auto& name : t.path) {
      if (here->is_null()) return json::value();
      if (!here->is_object()) return bad(t.place + "can't evaluate field " + name + " in type interface {}");
      here = here->as_object().if_contains(name);
      if (here == nullptr) return bad(t.place + "map has no entry for key \"" + name + "\"");
    }
    return *here;
  }
  case term::kind::call:
    break;
  }
  std::vector<json::value> arguments;
  for (const auto& argument : t.arguments) {
    GANTRY_TRY(value, evaluate(argument, root, nullptr));
    arguments.push_back(std::move(value));
  }
  if (t.function.empty()) return std::move(arguments.front());
  if (piped != nullptr) arguments.push_back(*piped);
  return call(t.function, arguments);
}

namespace {

result<json::value> index_of(const std::vector<json::value>& arguments) {
  if (arguments.empty()) return bad("wrong number of args for index");
  json::value here = arguments[0];
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const auto& key = arguments[i];
    if (here.is_object() && key.is_string()) {
      const auto* found = here.as_object().if_contains(std::string_view(key.as_string()));
      here = found != nullptr ? json::value(*found) : json::value("");
    } else if (here.is_array() && key.is_int64()) {
      const auto at = key.as_int64();
      if (at < 0 || static_cast<std::size_t>(at) >= here.as_array().size())
        return bad("error calling index: index out of range: " + std::to_string(at));
      here = json::value(here.as_array()[static_cast<std::size_t>(at)]);
    } else {
      return bad("error calling index: can't index item of this kind");
    }
  }
  return here;
}

/// A value of "a=b,c=d".
json::value label_of(const std::string& labels, const std::string& key) {
  for (std::size_t from = 0; from <= labels.size();) {
    const auto comma = std::min(labels.find(',', from), labels.size());
    const std::string one = labels.substr(from, comma - from);
    if (one.starts_with(key + "=")) return json::value(one.substr(key.size() + 1));
    from = comma + 1;
  }
  return json::value("");
}

json::value split_text(const std::string& text, const std::string& separator) {
  json::array parts;
  if (separator.empty()) return json::array{text};
  std::size_t from = 0;
  for (;;) {
    const auto at = text.find(separator, from);
    parts.emplace_back(text.substr(from, at == std::string::npos ? at : at - from));
    if (at == std::string::npos) return parts;
    from = at + separator.size();
  }
}

std::string mapped(std::string text, int (*change)(int)) {
  for (char& c : text) c = static_cast<char>(change(static_cast<unsigned char>(c)));
  return text;
}

std::int64_t length_of(const json::value& v) {
  if (v.is_array()) return static_cast<std::int64_t>(v.as_array().size());
  if (v.is_object()) return static_cast<std::int64_t>(v.as_object().size());
  return v.is_string() ? static_cast<std::int64_t>(v.as_string().size()) : 0;
}

} // namespace

result<json::value> format_template::call(const std::string& name, const std::vector<json::value>& arguments) {
  const auto text = [&](std::size_t i) { return i < arguments.size() ? print_value(arguments[i]) : std::string(); };
  const auto wrong_count = [&] { return bad("wrong number of args for " + name); };
  if (name == "index") return index_of(arguments);
  if (name == "print" || name == "println") {
    std::string out;
    for (std::size_t i = 0; i < arguments.size(); ++i) out += (i > 0 ? " " : "") + text(i);
    return json::value(out + (name == "println" ? "\n" : ""));
  }
  if (name == "join" || name == "split" || name == "truncate" || name == "Label") {
    if (arguments.size() != 2) return wrong_count();
    if (name == "Label") return label_of(text(0), text(1));
    if (name == "split") return split_text(text(0), text(1));
    if (name == "truncate") {
      if (!arguments[1].is_int64() || arguments[1].as_int64() < 0) return bad("truncate wants a length");
      return json::value(text(0).substr(0, static_cast<std::size_t>(arguments[1].as_int64())));
    }
    if (!arguments[0].is_array()) return bad("join wants a list");
    std::string out;
    for (const auto& item : arguments[0].as_array())
      out += (&item == arguments[0].as_array().data() ? "" : text(1)) + print_value(item);
    return json::value(out);
  }
  if (arguments.size() != 1) return wrong_count();
  if (name == "json") return json::value(json::serialize(arguments[0]));
  if (name == "upper") return json::value(mapped(text(0), std::toupper));
  if (name == "lower") return json::value(mapped(text(0), std::tolower));
  if (name == "len") return json::value(length_of(arguments[0]));
  std::string titled = text(0);
  for (std::size_t i = 0; i < titled.size(); ++i)
    if (i == 0 || titled[i - 1] == ' ')
      titled[i] = static_cast<char>(std::toupper(static_cast<unsigned char>(titled[i])));
  return json::value(titled);
}

result<std::string> format_template::render(const json::value& root) const {
  std::string out;
  for (const auto& p : parts_) {
    if (!p.is_action) {
      out += p.text;
      continue;
    }
    json::value value;
    bool first = true;
    for (const auto& stage : p.pipe) {
      if (!first && stage.what != term::kind::call) return bad("non executable command in pipeline");
      GANTRY_TRY(next, evaluate(stage, root, first ? nullptr : &value));
      value = std::move(next);
      first = false;
    }
    out += print_value(value);
  }
  return out;
}

result<std::string> format_template::render_header(const json::object& headers) const {
  std::string out;
  for (const auto& p : parts_) {
    if (!p.is_action) {
      out += p.text;
      continue;
    }
    // The head of a column is that of the first field its action names, as docker's formatter has it.
    const term* named = &p.pipe.front();
    while (named->what == term::kind::call && !named->arguments.empty()) named = &named->arguments.front();
    if (named->what != term::kind::field) continue;
    const auto* found = headers.if_contains(named->path.back());
    out += found != nullptr ? print_value(*found) : named->path.back();
  }
  return out;
}

std::vector<std::string> format_template::fields() const {
  std::vector<std::string> names;
  const auto collect = [&](const auto& self, const term& t) -> void {
    if (t.what == term::kind::field) names.push_back(t.path.front());
    for (const auto& argument : t.arguments) self(self, argument);
  };
  for (const auto& p : parts_)
    for (const auto& stage : p.pipe) collect(collect, stage);
  return names;
}

std::string print_value(const json::value& value) {
  switch (value.kind()) {
  case json::kind::null:
    return "<no value>";
  case json::kind::bool_:
    return value.as_bool() ? "true" : "false";
  case json::kind::string:
    return std::string(value.as_string());
  case json::kind::array: {
    std::string text;
    for (const auto& item : value.as_array()) text += (text.empty() ? "" : " ") + print_value(item);
    return "[" + text + "]";
  }
  case json::kind::object: {
    std::vector<std::string> members;
    for (const auto& [key, item] : value.as_object()) members.push_back(std::string(key) + ":" + print_value(item));
    std::sort(members.begin(), members.end());
    std::string text;
    for (const auto& m : members) text += (text.empty() ? "" : " ") + m;
    return "map[" + text + "]";
  }
  default:
    return json::serialize(value);
  }
}

std::string unescape_format(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == 't' || text[i + 1] == 'n')) {
      out += text[++i] == 't' ? '\t' : '\n';
    } else {
      out += text[i];
    }
  }
  return out;
}

} // namespace gantry::cli
