/// ContainerConfig from and to JSON. Source: spec/engine-api-v1.51.yaml, definition ContainerConfig; the order of the
/// members and which of them are left out when empty follow the Go struct that Docker encodes.
#include "api/container_json_parts.hpp"

namespace gantry::api {
namespace {

void read_healthcheck(json_object& in, health_config& out) {
  in.read("Test", out.test);
  in.read("Interval", out.interval_ns);
  in.read("Timeout", out.timeout_ns);
  in.read("StartPeriod", out.start_period_ns);
  in.read("StartInterval", out.start_interval_ns);
  in.read("Retries", out.retries);
}

void write_number(json_out& out, std::string_view name, std::int64_t n) {
  if (n != 0) out.member(name, n);
}

void write_healthcheck(json_out& out, const health_config& h) {
  out.key("Healthcheck").begin_object();
  if (h.test) out.member("Test", *h.test);
  write_number(out, "Interval", h.interval_ns);
  write_number(out, "Timeout", h.timeout_ns);
  write_number(out, "StartPeriod", h.start_period_ns);
  write_number(out, "StartInterval", h.start_interval_ns);
  write_number(out, "Retries", h.retries);
  out.end_object();
}

void write_record(json_out& out, const container_config& c) {
  const auto text = [&](std::string_view name, const std::string& v) {
    if (!v.empty()) out.member(name, v);
  };
  const auto flag = [&](std::string_view name, bool v) {
    if (v) out.member(name, true);
  };
  const auto maybe = [&](std::string_view name, const auto& v) {
    if (v) out.member(name, *v);
  };
  out.begin_object();
  text("Hostname", c.hostname);
  text("Domainname", c.domainname);
  text("User", c.user);
  flag("AttachStdin", c.attach_stdin);
  flag("AttachStdout", c.attach_stdout);
  flag("AttachStderr", c.attach_stderr);
  if (!c.exposed_ports.empty()) out.member_keys("ExposedPorts", c.exposed_ports);
  flag("Tty", c.tty);
  flag("OpenStdin", c.open_stdin);
  flag("StdinOnce", c.stdin_once);
  if (!c.env.empty()) out.member("Env", c.env);
  maybe("Cmd", c.cmd);
  if (c.healthcheck) write_healthcheck(out, *c.healthcheck);
  flag("ArgsEscaped", c.args_escaped);
  text("Image", c.image);
  if (!c.volumes.empty()) out.member_keys("Volumes", c.volumes);
  text("WorkingDir", c.working_dir);
  maybe("Entrypoint", c.entrypoint);
  flag("NetworkDisabled", c.network_disabled);
  text("MacAddress", c.mac_address);
  maybe("OnBuild", c.on_build);
  if (!c.labels.empty()) out.member("Labels", c.labels);
  text("StopSignal", c.stop_signal);
  maybe("StopTimeout", c.stop_timeout_s);
  maybe("Shell", c.shell);
  out.end_object();
}

void write_inspect(json_out& out, const container_config& c) {
  out.begin_object();
  out.member("Hostname", c.hostname);
  out.member("Domainname", c.domainname);
  out.member("User", c.user);
  out.member("AttachStdin", c.attach_stdin);
  out.member("AttachStdout", c.attach_stdout);
  out.member("AttachStderr", c.attach_stderr);
  if (!c.exposed_ports.empty()) out.member_keys("ExposedPorts", c.exposed_ports);
  out.member("Tty", c.tty);
  out.member("OpenStdin", c.open_stdin);
  out.member("StdinOnce", c.stdin_once);
  out.member_or_null("Env", c.env);
  out.member("Cmd", c.cmd);
  if (c.healthcheck) write_healthcheck(out, *c.healthcheck);
  if (c.args_escaped) out.member("ArgsEscaped", true);
  out.member("Image", c.image);
  if (c.volumes.empty())
    out.key("Volumes").null();
  else
    out.member_keys("Volumes", c.volumes);
  out.member("WorkingDir", c.working_dir);
  out.member("Entrypoint", c.entrypoint);
  if (c.network_disabled) out.member("NetworkDisabled", true);
  if (!c.mac_address.empty()) out.member("MacAddress", c.mac_address);
  out.member("OnBuild", c.on_build);
  out.member("Labels", c.labels); // never null: merging with the image makes the map
  if (!c.stop_signal.empty()) out.member("StopSignal", c.stop_signal);
  if (c.stop_timeout_s) out.member("StopTimeout", *c.stop_timeout_s);
  if (c.shell && !c.shell->empty()) out.member("Shell", *c.shell);
  out.end_object();
}

} // namespace

void read_container_config(json_object& in, container_config& out) {
  in.read("Hostname", out.hostname);
  in.read("Domainname", out.domainname);
  in.read("User", out.user);
  in.read("AttachStdin", out.attach_stdin);
  in.read("AttachStdout", out.attach_stdout);
  in.read("AttachStderr", out.attach_stderr);
  in.read_keys("ExposedPorts", out.exposed_ports);
  in.read("Tty", out.tty);
  in.read("OpenStdin", out.open_stdin);
  in.read("StdinOnce", out.stdin_once);
  in.read("Env", out.env);
  in.read_words("Cmd", out.cmd);
  in.object("Healthcheck", [&](json_object& h) { read_healthcheck(h, out.healthcheck.emplace()); });
  in.read("ArgsEscaped", out.args_escaped);
  in.read("Image", out.image);
  in.read_keys("Volumes", out.volumes);
  in.read("WorkingDir", out.working_dir);
  in.read_words("Entrypoint", out.entrypoint);
  in.read("NetworkDisabled", out.network_disabled);
  in.read("MacAddress", out.mac_address);
  in.read("OnBuild", out.on_build);
  in.read("Labels", out.labels);
  in.read("StopSignal", out.stop_signal);
  in.read("StopTimeout", out.stop_timeout_s);
  in.read_words("Shell", out.shell);
}

void write_container_config(json_out& out, const container_config& c, shape form) {
  switch (form) {
  case shape::record:
    return write_record(out, c);
  case shape::inspect:
    return write_inspect(out, c);
  }
}

result<container_config> parse_container_config(std::string_view json) {
  GANTRY_TRY(document, json_document::parse(json));
  json_object in(document.root(), "Config");
  container_config config;
  read_container_config(in, config);
  GANTRY_TRYV(in.finish());
  return config;
}

std::string render_container_config(const container_config& c, shape form) {
  std::string text;
  json_out out(text);
  write_container_config(out, c, form);
  return text;
}

} // namespace gantry::api
