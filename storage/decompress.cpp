/// See decompress.hpp. Each source takes compressed bytes through one buffer and gives plain ones; a stream may have
/// several members or frames, one behind the other.
#include "storage/decompress.hpp"

#include <archive.h>
#include <array>
#include <isa-l/igzip_lib.h>
#include <lzma.h>
#include <vector>
#include <zstd.h>

namespace gantry::storage {

namespace {

constexpr std::size_t input_bytes = 128 * 1024;
/// What xz and zstd may allocate for their windows: the largest preset of xz asks for 65 MiB.
constexpr std::uint64_t window_bytes_max = std::uint64_t{256} << 20;
constexpr int zstd_window_log_max = 27; // the library's own default, said here because images are hostile

error damaged(compression c, std::string_view cause) {
  return error{errc::invalid_parameter, 0, std::string(name_of(c)) + " stream: " + std::string(cause)};
}

/// The compressed side: a buffer that is filled again when it is empty.
class input_buffer {
public:
  explicit input_buffer(peeked_source source) : source_(std::move(source)), bytes_(input_bytes) {}

  result<> fill_if_empty() {
    if (begin_ < end_ || at_end_) return {};
    GANTRY_TRY(n, source_.read(bytes_));
    begin_ = 0;
    end_ = n;
    at_end_ = n == 0;
    return {};
  }
  [[nodiscard]] std::uint8_t* data() noexcept { return reinterpret_cast<std::uint8_t*>(bytes_.data()) + begin_; }
  [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
  [[nodiscard]] bool at_end() const noexcept { return at_end_; }
  void consume_to(std::size_t left) noexcept { begin_ = end_ - left; }
  result<std::size_t> read_raw(byte_span into) { return source_.read(into); }

private:
  peeked_source source_;
  std::vector<std::byte> bytes_;
  std::size_t begin_ = 0, end_ = 0;
  bool at_end_ = false;
};

class gzip_source final : public byte_source {
public:
  explicit gzip_source(peeked_source source) : in_(std::move(source)), state_(std::make_unique<inflate_state>()) {
    start_member();
  }

  result<std::size_t> read(byte_span into) override {
    while (true) {
      GANTRY_TRYV(in_.fill_if_empty());
      if (state_->block_state == ISAL_BLOCK_FINISH) {
        if (in_.at_end() || only_padding_left()) return std::size_t{0};
        start_member();
      }
      const bool starved = in_.at_end();
      state_->next_in = in_.data();
      state_->avail_in = static_cast<std::uint32_t>(in_.size());
      state_->next_out = reinterpret_cast<std::uint8_t*>(into.data());
      state_->avail_out = static_cast<std::uint32_t>(std::min<std::size_t>(into.size(), 1u << 30));
      const auto room = state_->avail_out;
      const int code = isal_inflate(state_.get());
      in_.consume_to(state_->avail_in);
      if (code < ISAL_DECOMP_OK) return damaged(compression::gzip, cause_of(code));
      if (const auto made = room - state_->avail_out; made > 0) return std::size_t{made};
      if (starved && state_->block_state != ISAL_BLOCK_FINISH) return damaged(compression::gzip, "cut off");
    }
  }

private:
  void start_member() {
    isal_inflate_init(state_.get());
    state_->crc_flag = ISAL_GZIP;
  }

  /// gzip(1) writes zeros behind a member only on tapes; they are not another member.
  bool only_padding_left() {
    while (!in_.at_end()) {
      std::size_t zeros = 0;
      while (zeros < in_.size() && in_.data()[zeros] == 0) ++zeros;
      if (zeros < in_.size()) {
        in_.consume_to(in_.size() - zeros);
        return false;
      }
      in_.consume_to(0);
      if (in_.fill_if_empty().has_error()) return false;
    }
    return true;
  }

  static std::string_view cause_of(int code) {
    switch (code) {
    case ISAL_INVALID_WRAPPER:
      return "not a gzip header";
    case ISAL_INCORRECT_CHECKSUM:
      return "checksum does not match";
    case ISAL_UNSUPPORTED_METHOD:
      return "unknown method";
    default:
      return "damaged";
    }
  }

