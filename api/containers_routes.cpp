/// Container calls from requests: query, path and body to values, with every argument checked here.
#include <charconv>
#include <limits>

#include "api/container_json.hpp"
#include "api/detach_keys.hpp"
#include "api/filters.hpp"
#include "api/route_table.hpp"

namespace gantry::api {

namespace {

error bad(std::string message) { return {errc::invalid_parameter, 0, std::move(message)}; }

/// h and w of resize: required, a plain number of 32 bits.
result<std::uint32_t> tty_size(const request_view& in, std::string_view key, std::string_view what) {
  auto text = in.head.query_value(key);
  auto fail = [&](const char* why) {
    return bad("invalid resize " + std::string(what) + " " + go_quoted(text) + ": " + why);
  };
  auto digits = text;
  bool negative = !digits.empty() && digits[0] == '-';
  if (negative) digits.remove_prefix(1);
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) return fail("invalid syntax");
  std::uint32_t value = 0;
  auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (code != std::errc() || negative) return fail("value out of range");
  return value;
}

/// Tail of logs: a number; anything else, and a negative one, means all.
std::optional<std::uint64_t> tail_lines(std::string_view text) {
  std::uint64_t value = 0;
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// `signal` of stop and restart is obeyed from 1.42 on (behaviours 282).
result<std::string> stop_signal(const request_view& in) {
  std::string signal = in.at_least(1, 42) ? in.text("signal") : std::string();
  if (!signal.empty()) GANTRY_TRYV(parse_signal(signal));
  return signal;
}

result<attach_container> read_attach(const request_view& in) {
  attach_container out;
  out.id = in.path_argument("id");
  out.detach_keys = in.text("detachKeys");
  if (!out.detach_keys.empty()) {
    auto keys = parse_detach_keys(out.detach_keys);
    if (keys.has_error()) return bad("Invalid detach keys (" + out.detach_keys + ") provided");
  }
  out.logs = in.flag("logs");
  out.stream = in.flag("stream");
  out.want_stdin = in.flag("stdin");
  out.want_stdout = in.flag("stdout");
  out.want_stderr = in.flag("stderr");
  return out;
}

} // namespace

result<call> parse_list_containers(const request_view& in) {
  list_containers out;
  out.all = in.flag("all");
  out.size = in.flag("size");
  GANTRY_TRY(limit, in.integer("limit"));
  out.limit = limit.value_or(0);
  GANTRY_TRY(filter, parse_filters(in.head.query_value("filters")));
  GANTRY_TRYV(
      check_filter_keys(filter, {"ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation",
                                 "label", "name", "network", "publish", "since", "status", "volume"}));
  // The parameters that filters replaced.
  for (const char* legacy : {"since", "before"})
    if (auto value = in.text(legacy); !value.empty() && !has_filter(filter, legacy)) filter[legacy].insert(value);
  out.filter = std::move(filter);
  return out;
}

result<call> parse_create_container(const request_view& in) {
  GANTRY_TRYV(check_json_content_type(in.head));
  GANTRY_TRY(request, parse_create_request(in.body, in.where.version));
  request.name = in.text("name");
  if (in.at_least(1, 41)) request.platform = in.text("platform");
  return create_container{std::move(request)};
}

result<call> parse_inspect_container(const request_view& in) {
  return inspect_container{in.path_argument("id"), in.flag("size")};
}

result<call> parse_container_top(const request_view& in) {
  return container_top{in.path_argument("id"), in.text("ps_args")};
}

result<call> parse_container_logs(const request_view& in) {
  container_logs out;
  out.id = in.path_argument("id");
  out.want_stdout = in.flag("stdout");
  out.want_stderr = in.flag("stderr");
  if (!out.want_stdout && !out.want_stderr) return bad("Bad parameters: you must choose at least one stream");
  out.follow = in.flag("follow");
  out.timestamps = in.flag("timestamps");
  out.details = in.flag("details");
  GANTRY_TRY(since, in.timestamp("since"));
  GANTRY_TRY(until, in.timestamp("until"));
  out.since = since.value_or(0);
  out.until = until.value_or(0);
  out.tail = tail_lines(in.head.query_value("tail"));
  return out;
}

result<call> parse_resize_container(const request_view& in) {
  GANTRY_TRY(rows, tty_size(in, "h", "height"));
  GANTRY_TRY(columns, tty_size(in, "w", "width"));
  return resize_container{in.path_argument("id"), rows, columns};
}

result<call> parse_start_container(const request_view& in) {
  // Docker lets a body of up to 7 bytes pass: "{}", "null" and their line ends, as old clients send.
  if (in.head.chunked || in.head.content_length.value_or(0) > 7)
    return bad("starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24");
  if (!in.text("checkpoint").empty())
    return error{errc::not_implemented, 0, "start from a checkpoint is not implemented yet in this version of Gantry"};
  return start_container{in.path_argument("id")};
}

result<call> parse_stop_container(const request_view& in) {
  GANTRY_TRY(signal, stop_signal(in));
  GANTRY_TRY(timeout, in.integer("t"));
  return stop_container{in.path_argument("id"), std::move(signal), timeout};
}

result<call> parse_restart_container(const request_view& in) {
  GANTRY_TRY(signal, stop_signal(in));
  GANTRY_TRY(timeout, in.integer("t"));
  return restart_container{in.path_argument("id"), std::move(signal), timeout};
}

result<call> parse_kill_container(const request_view& in) {
  kill_container out{in.path_argument("id"), in.text("signal")};
  if (!out.signal.empty()) GANTRY_TRYV(parse_signal(out.signal));
  return out;
}

result<call> parse_rename_container(const request_view& in) {
  rename_container out{in.path_argument("id"), in.text("name")};
  if (out.name.empty()) return bad("Neither old nor new names may be empty");
  return out;
}

result<call> parse_attach_container(const request_view& in) {
  GANTRY_TRY(out, read_attach(in));
  return out;
}

result<call> parse_attach_websocket(const request_view& in) {
  GANTRY_TRY(out, read_attach(in));
  out.websocket = true;
  // Before 1.42 the three parameters were ignored (behaviours 32).
  if (!in.at_least(1, 42)) out.want_stdin = out.want_stdout = out.want_stderr = true;
  return out;
}

result<call> parse_wait_container(const request_view& in) {
  wait_container out{in.path_argument("id")};
  auto condition = in.head.query_value("condition");
  if (condition.empty() || condition == "not-running" || !in.at_least(1, 30)) return out;
  if (condition == "next-exit") {
    out.condition = wait_condition::next_exit;
  } else if (condition == "removed") {
    out.condition = wait_condition::removed;
  } else {
    return bad("invalid condition: " + go_quoted(condition));
  }
  return out;
}

result<call> parse_remove_container(const request_view& in) {
  return remove_container{in.path_argument("id"), in.flag("v"), in.flag("force"), in.flag("link")};
}

result<call> parse_prune_containers(const request_view& in) {
  GANTRY_TRY(filter, parse_filters(in.head.query_value("filters")));
  GANTRY_TRYV(check_filter_keys(filter, {"label", "label!", "until"}));
  GANTRY_TRYV(filter_until(filter, 0));
  return prune_containers{std::move(filter)};
}

} // namespace gantry::api
