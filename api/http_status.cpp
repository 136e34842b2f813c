/// Errors as replies: the only place where statuses are chosen (behaviours 4, 15).
#include "api/json_write.hpp"
#include "api/route_table.hpp"
#include "api/routes.hpp"

namespace gantry::api {

unsigned http_status(errc code) noexcept {
  switch (code) {
  case errc::ok:
    return 200;
  case errc::invalid_parameter:
    return 400;
  case errc::unauthorized:
    return 401;
  case errc::forbidden:
    return 403;
  case errc::not_found:
    return 404;
  case errc::conflict:
    return 409;
  case errc::not_modified:
    return 304;
  case errc::unavailable:
    return 503;
  case errc::not_implemented:
    return 501;
  case errc::internal:
    return 500;
  }
  return 500;
}

reply render_error(const error& e) {
  reply out;
  out.status = e.code == errc::ok ? 500 : http_status(e.code);
  if (e.code == errc::not_modified) {
    out.content_type.clear();
    return out;
  }
  out.body = json_line(boost::json::object{{"message", e.message}});
  // Nothing routed this request, so nothing could put the headers of routed replies on it (behaviours 6).
  if (e.code == errc::not_found && e.message == page_not_found) out.common_headers = false;
  return out;
}

reply render_error(const error& e, const request_head& head) {
  reply out = render_error(e);
  if (!head.version_text || out.body.empty() || !out.common_headers) return out;
  if (parse_version(*head.version_text) >= api_version_min) return out;
  out.content_type = "text/plain; charset=utf-8";
  out.body = e.message + "\n";
  return out;
}

} // namespace gantry::api
