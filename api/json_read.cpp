#include "api/json_read.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "api/http_codec.hpp"

namespace gantry::api {

namespace {

using simdjson::dom::element_type;

constexpr std::string_view blanks = " \t\r\n";

bool same_name(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  if (a == b) return true;
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; };
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

/// Where the first value of a text ends, judged by brackets and quotes alone; npos when it does not.
std::size_t end_of_first_value(std::string_view text) {
  std::size_t at = text.find_first_not_of(blanks);
  if (at == std::string_view::npos) return at;
  std::size_t depth = 0;
  bool quoted = false;
  for (; at < text.size(); ++at) {
    char c = text[at];
    if (quoted) {
      if (c == '\\') ++at;
      if (c == '"') quoted = false;
      if (!quoted && depth == 0) return at + 1;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (depth <= 1) return at + 1;
      --depth;
    } else if (depth == 0 && (blanks.find(c) != std::string_view::npos || c == ',')) {
      return at;
    }
  }
  return depth == 0 && !quoted ? text.size() : std::string_view::npos;
}

error invalid_json(std::string why) { return error{errc::invalid_parameter, 0, "invalid JSON: " + std::move(why)}; }

simdjson::error_code parse_into(simdjson::dom::parser& parser, std::string_view text, json_element& root) {
  if (auto failed = parser.allocate(std::max<std::size_t>(text.size(), 32), json_depth_max)) return failed;
  return parser.parse(text.data(), text.size()).get(root);
}

/// Go's words where a client could tell the difference, else the parser's.
error explain(simdjson::error_code code, std::string_view text) {
  switch (code) {
  case simdjson::EMPTY:
    return invalid_json("got EOF while reading request body");
  case simdjson::DEPTH_ERROR:
    return invalid_json("nesting is deeper than " + std::to_string(json_depth_max) + " levels");
  case simdjson::UTF8_ERROR:
    return invalid_json("text is not valid UTF-8");
  case simdjson::NUMBER_ERROR:
    return invalid_json("number is malformed or out of range");
  default:
    break;
  }
  auto end = end_of_first_value(text);
  if (end == std::string_view::npos || code == simdjson::UNCLOSED_STRING) return invalid_json("unexpected EOF");
  if (text.find_first_not_of(blanks, end) != std::string_view::npos) {
    simdjson::dom::parser parser;
    json_element ignored;
    if (!parse_into(parser, text.substr(0, end), ignored))
      return error{errc::invalid_parameter, 0, "unexpected content after JSON"};
  }
  return invalid_json(simdjson::error_message(code));
}

bool is_null(json_element e) { return e.type() == element_type::NULL_VALUE; }

} // namespace

result<json_document> json_document::parse(std::string_view text) {
  json_document doc;
  if (text.find_first_not_of(blanks) == std::string_view::npos) return explain(simdjson::EMPTY, text);
  doc.parser_ = std::make_unique<simdjson::dom::parser>();
  if (auto code = parse_into(*doc.parser_, text, doc.root_)) return explain(code, text);
  return doc;
}

std::string json_kind(json_element e) {
  switch (e.type()) {
  case element_type::ARRAY:
    return "array";
  case element_type::OBJECT:
    return "object";
  case element_type::STRING:
    return "string";
  case element_type::BOOL:
    return "bool";
  case element_type::NULL_VALUE:
    return "null";
  case element_type::INT64:
  case element_type::UINT64:
  case element_type::DOUBLE:
    return "number " + simdjson::minify(e);
  }
  return "value";
}

result<string_list> read_strings(json_element e, std::string_view what) {
  string_list out;
  simdjson::dom::array items;
  if (e.get(items)) return invalid_json("json: cannot unmarshal " + json_kind(e) + " into " + std::string(what));
  for (json_element item : items) {
    std::string_view s;
    if (is_null(item)) {
      out.emplace_back();
    } else if (item.get(s)) {
      return invalid_json("json: cannot unmarshal " + json_kind(item) + " into " + std::string(what) +
                          " of type string");
    } else {
      out.emplace_back(s);
    }
  }
  return out;
}

json_object::json_object(json_element e, std::string path) : path_(std::move(path)) {
  if (is_null(e)) return;
  simdjson::dom::object o;
  if (e.get(o)) {
    fail(invalid_json("json: cannot unmarshal " + json_kind(e) + " into Go value of type " + path_));
  } else if (o.size() > json_members_max) {
    fail(invalid_json(path_ + " has more than " + std::to_string(json_members_max) + " members"));
  } else {
    members_ = o;
  }
}

std::optional<json_element> json_object::find(std::string_view name) const {
  std::optional<json_element> found;
  if (!members_) return found;
  for (auto member : *members_)
    if (same_name(member.key, name) && !is_null(member.value)) found = member.value;
  return found;
}

bool json_object::has(std::string_view name) const {
  if (!members_) return false;
  for (auto member : *members_)
    if (same_name(member.key, name)) return true;
  return false;
}

void json_object::fail(error e) {
  if (!error_) error_ = std::move(e);
}

void json_object::mismatch(std::string_view name, json_element found, std::string_view wanted) {
  fail(invalid_json("json: cannot unmarshal " + json_kind(found) + " into Go struct field " + path_ + "." +
                    std::string(name) + " of type " + std::string(wanted)));
}

result<> json_object::finish() const {
  if (error_) return *error_;
  return {};
}

void json_object::adopt(const json_object& child) {
  if (child.error_) fail(*child.error_);
}

void json_object::read(std::string_view name, std::string& out) {
  auto e = find(name);
  if (!e || failed()) return;
  std::string_view s;
  if (e->get(s)) return mismatch(name, *e, "string");
  out = s;
}

void json_object::read(std::string_view name, bool& out) {
  auto e = find(name);
  if (!e || failed()) return;
  if (e->get(out)) mismatch(name, *e, "bool");
}

template <class Integer>
void json_object::read_integer(std::string_view name, Integer& out, std::string_view type) {
  auto e = find(name);
  if (!e || failed()) return;
  using wide = std::conditional_t<std::is_signed_v<Integer>, std::int64_t, std::uint64_t>;
  wide value = 0;
  if (e->get(value) || value > wide(std::numeric_limits<Integer>::max())) return mismatch(name, *e, type);
  out = Integer(value);
}

void json_object::read(std::string_view name, std::int64_t& out) { read_integer(name, out, "int64"); }
void json_object::read(std::string_view name, std::uint64_t& out) { read_integer(name, out, "uint64"); }
void json_object::read(std::string_view name, std::uint32_t& out) { read_integer(name, out, "uint32"); }
void json_object::read(std::string_view name, std::uint16_t& out) { read_integer(name, out, "uint16"); }

void json_object::read(std::string_view name, std::optional<bool>& out) {
  if (!find(name)) return;
  bool value = false;
  read(name, value);
  if (!failed()) out = value;
}

void json_object::read(std::string_view name, std::optional<std::int64_t>& out) {
  if (!find(name)) return;
  std::int64_t value = 0;
  read(name, value);
  if (!failed()) out = value;
}

void json_object::read(std::string_view name, string_list& out) {
  auto e = find(name);
  if (!e || failed()) return;
  auto list = read_strings(*e, "Go struct field " + path_ + "." + std::string(name));
  if (list.has_error()) return fail(list.error());
  out = std::move(*list);
}

void json_object::read(std::string_view name, std::optional<string_list>& out) {
  if (!find(name)) return;
  string_list list;
  read(name, list);
  if (!failed()) out = std::move(list);
}

void json_object::read(std::string_view name, std::vector<string_list>& out) {
  auto e = find(name);
  if (!e || failed()) return;
  simdjson::dom::array rows;
  if (e->get(rows)) return mismatch(name, *e, "[][]string");
  out.clear();
  for (json_element row : rows) {
    auto list = read_strings(row, "Go struct field " + path_ + "." + std::string(name));
    if (list.has_error()) return fail(list.error());
    out.push_back(std::move(*list));
  }
}

void json_object::read(std::string_view name, string_map& out) {
  auto e = find(name);
  if (!e || failed()) return;
  simdjson::dom::object map;
  if (e->get(map)) return mismatch(name, *e, "map[string]string");
  for (auto member : map) {
    std::string_view s;
    if (!is_null(member.value) && member.value.get(s)) return mismatch(name, member.value, "string");
    out[std::string(member.key)] = s;
  }
}

void json_object::read_words(std::string_view name, std::optional<string_list>& out) {
  auto e = find(name);
  if (!e || failed()) return;
  if (std::string_view s; !e->get(s)) {
    out = string_list{std::string(s)};
    return;
  }
  read(name, out);
}

void json_object::read_keys(std::string_view name, string_list& out) {
  auto e = find(name);
  if (!e || failed()) return;
  simdjson::dom::object map;
  if (e->get(map)) return mismatch(name, *e, "map[string]struct {}");
  out.clear();
  for (auto member : map) out.emplace_back(member.key);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
}

void json_object::object(std::string_view name, const std::function<void(json_object&)>& f) {
  auto e = find(name);
  if (!e || failed()) return;
  json_object child(*e, path_ + "." + std::string(name));
  if (!child.failed()) f(child);
  adopt(child);
}

void json_object::each_object(std::string_view name, const std::function<void(json_object&)>& f) {
  auto e = find(name);
  if (!e || failed()) return;
  simdjson::dom::array items;
  if (e->get(items)) return mismatch(name, *e, "[]struct");
  for (json_element item : items) {
    json_object child(item, path_ + "." + std::string(name));
    if (!child.failed()) f(child);
    adopt(child);
    if (failed()) return;
  }
}

void json_object::each_member_object(std::string_view name,
                                     const std::function<void(std::string_view, json_object&)>& f) {
  each_member(name, [&](std::string_view key, json_element value) {
    json_object child(value, path_ + "." + std::string(name));
    if (!child.failed()) f(key, child);
    adopt(child);
  });
}

void json_object::each_member(std::string_view name, const std::function<void(std::string_view, json_element)>& f) {
  auto e = find(name);
  if (!e || failed()) return;
  simdjson::dom::object map;
  if (e->get(map)) return mismatch(name, *e, "map");
  for (auto member : map) {
    f(member.key, member.value);
    if (failed()) return;
  }
}

} // namespace gantry::api
