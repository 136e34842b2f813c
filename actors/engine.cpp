#include "actors/engine.hpp"

#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "actors/host_probe.hpp"
#include "actors/listener.hpp"
#include "actors/reconcile.hpp"
#include "actors/ring_scheduler.hpp"
#include "io/base/defer.hpp"
#include "io/base/ids.hpp"
#include "io/base/log.hpp"

namespace gantry::actors {

namespace {

constexpr std::size_t pool_threads = 4;
constexpr std::size_t pool_queue_max = 65536;
/// Removals of containers that end with the engine, and requests in flight, get this long at the stop.
constexpr std::chrono::seconds settle_limit{5};
/// How long an engine that was just killed is given to be gone.
constexpr std::chrono::seconds takeover_limit{2};

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// True while a process is there and not a zombie.
bool runs(pid_t pid) {
  auto stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  auto state = stat.rfind(") ");
  return state != std::string::npos && stat[state + 2] != 'Z' && stat[state + 2] != 'X';
}

/// Writes our pid, unless another engine that still runs has its own there (behaviours 310).
result<> take_pidfile(const std::string& path) {
  if (path.empty()) return {};
  auto other = std::atoi(read_file(path).c_str());
  // One that was just killed may still be on its way out.
  for (auto until = std::chrono::steady_clock::now() + takeover_limit; other > 0 && other != ::getpid() && runs(other);)
    if (std::chrono::steady_clock::now() > until)
      break;
    else
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
  if (other > 0 && other != ::getpid() && runs(other)) {
    auto program = std::filesystem::path(read_file("/proc/" + std::to_string(other) + "/comm")).string();
    if (program.starts_with("gantryd") || program.starts_with("dockerd"))
      return error{errc::conflict, 0,
                   "failed to start daemon, ensure docker is not running or delete " + path + ": process with PID " +
                       std::to_string(other) + " is still running; or choose another file with --pidfile"};
  }
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  std::ofstream out(path, std::ios::trunc);
  out << ::getpid();
  if (!out.flush()) return sys_error("write the pid file `" + path + "`", errno);
  return {};
}

result<> make_directory(const std::string& path, mode_t mode) {
  std::error_code e;
  std::filesystem::create_directories(path, e);
  if (e) return error{errc::internal, e.value(), "make `" + path + "`: " + e.message()};
  if (::chmod(path.c_str(), mode) != 0) return sys_error("chmod `" + path + "`", errno);
  return {};
}

/// The engine's own id, made at its first start.
result<std::string> engine_id(storage::record_store& records) {
  GANTRY_TRY(all, records.load(storage::record_kind::engine));
  for (auto& r : all)
    if (r.id == "id") return r.value;
  auto hex = random_id().substr(0, 32);
  // A UUID's form, as Docker shows its own.
  auto id = hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" +
            hex.substr(20, 12);
  std::vector<storage::change> changes;
  changes.push_back({storage::record_kind::engine, "id", false, id});
  GANTRY_TRYV(records.commit(std::move(changes)));
  return id;
}

std::string group_name_of(const std::string& id) {
  auto name = id;
  std::erase(name, '-');
  return short_id(name);
}

const char* level_name(const engine_config& c) {
  if (c.debug) return "debug";
  switch (c.log_level) {
  case log::level::panic:
    return "panic";
  case log::level::fatal:
    return "fatal";
  case log::level::error:
    return "error";
  case log::level::warn:
    return "warn";
  case log::level::info:
    return "info";
  case log::level::debug:
    return "debug";
  case log::level::trace:
    return "trace";
  }
  return "info";
}

/// Everything that exists before the first actor, in the order in which it depends on each other.
result<std::vector<runtime::pb::Held>> open_services(services& s, std::optional<shim_session>& session) {
  auto& c = s.config;
  GANTRY_TRYV(make_directory(c.data_root, 0710));
  GANTRY_TRYV(make_directory(c.run_root, 0711));
  GANTRY_TRY(cgroups, runtime::cgroup_layout::detect());
  s.cgroups = std::move(cgroups);
  GANTRY_TRY(probe, io::make_reactor(c.reactor));
  std::string reactor(probe->name());
  probe.reset();

  GANTRY_TRY(records, storage::record_store::open(c.data_root));
  s.records = std::move(records);
  GANTRY_TRY(id, engine_id(*s.records));
  s.engine_id = id;
  s.cgroup_parent = c.cgroup_parent + "/" + group_name_of(id);
  s.pool = std::make_unique<io::pool>(pool_threads, pool_queue_max);
  GANTRY_TRY(images, storage::image_store::open(c.data_root, *s.records));
  s.images = std::move(images);

  s.host = host_facts::read();
  s.api_host = probe_host(c, s.cgroups);
  s.facts = probe_engine(c, s.cgroups, id, reactor);
  s.identity.server = "Docker/" + s.facts.version + " (linux)";
  s.identity.experimental = c.experimental;
  s.init_path = find_init(c.init_path);
  s.facts.init_binary = std::filesystem::path(s.init_path).filename().string();
  if (c.seccomp_profile == "unconfined")
    s.seccomp_profile = "unconfined";
  else if (!c.seccomp_profile.empty() && c.seccomp_profile != "builtin") {
    s.seccomp_profile = read_file(c.seccomp_profile);
    if (s.seccomp_profile.empty())
      return error{errc::invalid_parameter, 0, "opening seccomp profile (" + c.seccomp_profile + ") failed"};
  }
  if (c.shim_path.empty()) c.shim_path = find_program("gantry-shim");
  if (c.shim_path.empty())
    return error{errc::unavailable, 0, "gantry-shim is neither beside gantryd nor in PATH; name it with --shim"};
  GANTRY_TRY(opened,
             open_shim(c.shim_path, c.run_root, level_name(c), c.log_format == log::format::json ? "json" : "text"));
  auto held = opened.held;
  session = std::move(opened);
  return held;
}

/// Waits until every container has answered, or the limit has passed.
template <class Predicate>
bool wait_until(std::chrono::steady_clock::time_point deadline, Predicate holds) {
  while (!holds()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

/// behaviours 304: every running container in its own way, all at once, within the largest of their timeouts.
void stop_containers(services& s) {
  std::int64_t largest = s.config.shutdown_timeout_s;
  std::size_t running = 0;
  for (auto& view : s.containers.views()) {
    if (!view->state.is_running()) continue;
    ++running;
    largest = std::max(largest, view->definition->config.stop_timeout_s.value_or(0) + 5);
  }
  if (running == 0) return;
  log::info("stopping " + std::to_string(running) + " containers");
  for (auto& actor : s.containers.actors()) caf::anon_send(actor, msg::shut_down{});
  auto deadline = s.config.shutdown_timeout_s < 0 ? std::chrono::steady_clock::time_point::max()
                                                  : std::chrono::steady_clock::now() + std::chrono::seconds(largest);
  auto any_running = [&] {
    for (auto& view : s.containers.views())
      if (view->state.is_running() || view->state.status == api::container_status::removing) return true;
    return false;
  };
  if (!wait_until(deadline, [&] { return !any_running(); }))
    log::error("containers did not stop in time: they are left to the next start");
}

/// The shim has nothing left to hold when all containers have ended: it ends too, and its socket with it.
void end_shim(services& s, std::int32_t shim_pid) {
  auto m = std::make_shared<runtime::pb::ToShim>();
  m->mutable_shutdown();
  caf::anon_send(s.shim, msg::shim_tell{std::move(m)});
  auto gone = [&] { return !std::filesystem::exists("/proc/" + std::to_string(shim_pid)); };
  if (!wait_until(std::chrono::steady_clock::now() + settle_limit, gone))
    log::warn("gantry-shim holds on", {{"pid", std::to_string(shim_pid)}});
}

/// The engine's own groups, and the parents above them that nobody else uses: rmdir(2) refuses the others.
void remove_cgroups(services& s) {
  (void)runtime::remove(s.cgroups, s.cgroup_parent);
  std::vector<std::string> mounts;
  for (auto& h : s.cgroups.hierarchies) mounts.push_back(h.mount_point);
  if (!s.cgroups.unified_mount_point.empty()) mounts.push_back(s.cgroups.unified_mount_point);
  for (auto& mount : mounts)
    for (std::filesystem::path path = s.config.cgroup_parent; path.has_relative_path(); path = path.parent_path())
      if (::rmdir((mount + path.string()).c_str()) != 0 && errno != ENOENT) break;
}

void notify_systemd(const char* state) {
  auto* path = ::getenv("NOTIFY_SOCKET");
  if (path == nullptr || std::strlen(path) >= sizeof(sockaddr_un{}.sun_path)) return;
  unique_fd socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path);
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
  ::sendto(socket.get(), state, std::strlen(state), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address), length);
}

void publish_reload(services& s) {
  api::event e;
  e.type = "daemon";
  e.action = "reload";
  e.id = s.engine_id;
  e.attributes = {{"name", s.facts.name}, {"debug", s.config.debug ? "true" : "false"}};
  s.events.publish(std::move(e));
}

void apply_reload(services& s, const engine_config& fresh) {
  s.config.debug = fresh.debug;
  s.config.log_level = fresh.log_level;
  s.config.labels = fresh.labels;
  s.config.shutdown_timeout_s = fresh.shutdown_timeout_s;
  s.config.live_restore = fresh.live_restore;
  log::configure(fresh.debug ? log::level::debug : fresh.log_level, s.config.log_format);
  publish_reload(s);
}

/// As many descriptors as the system lets us have: connections here, pipes and pidfds in the shim, which inherits it.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

sigset_t block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&set, signal);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return set;
}

