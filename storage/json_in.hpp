/// Reading JSON that came in an archive: bounded, by simdjson, with errors that name the document. Private to storage.
#pragma once

#include <simdjson.h>
#include <string>
#include <string_view>
#include <vector>

#include "io/base/result.hpp"
#include "storage/limits.hpp"

namespace gantry::storage {

/// A parsed document; elements die with it.
class json_document {
public:
  static result<json_document> parse(std::string_view text, std::string_view name);
  [[nodiscard]] simdjson::dom::element root() const noexcept { return root_; }

private:
  std::unique_ptr<simdjson::dom::parser> parser_;
  simdjson::dom::element root_;
};

/// A member's text; empty when absent or of another type.
std::string json_string(simdjson::dom::element object, std::string_view key);
std::int64_t json_number(simdjson::dom::element object, std::string_view key);
/// Texts of a member that is an array. Absent or null is empty. Errors: invalid_parameter (another type; more than
/// `max`).
result<std::vector<std::string>> json_strings(simdjson::dom::element object, std::string_view key, std::size_t max);

} // namespace gantry::storage
