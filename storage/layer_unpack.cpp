/// See layer_unpack.hpp.
#include "storage/layer_unpack.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <set>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "io/base/unique_fd.hpp"
#include "storage/entry_attributes.hpp"
#include "storage/tar_reader.hpp"
#include "storage/tree.hpp"

namespace gantry::storage {

namespace {

constexpr std::string_view whiteout_prefix = ".wh.";
constexpr std::string_view aufs_prefix = ".wh..wh."; // metadata of aufs; only the opaque marker means something
constexpr std::string_view opaque_name = ".wh..wh..opq";
constexpr std::string_view overlay_xattr_prefix = "trusted.overlay.";
constexpr const char* opaque_xattr = "trusted.overlay.opaque";
constexpr unsigned int implied_directory_mode = 0755;
constexpr long nanos_per_second = 1'000'000'000;

error bad(std::string text) { return error{errc::invalid_parameter, 0, std::move(text)}; }

/// What the archive caused is its own fault; what the disk caused is not.
error path_error(std::string what, int err) {
  const bool of_archive = err == ENOTDIR || err == ELOOP || err == EEXIST || err == EISDIR || err == ENAMETOOLONG;
  return sys_error(std::move(what), err, of_archive ? errc::invalid_parameter : errc::internal);
}

/// Where an entry goes: an open parent and a last name.
struct place {
  int parent_fd;
  std::string name;
};

class unpacker {
public:
  unpacker(byte_source& tar, int root_fd, const store_options& options, space_guard& space)
      : source_(tar), root_fd_(root_fd), options_(options), space_(space) {}

  result<unpacked_layer> run() {
    GANTRY_TRY(reader, tar_reader::open(source_));
    reader_ = reader.get();
    tar_entry entry;
    while (true) {
      GANTRY_TRY(more, reader_->next(entry));
      if (!more) break;
      if (++done_.entries > options_.layer_entries_max) return bad("layer: more entries than this engine accepts");
      auto unpacked = unpack(entry);
      if (unpacked.has_error()) return with_context(unpacked.error(), "unpack `" + entry.path.substr(0, 256) + "`: ");
    }
    GANTRY_TRYV(set_directory_times());
    done_.implied_directories.assign(implied_.begin(), implied_.end()); // sorted: parents before their children
    return std::move(done_);
  }

private:
  result<> unpack(const tar_entry& e) {
    GANTRY_TRYV(check_bounds(e));
    GANTRY_TRY(parts, clean_path(e.path));
    if (parts.empty()) return unpack_root(e);
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      if (parts[i].starts_with(aufs_prefix)) return {};
      if (parts[i].starts_with(whiteout_prefix)) return bad("a whiteout is not a directory");
    }
    const auto& name = parts.back();
    if (name.starts_with(aufs_prefix) && name != opaque_name) return {};
    GANTRY_TRY(parent_fd, open_parent(parts));
    if (name == opaque_name) return mark_opaque(parent_fd);
    if (name.starts_with(whiteout_prefix)) return make_whiteout(e, parent_fd, parts);
    return create(e, place{parent_fd, name}, parts);
  }

  static result<> check_bounds(const tar_entry& e) {
    if (e.uid < 0 || e.uid > owner_id_max || e.gid < 0 || e.gid > owner_id_max) {
      return bad("owner " + std::to_string(e.uid) + ":" + std::to_string(e.gid) + " is out of range");
    }
    if (e.size < 0) return bad("negative size");
    if (e.mtime_nanos < 0 || e.mtime_nanos >= nanos_per_second) return bad("time is out of range");
    if (e.link_target.size() > link_target_bytes_max) return bad("link target is longer than 4095 bytes");
    for (const auto& [key, value] : e.xattrs) {
      if (key.starts_with(overlay_xattr_prefix))
        return bad("extended attribute `" + key + "` is not an image's to set");
    }
    return {};
  }

