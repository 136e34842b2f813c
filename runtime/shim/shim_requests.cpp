/// What the engine asks of the shim.
#include "io/base/log.hpp"
#include "runtime/shim/shim.hpp"

namespace gantry::runtime::shim {

namespace {

void put_failure(pb::Failure& out, const error& e) {
  out.set_code(static_cast<std::uint32_t>(e.code));
  out.set_sys_errno(e.sys_errno);
  out.set_message(e.message);
}

} // namespace

void server::reply(engine_connection& to, std::uint64_t request, const result<>& done) {
  if (request == 0) return;
  pb::FromShim message;
  message.mutable_reply()->set_request(request);
  if (!done) put_failure(*message.mutable_reply()->mutable_failure(), done.error());
  to.send(message);
}

void server::reply_launched(const container& c) {
  const auto asked = c.asked_by();
  auto* to = connection(asked.connection);
  if (to == nullptr || asked.request == 0) return;
  pb::FromShim message;
  auto& r = *message.mutable_reply();
  r.set_request(asked.request);
  r.set_pid(c.pid());
  r.set_started_at(c.started_at());
  to->send(message);
}

void server::on_request(engine_connection& from, pb::ToShim&& m) {
  const auto request = m.request();
  if (!from.greeted && m.body_case() != pb::ToShim::kHello) return from.break_off("the first frame is not Hello");
  switch (m.body_case()) {
  case pb::ToShim::kHello:
    return hello(from, request, m.hello());
  case pb::ToShim::kLaunch:
    return launch(from, request, std::move(*m.mutable_launch()));
  case pb::ToShim::kAttach:
    return reply(from, request, attach(from, m.attach()));
  case pb::ToShim::kSignal: {
    auto c = find(m.signal().id());
    return reply(from, request, c ? (*c)->signal(m.signal().signal(), m.signal().all()) : result<>(c.error()));
  }
  case pb::ToShim::kResize: {
    auto c = find(m.resize().id());
    return reply(from, request, c ? (*c)->resize(m.resize().rows(), m.resize().columns()) : result<>(c.error()));
  }
  case pb::ToShim::kReopenLog: {
    auto c = find(m.reopen_log().id());
    if (c) (*c)->reopen_log();
    return reply(from, request, c ? result<>() : result<>(c.error()));
  }
  case pb::ToShim::kAcknowledge:
    return reply(from, request, acknowledge(m.acknowledge().id()));
  case pb::ToShim::kShutdown:
    return reply(from, request, shut_down());
  case pb::ToShim::BODY_NOT_SET:
    break;
  }
  // A request of a newer engine.
  reply(from, request, error{errc::not_implemented, 0, "the shim does not know this request"});
}

void server::hello(engine_connection& from, std::uint64_t request, const pb::Hello& m) {
  pb::FromShim message;
  auto& out = *message.mutable_hello();
  out.set_request(request);
  out.set_version(shim_protocol_version);
  out.set_pid(::getpid());
  // An engine of another version learns who we are, and no more; it may say Hello again.
  if (m.version() != shim_protocol_version) return from.send(message);
  from.greeted = true;
  from.events = m.events();
  settle_orphaned_launches();
  for (const auto& [id, c] : containers_) {
    // One whose launch is under way is told too, without a pid.
    auto& held = *out.add_containers();
    held.set_id(id);
    held.set_label(c->label());
    if (c->state() != container::phase::running) continue;
    held.set_pid(c->pid());
    held.set_started_at(c->started_at());
  }
  for (const auto& [id, held] : ended_) *out.add_containers() = held;
  from.send(message);
}

/// Nobody waits for their Reply any more, and the engine that says Hello now must not miss how they ended. That takes
/// milliseconds, and happens only when an engine was killed at that moment.
void server::settle_orphaned_launches() {
  std::vector<std::string> ids;
  for (const auto& [id, c] : containers_)
    if (c->state() == container::phase::launching && connection(c->asked_by().connection) == nullptr) ids.push_back(id);
  const auto until = event_loop::clock::now() + settle_ms_max;
  for (const auto& id : ids) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - event_loop::clock::now());
    containers_.at(id)->settle(std::max(left, std::chrono::milliseconds(0)));
  }
}

