#include "actors/shim_link.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <deque>
#include <map>
#include <set>
#include <thread>

#include "actors/error_codec.hpp"
#include "actors/services.hpp"
#include "io/base/log.hpp"
#include "io/reactor.hpp"

namespace gantry::actors {

namespace {

constexpr std::size_t receive_bytes = 64u << 10;
/// Frames that wait for a shim that does not read. A launch is some 15 kB, so this is thousands of launches: beyond it
/// new calls are refused with `unavailable`.
constexpr std::size_t queue_bytes_max = 64u << 20;

/// Launches between clone and exec at one moment. More at once only makes each slower: they contend for the kernel's
/// namespace and cgroup locks (pains A1, B9).
std::size_t launches_max() { return std::max(8u, 4 * std::thread::hardware_concurrency()); }
/// Launches that wait for their turn; beyond it a start is refused with `unavailable`.
constexpr std::size_t launch_queue_max = 20'000;

struct outgoing {
  std::string bytes;
  std::size_t sent = 0;
  std::vector<std::shared_ptr<unique_fd>> fds; ///< travel with the first byte
};

class shim_link : public shim_actor::base {
public:
  shim_link(caf::actor_config& config, services& s, std::shared_ptr<shim_session> session)
      : shim_actor::base(config), services_(s), opened_(std::move(session)),
        buffer_(std::make_shared<std::vector<std::byte>>(receive_bytes)) {}

  behavior_type make_behavior() override {
    take_session(*opened_);
    opened_.reset();
    return {
        [this](const msg::shim_call& call) {
          auto promise = make_response_promise<msg::shim_reply>();
          take_call(call, promise);
          return promise;
        },
        [this](const msg::shim_tell& tell) {
          if (socket_) enqueue(*tell.message, {});
        },
        [this](msg::shim_listen) { listen(); },
        [](const msg::run& r) { r.work(); },
    };
  }

  const char* name() const override { return "shim_link"; }

  void on_exit() override {
    if (socket_) ::shutdown(socket_->get(), SHUT_RDWR); // ends the receive in flight, which holds this actor
  }

private:
  using reply_promise = caf::typed_response_promise<msg::shim_reply>;

  void take_call(const msg::shim_call& call, reply_promise promise) {
    if (!socket_ || queue_bytes_ > queue_bytes_max) {
      promise.deliver(to_caf({errc::unavailable, 0, "gantry-shim is away, try again"}));
      return;
    }
    if (!call.message->has_launch() || launching_.size() < launches_max_) return send_call(call, std::move(promise));
    if (launch_queue_.size() >= launch_queue_max) {
      promise.deliver(to_caf({errc::unavailable, 0, "too many containers are being started, try again later"}));
      return;
    }
    launch_queue_.emplace_back(call, std::move(promise));
  }

  void send_call(const msg::shim_call& call, reply_promise promise) {
    auto request = next_request_++;
    waiting_.emplace(request, std::move(promise));
    if (call.message->has_launch()) launching_.insert(request);
    call.message->set_request(request);
    enqueue(*call.message, call.fds);
  }

  void launch_next() {
    while (socket_ && !launch_queue_.empty() && launching_.size() < launches_max_) {
      auto [call, promise] = std::move(launch_queue_.front());
      launch_queue_.pop_front();
      send_call(call, std::move(promise));
    }
  }

  shim_actor handle() { return caf::actor_cast<shim_actor>(this); }

  void take_session(shim_session& session) {
    socket_ = std::make_shared<unique_fd>(std::move(session.socket));
    reader_ = std::move(session.reader);
  }

  void listen() {
    take_frames();
    if (socket_) receive();
  }

  void receive() {
    auto* ring = io::reactor::current();
    ring->recv(socket_->get(), *buffer_, [self = handle(), this, socket = socket_, keep = buffer_](int n) {
      run_in(self, [this, n, socket] {
        if (socket == socket_) received(n);
      });
    });
  }

  void received(int n) {
    if (n <= 0) return lost(n);
    reader_.feed({reinterpret_cast<const char*>(buffer_->data()), static_cast<std::size_t>(n)});
    take_frames();
    if (socket_) receive();
  }

  void take_frames() {
    while (socket_) {
      auto frame = reader_.next();
      if (frame.has_error()) return lost(-EBADMSG);
      if (!frame.value()) return;
      runtime::pb::FromShim from;
      if (!from.ParseFromArray((*frame)->data(), static_cast<int>((*frame)->size()))) return lost(-EBADMSG);
      if (from.has_reply()) replied(from.reply());
      if (from.has_exited()) exited(from.exited());
    }
  }

  void replied(const runtime::pb::Reply& r) {
    auto at = waiting_.find(r.request());
    if (at == waiting_.end()) return;
    auto promise = at->second;
    waiting_.erase(at);
    if (launching_.erase(r.request()) > 0) launch_next();
    if (r.has_failure())
      promise.deliver(to_caf({static_cast<errc>(r.failure().code()), r.failure().sys_errno(), r.failure().message()}));
    else
      promise.deliver(msg::shim_reply{r.pid(), r.started_at()});
  }

  void exited(const runtime::pb::Exited& e) {
    if (auto actor = services_.containers.actor_of(e.id())) {
      send(actor, msg::exited{e.wait_status(), e.oom_killed(), e.finished_at(), true});
      return;
    }
    auto forget = std::make_shared<runtime::pb::ToShim>();
    forget->mutable_acknowledge()->set_id(e.id());
    enqueue(*forget, {});
  }