  result<> create(const tar_entry& e, const place& at, const std::vector<std::string>& parts) {
    switch (e.type) {
    case tar_type::file:
      return make_file(e, at);
    case tar_type::directory:
      return make_directory(e, at, join_path(parts, parts.size()));
    case tar_type::symlink:
      return make_symlink(e, at);
    case tar_type::hard_link:
      return make_hard_link(e, at);
    case tar_type::char_device:
      return make_node(e, at, S_IFCHR);
    case tar_type::block_device:
      return make_node(e, at, S_IFBLK);
    case tar_type::fifo:
      return make_node(e, at, S_IFIFO);
    case tar_type::unknown:
      break;
    }
    return bad("unknown type of entry");
  }

  // --- parents

  /// The directory an entry goes into; the last one is kept, because entries of a directory stand together.
  result<int> open_parent(const std::vector<std::string>& parts) {
    auto path = join_path(parts, parts.size() - 1);
    if (parent_ && !removed_something_ && path == parent_path_) return parent_.get();
    removed_something_ = false;
    auto opened = open_in_root(root_fd_, path, O_PATH | O_DIRECTORY);
    const int err = opened.has_error() ? opened.error().sys_errno : 0;
    if (err == ENOENT || err == ENOTDIR) opened = make_parents(parts); // ENOTDIR: a whiteout may stand there
    if (opened.has_error()) return path_error("open `" + path + "`", opened.error().sys_errno);
    parent_ = std::move(*opened);
    parent_path_ = std::move(path);
    return parent_.get();
  }

  result<unique_fd> make_parents(const std::vector<std::string>& parts) {
    GANTRY_TRY(at, open_in_root(root_fd_, "", O_PATH | O_DIRECTORY));
    for (std::size_t i = 1; i < parts.size(); ++i) {
      const auto path = join_path(parts, i);
      auto next = open_in_root(root_fd_, path, O_PATH | O_DIRECTORY);
      const int err = next.has_error() ? next.error().sys_errno : 0;
      if (err == ENOENT || err == ENOTDIR) {
        GANTRY_TRYV(make_parent(place{at.get(), parts[i - 1]}, path, err));
        next = open_in_root(root_fd_, path, O_PATH | O_DIRECTORY);
      }
      if (next.has_error()) return next.error();
      at = std::move(*next);
    }
    return at;
  }

  result<> make_parent(const place& at, const std::string& path, int why_not_open) {
    GANTRY_TRY(there, look_at(at));
    if (there == found::whiteout)
      GANTRY_TRYV(make_room(at));
    else if (why_not_open == ENOTDIR)
      return sys_error("open `" + path + "`", ENOTDIR);
    if (::mkdirat(at.parent_fd, at.name.c_str(), implied_directory_mode) != 0) {
      return sys_error("make `" + path + "`", errno); // EEXIST: a link that leads to nothing
    }
    GANTRY_TRY(dir, open_directory_at(at.parent_fd, at.name));
    if (::fchmod(dir.get(), implied_directory_mode) != 0) return sys_error("make `" + path + "`", errno);
    if (there == found::whiteout)
      GANTRY_TRYV(mark_opaque(dir.get()));
    else
      implied_.insert(path);
    return remember(path);
  }

  /// Directories and whiteouts are needed again at the end, so they are kept in memory: up to a bound.
  result<> remember(const std::string& path) {
    constexpr std::size_t cost_bytes = 64;
    remembered_bytes_ += path.size() + cost_bytes;
    if (remembered_bytes_ > options_.directory_bytes_max) return bad("more directories than this engine accepts");
    return {};
  }

  // --- making room

  enum class found { nothing, directory, whiteout, other };