/// Until a signal says stop.
void wait_for_stop(services& s, const sigset_t& signals,
                   const std::function<result<engine_config>(const engine_config&)>& reload) {
  for (;;) {
    int signal = 0;
    if (::sigwait(&signals, &signal) != 0) continue;
    if (signal == SIGTERM || signal == SIGINT) {
      log::info(std::string("Processing signal '") + (signal == SIGTERM ? "terminated'" : "interrupt'"));
      return;
    }
    if (signal != SIGHUP) continue;
    auto fresh = reload(s.config);
    if (fresh.has_error())
      log::error("reload the configuration", {{"error", fresh.error().message}});
    else
      apply_reload(s, *fresh);
  }
}

} // namespace

result<> run_engine(engine_config config, const std::function<result<engine_config>(const engine_config&)>& reload) {
  auto signals = block_signals();
  ::umask(0022);
  raise_descriptor_limit();
  log::configure(config.debug ? log::level::debug : config.log_level, config.log_format);
  GANTRY_TRYV(take_pidfile(config.pidfile));
  defer remove_pidfile{[path = config.pidfile] {
    if (!path.empty()) ::unlink(path.c_str());
  }};

  services s;
  s.config = std::move(config);
  std::optional<shim_session> session;
  GANTRY_TRY(held, open_services(s, session));
  GANTRY_TRY(sockets, open_listeners(s.config.hosts, s.config.group));
  defer unlink_sockets{[&] {
    for (auto& socket : sockets)
      if (!socket.unix_path.empty()) ::unlink(socket.unix_path.c_str());
  }};

  auto shim_pid = session->shim_pid;
  auto workers = s.config.workers > 0 ? s.config.workers : std::max(1u, std::thread::hardware_concurrency());
  ring_config actor_config(s.config.reactor, workers);
  {
    caf::actor_system system(actor_config);
    s.system = &system;
    s.shim = spawn_shim_link(s, std::move(*session));
    GANTRY_TRYV(reconcile(s, held));
    caf::anon_send(s.shim, msg::shim_listen{});
    auto listeners = spawn_listeners(s, sockets, workers);
    for (auto& socket : sockets)
      log::info("API listen on " + (socket.unix_path.empty() ? socket.address : socket.unix_path));
    log::info("Daemon has completed initialization",
              {{"reactor", s.facts.reactor}, {"workers", std::to_string(workers)}});
    notify_systemd("READY=1");

    wait_for_stop(s, signals, reload);

    notify_systemd("STOPPING=1");
    s.stopping = true;
    for (auto& listener : listeners) caf::anon_send_exit(listener, caf::exit_reason::user_shutdown);
    listeners.clear();
    if (!s.config.live_restore) {
      stop_containers(s);
      end_shim(s, shim_pid);
    }
    for (auto& connection : s.connections.all()) caf::anon_send_exit(connection, caf::exit_reason::user_shutdown);
    for (auto& actor : s.containers.actors()) caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(s.shim, caf::exit_reason::user_shutdown);
    s.shim = shim_actor{};
    s.pool->stop();
    s.records.reset(); // commits what was accepted; its callbacks send to actors that still exist
  }
  if (!s.config.live_restore) remove_cgroups(s);
  log::info("Daemon shutdown complete");
  return {};
}

} // namespace gantry::actors
