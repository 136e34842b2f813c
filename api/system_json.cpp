/// Ping, version and info. Members and their types follow spec/engine-api-v1.51.yaml, SystemVersion and SystemInfo.
#include "api/system_json.hpp"

#include "api/json_write.hpp"

namespace gantry::api {

namespace {

namespace json = boost::json;

std::string to_text(api_version v) { return std::to_string(v.major) + "." + std::to_string(v.minor); }
std::string to_text(bool b) { return b ? "true" : "false"; }

json::object engine_component(const engine_facts& f) {
  return {{"Name", "Engine"},
          {"Version", f.version},
          {"Details", json::object{{"ApiVersion", to_text(api_version_max)},
                                   {"Arch", f.go_architecture},
                                   {"BuildTime", f.build_time},
                                   {"Experimental", to_text(f.experimental)},
                                   {"GitCommit", f.git_commit},
                                   {"GoVersion", "none"},
                                   {"KernelVersion", f.kernel_version},
                                   {"MinAPIVersion", to_text(api_version_min)},
                                   {"Os", "linux"}}}};
}

json::object gantry_component(const engine_facts& f) {
  return {{"Name", "gantry"},
          {"Version", f.gantry_version},
          {"Details", json::object{{"GitCommit", f.git_commit}, {"Reactor", f.reactor}}}};
}

json::object registry_config(const engine_facts& f) {
  json::object hub{
      {"Name", "docker.io"}, {"Mirrors", json_array(f.registry_mirrors)}, {"Secure", true}, {"Official", true}};
  return {{"InsecureRegistryCIDRs", json_array(f.insecure_registry_cidrs)},
          {"IndexConfigs", json::object{{"docker.io", hub}}},
          {"Mirrors", json_array(f.registry_mirrors)}};
}

/// An engine outside any swarm says so (behaviours 295).
json::object no_swarm() {
  return {{"NodeID", ""}, {"NodeAddr", ""},           {"LocalNodeState", "inactive"}, {"ControlAvailable", false},
          {"Error", ""},  {"RemoteManagers", nullptr}};
}

json::object plugins() {
  return {{"Volume", json::array{}},
          {"Network", json::array{"host", "null"}},
          {"Authorization", json::array{}},
          {"Log", json::array{"json-file", "none"}}};
}

void add_counts(json::object& o, const engine_counts& c) {
  o["Containers"] = c.containers;
  o["ContainersRunning"] = c.running;
  o["ContainersPaused"] = c.paused;
  o["ContainersStopped"] = c.stopped;
  o["Images"] = c.images;
}

void add_host(json::object& o, const engine_facts& f) {
  o["KernelVersion"] = f.kernel_version;
  o["OperatingSystem"] = f.operating_system;
  o["OSVersion"] = f.os_version;
  o["OSType"] = "linux";
  o["Architecture"] = f.architecture;
  o["NCPU"] = f.cpus;
  o["MemTotal"] = f.memory_bytes;
  o["Name"] = f.name;
  o["DockerRootDir"] = f.data_root;
  o["HttpProxy"] = f.http_proxy;
  o["HttpsProxy"] = f.https_proxy;
  o["NoProxy"] = f.no_proxy;
}

void add_abilities(json::object& o, const engine_facts& f, api_version version) {
  o["MemoryLimit"] = f.memory_limit;
  o["SwapLimit"] = f.swap_limit;
  o["CpuCfsPeriod"] = f.cpu_cfs;
  o["CpuCfsQuota"] = f.cpu_cfs;
  o["CPUShares"] = f.cpu_shares;
  o["CPUSet"] = f.cpuset;
  o["PidsLimit"] = f.pids_limit;
  o["OomKillDisable"] = f.oom_kill_disable;
  o["IPv4Forwarding"] = f.ipv4_forwarding;
  // Shown until 1.49 (behaviours 284); this engine asks neither of the kernel.
  if (version < api_version{1, 50}) {
    o["BridgeNfIptables"] = false;
    o["BridgeNfIp6tables"] = false;
  }
  if (version < api_version{1, 42}) o["KernelMemory"] = false;
  o["CgroupDriver"] = f.cgroup_driver;
  o["CgroupVersion"] = f.cgroup_version;
  o["SecurityOptions"] = json_array(f.security_options);
  o["Plugins"] = plugins();
  o["LoggingDriver"] = f.log_driver;
}

void add_runtimes(json::object& o, const engine_facts& f, api_version version) {
  o["Runtimes"] = json::object{{f.default_runtime, json::object{{"path", "gantry-shim"}}}};
  o["DefaultRuntime"] = f.default_runtime;
  o["LiveRestoreEnabled"] = f.live_restore;
  o["Isolation"] = "";
  o["InitBinary"] = f.init_binary;
  // Docker says N/A of a tool whose version it cannot ask; here there is no such tool.
  json::object no_commit{{"ID", "N/A"}};
  if (version < api_version{1, 49}) no_commit["Expected"] = "N/A";
  for (const char* name : {"ContainerdCommit", "RuncCommit", "InitCommit"}) o[name] = no_commit;
}

void add_daemon(json::object& o, const engine_facts& f, unix_nanos now) {
  o["Debug"] = f.debug;
  o["NFd"] = f.descriptors;
  o["NGoroutines"] = 0;
  o["NEventsListener"] = f.event_listeners;
  o["SystemTime"] = format_rfc3339_nano(now);
  o["ServerVersion"] = f.version;
  o["ExperimentalBuild"] = f.experimental;
  o["Labels"] = json_array(f.labels);
  o["Warnings"] = json_array(f.warnings);
  o["Swarm"] = no_swarm();
  o["IndexServerAddress"] = "https://index.docker.io/v1/";
  o["RegistryConfig"] = registry_config(f);
  o["GenericResources"] = json::array{};
  o["CDISpecDirs"] = json::array{};
}

} // namespace

reply render_ping(bool head) {
  reply out;
  out.content_type = head ? "text/plain" : "text/plain; charset=utf-8";
  out.headers = {{"Builder-Version", "1"},
                 {"Cache-Control", "no-cache, no-store, must-revalidate"},
                 {"Pragma", "no-cache"},
                 {"Swarm", "inactive"}};
  if (!head) out.body = "OK";
  return out;
}

std::string render_version(const engine_facts& f) {
  json::object out{{"Platform", json::object{{"Name", "Gantry " + f.gantry_version}}},
                   {"Components", json::array{engine_component(f), gantry_component(f)}},
                   {"Version", f.version},
                   {"ApiVersion", to_text(api_version_max)},
                   {"MinAPIVersion", to_text(api_version_min)},
                   {"GitCommit", f.git_commit},
                   {"GoVersion", "none"},
                   {"Os", "linux"},
                   {"Arch", f.go_architecture},
                   {"KernelVersion", f.kernel_version}};
  if (f.experimental) out["Experimental"] = true;
  out["BuildTime"] = f.build_time;
  return json_line(out);
}

std::string render_info(const engine_facts& facts, const engine_counts& counts, unix_nanos now, api_version version) {
  json::object out{{"ID", facts.id}};
  add_counts(out, counts);
  out["Driver"] = "overlay2";
  out["DriverStatus"] = json::array{json::array{"Supports d_type", "true"}, json::array{"Reactor", facts.reactor}};
  add_host(out, facts);
  add_abilities(out, facts, version);
  add_runtimes(out, facts, version);
  add_daemon(out, facts, now);
  return json_line(out);
}

} // namespace gantry::api
