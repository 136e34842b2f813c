#include "api/filters.hpp"

// A pattern comes from a client: the matcher gives up early instead of holding the worker thread.
#define BOOST_REGEX_MAX_STATE_COUNT 20000
#include <boost/regex.hpp>

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "api/duration.hpp"
#include "api/json_read.hpp"

namespace gantry::api {

namespace {

error bad_filters() { return error{errc::invalid_parameter, 0, "invalid filter"}; }

using simdjson::dom::element_type;

/// One key's values in either form.
bool read_values(json_element e, std::set<std::string>& out) {
  switch (e.type()) {
  case element_type::NULL_VALUE:
    return true;
  case element_type::ARRAY:
    for (json_element item : simdjson::dom::array(e)) {
      std::string_view s;
      if (item.get(s)) return false;
      out.emplace(s);
    }
    return true;
  case element_type::OBJECT:
    for (auto member : simdjson::dom::object(e)) {
      bool on = false;
      if (member.value.get(on)) return false;
      if (on) out.emplace(member.key);
    }
    return true;
  default:
    return false;
  }
}

} // namespace

result<filters> parse_filters(std::string_view json) {
  filters out;
  if (json.empty()) return out;
  auto doc = json_document::parse(json);
  if (doc.has_error()) return bad_filters();
  if (doc->root().type() == element_type::NULL_VALUE) return out;
  simdjson::dom::object keys;
  if (doc->root().get(keys)) return bad_filters();
  std::size_t values = 0;
  for (auto member : keys) {
    auto& set = out[std::string(member.key)];
    if (!read_values(member.value, set)) return bad_filters();
    values += set.size() + 1;
    if (values > filter_values_max) return bad_filters();
  }
  return out;
}

result<> check_filter_keys(const filters& f, std::initializer_list<std::string_view> accepted) {
  for (const auto& [key, values] : f)
    if (std::find(accepted.begin(), accepted.end(), key) == accepted.end())
      return error{errc::invalid_parameter, 0, "invalid filter '" + key + "'"};
  return {};
}

error invalid_filter(const filters& f, const std::string& key) {
  std::string list;
  for (const auto& value : filter_values(f, key)) {
    if (!list.empty()) list += ' ';
    list += value;
  }
  return error{errc::invalid_parameter, 0, "invalid filter '" + key + "=[" + list + "]'"};
}

result<bool> filter_flag(const filters& f, const std::string& key, bool absent) {
  if (!has_filter(f, key)) return absent;
  const auto& values = filter_values(f, key);
  bool off = values.count("0") || values.count("false");
  bool on = values.count("1") || values.count("true");
  if (on == off) return invalid_filter(f, key);
  return on;
}

bool has_filter(const filters& f, const std::string& key) { return f.count(key) != 0; }

const std::set<std::string>& filter_values(const filters& f, const std::string& key) {
  static const std::set<std::string> none;
  auto it = f.find(key);
  return it == f.end() ? none : it->second;
}

bool matches_exactly(const filters& f, const std::string& key, std::string_view source) {
  const auto& values = filter_values(f, key);
  return values.empty() || values.count(std::string(source));
}

bool matches_prefix(const filters& f, const std::string& key, std::string_view source) {
  const auto& values = filter_values(f, key);
  return values.empty() ||
         std::any_of(values.begin(), values.end(), [&](const auto& v) { return source.substr(0, v.size()) == v; });
}

bool matches_labels(const filters& f, const std::string& key, const string_map& labels) {
  for (const auto& wanted : filter_values(f, key)) {
    auto equals = wanted.find('=');
    auto it = labels.find(wanted.substr(0, equals));
    if (it == labels.end()) return false;
    if (equals != std::string::npos && it->second.compare(0, std::string::npos, wanted, equals + 1) != 0) return false;
  }
  return true;
}

bool matches_prune_labels(const filters& f, const string_map& labels) {
  if (!matches_labels(f, "label", labels)) return false;
  return !has_filter(f, "label!") || !matches_labels(f, "label!", labels);
}

result<std::optional<unix_nanos>> filter_until(const filters& f, unix_nanos now) {
  if (!has_filter(f, "until")) return std::optional<unix_nanos>();
  const auto& values = filter_values(f, "until");
  if (values.size() > 1) return error{errc::invalid_parameter, 0, "more than one until filter specified"};
  auto when = values.empty() ? std::optional<unix_nanos>() : parse_time_or_duration(*values.begin(), now);
  if (!when)
    return error{errc::invalid_parameter, 0,
                 "failed to parse value as time or duration: \"" + (values.empty() ? "" : *values.begin()) + "\""};
  return when;
}

struct pattern_filter::state {
  std::set<std::string> exact;
  std::vector<boost::regex> patterns;
};

pattern_filter::pattern_filter(const filters& f, const std::string& key) : state_(std::make_unique<state>()) {
  state_->exact = filter_values(f, key);
  for (const auto& pattern : state_->exact) {
    if (pattern.size() > filter_pattern_bytes_max) continue;
    try {
      state_->patterns.emplace_back(pattern, boost::regex::perl);
    } catch (const std::runtime_error&) {
      // Not an expression: it still matches exactly.
    }
  }
}

pattern_filter::~pattern_filter() = default;
pattern_filter::pattern_filter(pattern_filter&&) noexcept = default;
pattern_filter& pattern_filter::operator=(pattern_filter&&) noexcept = default;

bool pattern_filter::empty() const noexcept { return state_->exact.empty(); }

bool pattern_filter::matches(std::string_view source) const {
  if (empty() || state_->exact.count(std::string(source))) return true;
  for (const auto& pattern : state_->patterns) {
    try {
      if (boost::regex_search(source.begin(), source.end(), pattern)) return true;
    } catch (const std::runtime_error&) {
      // Too complex for this text: no match.
    }
  }
  return false;
}

} // namespace gantry::api
