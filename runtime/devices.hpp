/// Device nodes and links below /dev, and the container's terminal. Runs in the child of the launcher.
#pragma once

#include <map>
#include <string>

#include "io/base/result.hpp"
#include "io/base/unique_fd.hpp"
#include "runtime/proto/spec.pb.h"

namespace gantry::runtime {

/// The host's nodes, for launchers that may not make any: taken before the root is entered, bound after.
class device_sources {
public:
  /// Empty unless `wanted`. Nodes that the host lacks are left out.
  static result<device_sources> take(const pb::Spec& spec, bool wanted);

  [[nodiscard]] bool wanted() const noexcept { return wanted_; }
  /// Attaches the node of this path on `targetfd`; 0 or an errno.
  int bind(const std::string& path, int targetfd);

private:
  bool wanted_ = false;
  std::map<std::string, unique_fd> trees_;
};

/// True in a user namespace, where the kernel refuses mknod(2) of devices. Read once.
bool device_nodes_refused();

/// The nodes and links that every container has, and the request's devices.
result<> make_devices(const pb::Spec& spec, int rootfd, device_sources& sources, bool own_dev);

struct terminal {
  unique_fd master, slave;
};

/// A pty of the container's own devpts, with its size set, and bound to /dev/console.
result<terminal> make_terminal(const pb::Process& process, int rootfd, int devptsfd);

} // namespace gantry::runtime