  static result<found> look_at(const place& at) {
    struct stat st {};
    if (::fstatat(at.parent_fd, at.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return found::nothing;
      return path_error("look at", errno);
    }
    if (S_ISDIR(st.st_mode)) return found::directory;
    return is_whiteout(st.st_mode, st.st_rdev) ? found::whiteout : found::other;
  }

  result<> make_room(const place& at) {
    removed_something_ = true; // what a kept path leads to may be another thing now
    return remove_tree_at(at.parent_fd, at.name);
  }

  /// Runs a call that makes `at` and fails with EEXIST when something is there; then once more with room made.
  template <class Make>
  result<int> make_replacing(const place& at, Make make) {
    int made = make();
    if (made < 0 && errno == EEXIST) {
      GANTRY_TRYV(make_room(at));
      made = make();
    }
    if (made < 0) return path_error("make", errno);
    return made;
  }

  // --- kinds of entries

  result<> unpack_root(const tar_entry& e) {
    if (e.type != tar_type::directory) return bad("the root is not a directory");
    GANTRY_TRY(root, open_directory_at(root_fd_, "."));
    return describe_directory(root.get(), e, "");
  }

  result<> make_directory(const tar_entry& e, const place& at, const std::string& path) {
    bool hides_lower = false;
    if (::mkdirat(at.parent_fd, at.name.c_str(), 0700) != 0) {
      if (errno != EEXIST) return path_error("make", errno);
      GANTRY_TRY(there, look_at(at));
      if (there != found::directory) {
        hides_lower = there == found::whiteout;
        GANTRY_TRYV(make_room(at));
        if (::mkdirat(at.parent_fd, at.name.c_str(), 0700) != 0) return path_error("make", errno);
      }
    }
    GANTRY_TRY(dir, open_directory_at(at.parent_fd, at.name));
    if (hides_lower) GANTRY_TRYV(mark_opaque(dir.get()));
    return describe_directory(dir.get(), e, path);
  }

  result<> describe_directory(int dir_fd, const tar_entry& e, const std::string& path) {
    GANTRY_TRYV(remember(path));
    directory_times_.emplace_back(path, time_of(e));
    implied_.erase(path);
    return describe_fd(dir_fd, e);
  }

  result<> make_file(const tar_entry& e, const place& at) {
    GANTRY_TRY(raw, make_replacing(at, [&] {
                 return ::openat(at.parent_fd, at.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                                 0600);
               }));
    unique_fd file(raw);
    GANTRY_TRYV(write_data(e, file.get()));
    GANTRY_TRYV(describe_fd(file.get(), e));
    const timespec times[2] = {time_of(e), time_of(e)};
    if (::futimens(file.get(), times) != 0) return sys_error("set times", errno);
    done_.size_bytes += e.size;
    return {};
  }

  result<> write_data(const tar_entry& e, int fd) {
    // Apparent sizes count: a hole costs no space here, but whoever copies the image pays for it.
    if (e.size > options_.unpacked_bytes_max - done_.size_bytes) return bad("larger than this engine accepts");
    tar_block block;
    std::int64_t end = 0;
    while (true) {
      GANTRY_TRY(more, reader_->next_block(block));
      if (!more) break;
      GANTRY_TRYV(space_.add(static_cast<std::int64_t>(block.bytes.size())));
      end = std::max(end, block.offset + static_cast<std::int64_t>(block.bytes.size()));
      if (end > e.size) return bad("more data than its header says");
      GANTRY_TRYV(write_at(fd, block));
    }
    if (end < e.size && ::ftruncate(fd, e.size) != 0) return sys_error("set size", errno);
    return {};
  }

  static result<> write_at(int fd, const tar_block& block) {
    auto rest = block.bytes;
    auto offset = block.offset;
    while (!rest.empty()) {
      const auto n = ::pwrite(fd, rest.data(), rest.size(), offset);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return sys_error("write", errno);
      rest = rest.subspan(static_cast<std::size_t>(n));
      offset += n;
    }
    return {};
  }

  result<> make_symlink(const tar_entry& e, const place& at) {
    if (e.link_target.empty()) return bad("link without a target");
    GANTRY_TRYV(make_replacing(at, [&] { return ::symlinkat(e.link_target.c_str(), at.parent_fd, at.name.c_str()); }));
    return describe_at(e, at.parent_fd, at.name);
  }

  result<> make_node(const tar_entry& e, const place& at, unsigned int kind) {
    const auto device = kind == S_IFIFO
                            ? dev_t{0}
                            : makedev(static_cast<unsigned>(e.device_major), static_cast<unsigned>(e.device_minor));
    GANTRY_TRYV(make_replacing(at, [&] { return ::mknodat(at.parent_fd, at.name.c_str(), kind | 0600, device); }));
    GANTRY_TRYV(describe_at(e, at.parent_fd, at.name));
    // Nothing follows the last name: it is the node made above, and nobody else writes here.
    if (::fchmodat(at.parent_fd, at.name.c_str(), e.mode & entry_permission_bits, 0) != 0)
      return sys_error("set mode", errno);
    return {};
  }

  result<> make_hard_link(const tar_entry& e, const place& at) {
    GANTRY_TRY(target, clean_path(e.link_target));
    if (target.empty()) return bad("hard link to the root");
    const auto parent_path = join_path(target, target.size() - 1);
    const auto missing = [&] { return bad("hard link to `" + e.link_target + "`, which this layer does not hold"); };
    auto parent = open_in_root(root_fd_, parent_path, O_PATH | O_DIRECTORY);
    if (parent.has_error()) {
      if (parent.error().sys_errno == ENOENT || parent.error().sys_errno == ENOTDIR) return missing();
      return path_error("open `" + parent_path + "`", parent.error().sys_errno);
    }
    struct stat to {};
    if (::fstatat(parent->get(), target.back().c_str(), &to, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return missing();
      return path_error("look at `" + e.link_target + "`", errno);
    }
    if (S_ISDIR(to.st_mode)) return bad("hard link to a directory");
    if (is_whiteout(to.st_mode, to.st_rdev)) return missing();
    GANTRY_TRY(same, is_same_file(at, to));
    if (same) return {}; // a link to itself, or given twice: making room would delete the target
    GANTRY_TRYV(make_replacing(
        at, [&] { return ::linkat(parent->get(), target.back().c_str(), at.parent_fd, at.name.c_str(), 0); }));
    return {};
  }

  static result<bool> is_same_file(const place& at, const struct stat& other) {
    struct stat st {};
    if (::fstatat(at.parent_fd, at.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return false;
      return path_error("look at", errno);
    }
    return st.st_dev == other.st_dev && st.st_ino == other.st_ino;
  }

  // --- whiteouts

  /// Hides what lower layers have. What this layer itself has of that name stays, whichever came first in the archive:
  /// image-spec layer.md. A directory of this layer must then hide the lower one's content.
  result<> make_whiteout(const tar_entry& e, int parent_fd, std::vector<std::string> parts) {
    const auto hidden = parts.back().substr(whiteout_prefix.size());
    if (hidden.empty() || hidden == "." || hidden == "..") return bad("whiteout of no name");
    const place at{parent_fd, hidden};
    GANTRY_TRY(there, look_at(at));
    if (there == found::directory) {
      GANTRY_TRY(dir, open_directory_at(parent_fd, hidden));
      return mark_opaque(dir.get());
    }
    if (there != found::nothing) return {};
    if (::mknodat(parent_fd, hidden.c_str(), S_IFCHR | 0600, makedev(0, 0)) != 0)
      return path_error("make whiteout", errno);
    parts.back() = hidden;
    done_.whiteouts.push_back(join_path(parts, parts.size()));
    GANTRY_TRYV(remember(done_.whiteouts.back()));
    return describe_at(e, at.parent_fd, at.name);
  }

  static result<> mark_opaque(int dir_fd) {
    const auto path = proc_path(dir_fd, ".");
    if (::setxattr(path.c_str(), opaque_xattr, "y", 1, 0) != 0) return sys_error("mark opaque", errno);
    return {};
  }

  // --- the end

  /// Last, because each entry made in a directory changes its time.
  result<> set_directory_times() {
    for (const auto& [path, time] : directory_times_) {
      auto dir = open_in_root(root_fd_, path, O_PATH | O_DIRECTORY);
      if (dir.has_error()) continue; // replaced by something else later in the archive
      const timespec times[2] = {time, time};
      if (::utimensat(dir->get(), ".", times, 0) != 0) return sys_error("set times of `" + path + "`", errno);
    }
    return {};
  }

  byte_source& source_;
  int root_fd_;
  const store_options& options_;
  space_guard& space_;
  tar_reader* reader_ = nullptr;
  unpacked_layer done_;
  unique_fd parent_;
  std::string parent_path_;
  bool removed_something_ = false;
  std::set<std::string> implied_;
  std::size_t remembered_bytes_ = 0;
  std::vector<std::pair<std::string, timespec>> directory_times_;
};

} // namespace

result<unpacked_layer> unpack_layer(byte_source& tar, int root_fd, const store_options& options, space_guard& space) {
  return unpacker(tar, root_fd, options, space).run();
}

} // namespace gantry::storage
