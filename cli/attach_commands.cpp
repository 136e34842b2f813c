/// attach, start and logs: what a container says, now or before.
#include "cli/attach_session.hpp"
#include "cli/command.hpp"
#include "cli/streams.hpp"
#include "cli/terminal.hpp"

namespace gantry::cli {

namespace json = boost::json;

namespace {

result<json::value> inspect(command_context& context, const std::string& name) {
  return context.engine.get(target{"/containers/", name, "/json"});
}

result<> check_attachable(const json::value& container) {
  const auto refuse = [](const char* text) { return error{errc::conflict, 0, text}; };
  if (!member::is_true(container, {"State", "Running"}))
    return refuse("You cannot attach to a stopped container, start it first");
  if (member::is_true(container, {"State", "Paused"}))
    return refuse("You cannot attach to a paused container, unpause it first");
  if (member::is_true(container, {"State", "Restarting"}))
    return refuse("You cannot attach to a restarting container, wait until it is running");
  return {};
}

session_plan plan_for(const json::value& container, const std::string& name) {
  session_plan plan;
  plan.id = name;
  plan.tty = member::is_true(container, {"Config", "Tty"});
  plan.remove_on_exit = member::is_true(container, {"HostConfig", "AutoRemove"});
  return plan;
}

error no_terminal() { return error{errc::invalid_parameter, 0, "the input device is not a TTY"}; }

} // namespace

result<int> attach_command(command_context& context, const command& self, const string_list& arguments) {
  bool no_stdin = false, proxy = true;
  std::string detach_keys;
  flag_set flags;
  flags.boolean(no_stdin, "no-stdin", 0, "Do not attach STDIN");
  flags.boolean(proxy, "sig-proxy", 0, "Proxy all received signals to the process");
  flags.text(detach_keys, "detach-keys", 0, "Override the key sequence for detaching a container");
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  GANTRY_TRY(container, inspect(context, parsed.rest[0]));
  GANTRY_TRYV(check_attachable(container));
  session_plan plan = plan_for(container, parsed.rest[0]);
  plan.start = false;
  plan.want_stdin = !no_stdin && member::is_true(container, {"Config", "OpenStdin"});
  plan.proxy_signals = proxy && !plan.tty;
  plan.detach_keys = detach_keys;
  if (plan.tty && plan.want_stdin && !is_terminal(context.in_fd)) return no_terminal();
  return run_session(context, plan);
}

result<int> start_command(command_context& context, const command& self, const string_list& arguments) {
  bool attach = false, interactive = false;
  std::string detach_keys, unused;
  flag_set flags;
  flags.boolean(attach, "attach", 'a', "Attach STDOUT/STDERR and forward signals");
  flags.boolean(interactive, "interactive", 'i', "Attach container's STDIN");
  flags.text(detach_keys, "detach-keys", 0, "Override the key sequence for detaching a container");
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  if (attach || interactive) {
    if (parsed.rest.size() > 1)
      return error{errc::invalid_parameter, 0, "you cannot start and attach multiple containers at once"};
    GANTRY_TRY(container, inspect(context, parsed.rest[0]));
    session_plan plan = plan_for(container, parsed.rest[0]);
    plan.want_stdin = interactive && member::is_true(container, {"Config", "OpenStdin"});
    plan.proxy_signals = !plan.tty;
    plan.detach_keys = detach_keys;
    if (plan.tty && plan.want_stdin && !is_terminal(context.in_fd)) return no_terminal();
    return run_session(context, plan);
  }
  std::string failed;
  for_each_argument(context, parsed.rest, [&](const std::string& name) -> result<> {
    auto started = context.engine.post(target{"/containers/", name, "/start"});
    if (started.has_error()) {
      failed += (failed.empty() ? "" : ", ") + name;
      return std::move(started).error();
    }
    context.out << name << '\n';
    return {};
  });
  if (failed.empty()) return 0;
  return error{errc::internal, 0, "Error: failed to start containers: " + failed};
}

result<int> logs_command(command_context& context, const command& self, const string_list& arguments) {
  bool follow = false, timestamps = false, details = false;
  std::string since, until, tail = "all";
  flag_set flags;
  flags.boolean(follow, "follow", 'f', "Follow log output");
  flags.boolean(timestamps, "timestamps", 't', "Show timestamps");
  flags.boolean(details, "details", 0, "Show extra details provided to logs");
  flags.text(tail, "tail", 'n', "Number of lines to show from the end of the logs");
  flags.text(since, "since", 0, "Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\")");
  flags.text(until, "until", 0,
             "Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\")");
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  auto from_text = api_timestamp(since);
  if (from_text.has_error()) return with_context(std::move(from_text).error(), "invalid value for \"since\": ");
  auto to_text = api_timestamp(until);
  if (to_text.has_error()) return with_context(std::move(to_text).error(), "invalid value for \"until\": ");
  const std::string &from = *from_text, &to = *to_text;
  GANTRY_TRY(container, inspect(context, parsed.rest[0]));
  target where{"/containers/", parsed.rest[0], "/logs"};
  where.with("stdout", "1").with("stderr", "1").with("tail", tail).with_if(follow, "follow", "1");
  where.with_if(timestamps, "timestamps", "1").with_if(details, "details", "1");
  where.with_if(!from.empty(), "since", from).with_if(!to.empty(), "until", to);
  const bool raw = member::is_true(container, {"Config", "Tty"});
  context.out.flush();
  frame_splitter frames;
  result<> written;
  GANTRY_TRYV(context.engine.stream("GET", where, [&](std::string_view bytes) {
    written = raw ? write_all(context.out_fd, bytes)
                  : frames.feed(bytes, [&](int stream, std::string_view payload) -> result<> {
                      if (stream == 3)
                        return error{errc::internal, 0, "error from daemon in stream: " + std::string(payload)};
                      return write_all(stream == 2 ? context.err_fd : context.out_fd, payload);
                    });
    return written.has_value();
  }));
  if (written.has_error()) return std::move(written).error();
  return 0;
}

} // namespace gantry::cli
