#include "runtime/process.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <optional>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/files.hpp"
#include "runtime/root_paths.hpp"
#include "runtime/syscalls.hpp"

namespace gantry::runtime {

namespace {

struct rlimit_name {
  std::string_view name;
  int resource;
};
constexpr rlimit_name rlimit_names[] = {
    {"as", RLIMIT_AS},           {"core", RLIMIT_CORE},         {"cpu", RLIMIT_CPU},
    {"data", RLIMIT_DATA},       {"fsize", RLIMIT_FSIZE},       {"locks", RLIMIT_LOCKS},
    {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE},   {"nproc", RLIMIT_NPROC},       {"rss", RLIMIT_RSS},
    {"rtprio", RLIMIT_RTPRIO},   {"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING},
    {"stack", RLIMIT_STACK},
};

result<> set_capabilities(std::uint64_t effective, std::uint64_t permitted, std::uint64_t inheritable) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  for (int i = 0; i < 2; ++i) {
    data[i].effective = static_cast<__u32>(effective >> (32 * i));
    data[i].permitted = static_cast<__u32>(permitted >> (32 * i));
    data[i].inheritable = static_cast<__u32>(inheritable >> (32 * i));
  }
  if (::syscall(SYS_capset, &header, &data) != 0) return sys_error("unable to apply caps", errno);
  return {};
}

std::uint64_t permitted_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (::syscall(SYS_capget, &header, &data) != 0) return 0;
  return data[0].permitted | (std::uint64_t{data[1].permitted} << 32);
}

constexpr std::uint64_t capability_bit(int n) { return std::uint64_t{1} << n; }

result<> drop_bounding(std::uint64_t bounding) {
  for (int n = 0; n < 64; ++n) {
    if ((bounding & capability_bit(n)) != 0) continue;
    const int has = ::prctl(PR_CAPBSET_READ, n, 0, 0, 0);
    if (has < 0) break; // past the last one that this kernel knows
    if (has == 1 && ::prctl(PR_CAPBSET_DROP, n, 0, 0, 0) != 0) return sys_error("unable to apply bounding set", errno);
  }
  return {};
}

result<> set_ambient(std::uint64_t ambient) {
  (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (int n = 0; n < 64; ++n)
    if ((ambient & capability_bit(n)) != 0 && ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, n, 0, 0) != 0)
      return sys_error("unable to apply ambient set", errno);
  return {};
}

result<> install_filter(const pb::Seccomp& seccomp) {
  sock_fprog program{};
  program.len = static_cast<unsigned short>(seccomp.program().size() / sizeof(sock_filter));
  // The kernel copies it; the bytes of a std::string are aligned for what new gives.
  program.filter = reinterpret_cast<sock_filter*>(const_cast<char*>(seccomp.program().data()));
  if (sys_seccomp(SECCOMP_SET_MODE_FILTER, seccomp.flags(), &program) == 0) return {};
  std::string what = "unable to init seccomp: error loading seccomp filter into kernel";
  // 524, ENOTSUPP: the JIT's memory is used up.
  if (errno == 524) what += " (raise the sysctl net.core.bpf_jit_limit)";
  return sys_error(std::move(what), errno);
}

result<> change_user(const resolved_user& user) {
  if (::setgroups(user.groups.size(), user.groups.data()) != 0) return sys_error("setgroups", errno);
  if (::setresgid(user.gid, user.gid, user.gid) != 0) return sys_error("setgid", errno);
  if (::setresuid(user.uid, user.uid, user.uid) != 0) return sys_error("setuid", errno);
  return {};
}

} // namespace

result<> set_rlimits(const pb::Process& process) {
  for (const auto& limit : process.rlimits()) {
    const auto* known = std::find_if(std::begin(rlimit_names), std::end(rlimit_names),
                                     [&](const rlimit_name& n) { return n.name == limit.type(); });
    if (known == std::end(rlimit_names))
      return error{errc::invalid_parameter, EINVAL, "invalid rlimit type: " + limit.type()};
    const rlimit value{limit.soft(), limit.hard()};
    // EPERM: the hard limit is above the engine's own and it lacks CAP_SYS_RESOURCE.
    if (::setrlimit(static_cast<__rlimit_resource>(known->resource), &value) != 0)
      return sys_error("error setting rlimit " + limit.type() + " to " + std::to_string(limit.soft()) + ":" +
                           std::to_string(limit.hard()),
                       errno);
  }
  return {};
}

result<> set_oom_score(const pb::Process& process, int procfd) {
  if (!process.has_oom_score_adj()) return {};
  const std::string path = procfd >= 0 ? "self/oom_score_adj" : "/proc/self/oom_score_adj";
  const std::string wanted = std::to_string(process.oom_score_adj());
  const int err = write_file_at(procfd, path.c_str(), wanted);
  if (err == 0) return {};
  // EACCES: below what we inherited, without CAP_SYS_RESOURCE. A plain 0 is Docker's default, not a wish: the container
  // then keeps the engine's own score, which is the more cautious one. A negative value was asked for.
  if (err == EACCES && process.oom_score_adj() >= 0) return {};
  return sys_error("write /proc/self/oom_score_adj", err);
}

