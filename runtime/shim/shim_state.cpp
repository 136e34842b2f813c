/// What a server and its containers are, as a message for the next version, and back.
#include <algorithm>

#include "io/base/log.hpp"
#include "runtime/shim/shim.hpp"

namespace gantry::runtime::shim {

namespace {

/// 0 is none, so that a field which an older shim did not know reads as none.
int one_up(int fd) noexcept { return fd + 1; }
unique_fd taken(int one_up_fd) noexcept { return unique_fd(one_up_fd - 1); }

} // namespace

void container::save(pb::ContainerState& out) {
  out.set_id(id_);
  out.set_label(label_);
  out.set_pid(pid_);
  out.set_launching_pid(launching_pid_);
  out.set_started_at(started_at_);
  out.set_cgroup_path(cgroup_path_);
  out.set_terminal(terminal_);
  out.set_open_stdin(open_stdin_);
  out.set_stdin_once(stdin_once_);
  out.set_stdin_ending(stdin_ending_);
  out.set_stdin_unsent(stdin_queue_);
  *out.mutable_log() = log_.config();
  for (auto [s, line] :
       {std::pair(stream::out, out.mutable_out_line()), std::pair(stream::err, out.mutable_err_line())}) {
    line->set_text(log_.partial(s).text);
    line->set_first_piece_at(log_.partial(s).first_piece_at);
  }
  for (const auto& a : attaches_) a->save(*out.add_attaches());
  out.set_pidfd(one_up(phase_ == phase::launching ? pending_->child.pidfd.get() : pidfd_.fd()));
  out.set_in_fd(one_up(in_.fd()));
  out.set_out_fd(one_up(out_.fd()));
  out.set_err_fd(one_up(err_.fd()));
  out.set_slave_fd(one_up(pty_slave_.get()));
  out.set_status_fd(one_up(status_.fd()));
  if (pending_) *out.mutable_spec() = pending_->spec;
  out.set_connection(asker_.connection);
  out.set_request(asker_.request);
}

container::container(container_context context, container_host& host, const pb::ContainerState& s)
    : context_(context), host_(host), id_(s.id()), label_(s.label()),
      cgroup_path_(s.cgroup_path()), asker_{s.connection(), s.request()}, log_(s.log(), s.id()),
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
      pty_slave_(taken(s.slave_fd())), stdin_queue_(s.stdin_unsent()), started_at_(s.started_at()), pid_(s.pid()),
      launching_pid_(s.launching_pid()), terminal_(s.terminal()), open_stdin_(s.open_stdin()),
      stdin_once_(s.stdin_once()), stdin_ending_(s.stdin_ending()) {
  log_.partial(stream::out) = {s.out_line().text(), s.out_line().first_piece_at()};
  log_.partial(stream::err) = {s.err_line().text(), s.err_line().first_piece_at()};
  in_.open(taken(s.in_fd()));
  out_.open(taken(s.out_fd()));
  err_.open(taken(s.err_fd()));
  for (const auto& a : s.attaches())
    attaches_.push_back(std::make_unique<attach_stream>(context_.for_attach(), *this, a));
  if (s.status_fd() != 0) {
    // Without the child's slot: the launcher's shared memory is not ours any more.
    pending_.reset(new pending{s.spec(), {}});
    pending_->child.pid = pid_;
    pending_->child.pidfd = taken(s.pidfd());
    status_.open(taken(s.status_fd()));
    status_.want(EPOLLIN);
    return;
  }
  phase_ = phase::running;
  pidfd_.open(taken(s.pidfd()));
  if (!stdin_queue_.empty()) in_.want(EPOLLOUT);
  start_relaying();
}

void server::save(pb::ShimState& out) {
  out.set_listener_fd(listener_.fd());
  out.set_lock_fd(lock_.get());
  out.set_next_connection(next_connection_);
  for (const auto& c : connections_)
    if (!c.broken()) c.save(*out.add_connections());
  for (const auto& [id, c] : containers_) c->save(*out.add_containers());
  for (const auto& [id, held] : ended_) *out.add_ended() = held;
  lingering_.for_each([&](const attach_stream& a) { a.save(*out.add_lingering()); });
}

void server::restore(const pb::ShimState& state) {
  next_connection_ = state.next_connection();
  for (const auto& c : state.connections()) connections_.emplace_back(loop_, read_buffer_, *this, c);
  for (const auto& held : state.ended()) {
    held_bytes_ += held_size(held.id(), held.label());
    ended_[held.id()] = held;
  }
  for (const auto& s : state.containers()) {
    auto c = std::make_unique<container>(context(), *this, s);
    held_bytes_ += held_size(c->id(), c->label());
    launches_ += c->state() == container::phase::launching ? 1 : 0;
    by_pid_[c->pid()] = c.get();
    containers_.emplace(s.id(), std::move(c));
  }
  for (const auto& a : state.lingering())
    lingering_.add(std::make_unique<attach_stream>(context().for_attach(), lingering_, a));
  // Signals that came between the programs are lost; what they told of is not.
  strays_.arm(std::chrono::milliseconds(0));
  log::info("shim: took over",
            {{"containers", std::to_string(containers_.size())}, {"connections", std::to_string(connections_.size())}});
}

} // namespace gantry::runtime::shim
