/// Submission, completion and cancelling in the ring.
#include "io/uring_reactor.hpp"

#include <cerrno>
#include <poll.h>

#include "io/base/log.hpp"

namespace gantry::io {

namespace {

// user_data of what is not an operation of the table; no id of the table reaches these.
constexpr std::uint64_t mailbox_tag = ~std::uint64_t{0};
constexpr std::uint64_t cancel_tag = ~std::uint64_t{0} - 1;

/// What to poll for when the kernel said EAGAIN.
unsigned retry_events(op_kind kind) noexcept {
  const bool out = kind == op_kind::send || kind == op_kind::sendmsg || kind == op_kind::write;
  return out ? POLLOUT : POLLIN;
}

void prepare(io_uring_sqe* sqe, const request& r) {
  const auto bytes = static_cast<unsigned>(r.bytes);
  switch (r.kind) {
  case op_kind::recv:
    return io_uring_prep_recv(sqe, r.fd, r.address, r.bytes, 0);
  case op_kind::send:
    return io_uring_prep_send(sqe, r.fd, r.address, r.bytes, MSG_NOSIGNAL);
  case op_kind::recvmsg:
    return io_uring_prep_recvmsg(sqe, r.fd, static_cast<msghdr*>(r.address), MSG_CMSG_CLOEXEC);
  case op_kind::sendmsg:
    return io_uring_prep_sendmsg(sqe, r.fd, static_cast<msghdr*>(r.address), MSG_NOSIGNAL);
  case op_kind::read:
    return io_uring_prep_read(sqe, r.fd, r.address, bytes, ~std::uint64_t{0});
  case op_kind::write:
    return io_uring_prep_write(sqe, r.fd, r.address, bytes, ~std::uint64_t{0});
  case op_kind::read_at:
    return io_uring_prep_read(sqe, r.fd, r.address, bytes, r.offset);
  case op_kind::accept:
    return io_uring_prep_accept(sqe, r.fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  case op_kind::poll:
    return io_uring_prep_poll_add(sqe, r.fd, static_cast<unsigned short>(r.events));
  case op_kind::timer:
    break;
  }
  GANTRY_ASSERT(!"timers are not the ring's");
}

__kernel_timespec to_timespec(std::chrono::nanoseconds t) noexcept {
  constexpr std::int64_t billion = 1'000'000'000;
  return {t.count() / billion, t.count() % billion};
}

/// Errors of io_uring_enter after which the same is tried again later. EAGAIN and ENOMEM: the kernel is short of memory
/// for requests. EBUSY: completions have to be collected first. ETIME and EINTR end a wait.
bool is_passing(int rc) noexcept {
  return rc == -ETIME || rc == -EINTR || rc == -EAGAIN || rc == -EBUSY || rc == -ENOMEM;
}

} // namespace

result<std::unique_ptr<reactor>> uring_reactor::make() {
  GANTRY_TRY(ring, uring_ring::make());
  GANTRY_TRY(event, mailbox::make_event());
  return std::unique_ptr<reactor>(std::make_unique<uring_reactor>(std::move(ring), std::move(event)));
}

uring_reactor::~uring_reactor() {
  if (in_flight() == 0) return;
  log::error("a reactor is destroyed with operations in flight", {{"operations", std::to_string(in_flight())}});
  if (is_owner() && enabled_) drain_at_exit();
}

/// The kernel must not write into buffers whose owners are about to be freed too.
void uring_reactor::drain_at_exit() {
  enter(std::nullopt); // makes room
  if (auto* sqe = next_sqe()) {
    io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL); // 5.19; else it is refused
    sqe->user_data = cancel_tag;
  }
  constexpr int rounds = 20; // two seconds: then the operation is not one that can be cancelled
  for (int i = 0; i < rounds && held_ > 0; ++i) {
    enter(std::chrono::milliseconds(100));
    take_completions();
  }
}

void uring_reactor::begin(std::uint64_t id) { enqueue({id, entry::verb::start}); }

void uring_reactor::abort(std::uint64_t id) {
  if (ops().find(id)->state == op_state::queued) {
    finish(id, -ECANCELED); // its entry in the backlog finds nothing to start
    return;
  }
  enqueue({id, entry::verb::cancel});
}

void uring_reactor::enqueue(entry e) {
  // The order of entries is kept, so that a cancel comes after what it cancels.
  if (!backlog_.empty() || !push(e)) backlog_.push_back(e);
}

/// False: the submission queue is full.
bool uring_reactor::push(const entry& e) {
  auto* o = ops().find(e.id);
  if (o == nullptr || o->state == op_state::done) return true; // ended while it waited
  auto* sqe = next_sqe();
  if (sqe == nullptr) return false;
  switch (e.what) {
  case entry::verb::start:
    prepare(sqe, o->what);
    sqe->user_data = e.id;
    o->state = op_state::submitted;
    ++held_;
    break;
  case entry::verb::poll:
    io_uring_prep_poll_add(sqe, o->what.fd, retry_events(o->what.kind));
    sqe->user_data = e.id;
    o->state = op_state::polling;
    ++held_;
    break;
  case entry::verb::cancel:
    io_uring_prep_cancel64(sqe, e.id, 0);
    sqe->user_data = cancel_tag;
    break;
  }
  return true;
}

void uring_reactor::push_backlog() {
  while (!backlog_.empty() && push(backlog_.front())) backlog_.pop_front();
}

/// A multishot poll: each write to the eventfd gives a completion, and the counter is never read.
void uring_reactor::arm_mailbox() {
  if (mailbox_armed_) return;
  auto* sqe = next_sqe();
  if (sqe == nullptr) return;
  io_uring_prep_poll_multishot(sqe, box()->event_fd(), POLLIN);
  sqe->user_data = mailbox_tag;
  mailbox_armed_ = true;
}

/// From here on this thread is the only submitter. liburing 2.3 declares io_uring_enable_rings, but does not export it.
void uring_reactor::enable() {
  const int rc =
      io_uring_register(static_cast<unsigned>(ring_.get()->ring_fd), IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
  GANTRY_ASSERT(rc == 0);
  enabled_ = true;
}

void uring_reactor::collect(std::optional<nanos> wait) {
  if (!enabled_) {
    enable();
  }
  for (;;) {
    arm_mailbox();
    push_backlog();
    const bool last = backlog_.empty() && mailbox_armed_;
    const auto before = io_uring_sq_ready(ring_.get());
    const bool may_wait = last && !has_finished() && io_uring_cq_ready(ring_.get()) == 0;
    enter(may_wait ? wait : std::nullopt);
    const auto taken = take_completions();
    const bool stuck = taken == 0 && io_uring_sq_ready(ring_.get()) >= before;
    if (last || stuck) return;
  }
}

void uring_reactor::enter(std::optional<nanos> wait) {
  int rc = 0;
  if (wait) {
    auto ts = to_timespec(*wait);
    io_uring_cqe* first = nullptr;
    rc = io_uring_submit_and_wait_timeout(ring_.get(), &first, 1, &ts, nullptr);
  } else if (io_uring_sq_ready(ring_.get()) > 0) {
    rc = io_uring_submit(ring_.get());
  } else if ((IO_URING_READ_ONCE(*ring_.get()->sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0) {
    rc = io_uring_get_events(ring_.get());
  }
  if (rc >= 0 || is_passing(rc)) return;
  log::error("io_uring_enter failed", {{"error", std::strerror(-rc)}});
  GANTRY_ASSERT(!"io_uring_enter"); // operations may be lost: nothing that waits for them can be answered
}

std::size_t uring_reactor::take_completions() {
  // Collected first, run after: no code of ours but this loop runs while the queue is read.
  unsigned head = 0, seen = 0;
  io_uring_cqe* cqe = nullptr;
  io_uring_for_each_cqe(ring_.get(), head, cqe) {
    on_completion(cqe->user_data, cqe->res, (cqe->flags & IORING_CQE_F_MORE) != 0);
    ++seen;
  }
  io_uring_cq_advance(ring_.get(), seen);
  return seen;
}

void uring_reactor::on_completion(std::uint64_t id, int result, bool more) {
  if (id == cancel_tag) return; // what it cancelled has its own completion; ENOENT: that came first
  if (id == mailbox_tag) {
    mailbox_armed_ = more;
    return;
  }
  auto* o = ops().find(id);
  GANTRY_ASSERT(o != nullptr && o->state != op_state::done);
  --held_;
  const bool was_poll = o->state == op_state::polling;
  // EAGAIN: the descriptor is O_NONBLOCK and of a kind that the kernel does not poll by itself. EINTR: a cancel that
  // met the operation in a kernel thread, or a signal.
  const bool again = was_poll ? result >= 0 : result == -EINTR;
  const bool wait_first = result == -EAGAIN && !was_poll && o->what.kind != op_kind::read_at;
  if (!again && !wait_first) return finish(id, result);
  if (o->cancelled) return finish(id, -ECANCELED);
  o->state = op_state::queued;
  enqueue({id, again ? entry::verb::start : entry::verb::poll});
}

} // namespace gantry::io
