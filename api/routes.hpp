/// The one table of routes: method and path to a call, and errors to statuses.
#pragma once

#include <string>
#include <string_view>

#include "api/calls.hpp"
#include "api/http_codec.hpp"
#include "io/base/result.hpp"

namespace gantry::api {

/// What a route wants of the request's body, known from the head alone.
enum class body_use { none, json, stream };

struct routed {
  std::size_t route = 0; ///< index into the table, for parse_call
  api_version version = api_version_max;
  body_use body = body_use::none;
  std::map<std::string, std::string> path_arguments; ///< "id", "name"
};

/// Finds the route. Errors: not_found `page not found` · invalid_parameter (version too old or too new) ·
/// not_implemented (an endpoint of the Engine API that this version of Gantry lacks; the message says which) ·
/// unavailable (swarm endpoints: this node is not in one).
result<routed> route(const request_head& head);

/// Query, path and body to a call; every argument is validated here, before anything is done.
/// Errors: invalid_parameter with Docker's texts.
result<call> parse_call(const routed& where, const request_head& head, std::string_view body);

/// The one switch from error class to HTTP status (behaviours 15).
unsigned http_status(errc code) noexcept;
/// `{"message": "..."}`, or plain text below API 1.24 (behaviours 4). 304 has no body.
reply render_error(const error& e);
/// The same for one request: plain text when it asked for a version below 1.24.
reply render_error(const error& e, const request_head& head);

} // namespace gantry::api
