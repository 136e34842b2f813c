/// What a command of `gantry` is: its place in the table, what it is given, how its usage errors look.
#pragma once

#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cli/engine_client.hpp"
#include "cli/flags.hpp"

namespace gantry::cli {

/// Everything a command may touch of the world.
struct command_context {
  engine_client& engine;
  std::ostream& out;
  std::ostream& err;
  int in_fd = 0, out_fd = 1, err_fd = 2; ///< for raw streams; `out` and `err` are flushed before they are used
};

struct command {
  const char* name;    ///< "ps", "container ls", "container prune": words after `gantry`
  const char* usage;   ///< "[OPTIONS] CONTAINER [CONTAINER...]"
  const char* summary; ///< "" : an alias, not listed
  std::size_t arguments_min, arguments_max;
  interspersed mode;
  result<int> (*run)(command_context&, const command&, const string_list&);
  int error_status; ///< exit status when `run` fails: 1, or 125 where it must differ from a container's own
};
inline constexpr std::size_t any_number = 1u << 20;

/// What parsing a command's arguments came to: the arguments that are no flags, or an exit status (help was asked for,
/// or they are wrong; both have been printed).
struct parsed_arguments {
  std::optional<int> exit;
  string_list rest;
};
parsed_arguments parse_arguments(command_context& context, const command& self, flag_set& flags,
                                 const string_list& arguments);

/// All commands, in the order of the help text.
std::span<const command> command_table() noexcept;

/// The whole client: argv to exit status.
int client_main(int argc, const char* const* argv);
/// Where a client's input comes from and its output goes.
struct client_streams {
  std::ostream& out;
  std::ostream& err;
  int in_fd = 0, out_fd = 1, err_fd = 2;
};
/// The same without the global flags: {"container", "ls", "-a"} against the engine at `host`.
int run_client(string_list words, const std::string& host, const client_streams& streams);

/// Prints an error as docker does: `gantry: ` before those of run and create, with a line that names the help.
void print_failure(std::ostream& err, const command& self, const error& e);

/// Runs `one` for each argument; an error of one is printed and does not keep it from the others.
/// Gives 0, or 1 when any failed.
template <class Function>
int for_each_argument(command_context& context, const string_list& arguments, Function one);

/// A --filter flag: its values are name=value.
void add_filter_flag(flag_set& flags, string_list& into, char shorthand);
/// Its values in the form the API takes: {"name": {"value": true}}.
std::string filters_json(const string_list& filters);

/// since and until of logs and events: a duration before now, a time, or seconds; as the API takes it.
/// Errors: invalid_parameter.
result<std::string> api_timestamp(const std::string& text);

/// "3 hours ago" of a point in unix seconds; "N/A" for 0 or less.
std::string age_text(std::int64_t unix_seconds);
/// As docker prints a creation time in full: "2026-11-23 20:24:41 +0000 UTC".
std::string full_time(std::int64_t unix_seconds);

/// Asks on `out` and reads a line: true for y or Y.
bool confirm(command_context& context, const std::string& question);

// The commands themselves, one file a topic.
result<int> run_command(command_context&, const command&, const string_list&);
result<int> create_command(command_context&, const command&, const string_list&);
result<int> attach_command(command_context&, const command&, const string_list&);
result<int> start_command(command_context&, const command&, const string_list&);
result<int> stop_command(command_context&, const command&, const string_list&);
result<int> restart_command(command_context&, const command&, const string_list&);
result<int> kill_command(command_context&, const command&, const string_list&);
result<int> rm_command(command_context&, const command&, const string_list&);
result<int> wait_command(command_context&, const command&, const string_list&);
result<int> rename_command(command_context&, const command&, const string_list&);
result<int> top_command(command_context&, const command&, const string_list&);
result<int> logs_command(command_context&, const command&, const string_list&);
result<int> ps_command(command_context&, const command&, const string_list&);
result<int> inspect_command(command_context&, const command&, const string_list&);
result<int> container_prune_command(command_context&, const command&, const string_list&);
result<int> images_command(command_context&, const command&, const string_list&);
result<int> history_command(command_context&, const command&, const string_list&);
result<int> load_command(command_context&, const command&, const string_list&);
result<int> import_command(command_context&, const command&, const string_list&);
result<int> pull_command(command_context&, const command&, const string_list&);
result<int> tag_command(command_context&, const command&, const string_list&);
result<int> rmi_command(command_context&, const command&, const string_list&);
result<int> image_prune_command(command_context&, const command&, const string_list&);
result<int> events_command(command_context&, const command&, const string_list&);
result<int> info_command(command_context&, const command&, const string_list&);
result<int> version_command(command_context&, const command&, const string_list&);

} // namespace gantry::cli

#include <ostream>

namespace gantry::cli {
template <class Function>
int for_each_argument(command_context& context, const string_list& arguments, Function one) {
  int status = 0;
  for (const auto& argument : arguments) {
    const result<> done = one(argument);
    if (!done.has_error()) continue;
    context.out.flush();
    context.err << done.error().message << '\n';
    status = 1;
  }
  return status;
}
} // namespace gantry::cli
