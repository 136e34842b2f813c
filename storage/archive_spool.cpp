/// See archive_spool.hpp.
#include "storage/archive_spool.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "storage/layout.hpp"
#include "storage/tree.hpp"

namespace gantry::storage {

namespace {

error bad(std::string text) { return error{errc::invalid_parameter, 0, std::move(text)}; }

result<std::string> normal_path(std::string_view path) {
  GANTRY_TRY(parts, clean_path(path));
  return join_path(parts, parts.size());
}

result<> write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return sys_error("write to ingest", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

} // namespace

result<archive_spool> archive_spool::read(byte_source& tar, int ingest_fd, const store_options& options,
                                          space_guard& space) {
  archive_spool self;
  self.ingest_fd_ = ingest_fd;
  GANTRY_TRY(reader, tar_reader::open(tar));
  tar_entry entry;
  std::size_t entries = 0;
  while (true) {
    GANTRY_TRY(more, reader->next(entry));
    if (!more) return self;
    if (++entries > archive_entries_max) return bad("archive: more than 100000 members");
    auto added = self.add(*reader, entry, options, space);
    if (added.has_error()) return with_context(added.error(), "read `" + entry.path.substr(0, 256) + "`: ");
  }
}

result<> archive_spool::add(tar_reader& reader, const tar_entry& entry, const store_options& options,
                            space_guard& space) {
  if (entry.path.size() > archive_path_bytes_max || entry.link_target.size() > archive_path_bytes_max) {
    return bad("path is longer than 512 bytes");
  }
  GANTRY_TRY(path, normal_path(entry.path));
  switch (entry.type) {
  case tar_type::directory:
    return {};
  case tar_type::file:
    GANTRY_TRYV(options.step("spool"));
    links_.erase(path);
    return add_file(reader, path, space);
  case tar_type::symlink: {
    const auto slash = path.rfind('/');
    const auto folder = slash == path.npos ? std::string{} : path.substr(0, slash + 1);
    const bool absolute = entry.link_target.starts_with('/');
    GANTRY_TRY(target, normal_path(absolute ? entry.link_target : folder + entry.link_target));
    links_[path] = target;
    return {};
  }
  case tar_type::hard_link: {
    GANTRY_TRY(target, normal_path(entry.link_target));
    links_[path] = target;
    return {};
  }
  case tar_type::char_device:
  case tar_type::block_device:
  case tar_type::fifo:
  case tar_type::unknown:
    break;
  }
  return bad("an image archive holds files, directories and links only");
}

result<> archive_spool::add_file(tar_reader& reader, const std::string& path, space_guard& space) {
  spooled_file file;
  file.name = "blob-" + std::to_string(written_++);
  unique_fd out(::openat(ingest_fd_, file.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!out) return sys_error("make `" + file.name + "`", errno);
  sha256 hash;
  tar_block block;
  while (true) {
    GANTRY_TRY(more, reader.next_block(block));
    if (!more) break;
    if (block.offset != file.size) return bad("a sparse file cannot be part of an image archive");
    GANTRY_TRYV(space.add(static_cast<std::int64_t>(block.bytes.size())));
    hash.update(block.bytes);
    GANTRY_TRYV(write_all(out.get(), block.bytes));
    file.size += static_cast<std::int64_t>(block.bytes.size());
  }
  file.digest = hash.digest();
  files_[path] = std::move(file);
  return {};
}

const spooled_file* archive_spool::find(std::string_view path) const {
  auto cleaned = normal_path(path);
  if (cleaned.has_error()) return nullptr;
  std::string at = std::move(*cleaned);
  for (std::size_t hops = 0; hops <= archive_link_hops_max; ++hops) {
    if (const auto link = links_.find(at); link != links_.end()) {
      at = link->second;
      continue;
    }
    const auto file = files_.find(at);
    return file == files_.end() ? nullptr : &file->second;
  }
  return nullptr;
}

result<const spooled_file*> archive_spool::find_blob(std::string_view digest) const {
  const auto* file = find("blobs/sha256/" + std::string(hex_of(digest)));
  if (!file) return bad("blob `" + std::string(digest) + "` is missing");
  if (file->digest != digest) {
    return bad("blob `" + std::string(digest) + "`: its content has the digest " + file->digest);
  }
  return file;
}

result<unique_fd> archive_spool::open(const spooled_file& file) const {
  unique_fd in(::openat(ingest_fd_, file.name.c_str(), O_RDONLY | O_CLOEXEC));
  if (!in) return sys_error("open `" + file.name + "`", errno);
  return in;
}

result<std::string> archive_spool::read_text(const spooled_file& file, std::size_t bytes_max) const {
  if (static_cast<std::size_t>(file.size) > bytes_max) {
    return bad("larger than " + std::to_string(bytes_max) + " bytes");
  }
  GANTRY_TRY(in, open(file));
  std::string text(static_cast<std::size_t>(file.size), '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const auto n = ::read(in.get(), text.data() + have, text.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return sys_error("read `" + file.name + "`", n < 0 ? errno : EIO);
    have += static_cast<std::size_t>(n);
  }
  return text;
}

} // namespace gantry::storage