result<> enter_cwd(int rootfd, const std::string& cwd, bool& entered) {
  const std::string& dir = cwd.empty() ? "/" : cwd;
  entered = false;
  auto at = make_in_root(rootfd, dir, target::directory);
  if (at.has_error()) {
    if (at.error().sys_errno == ENOTDIR)
      return error{errc::invalid_parameter, ENOTDIR, "Cannot mkdir: " + dir + " is not a directory"};
    return with_context(std::move(at).error(), "chdir to cwd (\"" + dir + "\") set in config.json failed: ");
  }
  // A directory on a network filesystem may be closed to root and open to the user: then it is tried again as them.
  if (::fchdir(at->get()) == 0)
    entered = true;
  else if (errno != EACCES && errno != EPERM)
    return sys_error("chdir to cwd (\"" + dir + "\") set in config.json failed", errno);
  return {};
}

result<> verify_cwd() {
  char buffer[4096];
  const long n = ::syscall(SYS_getcwd, buffer, sizeof buffer);
  // "(unreachable)/...": outside of this root.
  if (n > 0 && buffer[0] == '/') return {};
  return error{errc::internal, n < 0 ? errno : 0,
               "current working directory is outside of container mount namespace root -- possible container breakout "
               "detected"};
}

result<> become(const pb::Spec& spec, const resolved_user& user, bool cwd_entered) {
  const auto& process = spec.process();
  const auto& caps = process.capabilities();
  const auto own = permitted_capabilities();
  GANTRY_TRYV(drop_bounding(caps.bounding()));
  if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return sys_error("keep capabilities", errno);
  GANTRY_TRYV(change_user(user));
  // The change of user cleared the effective set; ours is needed once more, for the filter and the last changes.
  GANTRY_TRYV(set_capabilities(own, own, caps.inheritable()));
  if (!cwd_entered) {
    const std::string& cwd = process.cwd();
    if (::chdir(cwd.c_str()) != 0) return sys_error("chdir to cwd (\"" + cwd + "\") set in config.json failed", errno);
  }
  GANTRY_TRYV(verify_cwd());
  const bool filtered = !spec.seccomp().program().empty();
  // Without no_new_privs a filter wants CAP_SYS_ADMIN, so it comes before the capabilities go; what is left after it is
  // one capset, exec, and on failure one write: a filter that refuses those refuses any program.
  if (!process.no_new_privileges()) {
    GANTRY_TRYV(set_ambient(0));
    if (caps.ambient() != 0) {
      GANTRY_TRYV(set_capabilities(own, own, caps.inheritable() | caps.ambient()));
      GANTRY_TRYV(set_ambient(caps.ambient()));
    }
    if (filtered) GANTRY_TRYV(install_filter(spec.seccomp()));
    return set_capabilities(caps.effective() & own, caps.permitted() & own, caps.inheritable() & own);
  }
  GANTRY_TRYV(set_capabilities(caps.effective() & own, caps.permitted() & own, caps.inheritable() & own));
  GANTRY_TRYV(set_ambient(caps.ambient() & own));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return sys_error("set no new privileges", errno);
  if (filtered) GANTRY_TRYV(install_filter(spec.seccomp()));
  return {};
}

namespace {

error exec_error(const std::string& name, const std::string& why, int err) {
  return error{errc::invalid_parameter, err, "exec: \"" + name + "\": " + why};
}

/// Go's findExecutable: 0, or an errno (EISDIR for a directory).
int check_executable(const std::string& path, bool& exists) {
  struct stat st {};
  exists = ::stat(path.c_str(), &st) == 0;
  if (!exists) return errno;
  if (S_ISDIR(st.st_mode)) return EISDIR;
  if (::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0) return (st.st_mode & 0111) != 0 ? 0 : EACCES;
  // ENOSYS, EPERM: a filter refuses faccessat2; the mode bits decide then.
  if (errno == ENOSYS || errno == EPERM) return (st.st_mode & 0111) != 0 ? 0 : EACCES;
  return errno;
}

std::string in_words(int err) {
  std::string text = std::strerror(err);
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

std::optional<std::string> path_of(const std::vector<std::string>& env) {
  std::optional<std::string> found;
  for (const auto& entry : env)
    if (entry.starts_with("PATH=")) found = entry.substr(5);
  return found;
}

} // namespace

result<std::string> find_program(const std::string& name, const std::vector<std::string>& env) {
  bool exists = false;
  if (name.find('/') != std::string::npos) {
    const int err = check_executable(name, exists);
    if (err == 0) return name;
    if (!exists) return exec_error(name, "stat " + name + ": " + in_words(err), err);
    // The client looks for "permission denied" to give 126 for a directory too.
    return exec_error(name, err == EISDIR ? "is a directory: permission denied" : in_words(err), err);
  }
  const auto path = path_of(env).value_or("");
  for (std::size_t at = 0; !name.empty() && at <= path.size() && !path.empty();) {
    const auto end = std::min(path.find(':', at), path.size());
    const std::string dir = path.substr(at, end - at);
    const std::string file = (dir.empty() ? "." : dir) + "/" + name;
    if (check_executable(file, exists) == 0) {
      if (file.front() == '/') return file;
      return exec_error(name, "cannot run executable found relative to current directory", ENOENT);
    }
    at = end + 1;
  }
  return exec_error(name, "executable file not found in $PATH", ENOENT);
}

} // namespace gantry::runtime