  void enqueue(const runtime::pb::ToShim& message, std::vector<std::shared_ptr<unique_fd>> fds) {
    outgoing out;
    runtime::append_frame(out.bytes, message.SerializeAsString());
    out.fds = std::move(fds);
    queue_bytes_ += out.bytes.size();
    queue_.push_back(std::move(out));
    if (!waiting_for_room_) flush();
  }

  /// Writes as much as the socket takes now: the common case costs one system call and no trip through the ring.
  void flush() {
    while (socket_ && !queue_.empty()) {
      auto& out = queue_.front();
      auto n = send_some(out);
      if (n < 0) {
        if (n == -EAGAIN) return wait_for_room();
        return lost(static_cast<int>(n));
      }
      out.sent += static_cast<std::size_t>(n);
      out.fds.clear();
      if (out.sent < out.bytes.size()) continue;
      queue_bytes_ -= out.bytes.size();
      queue_.pop_front();
    }
  }

  ssize_t send_some(const outgoing& out) {
    iovec part{const_cast<char*>(out.bytes.data()) + out.sent, out.bytes.size() - out.sent};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    std::vector<char> control;
    if (!out.fds.empty()) {
      control.resize(CMSG_SPACE(sizeof(int) * out.fds.size()));
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      auto* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int) * out.fds.size());
      auto* slots = reinterpret_cast<int*>(CMSG_DATA(header));
      for (std::size_t i = 0; i < out.fds.size(); ++i) slots[i] = out.fds[i]->get();
    }
    for (;;) {
      auto n = ::sendmsg(socket_->get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n >= 0) return n;
      if (errno == EINTR) continue;
      return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    }
  }

  void wait_for_room() {
    waiting_for_room_ = true;
    io::reactor::current()->poll(socket_->get(), POLLOUT, [self = handle(), this, socket = socket_](int) {
      run_in(self, [this, socket] {
        if (socket != socket_) return;
        waiting_for_room_ = false;
        flush();
      });
    });
  }

  void lost(int reason) {
    ::shutdown(socket_->get(), SHUT_RDWR);
    socket_.reset();
    waiting_for_room_ = false;
    queue_.clear();
    queue_bytes_ = 0;
    launching_.clear();
    for (auto& [request, promise] : std::exchange(waiting_, {}))
      promise.deliver(to_caf({errc::unavailable, 0, "gantry-shim ended before it answered"}));
    for (auto& [call, promise] : std::exchange(launch_queue_, {}))
      promise.deliver(to_caf({errc::unavailable, 0, "gantry-shim is away, try again"}));
    if (services_.stopping) return quit();
    log::error("the connection to gantry-shim ended, starting it again",
               {{"error", reason == 0 ? "end of stream" : std::strerror(-reason)}});
    reopen();
  }

  void reopen() {
    auto job = [this, self = handle()] {
      auto& c = services_.config;
      auto opened = open_shim(c.shim_path, c.run_root, "info", c.log_format == log::format::json ? "json" : "text");
      if (opened.has_error()) {
        log::error("start gantry-shim", {{"error", opened.error().message}});
        run_in(self, [this] { retry_later(); });
        return;
      }
      auto session = std::make_shared<shim_session>(std::move(opened).value());
      run_in(self, [this, session] { reopened(session); });
    };
    if (services_.submit(job).has_error()) retry_later();
  }

  void retry_later() {
    io::reactor::current()->timer(std::chrono::seconds(1), [self = handle(), this](int) {
      run_in(self, [this] {
        if (!services_.stopping) reopen();
      });
    });
  }

  /// Containers that ran under the old shim and that this one does not hold have lost their parent: they are over.
  void reopened(std::shared_ptr<shim_session> session) {
    std::set<std::string> held;
    for (auto& h : session->held) held.insert(h.id());
    auto ended = session->held;
    take_session(*session);
    for (auto& view : services_.containers.views())
      if (view->state.is_running() && !held.contains(view->definition->id))
        if (auto actor = services_.containers.actor_of(view->definition->id))
          send(actor, msg::exited{SIGKILL, false, now_nanos(), false});
    for (auto& h : ended)
      if (h.has_exited()) exited(h.exited());
    listen();
  }

  services& services_;
  std::shared_ptr<shim_session> opened_;
  std::shared_ptr<unique_fd> socket_; ///< shared with operations in flight; null while the shim is away
  runtime::frame_reader reader_;
  std::shared_ptr<std::vector<std::byte>> buffer_;
  std::uint64_t next_request_ = 2;
  std::map<std::uint64_t, reply_promise> waiting_;
  const std::size_t launches_max_ = launches_max();
  std::set<std::uint64_t> launching_; ///< of waiting_, those that are launches
  std::deque<std::pair<msg::shim_call, reply_promise>> launch_queue_;
  std::deque<outgoing> queue_;
  std::size_t queue_bytes_ = 0;
  bool waiting_for_room_ = false;
};

} // namespace

shim_actor spawn_shim_link(services& s, shim_session session) {
  return s.system->spawn<shim_link>(s, std::make_shared<shim_session>(std::move(session)));
}

} // namespace gantry::actors
