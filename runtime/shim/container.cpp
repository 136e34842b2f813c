/// A container's launch, exit and requests; container_streams.cpp has its streams.
#include "runtime/shim/container.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "io/base/assert.hpp"
#include "io/base/log.hpp"

namespace gantry::runtime::shim {

namespace {

int sys_pidfd_send_signal(int pidfd, int number) {
  return static_cast<int>(::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0));
}

struct pipe_ends {
  unique_fd read, write;
};

result<pipe_ends> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0)
    return sys_error("make pipe", errno, errno == EMFILE || errno == ENFILE ? errc::unavailable : errc::internal);
  return pipe_ends{unique_fd(fds[0]), unique_fd(fds[1])};
}

/// Ours alone: the container's end is a file description of its own and stays blocking. New pipes and a pty's master
/// have no other flag that this could clear.
void set_nonblocking(int fd) { ::fcntl(fd, F_SETFL, O_NONBLOCK); }

} // namespace

container::container(container_context context, container_host& host, pb::Launch&& launch, asker from)
    : context_(context), host_(host), id_(launch.id()), label_(launch.label()),
      cgroup_path_(launch.spec().cgroup().path()), asker_(from), log_(launch.log(), launch.id()),
      pending_(new pending{std::move(*launch.mutable_spec()), {}}),
      status_(
          context.loop, [](void* c, std::uint32_t) { static_cast<container*>(c)->on_status(); }, this),
      pidfd_(
          context.loop, [](void* c, std::uint32_t) { static_cast<container*>(c)->reap(); }, this),
      in_(
          context.loop, [](void* c, std::uint32_t) { static_cast<container*>(c)->flush_input(); }, this),
      out_(
          context.loop, [](void* c, std::uint32_t) { static_cast<container*>(c)->read_once(stream::out); }, this),
      err_(
          context.loop, [](void* c, std::uint32_t) { static_cast<container*>(c)->read_once(stream::err); }, this),
      terminal_(pending_->spec.process().terminal()), open_stdin_(pending_->spec.process().open_stdin()),
      stdin_once_(launch.stdin_once()) {}

container::~container() {
  for (auto& a : attaches_)
    if (a) a->finish();
}

result<stdio> container::make_pipes() {
  stdio theirs;
  if (terminal_) return theirs;
  if (open_stdin_) {
    GANTRY_TRY(in, make_pipe());
    theirs.in = std::move(in.read);
    set_nonblocking(in.write.get());
    in_.open(std::move(in.write));
  }
  GANTRY_TRY(out, make_pipe());
  GANTRY_TRY(err, make_pipe());
  theirs.out = std::move(out.write);
  theirs.err = std::move(err.write);
  set_nonblocking(out.read.get());
  set_nonblocking(err.read.get());
  out_.open(std::move(out.read));
  err_.open(std::move(err.read));
  return theirs;
}

result<> container::begin(std::vector<unique_fd> sockets,
                          const google::protobuf::RepeatedPtrField<pb::AttachOptions>& options) {
  GANTRY_ASSERT(sockets.size() == static_cast<std::size_t>(options.size()));
  for (std::size_t i = 0; i < sockets.size(); ++i)
    attaches_.push_back(std::make_unique<attach_stream>(context_.for_attach(), *this, std::move(sockets[i]),
                                                        options[static_cast<int>(i)], terminal_));
  GANTRY_TRY(theirs, make_pipes());
  GANTRY_TRY(child, context_.kernel.begin_launch(pending_->spec, std::move(theirs)));
  pid_ = launching_pid_ = child.pid;
  status_.open(std::move(child.status));
  pending_->child = std::move(child);
  status_.want(EPOLLIN);
  return {};
}

void container::on_status() {
  pending_->child.status = status_.release();
  auto done = context_.kernel.finish_launch(std::move(pending_->child), pending_->spec);
  pending_.reset();
  if (!done) {
    phase_ = phase::ended;
    return host_.launch_done(*this, std::move(done).error());
  }
  pid_ = done->pid;
  started_at_ = now_nanos();
  pidfd_.open(std::move(done->pidfd));
  if (terminal_) {
    // Held open: while no process has the terminal open its master would hang up, and a program that opens it again
    // later (systemd does) would be lost to us.
    pty_slave_.reset(::ioctl(done->pty_master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    in_.open(unique_fd(::fcntl(done->pty_master.get(), F_DUPFD_CLOEXEC, 0)));
    set_nonblocking(done->pty_master.get());
    out_.open(std::move(done->pty_master));
  }
  phase_ = phase::running;
  // The reply goes first: an exit that comes at once is told after it.
  host_.launch_done(*this, {});
  start_relaying();
}

void container::settle(std::chrono::milliseconds at_most) {
  if (phase_ != phase::launching) return;
  pollfd p{status_.fd(), POLLIN, 0};
  if (::poll(&p, 1, static_cast<int>(at_most.count())) > 0) on_status();
}

void container::start_relaying() {
  pidfd_.want(EPOLLIN);
  update_pause();
  for (auto& a : attaches_) a->start();
}

error container::not_running(const char* verb) const {
  return error{errc::conflict, 0, std::string(verb) + " `" + id_ + "`: container is not running"};
}

result<> container::attach(unique_fd socket, const pb::AttachOptions& options) {
  if (phase_ == phase::ended) return not_running("attach");
  if (attaches_.size() >= attaches_max)
    return error{errc::unavailable, 0, "attach `" + id_ + "`: too many clients are attached"};
  attaches_.push_back(
      std::make_unique<attach_stream>(context_.for_attach(), *this, std::move(socket), options, terminal_));
  if (phase_ == phase::running) attaches_.back()->start();
  return {};
}

result<> container::signal(int number, bool all) {
  if (phase_ != phase::running) return not_running("signal");
  if (number < 0 || number >= NSIG)
    return error{errc::invalid_parameter, EINVAL, "signal `" + id_ + "`: no signal " + std::to_string(number)};
  if (all) return context_.kernel.signal_all(cgroup_path_, number);
  if (sys_pidfd_send_signal(pidfd_.fd(), number) == 0) return {};
  // It has ended, and the event is on its way.
  if (errno == ESRCH) return not_running("signal");
  return sys_error("signal `" + id_ + "`", errno);
}

result<> container::resize(unsigned rows, unsigned columns) {
  if (phase_ != phase::running) return not_running("resize");
  if (!terminal_) return error{errc::conflict, 0, "resize `" + id_ + "`: it has no terminal"};
  winsize size{};
  size.ws_row = static_cast<unsigned short>(std::min(rows, 0xffffu));
  size.ws_col = static_cast<unsigned short>(std::min(columns, 0xffffu));
  if (::ioctl(out_.fd(), TIOCSWINSZ, &size) != 0) return sys_error("resize `" + id_ + "`", errno);
  return {};
}

bool container::reap() {
  if (phase_ != phase::running) return false;
  int status = 0;
  pid_t r = 0;
  do r = ::wait4(pid_, &status, WNOHANG, nullptr);
  while (r < 0 && errno == EINTR);
  if (r == 0) return false;
  if (r < 0) {
    // ECHILD: someone else reaped our child. That must not happen; a container without an end would be worse.
    log::error("shim: the exit status of a container is lost", {{"container", id_}, {"error", std::strerror(errno)}});
    status = 255 << 8;
  }
  phase_ = phase::ended;
  pidfd_.close();
  for (auto s : {stream::out, stream::err}) {
    drain(s);
    end_output(s);
  }
  close_input();
  pty_slave_.reset();
  log_.reopen();
  host_.exited(*this, status);
  return true;
}

} // namespace gantry::runtime::shim
