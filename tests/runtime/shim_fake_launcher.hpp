/// A launcher for the shim's tests that only forks: no namespaces, no root, no cgroups.
#pragma once

#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/shim/container.hpp"

namespace gantry::runtime::shim::test {

/// args: "refuse" fails at clone, "fail" at exec; "gate FILE ..." waits before exec until it can open the fifo FILE.
struct fake_launcher {
  std::map<pid_t, unique_fd> masters;
  std::map<std::string, pid_t> groups;

  result<launching> begin(const pb::Spec& spec, stdio streams) {
    std::vector<std::string> args(spec.process().args().begin(), spec.process().args().end());
    if (args.at(0) == "refuse") return error{errc::internal, EPERM, "clone3: Operation not permitted"};
    std::string gate;
    if (args[0] == "gate") {
      gate = args[1];
      args.erase(args.begin(), args.begin() + 2);
    }
    unique_fd master, slave;
    if (spec.process().terminal()) {
      int m = -1, s = -1;
      if (::openpty(&m, &s, nullptr, nullptr, nullptr) != 0) return sys_error("openpty", errno);
      master.reset(m);
      slave.reset(s);
      ::fcntl(m, F_SETFD, FD_CLOEXEC);
    }
    int status[2];
    if (::pipe2(status, O_CLOEXEC) != 0) return sys_error("pipe", errno);
    const auto child = ::fork();
    if (child == 0) {
      ::setsid();
      if (slave) {
        ::ioctl(slave.get(), TIOCSCTTY, 0);
        for (int fd : {0, 1, 2}) ::dup2(slave.get(), fd);
      } else {
        const unique_fd null(::open("/dev/null", O_RDWR));
        ::dup2(streams.in ? streams.in.get() : null.get(), 0);
        ::dup2(streams.out.get(), 1);
        ::dup2(streams.err.get(), 2);
      }
      if (slave.get() > 2) slave.reset();
      if (!gate.empty()) ::close(::open(gate.c_str(), O_RDONLY));
      if (args[0] == "fail") {
        [[maybe_unused]] auto n = ::write(status[1], "x", 1);
        ::_exit(1);
      }
      std::vector<char*> argv;
      for (auto& a : args) argv.push_back(a.data());
      argv.push_back(nullptr);
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(status[1]);
    if (master) masters[child] = std::move(master);
    if (!spec.cgroup().path().empty()) groups[spec.cgroup().path()] = child;
    launching out;
    out.pid = child;
    out.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
    out.status.reset(status[0]);
    return out;
  }

  result<launched> finish(launching&& child, const pb::Spec&) {
    char c = 0;
    if (::read(child.status.get(), &c, 1) == 1) {
      ::waitpid(child.pid, nullptr, 0);
      return error{errc::invalid_parameter, ENOENT, "exec: \"fail\": executable file not found in $PATH"};
    }
    launched out;
    out.pid = child.pid;
    out.pidfd = std::move(child.pidfd);
    if (const auto m = masters.find(child.pid); m != masters.end()) {
      out.pty_master = std::move(m->second);
      masters.erase(m);
    }
    return out;
  }

  static kernel_ops ops() {
    auto self = std::make_shared<fake_launcher>();
    return {.begin_launch = [=](const pb::Spec& s, stdio io) { return self->begin(s, std::move(io)); },
            .finish_launch = [=](launching&& l, const pb::Spec& s) { return self->finish(std::move(l), s); },
            .oom_killed = [](std::string_view path) { return path.find("oom") != std::string_view::npos; },
            .signal_all = [=](std::string_view path, int n) -> result<> {
              if (::kill(-self->groups.at(std::string(path)), n) != 0) return sys_error("kill", errno);
              return {};
            }};
  }
};

} // namespace gantry::runtime::shim::test
