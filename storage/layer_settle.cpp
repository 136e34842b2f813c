/// See layer_settle.hpp.
#include "storage/layer_settle.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "storage/merged_view.hpp"
#include "storage/tree.hpp"

namespace gantry::storage {

namespace {

class settling {
public:
  settling(int root_fd, const merged_view& below) : root_fd_(root_fd), below_(below) {}

  result<> describe(const std::string& path) {
    GANTRY_TRY(from, below_.find(path));
    if (!from || !S_ISDIR(from->info.st_mode)) return {};
    auto to = open_in_root(root_fd_, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (to.has_error()) return {}; // replaced later in the same archive
    return copy_directory_attributes(*from, to->get());
  }

  result<> drop_if_idle(const std::string& path) {
    const auto slash = path.rfind('/');
    const auto parent = slash == path.npos ? std::string{} : path.substr(0, slash);
    const auto name = slash == path.npos ? path : path.substr(slash + 1);
    GANTRY_TRY(covered, is_covered(parent));
    if (!covered) {
      GANTRY_TRY(hidden, below_.find(path));
      if (hidden) return {};
    }
    auto dir = open_in_root(root_fd_, parent, O_PATH | O_DIRECTORY);
    if (dir.has_error()) return {}; // went with a directory that was replaced
    struct stat st {};
    if (::fstatat(dir->get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return {};
    if (!is_whiteout(st.st_mode, st.st_rdev)) return {}; // replaced by something real
    struct stat before {};
    const auto failed = [&] { return sys_error("delete whiteout `" + path + "`", errno); };
    if (::fstat(dir->get(), &before) != 0 || ::unlinkat(dir->get(), name.c_str(), 0) != 0) return failed();
    const timespec times[2] = {before.st_atim, before.st_mtim}; // the archive's, not now
    if (::utimensat(dir->get(), ".", times, 0) != 0) return failed();
    return {};
  }

private:
  /// True where a directory of this layer already hides all that is below. Whiteouts of a directory come together.
  result<bool> is_covered(const std::string& parent) {
    if (known_ && parent == known_parent_) return known_covered_;
    known_ = true;
    known_parent_ = parent;
    known_covered_ = false;
    for (std::size_t end = 0; end != parent.npos && !parent.empty() && !known_covered_;) {
      end = parent.find('/', end == 0 ? 0 : end + 1);
      auto dir = open_in_root(root_fd_, parent.substr(0, end), O_PATH | O_DIRECTORY);
      if (dir.has_error()) break;
      known_covered_ = is_opaque_directory(dir->get());
    }
    return known_covered_;
  }

  int root_fd_;
  const merged_view& below_;
  bool known_ = false, known_covered_ = false;
  std::string known_parent_;
};

} // namespace

result<> settle_layer(const std::filesystem::path& root, const unpacked_layer& unpacked,
                      const std::vector<std::filesystem::path>& below) {
  if (unpacked.implied_directories.empty() && unpacked.whiteouts.empty()) return {};
  GANTRY_TRY(root_fd, open_directory(root));
  GANTRY_TRY(view, merged_view::open(below));
  settling work(root_fd.get(), view);
  for (const auto& path : unpacked.whiteouts) GANTRY_TRYV(work.drop_if_idle(path));
  for (const auto& path : unpacked.implied_directories) GANTRY_TRYV(work.describe(path));
  return {};
}

} // namespace gantry::storage
