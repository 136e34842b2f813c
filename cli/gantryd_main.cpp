// gantryd: reads its options, then runs the engine.
#include <iostream>

#include "actors/engine.hpp"
#include "cli/daemon_options.hpp"
#include "io/base/log.hpp"

#ifndef GANTRY_VERSION
#define GANTRY_VERSION "0.1.0"
#endif

int main(int argc, char** argv) {
  using namespace gantry;
  auto options = cli::parse_daemon_options(argc, argv);
  if (options.has_error()) {
    std::cerr << options.error().message << '\n';
    return 1;
  }
  if (options->show_help) {
    std::cout << cli::print_usage();
    return 0;
  }
  if (options->show_version) {
    std::cout << "Gantry version " GANTRY_VERSION ", serving as Docker version 28.5.2\n";
    return 0;
  }
  if (options->validate_only) {
    std::cerr << cli::configuration_ok << '\n';
    return 0;
  }
  if (auto root = cli::require_root(); root.has_error()) {
    std::cerr << root.error().message << '\n';
    return 1;
  }
  log::configure(cli::effective_log_level(options->config), options->config.log_format);
  for (auto& notice : options->notices) log::warn(notice);
  auto reload = [&](const actors::engine_config&) -> result<actors::engine_config> {
    GANTRY_TRY(fresh, cli::reload(*options));
    return options->config = fresh; // the next reload starts from what this one set
  };
  auto done = actors::run_engine(options->config, reload);
  if (done.has_error()) {
    log::write(log::level::fatal, "failed to start daemon: " + done.error().message);
    return 1;
  }
  return 0;
}
