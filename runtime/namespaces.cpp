#include "runtime/namespaces.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "io/base/assert.hpp"
#include "runtime/files.hpp"

namespace gantry::runtime {

namespace {

bool is_private(const pb::Namespaces::Choice& c) { return c.mode() == pb::Namespaces::PRIVATE; }

result<> join(const pb::Namespaces::Choice& c, int kind, const char* name) {
  if (c.mode() != pb::Namespaces::PATH) return {};
  const unique_fd fd{::open(c.path().c_str(), O_RDONLY | O_CLOEXEC)};
  if (!fd || ::setns(fd.get(), kind) != 0)
    return sys_error(std::string("join ") + name + " namespace `" + c.path() + "`", errno);
  return {};
}

} // namespace

std::uint64_t clone_flags(const pb::Namespaces& n) noexcept {
  std::uint64_t flags = 0;
  if (is_private(n.pid())) flags |= CLONE_NEWPID;
  if (is_private(n.ipc())) flags |= CLONE_NEWIPC;
  if (is_private(n.uts())) flags |= CLONE_NEWUTS;
  return flags;
}

result<> enter_namespaces(const pb::Namespaces& n) {
  GANTRY_TRYV(join(n.ipc(), CLONE_NEWIPC, "ipc"));
  GANTRY_TRYV(join(n.uts(), CLONE_NEWUTS, "uts"));
  GANTRY_TRYV(join(n.network(), CLONE_NEWNET, "network"));
  GANTRY_TRYV(join(n.cgroup(), CLONE_NEWCGROUP, "cgroup"));
  const int flags = (is_private(n.network()) ? CLONE_NEWNET : 0) | (is_private(n.cgroup()) ? CLONE_NEWCGROUP : 0);
  if (flags == 0 || ::unshare(flags) == 0) return {};
  std::string what = "unshare namespaces";
  // ENOSPC: the sysctl's count is used up; it is per user and counts all engines.
  if (errno == ENOSPC) what += " (raise the sysctl user.max_net_namespaces)";
  return sys_error(std::move(what), errno);
}

result<> loopback_up() {
  const unique_fd any{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!any) return sys_error("bring up lo: socket", errno);
  ifreq request{};
  std::copy_n("lo", 3, request.ifr_name);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (::ioctl(any.get(), SIOCSIFFLAGS, &request) != 0) return sys_error("bring up lo", errno);
  return {};
}

result<> write_sysctls(const pb::Spec& spec, int procfd) {
  for (const auto& [name, value] : spec.sysctl()) {
    if (name.find("..") != std::string::npos || name.find('/') == 0)
      return error{errc::invalid_parameter, EINVAL, "sysctl \"" + name + "\" is not a name"};
    std::string file = name;
    // "net/ipv4/conf/eth0.1/forwarding" is written with slashes when a part has a dot, as sysctl(8) takes it.
    if (file.find('/') == std::string::npos) std::replace(file.begin(), file.end(), '.', '/');
    file.insert(0, procfd >= 0 ? "sys/" : "/proc/sys/");
    if (const int err = write_file_at(procfd, file.c_str(), value))
      return sys_error("error setting sysctl " + name + ": open /proc/sys/" + file.substr(file.find("sys/") + 4), err);
  }
  return {};
}

result<pid_namespace_guard> pid_namespace_guard::enter(const std::string& path) {
  unique_fd own{::open("/proc/self/ns/pid_for_children", O_RDONLY | O_CLOEXEC)};
  if (!own) return sys_error("open /proc/self/ns/pid_for_children", errno);
  const unique_fd other{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!other || ::setns(other.get(), CLONE_NEWPID) != 0) return sys_error("join pid namespace `" + path + "`", errno);
  return pid_namespace_guard(std::move(own));
}

pid_namespace_guard::~pid_namespace_guard() {
  // Going back to one's own is always allowed; staying would put every later container into the wrong one.
  if (own_) GANTRY_ASSERT(::setns(own_.get(), CLONE_NEWPID) == 0);
}

} // namespace gantry::runtime
