/// What the per-resource parse files share: one row of the route table, and how arguments are read from the query.
/// Not for users of api: those see routes.hpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/calls.hpp"
#include "api/http_codec.hpp"
#include "api/routes.hpp"
#include "io/base/result.hpp"

namespace gantry::api {

inline constexpr std::string_view page_not_found = "page not found";

/// One request on its way to a call.
struct request_view {
  const routed& where;
  const request_head& head;
  std::string_view body;

  [[nodiscard]] const std::string& path_argument(const std::string& name) const {
    return where.path_arguments.at(name);
  }
  /// Behaviours 12: anything but "", 0, no, false, none is true.
  [[nodiscard]] bool flag(std::string_view key) const;
  [[nodiscard]] bool flag_or(std::string_view key, bool absent) const;
  [[nodiscard]] std::string text(std::string_view key) const { return std::string(head.query_value(key)); }
  [[nodiscard]] string_list all(std::string_view key) const;
  /// Absent when not given or empty. Errors: `strconv.Atoi: parsing "x": invalid syntax`.
  [[nodiscard]] result<std::optional<std::int64_t>> integer(std::string_view key) const;
  /// Unix seconds with a fraction; absent when not given or empty.
  [[nodiscard]] result<std::optional<unix_nanos>> timestamp(std::string_view key) const;
  [[nodiscard]] bool at_least(int major, int minor) const { return where.version >= api_version{major, minor}; }
};

using call_parser = result<call> (*)(const request_view&);

/// Why a row has no parser.
enum class absence : unsigned char {
  none,         ///< it has one
  missing,      ///< 501, with the row's words
  experimental, ///< 501 as Docker without experimental mode (behaviours 17)
  swarm,        ///< 503: not a swarm manager (behaviours 292)
  swarm_leave,  ///< 503: not part of a swarm
  absent_volume,
  absent_network,
  absent_plugin, ///< 404: this version has no object of that kind
};

struct route_row {
  std::string_view method;
  std::string_view pattern; ///< {x} stands for one or more characters, slashes too (image names have them)
  body_use body = body_use::none;
  call_parser parse = nullptr;
  absence why = absence::none;
  std::string_view what = {}; ///< of a missing one: "exec"
  api_version min = api_version_min;
};

/// Go's quoting: "a\"b".
std::string go_quoted(std::string_view text);
/// "1.43" -> {1, 43}; what is not a number counts as 0, as in Docker's comparison.
api_version parse_version(std::string_view text) noexcept;
/// Content-Type rules of behaviours 13.
result<> check_json_content_type(const request_head& head);

// system_routes.cpp
result<call> parse_ping(const request_view&);
result<call> parse_options(const request_view&);
result<call> parse_version_call(const request_view&);
result<call> parse_info(const request_view&);
result<call> parse_events(const request_view&);

// containers_routes.cpp
result<call> parse_list_containers(const request_view&);
result<call> parse_create_container(const request_view&);
result<call> parse_inspect_container(const request_view&);
result<call> parse_container_top(const request_view&);
result<call> parse_container_logs(const request_view&);
result<call> parse_resize_container(const request_view&);
result<call> parse_start_container(const request_view&);
result<call> parse_stop_container(const request_view&);
result<call> parse_restart_container(const request_view&);
result<call> parse_kill_container(const request_view&);
result<call> parse_rename_container(const request_view&);
result<call> parse_attach_container(const request_view&);
result<call> parse_attach_websocket(const request_view&);
result<call> parse_wait_container(const request_view&);
result<call> parse_remove_container(const request_view&);
result<call> parse_prune_containers(const request_view&);

// images_routes.cpp
result<call> parse_list_images(const request_view&);
result<call> parse_inspect_image(const request_view&);
result<call> parse_image_history(const request_view&);
result<call> parse_tag_image(const request_view&);
result<call> parse_remove_image(const request_view&);
result<call> parse_prune_images(const request_view&);
result<call> parse_load_images(const request_view&);
result<call> parse_create_image(const request_view&);

} // namespace gantry::api
