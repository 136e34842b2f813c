/// What compile_spec must know of the host, read once.
#include <fstream>
#include <glob.h>
#include <sstream>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "actors/spec_compiler.hpp"
#include "actors/spec_files.hpp"
#include "runtime/cgroup.hpp"

namespace gantry::actors {

namespace {

/// The host's own files, written by its administrator: still nobody needs more of them.
constexpr std::streamsize host_file_bytes_max = 1 << 20;

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(static_cast<std::size_t>(host_file_bytes_max), '\0');
  in.read(text.data(), host_file_bytes_max);
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

/// systemd-resolved's stub cannot be reached from a container, so its own upstream servers are taken then.
std::string read_resolv_conf() {
  const std::string text = read_text("/etc/resolv.conf");
  const auto servers = parse_resolv_conf(text).nameservers;
  if (servers.size() != 1 || servers.front() != "127.0.0.53") return text;
  const std::string upstream = read_text("/run/systemd/resolve/resolv.conf");
  return upstream.empty() ? text : upstream;
}

bool has_swap_limit(const runtime::cgroup_layout& layout) {
  for (const auto& h : layout.hierarchies)
    if (h.controllers.find("memory") != std::string::npos)
      return ::access((h.mount_point + "/memory.memsw.limit_in_bytes").c_str(), F_OK) == 0;
  // v2 has the file in every group but the root.
  return layout.mode == runtime::cgroup_layout::kind::v2;
}

} // namespace

host_facts host_facts::read() {
  host_facts facts;
  if (const auto layout = runtime::cgroup_layout::detect(); layout.has_value()) {
    facts.cgroup_v2 = layout->mode == runtime::cgroup_layout::kind::v2;
    facts.swap_limit = has_swap_limit(*layout);
  }
  facts.cpus = static_cast<unsigned>(::get_nprocs());
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) == 0) facts.hostname = name;
  facts.resolv_conf = read_resolv_conf();
  facts.etc_hosts = read_text("/etc/hosts");
  glob_t found{};
  if (::glob("/sys/devices/system/cpu/cpu[0-9]*/thermal_throttle", 0, nullptr, &found) == 0)
    for (std::size_t i = 0; i < found.gl_pathc; ++i) facts.thermal_throttle_paths.emplace_back(found.gl_pathv[i]);
  ::globfree(&found);
  return facts;
}

} // namespace gantry::actors
