/// The sequence, and what may go wrong at each step of it.
#include "cli/attach_session.hpp"

#include <algorithm>
#include <cctype>

#include "cli/streams.hpp"
#include "cli/terminal.hpp"

namespace gantry::cli {

namespace json = boost::json;

namespace {

class session {
public:
  session(command_context& context, const session_plan& plan)
      : context_(context), plan_(plan), waiter_(context.engine.address()) {}

  result<int> run() {
    GANTRY_TRY(keys, detach_watch::parse(plan_.detach_keys));
    detach_ = std::move(keys);
    GANTRY_TRY(queue, signal_queue::open());
    streams_.signals = &queue;
    GANTRY_TRY(connection, attach());
    GANTRY_TRYV(begin_wait());
    if (plan_.start) {
      auto started = context_.engine.post(target{"/containers/", plan_.id, "/start"});
      if (started.has_error()) {
        connection.socket.reset();
        // It removes itself also when it could not start; until then its name is taken.
        if (plan_.remove_on_exit) (void)await_reply(waiter_, streams_);
        return std::move(started).error();
      }
    }
    return carry(std::move(connection));
  }

private:
  result<hijacked> attach() {
    target where{"/containers/", plan_.id, "/attach"};
    where.with("stream", "1").with_if(plan_.logs, "logs", "1").with_if(plan_.want_stdin, "stdin", "1");
    where.with_if(plan_.want_stdout, "stdout", "1").with_if(plan_.want_stderr, "stderr", "1");
    where.with_if(!plan_.detach_keys.empty(), "detachKeys", plan_.detach_keys);
    return context_.engine.another().hijack(where);
  }

  result<> begin_wait() {
    GANTRY_TRY(version, context_.engine.api_version());
    target where{"/containers/", plan_.id, "/wait"};
    where.with("condition", plan_.remove_on_exit ? "removed" : plan_.start ? "next-exit" : "not-running");
    http_request r;
    r.method = "POST";
    r.target = "/v" + version + where.text();
    return waiter_.begin(r);
  }

  void resize() {
    const auto size = size_of_window(context_.out_fd);
    if (!size || *size == window_size{}) return;
    target where{"/containers/", plan_.id, "/resize"};
    where.with("h", std::to_string(size->rows)).with("w", std::to_string(size->columns));
    // A container that has just ended has no size; there is nobody to tell.
    (void)context_.engine.post(where);
  }

  void pass_on(int number) {
    target where{"/containers/", plan_.id, "/kill"};
    (void)context_.engine.post(where.with("signal", signal_name(number)));
  }

  result<int> carry(hijacked connection) {
    streams_.raw = plan_.tty;
    streams_.in_fd = plan_.want_stdin ? context_.in_fd : -1;
    streams_.out_fd = plan_.want_stdout ? context_.out_fd : -1;
    streams_.err_fd = plan_.want_stderr ? context_.err_fd : -1;
    if (plan_.proxy_signals) streams_.on_signal = [this](int number) { pass_on(number); };
    if (plan_.tty) streams_.on_resize = [this] { resize(); };
    if (plan_.tty && plan_.want_stdin) streams_.detach = &detach_;
    context_.out.flush();
    int number = 0;
    stream_end end = stream_end::ended;
    {
      std::optional<raw_mode> raw;
      if (plan_.tty && plan_.want_stdin) raw.emplace(context_.in_fd);
      if (plan_.tty) resize();
      GANTRY_TRY(reached, carry_streams(std::move(connection), streams_, &number));
      end = reached;
    }
    if (end == stream_end::detached) return 0;
    if (end == stream_end::interrupted) return 128 + number;
    GANTRY_TRY(reply, await_reply(waiter_, streams_, &number));
    if (!reply) return 128 + number;
    return exit_status(*reply);
  }

  result<int> exit_status(const http_reply& reply) {
    if (reply.status / 100 != 2) return daemon_error(reply);
    boost::system::error_code code;
    const json::value body = json::parse(reply.body, code);
    if (code) return error{errc::internal, 0, "the engine's reply is no JSON: " + code.message()};
    if (const auto failed = member::text(body, {"Error", "Message"}); !failed.empty()) {
      context_.err << "Error waiting for container: " << failed << '\n';
      return 125;
    }
    return static_cast<int>(member::number(body, {"StatusCode"}));
  }

  command_context& context_;
  const session_plan& plan_;
  http_client waiter_;
  detach_watch detach_;
  stream_plan streams_;
};

} // namespace

result<int> run_session(command_context& context, const session_plan& plan) { return session(context, plan).run(); }

int start_failure_status(const std::string& message) {
  std::string lower = message;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto has = [&](const char* text) { return lower.find(text) != std::string::npos; };
  if (has("executable file not found") || has("no such file or directory")) return 127;
  if (has("permission denied") || has("is a directory")) return 126;
  return 125;
}

} // namespace gantry::cli
