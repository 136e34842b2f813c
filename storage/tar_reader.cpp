/// See tar_reader.hpp.
#include "storage/tar_reader.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <clocale>

#include "storage/limits.hpp"

namespace gantry::storage {

namespace {

constexpr std::size_t buffer_bytes = 256 * 1024;

/// libarchive converts pax names (always UTF-8) to the locale of the thread; in "C" all but ASCII would be lost.
class utf8_locale {
public:
  utf8_locale() : before_(::uselocale(utf8())) {}
  ~utf8_locale() { ::uselocale(before_); }
  utf8_locale(const utf8_locale&) = delete;
  utf8_locale& operator=(const utf8_locale&) = delete;

private:
  static locale_t utf8() {
    static const locale_t made = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    return made ? made : LC_GLOBAL_LOCALE;
  }
  locale_t before_;
};

error bad(std::string text) { return error{errc::invalid_parameter, 0, std::move(text)}; }

tar_type type_of(archive_entry* entry) {
  if (archive_entry_hardlink(entry)) return tar_type::hard_link;
  switch (archive_entry_filetype(entry)) {
  case AE_IFREG:
    return tar_type::file;
  case AE_IFDIR:
    return tar_type::directory;
  case AE_IFLNK:
    return tar_type::symlink;
  case AE_IFCHR:
    return tar_type::char_device;
  case AE_IFBLK:
    return tar_type::block_device;
  case AE_IFIFO:
    return tar_type::fifo;
  default:
    return tar_type::unknown;
  }
}

} // namespace

tar_reader::tar_reader(byte_source& source) : source_(source), buffer_(buffer_bytes), archive_(archive_read_new()) {}

tar_reader::~tar_reader() {
  if (archive_) archive_read_free(archive_);
}

long tar_reader::feed(archive* a, void* self_pointer, const void** data) {
  auto* self = static_cast<tar_reader*>(self_pointer);
  // A map of a sparse file is read with its header, whole, into a list: without a bound it could fill the memory.
  if (self->in_header_ && self->header_bytes_ > tar_header_bytes_max) {
    archive_set_error(a, EFBIG, "header of an entry is larger than 16 MiB");
    return -1;
  }
  auto n = self->source_.read(self->buffer_);
  if (n.has_value()) self->header_bytes_ += *n;
  *data = self->buffer_.data();
  if (n.has_value()) return static_cast<long>(*n);
  self->source_failure_ = n.error();
  archive_set_error(a, EIO, "read failed");
  return -1;
}

error tar_reader::failure(std::string_view verb) {
  if (source_failure_.code != errc::ok) return source_failure_;
  const char* text = archive_error_string(archive_);
  return bad(std::string(verb) + " tar: " + (text ? text : "damaged archive"));
}

result<std::unique_ptr<tar_reader>> tar_reader::open(byte_source& source) {
  utf8_locale scope;
  std::unique_ptr<tar_reader> self(new tar_reader(source));
  auto* a = self->archive_;
  if (!a) return error{errc::internal, ENOMEM, "read tar: out of memory"};
  archive_read_support_format_tar(a);
  archive_read_support_format_empty(a);
  if (archive_read_open(a, self.get(), nullptr, feed, nullptr) < ARCHIVE_WARN) return self->failure("read");
  return self;
}

result<bool> tar_reader::next(tar_entry& into) {
  utf8_locale scope;
  archive_entry* entry = nullptr;
  in_header_ = false;
  const int skipped = opened_ ? archive_read_data_skip(archive_) : ARCHIVE_OK; // data nobody asked for is no header
  if (skipped < ARCHIVE_WARN && skipped != ARCHIVE_EOF) return failure("read");
  in_header_ = opened_ = true;
  header_bytes_ = 0;
  const int code = archive_read_next_header(archive_, &entry);
  in_header_ = false;
  if (code == ARCHIVE_EOF) return false;
  // A warning is a name or a key it could not convert; "retry" is a damaged header that it would skip.
  if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return failure("read");
  const char* path = archive_entry_pathname(entry);
  if (!path) return bad("read tar: an entry's name is not readable");
  into = tar_entry{};
  into.path = path;
  into.type = type_of(entry);
  const char* target = archive_entry_hardlink(entry);
  if (!target) target = archive_entry_symlink(entry);
  if (target) into.link_target = target;
  into.size = archive_entry_size(entry);
  into.mode = archive_entry_perm(entry);
  into.uid = archive_entry_uid(entry);
  into.gid = archive_entry_gid(entry);
  into.mtime_seconds = archive_entry_mtime(entry);
  into.mtime_nanos = archive_entry_mtime_nsec(entry);
  into.device_major = archive_entry_rdevmajor(entry);
  into.device_minor = archive_entry_rdevminor(entry);
  GANTRY_TRYV(read_xattrs(entry, into));
  return true;
}

result<> tar_reader::read_xattrs(archive_entry* entry, tar_entry& into) {
  std::size_t total = 0;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  archive_entry_xattr_reset(entry);
  while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
    const std::string_view text = name ? name : "";
    total += text.size() + size;
    if (text.empty() || text.size() > xattr_name_bytes_max || total > xattr_bytes_max) {
      return bad("`" + into.path + "`: extended attributes are too long");
    }
    into.xattrs.emplace_back(text, std::string(static_cast<const char*>(value), size));
  }
  return {};
}

result<bool> tar_reader::next_block(tar_block& into) {
  utf8_locale scope;
  const void* data = nullptr;
  std::size_t size = 0;
  la_int64_t offset = 0;
  const int code = archive_read_data_block(archive_, &data, &size, &offset);
  if (code == ARCHIVE_EOF) return false;
  if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return failure("read");
  into.bytes = {static_cast<const std::byte*>(data), size};
  into.offset = offset;
  return true;
}

} // namespace gantry::storage
