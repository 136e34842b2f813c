/// run and create: an image to a container, and with run to its end.
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/attach_session.hpp"
#include "cli/command.hpp"
#include "cli/container_flags.hpp"
#include "cli/progress.hpp"
#include "cli/terminal.hpp"

namespace gantry::cli {

namespace json = boost::json;

namespace {

/// Where an id is written as soon as there is one. Refuses to overwrite: another container may be behind it.
class id_file {
public:
  static result<id_file> open(const std::string& path) {
    id_file file;
    if (path.empty()) return file;
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0)
      return error{errc::invalid_parameter, EEXIST,
                   "container ID file found, make sure the other container isn't running or delete " + path};
    file.fd_.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (!file.fd_) return sys_error("failed to create the container ID file: open " + path, errno);
    file.path_ = path;
    return file;
  }
  id_file(id_file&&) noexcept = default;
  ~id_file() {
    if (!path_.empty() && !written_) ::unlink(path_.c_str());
  }
  result<> write(const std::string& id) {
    if (!fd_) return {};
    if (::write(fd_.get(), id.data(), id.size()) != static_cast<ssize_t>(id.size()))
      return sys_error("failed to write the container ID to the file", errno);
    written_ = true;
    return {};
  }

private:
  id_file() = default;
  unique_fd fd_;
  std::string path_;
  bool written_ = false;
};

result<json::value> post_create(command_context& context, const create_options& options, const json::object& body) {
  target where{"/containers/create"};
  where.with_if(!options.name.empty(), "name", options.name);
  where.with_if(!options.platform.empty(), "platform", options.platform);
  return context.engine.post(where, body);
}

result<std::string> create_container(command_context& context, const create_options& options,
                                     const json::object& body) {
  const std::string image(body.at("Image").as_string());
  GANTRY_TRY(file, id_file::open(options.cidfile));
  if (options.pull == "always") GANTRY_TRYV(pull_image(context, image, options.platform, options.quiet));
  auto created = post_create(context, options, body);
  // Any 404 from create means the image (behaviours 66).
  if (created.has_error() && created.error().code == errc::not_found && options.pull == "missing") {
    if (!options.quiet) context.err << "Unable to find image '" << with_default_tag(image) << "' locally\n";
    GANTRY_TRYV(pull_image(context, image, options.platform, options.quiet));
    created = post_create(context, options, body);
  }
  if (created.has_error()) return std::move(created).error();
  if (const auto* warnings = member::list(*created, {"Warnings"}))
    for (const auto& warning : *warnings)
      if (warning.is_string()) context.err << "WARNING: " << std::string_view(warning.as_string()) << '\n';
  std::string id = member::text(*created, {"Id"});
  if (id.empty()) return error{errc::internal, 0, "the engine gave no container id"};
  GANTRY_TRYV(file.write(id));
  return id;
}

result<> check_pull(const std::string& pull) {
  if (pull == "always" || pull == "missing" || pull == "never" || pull.empty()) return {};
  return error{errc::invalid_parameter, 0,
               "invalid pull option: '" + pull + "': must be one of \"always\", \"missing\" or \"never\""};
}

/// What is wrong with the flags taken together: exit 125 with a hint at the help, also for create.
int wrong_flags(command_context& context, const command& self, const error& e) {
  context.err << "gantry: " << e.message << "\n\nRun 'gantry " << self.name << " --help' for more information\n";
  return 125;
}

struct run_flags {
  bool detach = false, proxy_signals = true;
  std::string detach_keys;
};

void detach_body(json::object& body) {
  for (const char* key : {"AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce"}) body[key] = false;
}

result<int> run_created(command_context& context, const container_flags& given, const run_flags& run,
                        const json::object& body, const std::string& id) {
  if (run.detach) {
    GANTRY_TRYV(context.engine.post(target{"/containers/", id, "/start"}));
    context.out << id << '\n';
    return 0;
  }
  session_plan plan;
  plan.id = id;
  plan.tty = given.tty;
  plan.want_stdin = body.at("AttachStdin").as_bool();
  plan.want_stdout = body.at("AttachStdout").as_bool();
  plan.want_stderr = body.at("AttachStderr").as_bool();
  plan.remove_on_exit = given.remove_on_exit;
  plan.proxy_signals = run.proxy_signals;
  plan.detach_keys = run.detach_keys;
  // Nothing of it would be seen: then at least its id is.
  if (!plan.want_stdout && !plan.want_stderr) context.out << id << '\n';
  return run_session(context, plan);
}

} // namespace

result<int> create_command(command_context& context, const command& self, const string_list& arguments) {
  container_flags given;
  create_options options;
  flag_set flags;
  add_container_flags(flags, given);
  add_create_flags(flags, options);
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  const string_list words(parsed.rest.begin() + 1, parsed.rest.end());
  if (auto checked = check_pull(options.pull); checked.has_error()) return wrong_flags(context, self, checked.error());
  const auto body = create_body(given, parsed.rest[0], words);
  if (body.has_error()) return wrong_flags(context, self, body.error());
  GANTRY_TRY(id, create_container(context, options, *body));
  context.out << id << '\n';
  return 0;
}

result<int> run_command(command_context& context, const command& self, const string_list& arguments) {
  container_flags given;
  create_options options;
  run_flags run;
  flag_set flags;
  add_container_flags(flags, given);
  add_create_flags(flags, options);
  flags.boolean(run.detach, "detach", 'd', "Run container in background and print container ID");
  flags.boolean(run.proxy_signals, "sig-proxy", 0, "Proxy received signals to the process");
  flags.text(run.detach_keys, "detach-keys", 0, "Override the key sequence for detaching a container");
  auto parsed = parse_arguments(context, self, flags, arguments);
  if (parsed.exit) return *parsed.exit;
  const string_list words(parsed.rest.begin() + 1, parsed.rest.end());
  if (auto checked = check_pull(options.pull); checked.has_error()) return wrong_flags(context, self, checked.error());
  auto body = create_body(given, parsed.rest[0], words);
  if (body.has_error()) return wrong_flags(context, self, body.error());
  if (run.detach) detach_body(*body);
  if (run.detach && !given.attach.empty()) {
    context.err << "conflicting options: cannot specify both --attach and --detach\n";
    return 1;
  }
  if (!run.detach && given.tty && given.interactive && !is_terminal(context.in_fd)) {
    context.err << "the input device is not a TTY\n";
    return 1;
  }
  if (const auto size = size_of_window(context.out_fd); size && given.tty)
    body->at("HostConfig").as_object()["ConsoleSize"] = json::array{size->rows, size->columns};

  const auto failed = [&](const error& e) {
    context.out.flush();
    print_failure(context.err, self, e);
    return start_failure_status(e.message);
  };
  const auto id = create_container(context, options, *body);
  if (id.has_error()) return failed(id.error());
  auto status = run_created(context, given, run, *body, *id);
  if (status.has_error()) return failed(status.error());
  return *status;
}

} // namespace gantry::cli
