/// The table of everything dockerd can be told: one row for each flag, daemon.json key, or both, and what it sets here.
#pragma once

#include <boost/json.hpp>
#include <span>
#include <string>

#include "actors/engine_config.hpp"
#include "io/base/result.hpp"

namespace gantry::cli {

/// The shape of an option's value, on the command line and in the file.
enum class option_kind {
  boolean,     ///< --x, --x=false · true
  text,        ///< --x V · "V"
  integer,     ///< --x N · N
  bytes,       ///< --x 64m · "64m" or N
  list,        ///< --x V, repeatable · ["V"]
  pairs,       ///< --x k=v, repeatable · {"k": "v"}
  switches,    ///< --x k=true, repeatable · {"k": true}
  ulimits,     ///< --x nofile=1:2, repeatable · {"nofile": {"Name": "nofile", "Soft": 1, "Hard": 2}}
  pools,       ///< --x base=CIDR,size=N, repeatable · [{"base": "CIDR", "size": N}]
  runtimes,    ///< --x name=path, repeatable · {"name": {"path": "..."}}
  net_options, ///< --x driver=k=v, repeatable · {"driver": {"k": "v"}}
  object,      ///< no flag · {...}
};

/// Why an accepted option does nothing here; "" : it has its effect.
struct daemon_option {
  const char* flag; ///< long name, "" when there is no flag
  char shorthand;   ///< 0 for none
  const char* key;  ///< name in daemon.json, "" when the file may not hold it
  option_kind kind;
  bool reloadable;       ///< SIGHUP takes it from the file
  const char* no_effect; ///< why it is accepted without effect; "" : it has its effect
  const char* help;
  result<> (*apply)(actors::engine_config&, const boost::json::value&); ///< null: nothing to set
};

std::span<const daemon_option> daemon_option_table() noexcept;
/// By key of the file. Null when unknown.
const daemon_option* find_daemon_option(std::string_view key) noexcept;

/// One use of a flag on the command line, added to what earlier uses gave (`into` is null at first).
/// Errors: invalid_parameter, what is wrong with the value.
result<> add_flag_value(const daemon_option& option, const std::string& text, boost::json::value& into);
/// Checks the shape of a value from the file and brings it to the one form that `apply` takes (bytes as numbers).
/// Errors: invalid_parameter `json: cannot unmarshal ...`.
result<boost::json::value> check_file_value(const daemon_option& option, const boost::json::value& value);
/// As the conflict text shows it: `[a b]`, `map[k:v]`, `true`.
std::string show_value(const boost::json::value& value);

} // namespace gantry::cli
