/// The calling thread's reactor, and the choice of a backend.
#include "io/reactor.hpp"

#include <utility>

#include "io/base/log.hpp"
#include "io/epoll_reactor.hpp"
#include "io/uring_reactor.hpp"

namespace gantry::io {

namespace {

thread_local reactor* current_reactor = nullptr;

result<std::unique_ptr<reactor>> make_automatic() {
  auto ring = uring_reactor::make();
  if (ring.has_value()) return ring;
  log::debug("epoll is used instead of io_uring", {{"error", ring.error().message}});
  return epoll_reactor::make();
}

} // namespace

reactor* reactor::current() noexcept { return current_reactor; }

reactor::scope::scope(reactor& r) noexcept : previous_(std::exchange(current_reactor, &r)) {}

reactor::scope::~scope() { current_reactor = previous_; }

result<std::unique_ptr<reactor>> make_reactor(backend which) {
  switch (which) {
  case backend::automatic:
    return make_automatic();
  case backend::io_uring:
    return uring_reactor::make();
  case backend::epoll:
    return epoll_reactor::make();
  }
  return error{errc::invalid_parameter, 0, "make a reactor: no such backend"};
}

} // namespace gantry::io
