/// See entry_attributes.hpp.
#include "storage/entry_attributes.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "io/base/log.hpp"
#include "storage/tree.hpp"

namespace gantry::storage {

namespace {

/// A filesystem without these attributes (ENOTSUP), or a kind of file that cannot have them (EPERM for user.* on links
/// and devices), is no reason to refuse the image: Docker does the same.
result<> xattr_failed(const std::string& key, int err) {
  const bool user_space = key.starts_with("user.");
  if (err == ENOTSUP || (err == EPERM && user_space)) {
    log::debug("extended attribute not kept", {{"name", key}, {"error", std::strerror(err)}});
    return {};
  }
  return sys_error("set extended attribute `" + key + "`", err);
}

} // namespace

/// Owner before mode, because chown takes setuid and security.capability away.
result<> describe_fd(int fd, const tar_entry& e) {
  if (::fchown(fd, static_cast<uid_t>(e.uid), static_cast<gid_t>(e.gid)) != 0) return sys_error("set owner", errno);
  if (::fchmod(fd, e.mode & entry_permission_bits) != 0) return sys_error("set mode", errno);
  for (const auto& [key, value] : e.xattrs) {
    if (::fsetxattr(fd, key.c_str(), value.data(), value.size(), 0) != 0) GANTRY_TRYV(xattr_failed(key, errno));
  }
  return {};
}

result<> describe_at(const tar_entry& e, int parent_fd, const std::string& name) {
  const auto uid = static_cast<uid_t>(e.uid);
  const auto gid = static_cast<gid_t>(e.gid);
  if (::fchownat(parent_fd, name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) != 0) return sys_error("set owner", errno);
  const auto path = proc_path(parent_fd, name);
  for (const auto& [key, value] : e.xattrs) {
    if (::lsetxattr(path.c_str(), key.c_str(), value.data(), value.size(), 0) != 0) {
      GANTRY_TRYV(xattr_failed(key, errno));
    }
  }
  const timespec times[2] = {time_of(e), time_of(e)};
  if (::utimensat(parent_fd, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) return sys_error("set times", errno);
  return {};
}

} // namespace gantry::storage
