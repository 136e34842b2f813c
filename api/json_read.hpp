/// Reading JSON from clients, images and records: simdjson's DOM behind a depth limit, with Docker's error texts, and
/// with the habits of Go's decoder that clients rely on: member names match in any case, the last of several wins, null
/// counts as absent, unknown members are ignored.
/// Views die with their `json_document`: what is kept is copied (all `read`s do).
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/container_config.hpp"
#include "io/base/result.hpp"

namespace gantry::api {

using json_element = simdjson::dom::element;

/// Members of one struct-shaped object, known or not; maps such as labels have no such limit. [400]
inline constexpr std::size_t json_members_max = 1024;

/// A parsed text with its own copy of the input's strings.
class json_document {
public:
  /// Errors: invalid_parameter, behaviours 13: `invalid JSON: ...`, `invalid JSON: got EOF while reading request body`
  /// for an empty text, `unexpected content after JSON`; nesting deeper than `json_depth_max`.
  static result<json_document> parse(std::string_view text);

  [[nodiscard]] json_element root() const noexcept { return root_; }

private:
  std::unique_ptr<simdjson::dom::parser> parser_;
  json_element root_;
};

/// The members of one struct-shaped object, read one by one into C++ values. The first mismatch is kept, later reads do
/// nothing; ask for it once at the end. A member that is absent or null leaves its value as it was.
///
///   json_object in(doc.root(), "CreateRequest");
///   in.read("Hostname", config.hostname);
///   in.object("HostConfig", [&](json_object& h) { h.read("Memory", host.memory); });
///   GANTRY_TRYV(in.finish());
class json_object {
public:
  /// `path` is shown in errors: "CreateRequest.HostConfig". An element that is no object is an error at `finish`; null
  /// reads as an object without members.
  json_object(json_element e, std::string path);

  /// The member's value; nothing when absent or null.
  [[nodiscard]] std::optional<json_element> find(std::string_view name) const;
  /// True also when it is null.
  [[nodiscard]] bool has(std::string_view name) const;

  void read(std::string_view name, std::string& out);
  void read(std::string_view name, bool& out);
  void read(std::string_view name, std::int64_t& out);
  void read(std::string_view name, std::uint64_t& out);
  void read(std::string_view name, std::uint32_t& out);
  void read(std::string_view name, std::uint16_t& out);
  void read(std::string_view name, std::optional<bool>& out);
  void read(std::string_view name, std::optional<std::int64_t>& out);
  void read(std::string_view name, string_list& out);
  void read(std::string_view name, std::optional<string_list>& out); ///< [] gives an empty list, null leaves nothing
  void read(std::string_view name, std::vector<string_list>& out);
  void read(std::string_view name, string_map& out);
  /// Cmd, Entrypoint, Shell: a string stands for a list of one (behaviours 41).
  void read_words(std::string_view name, std::optional<string_list>& out);
  /// A Go map used as a set: {"80/tcp": {}} -> sorted keys.
  void read_keys(std::string_view name, string_list& out);

  /// A nested object; `f` is not called when it is absent or null.
  void object(std::string_view name, const std::function<void(json_object&)>& f);
  /// An array of objects, in order.
  void each_object(std::string_view name, const std::function<void(json_object&)>& f);
  /// A map from names to objects; a null value gives an object without members.
  void each_member_object(std::string_view name, const std::function<void(std::string_view key, json_object&)>& f);
  /// A map from names to anything.
  void each_member(std::string_view name, const std::function<void(std::string_view key, json_element)>& f);

  /// Keeps an error of the caller's own, unless there is one already.
  void fail(error e);
  /// `invalid JSON: json: cannot unmarshal string into Go struct field <path>.<name> of type int64`
  void mismatch(std::string_view name, json_element found, std::string_view wanted);
  [[nodiscard]] bool failed() const noexcept { return error_.has_value(); }
  [[nodiscard]] result<> finish() const;
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
  template <class Integer>
  void read_integer(std::string_view name, Integer& out, std::string_view type);
  void adopt(const json_object& child);

  std::string path_;
  std::optional<simdjson::dom::object> members_;
  std::optional<error> error_;
};

/// "string", "number", "number 1.5", "object", "array", "bool": what Go calls a value in its errors.
std::string json_kind(json_element e);

/// Every string of an array. Errors: invalid_parameter.
result<string_list> read_strings(json_element e, std::string_view what);

} // namespace gantry::api
