/// The `filters` parameter: both of its JSON forms, and the ways in which values match (behaviours 18, 19, 226, 279).
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/calls.hpp"
#include "io/base/result.hpp"

namespace gantry::api {

/// Limits on what a client may filter by. [400]
inline constexpr std::size_t filter_values_max = 1024; ///< over all keys
inline constexpr std::size_t filter_pattern_bytes_max =
    512; ///< of one regular expression; a longer one matches nothing

/// {"k":{"v":true}} or {"k":["v"]}; "" gives none. A value marked false is left out. Errors: `invalid filter`.
result<filters> parse_filters(std::string_view json);

/// Errors: `invalid filter 'K'` for the first key that is not accepted.
result<> check_filter_keys(const filters& f, std::initializer_list<std::string_view> accepted);

/// `invalid filter 'K=[a b]'`, the error for values that make no sense.
error invalid_filter(const filters& f, const std::string& key);

/// "1", "true" / "0", "false"; `absent` when the key is not given. Errors: `invalid filter 'K=[V]'` (also when empty or
/// both).
result<bool> filter_flag(const filters& f, const std::string& key, bool absent);

[[nodiscard]] bool has_filter(const filters& f, const std::string& key);
/// The key's values; an empty set when not given.
[[nodiscard]] const std::set<std::string>& filter_values(const filters& f, const std::string& key);

/// True when the key is not given (or has no values), or `source` is one of its values.
[[nodiscard]] bool matches_exactly(const filters& f, const std::string& key, std::string_view source);
/// The same, or a value is a prefix of `source`.
[[nodiscard]] bool matches_prefix(const filters& f, const std::string& key, std::string_view source);
/// All given labels must be there: `k` tests presence, `k=v` the exact value.
[[nodiscard]] bool matches_labels(const filters& f, const std::string& key, const string_map& labels);
/// Prune: `label` as above, and not all of `label!`.
[[nodiscard]] bool matches_prune_labels(const filters& f, const string_map& labels);
/// Prune's and the list's `until` as a point in time: a Go duration before `now`, RFC 3339 and its shorter forms, or
/// unix seconds. Nothing when not given. Errors: `more than one until filter specified`, `failed to parse value as time
/// or duration: "X"`.
result<std::optional<unix_nanos>> filter_until(const filters& f, unix_nanos now);

/// The values of one key as unanchored regular expressions, tried after an exact match; compiled once. A value that is
/// no regular expression matches only exactly.
class pattern_filter {
public:
  pattern_filter(const filters& f, const std::string& key);
  ~pattern_filter();
  pattern_filter(pattern_filter&&) noexcept;
  pattern_filter& operator=(pattern_filter&&) noexcept;

  /// True when the key is not given or has no values.
  [[nodiscard]] bool matches(std::string_view source) const;
  [[nodiscard]] bool empty() const noexcept;

private:
  struct state;
  std::unique_ptr<state> state_;
};

} // namespace gantry::api