result<> server::check_launch(const pb::Launch& m) const {
  const auto refuse = [&](errc code, std::string why) { return error{code, 0, "launch `" + m.id() + "`: " + why}; };
  if (m.id().empty() || m.id().size() > id_bytes_max) return refuse(errc::invalid_parameter, "bad id");
  if (containers_.count(m.id()) != 0) return refuse(errc::conflict, "it runs already");
  if (ended_.count(m.id()) != 0) return refuse(errc::conflict, "its last exit is not acknowledged");
  if (m.label().size() > label_bytes_max) return refuse(errc::invalid_parameter, "its label is too long");
  if (m.log().driver() == pb::Log::JSON_FILE && (m.log().path().empty() || m.log().path()[0] != '/'))
    return refuse(errc::invalid_parameter, "the log's path is not absolute");
  if (m.log().attributes_json().size() > log_attributes_bytes_max)
    return refuse(errc::invalid_parameter, "the log's attributes are too long");
  if (m.log().max_size_bytes() < 0 || m.log().max_files() > log_files_max)
    return refuse(errc::invalid_parameter, "the log's size or number of files is out of range");
  if (ending_) return refuse(errc::unavailable, "the shim is ending");
  if (launches_ >= launches_max) return refuse(errc::unavailable, "too many launches are under way");
  if (held_bytes_ + held_size(m.id(), m.label()) > held_bytes_max)
    return refuse(errc::unavailable, "the shim holds too many containers");
  return {};
}

void server::launch(engine_connection& from, std::uint64_t request, pb::Launch&& m) {
  auto sockets = from.take_fds(static_cast<std::size_t>(m.attaches_size()));
  if (!sockets) return;
  if (auto checked = check_launch(m); !checked) return reply(from, request, checked);
  const auto options = std::move(*m.mutable_attaches());
  auto c = std::make_unique<container>(context(), *this, std::move(m), container::asker{from.serial(), request});
  if (auto begun = c->begin(std::move(*sockets), options); !begun) {
    c.reset();
    return reply(from, request, begun);
  }
  ++launches_;
  held_bytes_ += held_size(c->id(), c->label());
  by_pid_[c->pid()] = c.get();
  auto id = c->id();
  containers_.emplace(std::move(id), std::move(c));
}

result<container*> server::find(const std::string& id) {
  if (const auto at = containers_.find(id); at != containers_.end()) return at->second.get();
  if (ended_.count(id) != 0) return error{errc::conflict, 0, "container `" + id + "` is not running"};
  return error{errc::not_found, 0, "the shim holds no container `" + id + "`"};
}

result<> server::attach(engine_connection& from, const pb::Attach& m) {
  auto sockets = from.take_fds(1);
  if (!sockets) return error{errc::invalid_parameter, 0, "attach: the socket is missing"};
  GANTRY_TRY(c, find(m.id()));
  return c->attach(std::move(sockets->front()), m.options());
}

result<> server::acknowledge(const std::string& id) {
  const auto at = ended_.find(id);
  if (at == ended_.end()) {
    if (containers_.count(id) != 0) return error{errc::conflict, 0, "acknowledge `" + id + "`: it has not ended"};
    return error{errc::not_found, 0, "the shim holds no container `" + id + "`"};
  }
  forget_held(held_size(id, at->second.label()));
  ended_.erase(at);
  return {};
}

result<> server::shut_down() {
  if (!containers_.empty())
    return error{errc::conflict, 0, "shut the shim down: " + std::to_string(containers_.size()) + " containers run"};
  begin_ending();
  return {};
}

} // namespace gantry::runtime::shim
