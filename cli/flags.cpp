/// The flag parser. Its texts are those of the library that docker uses, because scripts match on them.
#include "cli/flags.hpp"

#include <algorithm>
#include <charconv>

namespace gantry::cli {
namespace {

error bad(std::string message) { return error{errc::invalid_parameter, 0, std::move(message)}; }

std::string spelled(const flag_set::flag& f) {
  std::string text;
  if (f.shorthand != 0) text = std::string("-") + f.shorthand + ", ";
  return text + "--" + f.name;
}

result<bool> to_bool(const std::string& text) {
  if (auto value = parse_bool(text)) return *value;
  return bad("strconv.ParseBool: parsing \"" + text + "\": invalid syntax");
}

result<std::int64_t> to_integer(const std::string& text) {
  if (auto value = parse_integer(text)) return *value;
  return bad("strconv.ParseInt: parsing \"" + text + "\": invalid syntax");
}

} // namespace

std::optional<bool> parse_bool(std::string_view text) noexcept {
  for (auto yes : {"1", "t", "T", "true", "True", "TRUE"})
    if (text == yes) return true;
  for (auto no : {"0", "f", "F", "false", "False", "FALSE"})
    if (text == no) return false;
  return std::nullopt;
}

std::optional<std::int64_t> parse_integer(std::string_view text) noexcept {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  std::int64_t value = 0;
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

void flag_set::add(flag definition) { flags_.push_back(std::move(definition)); }

void flag_set::boolean(bool& into, std::string name, char shorthand, std::string help) {
  add({std::move(name), shorthand, "", std::move(help), "true", into ? "true" : "",
       [&into](const std::string& text) -> result<> {
         GANTRY_TRY(value, to_bool(text));
         into = value;
         return {};
       }});
}

void flag_set::boolean(std::optional<bool>& into, std::string name, char shorthand, std::string help) {
  add({std::move(name), shorthand, "", std::move(help), "true", "", [&into](const std::string& text) -> result<> {
         GANTRY_TRY(value, to_bool(text));
         into = value;
         return {};
       }});
}

void flag_set::text(std::string& into, std::string name, char shorthand, std::string help, std::string value_name) {
  add({std::move(name), shorthand, std::move(value_name), std::move(help), "", into.empty() ? "" : "\"" + into + "\"",
       [&into](const std::string& value) -> result<> {
         into = value;
         return {};
       }});
}

void flag_set::list(string_list& into, std::string name, char shorthand, std::string help, std::string value_name) {
  add({std::move(name), shorthand, std::move(value_name), std::move(help), "", "",
       [&into](const std::string& value) -> result<> {
         into.push_back(value);
         return {};
       }});
}

void flag_set::integer(std::int64_t& into, std::string name, char shorthand, std::string help) {
  add({std::move(name), shorthand, "int", std::move(help), "", into == 0 ? "" : std::to_string(into),
       [&into](const std::string& text) -> result<> {
         GANTRY_TRY(value, to_integer(text));
         into = value;
         return {};
       }});
}

void flag_set::integer(std::optional<std::int64_t>& into, std::string name, char shorthand, std::string help) {
  add({std::move(name), shorthand, "int", std::move(help), "", "", [&into](const std::string& text) -> result<> {
         GANTRY_TRY(value, to_integer(text));
         into = value;
         return {};
       }});
}

flag_set::flag* flag_set::find(std::string_view name) {
  auto it = std::find_if(flags_.begin(), flags_.end(), [&](const flag& f) { return f.name == name; });
  return it == flags_.end() ? nullptr : &*it;
}

flag_set::flag* flag_set::find(char shorthand) {
  auto it = std::find_if(flags_.begin(), flags_.end(), [&](const flag& f) { return f.shorthand == shorthand; });
  return it == flags_.end() ? nullptr : &*it;
}

bool flag_set::changed(std::string_view name) const {
  return std::any_of(flags_.begin(), flags_.end(), [&](const flag& f) { return f.name == name && f.changed; });
}

result<> flag_set::apply(flag& f, const std::string& value) {
  if (auto done = f.set(value); done.has_error())
    return bad("invalid argument \"" + value + "\" for \"" + spelled(f) + "\" flag: " + done.error().message);
  f.changed = true;
  return {};
}

result<> flag_set::parse_long(const string_list& arguments, std::size_t& at) {
  const std::string& whole = arguments[at];
  std::string name = whole.substr(2);
  if (name.empty() || name[0] == '-' || name[0] == '=') return bad("bad flag syntax: " + whole);
  const auto equals = name.find('=');
  std::optional<std::string> value;
  if (equals != std::string::npos) {
    value = name.substr(equals + 1);
    name.resize(equals);
  }
  flag* f = find(name);
  if (f == nullptr) return bad("unknown flag: --" + name);
  if (value) return apply(*f, *value);
  if (!f->implied.empty()) return apply(*f, f->implied);
  if (at + 1 >= arguments.size()) return bad("flag needs an argument: --" + name);
  return apply(*f, arguments[++at]);
}

result<> flag_set::parse_short(const string_list& arguments, std::size_t& at) {
  const std::string& whole = arguments[at];
  for (std::size_t i = 1; i < whole.size(); ++i) {
    const char letter = whole[i];
    flag* f = find(letter);
    const std::string quoted = std::string("'") + letter + "' in -" + whole.substr(i);
    if (f == nullptr) return bad("unknown shorthand flag: " + quoted);
    if (i + 2 < whole.size() && whole[i + 1] == '=') return apply(*f, whole.substr(i + 2));
    if (!f->implied.empty()) {
      GANTRY_TRYV(apply(*f, f->implied));
      continue;
    }
    if (i + 1 < whole.size()) return apply(*f, whole.substr(i + 1));
    if (at + 1 >= arguments.size()) return bad("flag needs an argument: " + quoted);
    return apply(*f, arguments[++at]);
  }
  return {};
}

result<string_list> flag_set::parse(const string_list& arguments, interspersed mode) {
  string_list rest;
  for (std::size_t at = 0; at < arguments.size(); ++at) {
    const std::string& word = arguments[at];
    if (word == "--") {
      rest.insert(rest.end(), arguments.begin() + static_cast<std::ptrdiff_t>(at) + 1, arguments.end());
      break;
    }
    if (word.size() < 2 || word[0] != '-') {
      if (mode == interspersed::no) {
        rest.insert(rest.end(), arguments.begin() + static_cast<std::ptrdiff_t>(at), arguments.end());
        break;
      }
      rest.push_back(word);
      continue;
    }
    if (word[1] == '-')
      GANTRY_TRYV(parse_long(arguments, at));
    else
      GANTRY_TRYV(parse_short(arguments, at));
  }
  return rest;
}

std::string flag_set::usage() const {
  std::vector<const flag*> shown;
  for (const auto& f : flags_)
    if (!f.help.empty()) shown.push_back(&f);
  std::sort(shown.begin(), shown.end(), [](const flag* a, const flag* b) { return a->name < b->name; });
  std::vector<std::string> heads;
  std::size_t width = 0;
  for (const auto* f : shown) {
    std::string head = f->shorthand != 0 ? std::string("  -") + f->shorthand + ", --" : std::string("      --");
    head += f->name;
    if (!f->value_name.empty()) head += " " + f->value_name;
    width = std::max(width, head.size());
    heads.push_back(std::move(head));
  }
  std::string text;
  for (std::size_t i = 0; i < shown.size(); ++i) {
    text += heads[i] + std::string(width - heads[i].size() + 3, ' ') + shown[i]->help;
    if (!shown[i]->default_text.empty()) text += " (default " + shown[i]->default_text + ")";
    text += '\n';
  }
  return text;
}

} // namespace gantry::cli