  input_buffer in_;
  std::unique_ptr<inflate_state> state_;
};

class zstd_source final : public byte_source {
public:
  explicit zstd_source(peeked_source source) : in_(std::move(source)), context_(ZSTD_createDCtx()) {
    ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, zstd_window_log_max);
  }

  result<std::size_t> read(byte_span into) override {
    while (true) {
      GANTRY_TRYV(in_.fill_if_empty());
      ZSTD_inBuffer in{in_.data(), in_.size(), 0};
      ZSTD_outBuffer out{into.data(), into.size(), 0};
      if (in_.at_end() && frame_done_) return std::size_t{0};
      const auto code = ZSTD_decompressStream(context_.get(), &out, &in);
      if (ZSTD_isError(code)) return damaged(compression::zstd, ZSTD_getErrorName(code));
      in_.consume_to(in.size - in.pos);
      frame_done_ = code == 0;
      if (out.pos > 0) return out.pos;
      if (in_.at_end() && !frame_done_) return damaged(compression::zstd, "cut off");
    }
  }

private:
  struct context_free {
    void operator()(ZSTD_DCtx* c) const noexcept { ZSTD_freeDCtx(c); }
  };
  input_buffer in_;
  std::unique_ptr<ZSTD_DCtx, context_free> context_;
  bool frame_done_ = false;
};

class xz_source final : public byte_source {
public:
  explicit xz_source(peeked_source source) : in_(std::move(source)) {
    ready_ = lzma_stream_decoder(&stream_, window_bytes_max, LZMA_CONCATENATED) == LZMA_OK;
  }
  xz_source(const xz_source&) = delete;
  xz_source& operator=(const xz_source&) = delete;
  ~xz_source() override { lzma_end(&stream_); }

  result<std::size_t> read(byte_span into) override {
    if (!ready_) return damaged(compression::xz, "out of memory");
    while (!done_) {
      GANTRY_TRYV(in_.fill_if_empty());
      stream_.next_in = in_.data();
      stream_.avail_in = in_.size();
      stream_.next_out = reinterpret_cast<std::uint8_t*>(into.data());
      stream_.avail_out = into.size();
      const auto code = lzma_code(&stream_, in_.at_end() ? LZMA_FINISH : LZMA_RUN);
      in_.consume_to(stream_.avail_in);
      done_ = code == LZMA_STREAM_END;
      if (code != LZMA_OK && !done_) return damaged(compression::xz, cause_of(code));
      if (const auto made = into.size() - stream_.avail_out; made > 0) return made;
    }
    return std::size_t{0};
  }

private:
  static std::string_view cause_of(lzma_ret code) {
    switch (code) {
    case LZMA_BUF_ERROR:
      return "cut off";
    case LZMA_MEMLIMIT_ERROR:
      return "needs more memory than this engine gives";
    case LZMA_FORMAT_ERROR:
      return "not xz";
    default:
      return "damaged";
    }
  }

  input_buffer in_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool ready_ = false, done_ = false;
};

/// bzip2 is rare enough to go through libarchive's filter around its "raw" format.
class bzip2_source final : public byte_source {
public:
  explicit bzip2_source(peeked_source source) : in_(std::move(source)), archive_(archive_read_new()) {
    archive_read_support_filter_bzip2(archive_.get());
    archive_read_support_format_raw(archive_.get());
    archive_read_support_format_empty(archive_.get());
  }

