/// gantry-shim: parent of every container of one engine.
#include <fcntl.h>
#include <getopt.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <optional>

#include "io/base/log.hpp"
#include "runtime/shim/endpoint.hpp"
#include "runtime/shim/upgrade.hpp"

namespace gantry::runtime::shim {

namespace {

struct options {
  std::string run_root;
  std::string log_level = "info";
  std::string log_format = "text";
  std::string log_file;
  bool daemonize = false;
  int upgrade_from_fd = -1;
  int check_state_fd = -1;
};

constexpr char usage[] =
    "Usage: gantry-shim --run-root DIR [--log-level LEVEL] [--log-format text|json] [--daemonize [--log-file FILE]]\n"
    "\n"
    "Parent of every container of one engine. Serves DIR/shim.sock.\n"
    "SIGUSR2 replaces the running shim by the program that is now at its path; containers go on.\n";

std::optional<options> parse(int argc, char** argv) {
  enum { run_root = 1, level, format, file, daemonize, from_fd, check_fd, help };
  static const option known[] = {{"run-root", required_argument, nullptr, run_root},
                                 {"log-level", required_argument, nullptr, level},
                                 {"log-format", required_argument, nullptr, format},
                                 {"log-file", required_argument, nullptr, file},
                                 {"daemonize", no_argument, nullptr, daemonize},
                                 {"upgrade-from-fd", required_argument, nullptr, from_fd},
                                 {"check-state-fd", required_argument, nullptr, check_fd},
                                 {"help", no_argument, nullptr, help},
                                 {nullptr, 0, nullptr, 0}};
  options out;
  for (int c = 0; (c = ::getopt_long(argc, argv, "", known, nullptr)) != -1;) switch (c) {
    case run_root:
      out.run_root = optarg;
      break;
    case level:
      out.log_level = optarg;
      break;
    case format:
      out.log_format = optarg;
      break;
    case file:
      out.log_file = optarg;
      break;
    case daemonize:
      out.daemonize = true;
      break;
    case from_fd:
      out.upgrade_from_fd = std::atoi(optarg);
      break;
    case check_fd:
      out.check_state_fd = std::atoi(optarg);
      break;
    case help:
      std::fputs(usage, stdout);
      std::exit(0);
    default:
      return {};
    }
  if (optind != argc) return {};
  if (out.run_root.empty() && out.check_state_fd < 0) return {};
  return out;
}

bool configure_log(const options& o) {
  log::level threshold{};
  if (!log::parse_level(o.log_level, threshold) || (o.log_format != "text" && o.log_format != "json")) return false;
  log::configure(threshold, o.log_format == "json" ? log::format::json : log::format::text);
  return true;
}

/// Five descriptors a container: 1,024 would end at 200 of them.
void raise_descriptor_limit() {
  constexpr rlim_t enough = 1u << 20;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const auto wanted = std::min(limit.rlim_max, enough);
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = wanted;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// The kernel should choose any container before the one process that holds them all. Needs CAP_SYS_RESOURCE; without
/// it nothing changes. Containers get their own value from their Spec.
void lower_oom_score() {
  const unique_fd file(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  [[maybe_unused]] const auto n = ::write(file.get(), "-999", 4);
}

int serve(server& s, int argc, char** argv) {
  while (s.run() == server::outcome::upgrade) {
    // Returns only when it failed: then this program goes on.
    const auto program = program_path();
    const auto failed = program ? upgrade(s, *program, {argv, argv + argc}) : program.error();
    log::error("shim: upgrade", {{"error", failed.message}});
  }
  log::info("shim: ends");
  return 0;
}

int fail(const error& e) {
  std::fprintf(stderr, "gantry-shim: %s\n", e.message.c_str());
  return 1;
}

/// A relative path would mean another place once we stand at `/`.
std::string absolute(const std::string& path) {
  if (path.empty() || path[0] == '/') return path;
  char here[4096];
  return ::getcwd(here, sizeof here) != nullptr ? std::string(here) + "/" + path : path;
}

int run(int argc, char** argv) {
  auto o = parse(argc, argv);
  if (!o || !configure_log(*o)) {
    std::fputs(usage, stderr);
    return 2;
  }
  if (o->check_state_fd >= 0) return check_state(o->check_state_fd) ? 0 : 1;
  o->run_root = absolute(o->run_root);
  o->log_file = absolute(o->log_file);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  raise_descriptor_limit();
  lower_oom_score();
  ::umask(022);

  if (o->upgrade_from_fd >= 0) {
    auto state = load_state(o->upgrade_from_fd);
    // The containers are our children still, but nobody serves them: there is nothing better than to say so loudly.
    if (!state) return fail(state.error());
    server s(real_kernel_ops(), take_endpoint(*state, o->run_root));
    if (auto opened = s.open(); !opened) return fail(opened.error());
    s.restore(*state);
    state->Clear();
    return serve(s, argc, argv);
  }

  // What the engine left open is not for us, and not for containers.
  ::close_range(3, ~0u, 0);
  std::optional<daemon_start> starting;
  if (o->daemonize) {
    auto forked = daemon_start::fork_away();
    if (!forked) return fail(forked.error());
    starting.emplace(std::move(*forked));
  } else if (::setsid() < 0) {
    // Leader of a group already; whoever ends the engine's group may still not end us by it.
    ::setpgid(0, 0);
  }
  auto at = take_run_root(o->run_root);
  if (!at) {
    if (starting) starting->report(at.error(), o->log_file);
    return fail(at.error());
  }
  server s(real_kernel_ops(), std::move(*at));
  const auto opened = s.open();
  if (starting) starting->report(opened, o->log_file);
  if (!opened) return fail(opened.error());
  log::info("shim: serves", {{"run root", o->run_root}, {"pid", std::to_string(::getpid())}});
  return serve(s, argc, argv);
}

} // namespace

} // namespace gantry::runtime::shim

int main(int argc, char** argv) { return gantry::runtime::shim::run(argc, argv); }
