#include "actors/container_record.hpp"

#include "actors/proto/container_record.pb.h"
#include "api/container_json.hpp"

namespace gantry::actors {

namespace {

constexpr std::uint32_t record_version = 1;

pb::MountPoint to_record(const api::mount_point& m) {
  pb::MountPoint out;
  out.set_type(m.type);
  out.set_name(m.name);
  out.set_source(m.source);
  out.set_destination(m.destination);
  out.set_driver(m.driver);
  out.set_mode(m.mode);
  out.set_propagation(m.propagation);
  out.set_rw(m.rw);
  return out;
}

api::mount_point from_record(const pb::MountPoint& m) {
  return {m.type(), m.name(), m.source(), m.destination(), m.driver(), m.mode(), m.propagation(), m.rw()};
}

} // namespace

std::string encode_container(const api::container_definition& d, const std::string& name) {
  pb::ContainerRecord r;
  r.set_version(record_version);
  r.set_id(d.id);
  r.set_name(name);
  r.set_created(d.created);
  r.set_path(d.path);
  for (auto& arg : d.args) r.add_args(arg);
  r.set_image_id(d.image_id);
  r.set_image_name(d.image_name);
  r.set_config_json(api::render_container_config(d.config));
  r.set_host_config_json(api::render_host_config(d.host));
  for (auto& m : d.mounts) *r.add_mounts() = to_record(m);
  r.set_os(d.os);
  r.set_architecture(d.architecture);
  return r.SerializeAsString();
}

result<stored_container> decode_container(std::string_view bytes) {
  pb::ContainerRecord r;
  if (!r.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) || r.version() != record_version)
    return error{errc::internal, 0, "read a container's record: not a record of this version"};
  auto d = std::make_shared<api::container_definition>();
  d->id = r.id();
  d->created = r.created();
  d->path = r.path();
  d->args.assign(r.args().begin(), r.args().end());
  d->image_id = r.image_id();
  d->image_name = r.image_name();
  GANTRY_TRY(config, api::parse_container_config(r.config_json()));
  GANTRY_TRY(host, api::parse_host_config(r.host_config_json()));
  d->config = std::move(config);
  d->host = std::move(host);
  for (auto& m : r.mounts()) d->mounts.push_back(from_record(m));
  d->os = r.os();
  d->architecture = r.architecture();
  return stored_container{std::move(d), r.name()};
}

std::string encode_state(const stored_state& s) {
  pb::StateRecord r;
  r.set_exit_code(s.state.exit_code);
  r.set_error(s.state.error);
  r.set_oom_killed(s.state.oom_killed);
  r.set_started_at(s.state.started_at);
  r.set_finished_at(s.state.finished_at);
  r.set_was_running(s.was_running);
  r.set_restart_count(s.restart_count);
  return r.SerializeAsString();
}

result<stored_state> decode_state(std::string_view bytes) {
  pb::StateRecord r;
  if (!r.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return error{errc::internal, 0, "read a container's state record: it is damaged"};
  stored_state s;
  s.state.exit_code = r.exit_code();
  s.state.error = r.error();
  s.state.oom_killed = r.oom_killed();
  s.state.started_at = r.started_at();
  s.state.finished_at = r.finished_at();
  s.state.status = s.state.started_at != 0 ? api::container_status::exited : api::container_status::created;
  s.was_running = r.was_running();
  s.restart_count = r.restart_count();
  return s;
}

} // namespace gantry::actors
