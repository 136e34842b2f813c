/// The target of a request line, taken apart: path, version prefix, query; all percent-decoded.
#pragma once

#include <string>
#include <string_view>

#include "api/http_codec.hpp"
#include "io/base/result.hpp"

namespace gantry::api {

/// %41 -> A; `plus_is_blank` for queries. Errors: invalid_parameter `invalid URL escape "%zz"`, or an encoded NUL,
/// which no name, path or value of this API can hold.
result<std::string> percent_decode(std::string_view text, bool plus_is_blank);

/// Fills path, query and version_text of `head` from a target in origin, absolute or asterisk form.
result<> split_target(std::string_view target, request_head& head);

} // namespace gantry::api
