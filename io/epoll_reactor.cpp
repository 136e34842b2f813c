/// Readiness, retries and the file reads of the epoll backend.
///
/// Every registration is one-shot and made anew for each wait: one epoll_ctl, and a descriptor that was closed and
/// whose number was given out again (which epoll does not tell us) is found out by ENOENT.
#include "io/epoll_reactor.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/epoll.h>

#include "io/attempt.hpp"
#include "io/base/log.hpp"

namespace gantry::io {

namespace {

constexpr std::uint32_t always_reported = EPOLLERR | EPOLLHUP;
constexpr std::size_t file_read_threads = 2;
constexpr std::size_t file_read_queue_max = 1024;

/// One pool for all epoll reactors of the process.
pool& file_pool() {
  static pool shared(file_read_threads, file_read_queue_max);
  return shared;
}

/// accept4 has no flag that keeps it from blocking, should the client have gone between readiness and the call.
void make_nonblocking(int fd) noexcept {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK) == 0) ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

bool is_direction(std::uint32_t events) noexcept { return events == EPOLLIN || events == EPOLLOUT; }

} // namespace

result<std::unique_ptr<reactor>> epoll_reactor::make() {
  unique_fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return sys_error("make an epoll descriptor", errno, errc::unavailable);
  GANTRY_TRY(event, mailbox::make_event());
  epoll_event wakes{};
  wakes.events = EPOLLIN | EPOLLET; // an edge for each write: the counter is never read
  wakes.data.fd = event.get();
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, event.get(), &wakes) != 0)
    return sys_error("watch the reactor's eventfd", errno, errc::unavailable);
  return std::unique_ptr<reactor>(std::make_unique<epoll_reactor>(std::move(epoll), std::move(event)));
}

epoll_reactor::~epoll_reactor() {
  if (in_flight() == 0) return;
  log::error("a reactor is destroyed with operations in flight", {{"operations", std::to_string(in_flight())}});
  // A pool thread must not write into buffers whose owners are about to be freed too.
  for (auto n = reading_->load(); n != 0; n = reading_->load()) reading_->wait(n);
}

void epoll_reactor::begin(std::uint64_t id) {
  auto& o = *ops().find(id);
  const auto& what = o.what;
  if (what.kind == op_kind::read_at) return begin_file_read(id);
  o.state = op_state::submitted;
  if (what.kind == op_kind::accept) make_nonblocking(what.fd);
  const auto events = events_for(what);
  // One that came before must get its bytes first.
  if (what.kind == op_kind::poll || !someone_waits(what.fd, events)) {
    const int result = attempt(what);
    if (result != -EAGAIN) return finish(id, result);
  }
  wait_for(what.fd, id);
}

void epoll_reactor::abort(std::uint64_t id) {
  auto& o = *ops().find(id);
  if (o.what.kind == op_kind::read_at) {
    const auto waiting = std::find(file_reads_.begin(), file_reads_.end(), id);
    if (waiting == file_reads_.end()) return; // a pool thread has it: its result comes
    file_reads_.erase(waiting);
  } else {
    const int fd = o.what.fd;
    auto& ids = at(fd).ids;
    ids.erase(std::find(ids.begin(), ids.end(), id));
    if (ids.empty()) disarm(fd); // the caller may close it now, while a copy of it lives elsewhere
  }
  finish(id, -ECANCELED);
}

epoll_reactor::waiters& epoll_reactor::at(int fd) {
  const auto index = static_cast<std::size_t>(fd);
  if (index >= waiters_.size()) waiters_.resize(std::max(index + 1, 2 * waiters_.size()));
  return waiters_[index];
}

bool epoll_reactor::someone_waits(int fd, std::uint32_t direction) {
  if (fd < 0 || static_cast<std::size_t>(fd) >= waiters_.size()) return false;
  const auto& ids = at(fd).ids;
  return std::any_of(ids.begin(), ids.end(), [this, direction](std::uint64_t id) {
    const auto& what = ops().find(id)->what;
    return what.kind != op_kind::poll && events_for(what) == direction;
  });
}

void epoll_reactor::wait_for(int fd, std::uint64_t id) {
  auto& w = at(fd);
  w.ids.push_back(id);
  const auto events = events_for(ops().find(id)->what);
  if (!w.armed || (w.armed_for & events) != events) arm(fd);
}

/// Asks epoll to report, once, what the waiting operations need.
void epoll_reactor::arm(int fd) {
  auto& w = at(fd);
  std::uint32_t events = 0;
  for (const auto id : w.ids) events |= events_for(ops().find(id)->what);
  if (const int err = control(fd, w, events); err != 0) return fail_all(fd, err);
  if (!w.armed) ++armed_count_;
  w.armed = true;
  w.armed_for = events;
}

