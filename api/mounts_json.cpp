/// HostConfig.Mounts from and to JSON, and the Mounts[] that inspect and the list show.
#include "api/container_json_parts.hpp"

namespace gantry::api {
namespace {

/// `emplace()` for clang 14, which does not see that a nested class with default member values can be made without any.
template <class Options>
Options& fresh(std::optional<Options>& place) {
  return *(place = Options{});
}

void read_bind_options(json_object& in, mount_request::bind_options& out) {
  in.read("Propagation", out.propagation);
  in.read("NonRecursive", out.non_recursive);
  in.read("CreateMountpoint", out.create_mountpoint);
  in.read("ReadOnlyNonRecursive", out.read_only_non_recursive);
  in.read("ReadOnlyForceRecursive", out.read_only_force_recursive);
}

void read_volume_options(json_object& in, mount_request::volume_options& out) {
  in.read("NoCopy", out.no_copy);
  in.read("Labels", out.labels);
  in.read("Subpath", out.subpath);
  in.object("DriverConfig", [&](json_object& driver) {
    driver.read("Name", out.driver_name);
    driver.read("Options", out.driver_options);
  });
}

void read_tmpfs_options(json_object& in, mount_request::tmpfs_options& out) {
  in.read("SizeBytes", out.size_bytes);
  in.read("Mode", out.mode);
  in.read("Options", out.options);
}

void write_flag(json_out& out, std::string_view name, bool yes) {
  if (yes) out.member(name, true);
}
void write_text(json_out& out, std::string_view name, const std::string& text) {
  if (!text.empty()) out.member(name, text);
}

void write_bind_options(json_out& out, const mount_request::bind_options& o) {
  out.key("BindOptions").begin_object();
  write_text(out, "Propagation", o.propagation);
  write_flag(out, "NonRecursive", o.non_recursive);
  write_flag(out, "CreateMountpoint", o.create_mountpoint);
  write_flag(out, "ReadOnlyNonRecursive", o.read_only_non_recursive);
  write_flag(out, "ReadOnlyForceRecursive", o.read_only_force_recursive);
  out.end_object();
}

void write_volume_options(json_out& out, const mount_request::volume_options& o) {
  out.key("VolumeOptions").begin_object();
  write_flag(out, "NoCopy", o.no_copy);
  if (!o.labels.empty()) out.member("Labels", o.labels);
  write_text(out, "Subpath", o.subpath);
  if (!o.driver_name.empty() || !o.driver_options.empty()) {
    out.key("DriverConfig").begin_object();
    write_text(out, "Name", o.driver_name);
    if (!o.driver_options.empty()) out.member("Options", o.driver_options);
    out.end_object();
  }
  out.end_object();
}

void write_tmpfs_options(json_out& out, const mount_request::tmpfs_options& o) {
  out.key("TmpfsOptions").begin_object();
  if (o.size_bytes != 0) out.member("SizeBytes", o.size_bytes);
  if (o.mode != 0) out.member("Mode", o.mode);
  if (!o.options.empty()) {
    out.key("Options").begin_array();
    for (const auto& words : o.options) out.value(words);
    out.end_array();
  }
  out.end_object();
}

} // namespace

void read_mounts(json_object& in, std::vector<mount_request>& out) {
  in.each_object("Mounts", [&](json_object& m) {
    mount_request mount;
    m.read("Type", mount.type);
    m.read("Source", mount.source);
    m.read("Target", mount.target);
    m.read("ReadOnly", mount.read_only);
    m.read("Consistency", mount.consistency);
    m.object("BindOptions", [&](json_object& o) { read_bind_options(o, fresh(mount.bind)); });
    m.object("VolumeOptions", [&](json_object& o) { read_volume_options(o, fresh(mount.volume)); });
    m.object("TmpfsOptions", [&](json_object& o) { read_tmpfs_options(o, fresh(mount.tmpfs)); });
    out.push_back(std::move(mount));
  });
}

void write_mounts(json_out& out, const std::vector<mount_request>& mounts) {
  out.begin_array();
  for (const auto& m : mounts) {
    out.begin_object();
    write_text(out, "Type", m.type);
    write_text(out, "Source", m.source);
    write_text(out, "Target", m.target);
    write_flag(out, "ReadOnly", m.read_only);
    write_text(out, "Consistency", m.consistency);
    if (m.bind) write_bind_options(out, *m.bind);
    if (m.volume) write_volume_options(out, *m.volume);
    if (m.tmpfs) write_tmpfs_options(out, *m.tmpfs);
    out.end_object();
  }
  out.end_array();
}

void write_mount_points(json_out& out, const std::vector<mount_point>& mounts) {
  out.begin_array();
  for (const auto& m : mounts) {
    out.begin_object();
    write_text(out, "Type", m.type);
    write_text(out, "Name", m.name);
    out.member("Source", m.source);
    out.member("Destination", m.destination);
    write_text(out, "Driver", m.driver);
    out.member("Mode", m.mode);
    out.member("RW", m.rw);
    out.member("Propagation", m.propagation);
    out.end_object();
  }
  out.end_array();
}

} // namespace gantry::api
