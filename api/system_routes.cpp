/// System calls from requests: ping, version, info, events.
#include "api/filters.hpp"
#include "api/route_table.hpp"
#include "api/system_json.hpp"

namespace gantry::api {

result<call> parse_ping(const request_view& in) { return ping{in.head.method == "HEAD"}; }
result<call> parse_options(const request_view&) { return options_any{}; }
result<call> parse_version_call(const request_view&) { return get_version{}; }
result<call> parse_info(const request_view&) { return get_info{}; }

result<call> parse_events(const request_view& in) {
  get_events out;
  GANTRY_TRY(since, in.timestamp("since"));
  GANTRY_TRY(until, in.timestamp("until"));
  if (since && until && *until < *since)
    return error{errc::invalid_parameter, 0,
                 "`since` time (" + in.text("since") + ") cannot be after `until` time (" + in.text("until") + ")"};
  GANTRY_TRY(filter, parse_filters(in.head.query_value("filters")));
  GANTRY_TRYV(check_event_filters(filter));
  out.since = since;
  out.until = until;
  out.filter = std::move(filter);
  return out;
}

} // namespace gantry::api