int epoll_reactor::control(int fd, waiters& w, std::uint32_t events) {
  epoll_event e{};
  e.events = events | EPOLLONESHOT;
  e.data.fd = fd;
  const int first = w.known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  w.known = true;
  if (::epoll_ctl(epoll_.get(), first, fd, &e) == 0) return 0;
  // ENOENT: closed and opened again since. EEXIST: we forgot that it is there.
  if (errno != ENOENT && errno != EEXIST) return errno;
  const int second = first == EPOLL_CTL_MOD ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  return ::epoll_ctl(epoll_.get(), second, fd, &e) == 0 ? 0 : errno;
}

void epoll_reactor::disarm(int fd) {
  auto& w = at(fd);
  if (w.armed) --armed_count_;
  w.armed = false;
  w.known = false;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); // fails where the descriptor is closed: then it is gone
}

/// EPERM: a descriptor that epoll cannot watch (a regular file). ENOSPC: fs.epoll.max_user_watches.
void epoll_reactor::fail_all(int fd, int err) {
  auto& w = at(fd);
  for (const auto id : w.ids) finish(id, -err);
  w.ids.clear();
  disarm(fd);
}

void epoll_reactor::collect(std::optional<nanos> wait) {
  if (!file_reads_.empty()) next_file_reads();
  if (has_finished()) wait.reset();
  if (!wait && armed_count_ == 0) return; // nothing that epoll could report
  std::array<epoll_event, 256> events;
  const int count = wait_events({events.data(), events.size()}, wait);
  for (int i = 0; i < count; ++i) {
    const auto& e = events[static_cast<std::size_t>(i)];
    if (e.data.fd != box()->event_fd()) retry(e.data.fd, e.events);
  }
}

/// The descriptor was reported, which disarmed it.
void epoll_reactor::retry(int fd, std::uint32_t events) {
  auto& w = at(fd);
  if (!w.armed) return; // a late report of a closed descriptor whose file lives on elsewhere
  w.armed = false;
  --armed_count_;
  std::uint32_t blocked = 0; // directions in which an earlier operation got EAGAIN again
  std::erase_if(w.ids, [&](std::uint64_t id) {
    const auto& what = ops().find(id)->what;
    const auto wants = events_for(what);
    const bool in_order = what.kind == op_kind::poll || (wants & blocked) == 0;
    if (!in_order || (events & (wants | always_reported)) == 0) return false;
    const int result = attempt(what);
    if (result == -EAGAIN) {
      if (what.kind != op_kind::poll && is_direction(wants)) blocked |= wants;
      return false;
    }
    finish(id, result);
    return true;
  });
  if (!w.ids.empty()) arm(fd);
}

int epoll_reactor::wait_events(std::span<epoll_event> into, std::optional<nanos> wait) {
  const int size = static_cast<int>(into.size());
  int count = -1;
  if (!wait) {
    count = ::epoll_wait(epoll_.get(), into.data(), size, 0);
  } else {
    constexpr std::int64_t billion = 1'000'000'000;
    if (nanosecond_waits_) {
      const timespec limit{wait->count() / billion, wait->count() % billion};
      count = ::epoll_pwait2(epoll_.get(), into.data(), size, &limit, nullptr);
      // epoll_pwait2 came with Linux 5.11, and older seccomp profiles refuse what they do not know.
      if (count < 0 && (errno == ENOSYS || errno == EPERM)) nanosecond_waits_ = false;
    }
    if (!nanosecond_waits_) {
      const auto ms = std::min<std::int64_t>((wait->count() + 999'999) / 1'000'000, 3'600'000);
      count = ::epoll_wait(epoll_.get(), into.data(), size, static_cast<int>(ms));
    }
  }
  GANTRY_ASSERT(count >= 0 || errno == EINTR); // anything else is a descriptor that somebody else closed
  return count;
}

void epoll_reactor::begin_file_read(std::uint64_t id) {
  file_reads_.push_back(id);
  next_file_reads();
}

/// Where the shared pool is full, the reads wait here for the next `run` after one of ours has come back.
void epoll_reactor::next_file_reads() {
  while (!file_reads_.empty()) {
    const auto id = file_reads_.front();
    auto& o = *ops().find(id);
    reading_->fetch_add(1);
    auto given = file_pool().submit([what = o.what, id, to = box(), reading = reading_] {
      const int result = attempt(what);
      reading->fetch_sub(1);
      reading->notify_all();
      to->finish({id, result});
    });
    if (given.has_error()) {
      // Ours to come back start the next; with none of ours under way nobody would, so this one blocks.
      if (reading_->fetch_sub(1) > 1) return;
      o.state = op_state::submitted;
      file_reads_.pop_front();
      finish(id, attempt(o.what));
      continue;
    }
    o.state = op_state::submitted;
    file_reads_.pop_front();
  }
}

} // namespace gantry::io
