/// The shim's loop, its connections, launches and exits; shim_requests.cpp has the requests.
#include "runtime/shim/shim.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>

#include "io/base/assert.hpp"
#include "io/base/log.hpp"

namespace gantry::runtime::shim {

namespace {

/// Children that came to us from containers are reaped this long after the signal: looking for them costs a walk over
/// all children, containers' ends come by pidfd.
constexpr std::chrono::milliseconds strays_delay{250};

} // namespace

server::server(kernel_ops kernel, endpoint at)
    : kernel_(std::move(kernel)), socket_path_(std::move(at.socket_path)), lock_(std::move(at.lock)),
      read_buffer_(read_buffer_bytes), lingering_(loop_),
      listener_(
          loop_, [](void* s, std::uint32_t) { static_cast<server*>(s)->on_accept(); }, this),
      signals_(
          loop_, [](void* s, std::uint32_t) { static_cast<server*>(s)->on_signals(); }, this),
      strays_(
          loop_, [](void* s) { static_cast<server*>(s)->reap_strays(); }, this) {
  listener_.open(std::move(at.listener));
}

server::~server() = default;

result<> server::open() {
  GANTRY_TRYV(loop_.open());
  GANTRY_TRY(signals, install_signals());
  signals_.open(std::move(signals));
  signals_.want(EPOLLIN);
  spare_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  listener_.want(EPOLLIN);
  return {};
}

server::outcome server::run() {
  const auto unsent = [&] {
    for (const auto& c : connections_)
      if (c.unsent()) return true;
    return false;
  };
  while (true) {
    loop_.run_once();
    sweep_connections();
    if (std::exchange(upgrade_, false) && !ending_) return outcome::upgrade;
    if (ending_ && containers_.empty() && lingering_.empty() && !unsent()) return outcome::idle;
  }
}

void server::on_accept() {
  unique_fd socket(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket) {
    if (errno != EMFILE && errno != ENFILE) return;
    // No descriptor left: accept by the spare one and refuse, else the loop would turn on this for ever.
    spare_.reset();
    unique_fd refused(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
    refused.reset();
    spare_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    log::error("shim: no descriptors left for an engine connection");
    return;
  }
  if (connections_.size() >= connections_max) {
    log::error("shim: too many engine connections");
    return;
  }
  connections_.emplace_back(loop_, read_buffer_, *this, std::move(socket), next_connection_++);
}

void server::sweep_connections() {
  connections_.remove_if([](const engine_connection& c) { return c.broken(); });
}

engine_connection* server::connection(std::uint64_t serial) {
  for (auto& c : connections_)
    if (c.serial() == serial && !c.broken()) return &c;
  return nullptr;
}

void server::on_signals() {
  const auto came = take_signals(signals_.fd());
  if (came.child && !strays_.armed()) strays_.arm(strays_delay);
  if (came.upgrade) upgrade_ = true;
  if (!came.terminate) return;
  if (containers_.empty() && ended_.empty()) {
    begin_ending();
  } else {
    log::warn("shim: SIGTERM is ignored while containers run or their ends are not recorded",
              {{"running", std::to_string(containers_.size())}, {"ended", std::to_string(ended_.size())}});
  }
}

/// From here on the run root may have another shim; this one only writes what is still queued.
void server::begin_ending() {
  if (std::exchange(ending_, true)) return;
  ::unlink(socket_path_.c_str());
  listener_.close();
  lock_.reset();
}

/// Reaps processes that lost their parent within a container or beside it. Those that are containers tell of
/// themselves; one whose launch is not finished belongs to the launcher, and is looked past after it.
void server::reap_strays() {
  while (true) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    const auto known = by_pid_.find(info.si_pid);
    if (known == by_pid_.end()) {
      ::waitpid(info.si_pid, nullptr, WNOHANG);
    } else if (!known->second->reap()) {
      return strays_.arm(strays_delay);
    }
  }
}

void server::launch_done(container& c, const result<>& done) {
  --launches_;
  by_pid_.erase(c.launching_pid());
  if (done) {
    by_pid_[c.pid()] = &c;
    return reply_launched(c);
  }
  // Nothing is left of it when the engine hears of the failure.
  forget_held(held_size(c.id(), c.label()));
  const auto asked = c.asked_by();
  take(c).reset();
  if (auto* to = connection(asked.connection)) reply(*to, asked.request, done);
}

std::unique_ptr<container> server::take(container& c) {
  auto at = containers_.find(c.id());
  GANTRY_ASSERT(at != containers_.end());
  auto out = std::move(at->second);
  containers_.erase(at);
  return out;
}

void server::exited(container& c, int wait_status) {
  by_pid_.erase(c.pid());
  const auto owner = take(c);
  for (auto& a : c.take_attaches()) lingering_.add(std::move(a));

  pb::Held held;
  held.set_id(c.id());
  held.set_pid(c.pid());
  held.set_started_at(c.started_at());
  held.set_label(c.label());
  auto& exit = *held.mutable_exited();
  exit.set_id(c.id());
  exit.set_wait_status(wait_status);
  exit.set_oom_killed(kernel_.oom_killed(c.cgroup_path()));
  exit.set_finished_at(now_nanos());

  pb::FromShim message;
  *message.mutable_exited() = exit;
  ended_[c.id()] = std::move(held);
  for (auto& to : connections_)
    if (to.events) to.send(message);
}

} // namespace gantry::runtime::shim
