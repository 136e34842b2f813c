/// A container's output to its log and clients, and their input to it.
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "runtime/shim/container.hpp"

namespace gantry::runtime::shim {

namespace {

/// What a stream may still give after init's end: the largest pipe there is (fs.pipe-max-size), and some. A process
/// outside the container's pid namespace may hold the pipe and write for ever.
constexpr std::size_t drain_bytes_max = 2u << 20;

} // namespace

bool container::read_once(stream s) {
  const auto n = ::read(output(s).fd(), context_.read_buffer.data(), context_.read_buffer.size());
  if (n > 0) {
    deliver(s, {context_.read_buffer.data(), static_cast<std::size_t>(n)});
    return true;
  }
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  // 0: all writers closed a pipe. EIO: all closed a terminal.
  end_output(s);
  return false;
}

void container::drain(stream s) {
  if (!output(s)) return;
  int there = 0;
  // For a pipe that is all; a terminal may hold more in the kernel's line buffers, and says EAGAIN when it is empty.
  if (terminal_ || ::ioctl(output(s).fd(), FIONREAD, &there) != 0) there = static_cast<int>(drain_bytes_max);
  auto left = std::min(static_cast<std::size_t>(there), drain_bytes_max);
  while (left != 0 && output(s)) {
    const auto n = ::read(output(s).fd(), context_.read_buffer.data(), std::min(left, context_.read_buffer.size()));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    deliver(s, {context_.read_buffer.data(), static_cast<std::size_t>(n)});
    left -= static_cast<std::size_t>(n);
  }
}

void container::end_output(stream s) {
  if (!output(s)) return;
  output(s).close();
  log_.end_of(s, now_nanos(), context_.records);
}

void container::deliver(stream s, std::string_view bytes) {
  log_.write(s, bytes, now_nanos(), context_.records);
  if (attaches_.empty()) return;
  for (auto& a : attaches_) a->send(s, bytes);
  sweep_attaches();
  update_pause();
}

void container::update_pause() {
  if (phase_ != phase::running) return;
  std::size_t longest = 0;
  for (const auto& a : attaches_) longest = std::max(longest, a->queued());
  const auto limit =
      context_.queued_total > attach_queues_bytes_max ? attach_queue_bytes_squeezed : attach_queue_bytes_max;
  // Between the two marks it stays as it is.
  if (longest > limit) paused_ = true;
  if (longest <= limit / 2) paused_ = false;
  const std::uint32_t wanted = paused_ ? 0u : std::uint32_t{EPOLLIN};
  out_.want(wanted);
  err_.want(wanted);
}

void container::output_drained() {
  if (paused_) update_pause();
}

void container::take_input(std::string_view bytes) {
  if (!in_ || !open_stdin_) return;
  const auto n = ::write(in_.fd(), bytes.data(), bytes.size());
  if (n < 0 && errno != EAGAIN && errno != EINTR) return close_input(); // EPIPE: the program closed its stdin
  const auto written = n < 0 ? 0 : static_cast<std::size_t>(n);
  if (written == bytes.size()) return;
  stdin_queue_.assign(bytes.substr(written));
  in_.want(EPOLLOUT);
}

void container::flush_input() {
  const auto n = ::write(in_.fd(), stdin_queue_.data(), stdin_queue_.size());
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < 0) return close_input();
  stdin_queue_.erase(0, static_cast<std::size_t>(n));
  if (!stdin_queue_.empty()) return;
  stdin_queue_ = std::string();
  in_.want(0);
  if (stdin_ending_) return close_input();
  // By index: input_ended may come from within.
  for (std::size_t i = 0; i < attaches_.size() && stdin_queue_.empty(); ++i) attaches_[i]->resume_input();
  sweep_attaches();
}

void container::input_ended() {
  if (!stdin_once_ || terminal_ || !in_) return;
  if (stdin_queue_.empty()) return close_input();
  stdin_ending_ = true;
}

/// From here on clients' input is thrown away, so that they never stand before a full socket.
void container::close_input() {
  in_.close();
  stdin_queue_ = std::string();
  for (auto& a : attaches_) a->stop_input();
}

void container::forget(attach_stream& from) {
  std::erase_if(attaches_, [&](const auto& a) { return a.get() == &from; });
  update_pause();
}

void container::sweep_attaches() {
  std::erase_if(attaches_, [](const auto& a) { return a->gone(); });
}

} // namespace gantry::runtime::shim