  result<std::size_t> read(byte_span into) override {
    if (!opened_) {
      opened_ = true;
      archive_entry* entry = nullptr;
      if (archive_read_open(archive_.get(), this, nullptr, feed, nullptr) != ARCHIVE_OK) return cause();
      const int code = archive_read_next_header(archive_.get(), &entry);
      if (code == ARCHIVE_EOF) return std::size_t{0};
      if (code != ARCHIVE_OK) return cause();
      // Below 14 bytes libarchive does not see bzip2 and would pass the bytes as they are.
      if (archive_filter_code(archive_.get(), 0) != ARCHIVE_FILTER_BZIP2) return damaged(compression::bzip2, "cut off");
    }
    const auto n = archive_read_data(archive_.get(), into.data(), into.size());
    if (n < 0) return cause();
    return static_cast<std::size_t>(n);
  }

private:
  static la_ssize_t feed(archive* a, void* self_pointer, const void** data) {
    auto* self = static_cast<bzip2_source*>(self_pointer);
    auto n = self->in_.read_raw(self->bytes_);
    *data = self->bytes_.data();
    if (n.has_value()) return static_cast<la_ssize_t>(*n);
    self->failure_ = n.error();
    archive_set_error(a, EIO, "read failed");
    return -1;
  }
  error cause() {
    if (failure_.code != errc::ok) return failure_;
    const char* text = archive_error_string(archive_.get());
    return damaged(compression::bzip2, text ? text : "damaged");
  }

  struct archive_free {
    void operator()(archive* a) const noexcept { archive_read_free(a); }
  };
  input_buffer in_;
  std::array<std::byte, 64 * 1024> bytes_{};
  std::unique_ptr<archive, archive_free> archive_;
  error failure_{errc::ok, 0, {}};
  bool opened_ = false;
};

class plain_source final : public byte_source {
public:
  explicit plain_source(peeked_source source) : source_(std::move(source)) {}
  result<std::size_t> read(byte_span into) override { return source_.read(into); }

private:
  peeked_source source_;
};

bool starts_with(std::span<const std::byte> head, std::string_view magic) {
  if (head.size() < magic.size()) return false;
  return std::equal(magic.begin(), magic.end(), head.begin(),
                    [](char a, std::byte b) { return static_cast<std::byte>(a) == b; });
}

} // namespace

compression compression_of(std::span<const std::byte> head) noexcept {
  using namespace std::string_view_literals;
  if (starts_with(head, "\x1f\x8b"sv)) return compression::gzip;
  if (starts_with(head, "\x28\xb5\x2f\xfd"sv)) return compression::zstd;
  // A skippable zstd frame (0x184D2A50 to 5F, little endian): zstd:chunked layers may begin with one.
  if (head.size() >= 4 && (head[0] & std::byte{0xf0}) == std::byte{0x50} &&
      starts_with(head.subspan(1), "\x2a\x4d\x18"sv))
    return compression::zstd;
  if (starts_with(head, "\xfd\x37zXZ\0"sv)) return compression::xz;
  // "BZh1" to "BZh9", then the mark of a block or of the end: a tar may well begin with a file named BZh.
  const bool block = head.size() >= magic_bytes && (starts_with(head.subspan(4), "\x31\x41\x59\x26\x53\x59"sv) ||
                                                    starts_with(head.subspan(4), "\x17\x72\x45\x38\x50\x90"sv));
  if (block && starts_with(head, "BZh"sv)) return compression::bzip2;
  return compression::none;
}

std::string_view name_of(compression c) noexcept {
  switch (c) {
  case compression::none:
    return "plain";
  case compression::gzip:
    return "gzip";
  case compression::zstd:
    return "zstd";
  case compression::xz:
    return "xz";
  case compression::bzip2:
    return "bzip2";
  }
  return "";
}

result<std::unique_ptr<byte_source>> open_decompressed(byte_source& source) {
  GANTRY_TRY(peeked, peeked_source::peek(source, magic_bytes));
  using made = std::unique_ptr<byte_source>;
  switch (compression_of(peeked.head())) {
  case compression::gzip:
    return made(std::make_unique<gzip_source>(std::move(peeked)));
  case compression::zstd:
    return made(std::make_unique<zstd_source>(std::move(peeked)));
  case compression::xz:
    return made(std::make_unique<xz_source>(std::move(peeked)));
  case compression::bzip2:
    return made(std::make_unique<bzip2_source>(std::move(peeked)));
  case compression::none:
    break;
  }
  return made(std::make_unique<plain_source>(std::move(peeked)));
}

} // namespace gantry::storage
