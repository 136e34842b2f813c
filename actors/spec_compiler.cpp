#include "actors/spec_compiler.hpp"

#include <algorithm>
#include <sys/stat.h>

#include "actors/spec_files.hpp"
#include "actors/spec_mounts.hpp"
#include "actors/spec_resources.hpp"
#include "actors/spec_security.hpp"
#include "actors/spec_text.hpp"

namespace gantry::actors {

using namespace text;

namespace {

using runtime::pb::Namespaces;

constexpr const char* default_path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string name_of(const std::string& entry) { return entry.substr(0, entry.find('=')); }

/// Docker's order: its own variables, then the request's over them; an entry without "=" takes a variable away.
api::string_list make_env(const spec_inputs& in) {
  api::string_list env = {default_path, "HOSTNAME=" + hostname_of(in)};
  if (in.definition.config.tty) env.emplace_back("TERM=xterm");
  const auto own = env.size();
  for (const auto& entry : in.definition.config.env) {
    const auto end = env.begin() + static_cast<std::ptrdiff_t>(own);
    const auto found =
        std::find_if(env.begin(), end, [&](const std::string& e) { return name_of(e) == name_of(entry); });
    if (entry.find('=') == std::string::npos) {
      if (found != end) found->clear();
    } else if (found != end) {
      *found = entry;
    } else {
      env.push_back(entry);
    }
  }
  std::erase(env, "");
  return env;
}

void fill_process(const spec_inputs& in, runtime::pb::Spec& spec) {
  const auto& d = in.definition;
  auto& p = *spec.mutable_process();
  p.add_args(d.path);
  for (const auto& a : d.args) p.add_args(a);
  for (auto& e : make_env(in)) p.add_env(std::move(e));
  p.set_cwd(d.config.working_dir.empty() ? "/" : clean_path(d.config.working_dir));
  p.set_terminal(d.config.tty);
  p.set_console_rows(d.host.console_rows);
  p.set_console_columns(d.host.console_columns);
  p.mutable_user()->set_spec(d.config.user);
  for (const auto& g : d.host.group_add) p.mutable_user()->add_additional_groups(g);
  p.set_oom_score_adj(static_cast<std::int32_t>(d.host.oom_score_adj));
  p.set_open_stdin(d.config.open_stdin);
}

/// --init: only with an own pid namespace, where its program can be the first process.
result<> fill_init(const spec_inputs& in, runtime::pb::Spec& spec) {
  if (!in.definition.host.init.value_or(in.init_default)) return {};
  if (spec.namespaces().pid().mode() != Namespaces::PRIVATE) return {};
  if (in.init_path.empty())
    return error{errc::internal, ENOENT, "exec: \"docker-init\": executable file not found in $PATH"};
  spec.mutable_process()->set_init_path(in.init_path);
  return {};
}

void choose(Namespaces::Choice& choice, Namespaces::Mode mode, const std::string& path = {}) {
  choice.set_mode(mode);
  choice.set_path(path);
}

result<> join_namespace(Namespaces::Choice& choice, const std::string& mode, const std::string& path,
                        const char* what) {
  if (path.empty())
    return error{errc::conflict, 0,
                 std::string("cannot join ") + what +
                     " namespace of a non running container: " + mode.substr(mode.find(':') + 1)};
  choose(choice, Namespaces::PATH, path);
  return {};
}

bool is_container(const std::string& mode) { return mode.starts_with("container:"); }

result<> fill_ipc(const spec_inputs& in, Namespaces& n) {
  const std::string mode = in.definition.host.ipc_mode.empty() ? in.ipc_mode_default : in.definition.host.ipc_mode;
  if (mode == "host")
    choose(*n.mutable_ipc(), Namespaces::HOST);
  else if (is_container(mode))
    return join_namespace(*n.mutable_ipc(), mode, in.ipc_namespace_path, "ipc");
  else if (mode == "private" || mode == "shareable" || mode == "none")
    choose(*n.mutable_ipc(), Namespaces::PRIVATE);
  else
    return invalid("invalid IPC mode: " + mode);
  return {};
}

result<> fill_network(const spec_inputs& in, Namespaces& n) {
  const std::string& mode = in.definition.host.network_mode;
  if (mode == "host")
    choose(*n.mutable_network(), Namespaces::HOST);
  else if (is_container(mode))
    return join_namespace(*n.mutable_network(), mode, in.network_namespace_path, "network");
  else if (!in.network_namespace_path.empty())
    choose(*n.mutable_network(), Namespaces::PATH, in.network_namespace_path);
  else
    choose(*n.mutable_network(), Namespaces::PRIVATE);
  return {};
}

result<> fill_namespaces(const spec_inputs& in, runtime::pb::Spec& spec) {
  auto& n = *spec.mutable_namespaces();
  const auto& host = in.definition.host;
  if (host.pid_mode == "host")
    choose(*n.mutable_pid(), Namespaces::HOST);
  else if (is_container(host.pid_mode))
    GANTRY_TRYV(join_namespace(*n.mutable_pid(), host.pid_mode, in.pid_namespace_path, "PID"));
  else if (host.pid_mode.empty() || host.pid_mode == "private")
    choose(*n.mutable_pid(), Namespaces::PRIVATE);
  else
    return invalid("invalid PID mode: " + host.pid_mode);

  GANTRY_TRYV(fill_ipc(in, n));
  GANTRY_TRYV(fill_network(in, n));
  if (host.uts_mode != "" && host.uts_mode != "host") return invalid("invalid UTS mode: " + host.uts_mode);
  choose(*n.mutable_uts(), host.uts_mode == "host" ? Namespaces::HOST : Namespaces::PRIVATE);
  if (!host.userns_mode.empty() && host.userns_mode != "host")
    return invalid("invalid user namespace mode: " + host.userns_mode);

  std::string cgroupns = host.cgroupns_mode.empty() ? in.cgroupns_mode_default : host.cgroupns_mode;
  if (cgroupns.empty()) cgroupns = in.host.cgroup_v2 ? "private" : "host";
  if (cgroupns != "private" && cgroupns != "host") return invalid("invalid cgroup namespace mode: " + cgroupns);
  choose(*n.mutable_cgroup(), cgroupns == "host" ? Namespaces::HOST : Namespaces::PRIVATE);
  return {};
}

void fill_root(const spec_inputs& in, runtime::pb::Spec& spec) {
  auto& root = *spec.mutable_root();
  for (const auto& dir : in.definition.lower_dirs) root.add_lower_dirs(dir);
  root.set_upper_dir(in.definition.upper_dir);
  root.set_work_dir(in.definition.work_dir);
  // Nobody will read what such a container wrote after a crash of the host, so nothing has to reach the disk.
  root.set_volatile_upper(in.definition.host.auto_remove);
  root.set_readonly(in.definition.host.readonly_rootfs);
}

} // namespace

result<runtime::pb::Spec> compile_spec(const spec_inputs& inputs) {
  runtime::pb::Spec spec;
  GANTRY_TRY(options, read_security_options(inputs.definition.host));
  fill_process(inputs, spec);
  fill_root(inputs, spec);
  GANTRY_TRYV(fill_namespaces(inputs, spec));
  GANTRY_TRYV(fill_init(inputs, spec));
  if (inputs.definition.host.uts_mode != "host") spec.set_hostname(hostname_of(inputs));
  spec.set_domainname(inputs.definition.config.domainname);
  spec.mutable_cgroup()->set_path(inputs.cgroup_path);
  fill_resources(inputs, spec);
  GANTRY_TRYV(fill_devices(inputs, spec));
  GANTRY_TRYV(fill_ulimits(inputs, spec));
  GANTRY_TRYV(fill_sysctls(inputs, spec));
  GANTRY_TRYV(fill_security(inputs, options, spec));
  GANTRY_TRYV(fill_files(inputs, spec));
  GANTRY_TRYV(fill_mounts(inputs, options, spec));
  return spec;
}

result<std::vector<std::string>> check_host_config(const api::container_config& config, const api::host_config& host,
                                                   const host_facts& facts) {
  std::vector<std::string> warnings;
  GANTRY_TRYV(check_limits(host, facts, warnings));
  GANTRY_TRYV(resolve_capabilities(host));
  GANTRY_TRYV(read_security_options(host));
  GANTRY_TRYV(parse_user_mounts(config, host));
  GANTRY_TRYV(check_extra_hosts(host));
  for (const auto& u : host.ulimits) GANTRY_TRYV(read_ulimit(u));
  for (const auto& rule : host.device_cgroup_rules) GANTRY_TRYV(parse_device_rule(rule));
  for (const auto& entry : config.env)
    if (entry.empty() || entry.front() == '=') return invalid("invalid environment variable: " + entry);
  if (!config.working_dir.empty() && config.working_dir.front() != '/')
    return invalid("the working directory '" + config.working_dir + "' is invalid, it needs to be an absolute path");
  return warnings;
}

} // namespace gantry::actors
