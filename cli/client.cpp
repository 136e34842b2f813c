/// The table of commands, and the way from argv to one of them.
#include <algorithm>
#include <csignal>
#include <iostream>
#include <set>

#include "cli/command.hpp"

namespace gantry::cli {
namespace {

constexpr auto mixed = interspersed::yes;
constexpr auto flags_first = interspersed::no;

#define GANTRY_CONTAINER_OPTIONS "[OPTIONS] CONTAINER [CONTAINER...]"
#define GANTRY_IMAGE_OPTIONS "[OPTIONS] IMAGE [IMAGE...]"

const command commands[] = {
    {"run", "[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create and run a new container from an image", 1, any_number,
     flags_first, run_command, 125},
    {"create", "[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create a new container", 1, any_number, flags_first,
     create_command, 1},
    {"start", GANTRY_CONTAINER_OPTIONS, "Start one or more stopped containers", 1, any_number, mixed, start_command, 1},
    {"attach", "[OPTIONS] CONTAINER", "Attach local standard input, output, and error streams to a running container",
     1, 1, mixed, attach_command, 1},
    {"stop", GANTRY_CONTAINER_OPTIONS, "Stop one or more running containers", 1, any_number, mixed, stop_command, 1},
    {"restart", GANTRY_CONTAINER_OPTIONS, "Restart one or more containers", 1, any_number, mixed, restart_command, 1},
    {"kill", GANTRY_CONTAINER_OPTIONS, "Kill one or more running containers", 1, any_number, mixed, kill_command, 1},
    {"wait", "CONTAINER [CONTAINER...]", "Block until one or more containers stop, then print their exit codes", 1,
     any_number, mixed, wait_command, 1},
    {"rm", GANTRY_CONTAINER_OPTIONS, "Remove one or more containers", 1, any_number, mixed, rm_command, 1},
    {"rename", "CONTAINER NEW_NAME", "Rename a container", 2, 2, mixed, rename_command, 1},
    {"ps", "[OPTIONS]", "List containers", 0, 0, mixed, ps_command, 1},
    {"logs", "[OPTIONS] CONTAINER", "Fetch the logs of a container", 1, 1, mixed, logs_command, 1},
    {"top", "CONTAINER [ps OPTIONS]", "Display the running processes of a container", 1, any_number, flags_first,
     top_command, 1},
    {"inspect", "[OPTIONS] NAME|ID [NAME|ID...]", "Return low-level information on containers and images", 1,
     any_number, mixed, inspect_command, 1},
    {"images", "[OPTIONS] [REPOSITORY[:TAG]]", "List images", 0, 1, mixed, images_command, 1},
    {"load", "[OPTIONS]", "Load an image from a tar archive or STDIN", 0, 0, mixed, load_command, 1},
    {"import", "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
     "Import the contents from a tarball to create a filesystem image", 1, 2, mixed, import_command, 1},
    {"pull", "[OPTIONS] NAME[:TAG|@DIGEST]", "Download an image from a registry", 1, 1, mixed, pull_command, 1},
    {"tag", "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE", 2, 2,
     mixed, tag_command, 1},
    {"rmi", GANTRY_IMAGE_OPTIONS, "Remove one or more images", 1, any_number, mixed, rmi_command, 1},
    {"history", "[OPTIONS] IMAGE", "Show the history of an image", 1, 1, mixed, history_command, 1},
    {"events", "[OPTIONS]", "Get real time events from the engine", 0, 0, mixed, events_command, 1},
    {"info", "[OPTIONS]", "Display system-wide information", 0, 0, mixed, info_command, 1},
    {"version", "[OPTIONS]", "Show the version information of client and engine", 0, 0, mixed, version_command, 1},
    {"container prune", "[OPTIONS]", "Remove all stopped containers", 0, 0, mixed, container_prune_command, 1},
    {"image prune", "[OPTIONS]", "Remove unused images", 0, 0, mixed, image_prune_command, 1},
};

/// The management forms: {"container ls", "ps"}.
constexpr std::pair<const char*, const char*> aliases[] = {
    {"container run", "run"},
    {"container create", "create"},
    {"container start", "start"},
    {"container attach", "attach"},
    {"container stop", "stop"},
    {"container restart", "restart"},
    {"container kill", "kill"},
    {"container wait", "wait"},
    {"container rm", "rm"},
    {"container remove", "rm"},
    {"container rename", "rename"},
    {"container ls", "ps"},
    {"container list", "ps"},
    {"container ps", "ps"},
    {"container logs", "logs"},
    {"container top", "top"},
    {"container inspect", "inspect"},
    {"image ls", "images"},
    {"image list", "images"},
    {"image load", "load"},
    {"image import", "import"},
    {"image pull", "pull"},
    {"image tag", "tag"},
    {"image rm", "rmi"},
    {"image remove", "rmi"},
    {"image history", "history"},
    {"image inspect", "inspect"},
    {"system info", "info"},
    {"system events", "events"},
};

constexpr const char* groups[] = {"container", "image", "system"};

std::string global_usage() {
  std::string text =
      "Usage:  gantry [OPTIONS] COMMAND\n\nA client for Gantry, and for engines that answer Docker's API\n"
      "\nCommands:\n";
  for (const auto& c : commands)
    text += std::string("  ") + c.name + std::string(17 - std::string_view(c.name).size(), ' ') + c.summary + "\n";
  return text +
         "\nThe forms `gantry container X`, `gantry image X` and `gantry system info|events` work as docker's do."
         "\n\nGlobal Options:\n"
         "  -H, --host string   Engine socket to connect to: unix:///path or tcp://host:port\n"
         "  -v, --version       Print version information and quit\n"
         "\nRun 'gantry COMMAND --help' for more information on a command.\n";
}

std::string group_usage(const std::string& group) {
  std::set<std::string> names;
  for (const auto& [name, meaning] : aliases)
    if (std::string_view(name).starts_with(group + " ")) names.insert(name);
  for (const auto& c : commands)
    if (std::string_view(c.name).starts_with(group + " ")) names.insert(c.name);
  std::string text = "Usage:  gantry " + group + " COMMAND\n\nCommands:\n";
  for (const auto& name : names) text += "  " + name.substr(group.size() + 1) + "\n";
  return text + "\nRun 'gantry " + group + " COMMAND --help' for more information on a command.\n";
}

const command* find_command(std::string_view name) {
  for (const auto& c : commands)
    if (name == c.name) return &c;
  return nullptr;
}

/// A command under the name it was called by, so that its texts say so.
std::optional<command> resolve(const std::string& name) {
  if (const auto* found = find_command(name)) return *found;
  for (const auto& [alias, meaning] : aliases)
    if (name == alias) {
      command c = *find_command(meaning);
      c.name = alias;
      return c;
    }
  return std::nullopt;
}

int run_one(const command& self, const std::string& host, const string_list& arguments, const client_streams& to) {
  auto address = parse_host_address(host);
  if (address.has_error()) {
    to.err << address.error().message << '\n';
    return self.error_status;
  }
  engine_client engine(std::move(*address));
  command_context context{engine, to.out, to.err, to.in_fd, to.out_fd, to.err_fd};
  auto status = self.run(context, self, arguments);
  to.out.flush();
  if (status.has_value()) return *status;
  print_failure(to.err, self, status.error());
  return self.error_status;
}

} // namespace

std::span<const command> command_table() noexcept { return commands; }

int run_client(string_list words, const std::string& host, const client_streams& streams) {
  std::string name = words.front();
  words.erase(words.begin());
  const bool is_group = std::find(std::begin(groups), std::end(groups), name) != std::end(groups);
  if (is_group) {
    const std::string group = name;
    if (words.empty() || words.front() == "--help") {
      streams.out << group_usage(group);
      return 0;
    }
    name += " " + words.front();
    words.erase(words.begin());
  }
  if (const auto self = resolve(name)) return run_one(*self, host, words, streams);
  const std::string group = is_group ? " " + name.substr(0, name.find(' ')) : "";
  streams.err << "gantry: unknown command: gantry " << name << "\n\n"
              << (is_group ? "Usage:  gantry" + group + "\n\n" : "") << "Run 'gantry" << group
              << " --help' for more information\n";
  return 1;
}

int client_main(int argc, const char* const* argv) {
  // A closed pipe is an error of the write that meets it: the terminal must still be put right.
  std::signal(SIGPIPE, SIG_IGN);
  std::string host;
  bool help = false, version = false, debug = false;
  flag_set flags;
  flags.text(host, "host", 'H', "Engine socket to connect to");
  flags.boolean(help, "help", 'h', "Print usage");
  flags.boolean(version, "version", 'v', "Print version information and quit");
  flags.boolean(debug, "debug", 'D', "");
  auto rest = flags.parse(string_list(argv + std::min(argc, 1), argv + argc), interspersed::no);
  if (rest.has_error()) {
    std::cerr << rest.error().message
              << "\n\nUsage:  gantry [OPTIONS] COMMAND\n\nRun 'gantry --help' for more information\n";
    return 125;
  }
  if (version) {
    std::cout << "Gantry version 0.1.0\n";
    return 0;
  }
  if (rest->empty() || help) {
    (help ? std::cout : std::cerr) << global_usage();
    return help ? 0 : 1;
  }
  return run_client(std::move(*rest), choose_host(host), {std::cout, std::cerr});
}

} // namespace gantry::cli
