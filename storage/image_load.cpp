/// image_store::load: the steps of layout.hpp, in that order.
#include <atomic>
#include <cerrno>
#include <sys/stat.h>
#include <thread>

#include "io/base/ids.hpp"
#include "storage/decompress.hpp"
#include "storage/image_state.hpp"
#include "storage/layer_settle.hpp"
#include "storage/layer_unpack.hpp"
#include "storage/tree.hpp"

namespace gantry::storage {

namespace {

error bad(std::string text) { return error{errc::invalid_parameter, 0, std::move(text)}; }

/// How often a load that lost its layers to a removal unpacks them again.
constexpr int record_tries_max = 8;
constexpr std::int64_t report_every_bytes = 1 << 20;

/// Passes bytes on and reports how many have passed, of how many.
class reporting_source final : public byte_source {
public:
  reporting_source(byte_source& source, std::int64_t total,
                   const std::function<void(std::int64_t, std::int64_t)>& report)
      : source_(source), total_(total), report_(report) {}
  result<std::size_t> read(byte_span into) override {
    GANTRY_TRY(n, source_.read(into));
    current_ += static_cast<std::int64_t>(n);
    if (n == 0 ? reported_ < current_ : current_ - reported_ >= report_every_bytes) {
      reported_ = current_;
      report_(current_, total_);
    }
    return n;
  }

private:
  byte_source& source_;
  std::int64_t total_, current_ = 0, reported_ = 0;
  const std::function<void(std::int64_t, std::int64_t)>& report_;
};

struct unpack_job {
  const spooled_file* blob;
  stored_layer layer; ///< chain and diff id known, size not yet
};

/// One load, from the descriptor to the records.
class loading {
public:
  loading(image_store_state& s, const image_store::on_progress& report, ingest_dir& ingest, space_guard& space)
      : s_(s), report_(report), ingest_(ingest), space_(space) {}

  result<std::vector<std::string>> run(int source_fd) {
    GANTRY_TRY(spool, spool_archive(source_fd));
    spool_ = &spool;
    GANTRY_TRY(images, read_archive_images(spool));
    for (auto& image : images) plan(image);
    for (int tries = 0; tries < record_tries_max; ++tries) {
      GANTRY_TRYV(unpack_missing());
      if (auto settled = settle(); settled.has_error()) {
        if (has_all_relied_on()) return settled.error();
      } else {
        GANTRY_TRY(done, record_images(s_, planned_, ready_, relied_on_));
        if (done.missing_layers.empty()) {
          s_.behind->sync_soon();
          return tell(done);
        }
      }
      ready_.clear(); // what they were settled onto is gone
    }
    return error{errc::unavailable, 0, "load: its layers are being removed at the same time"};
  }

private:
  result<archive_spool> spool_archive(int source_fd) {
    fd_source raw(source_fd);
    GANTRY_TRY(tar, open_decompressed(raw));
    GANTRY_TRY(spool, archive_spool::read(*tar, ingest_.fd(), s_.options, space_));
    // A client may send padding behind the end of the archive; it is read, so that the client is not cut off.
    hashing_source rest(*tar, s_.options.unpacked_bytes_max, hashing_source::hash::no);
    GANTRY_TRYV(rest.drain());
    return spool;
  }

  void plan(archive_image& image) {
    new_image wanted;
    wanted.id = image.id;
    wanted.config = std::move(image.config);
    wanted.parent = image.parent;
    wanted.parsed = image.parsed;
    for (const auto& tag : image.tags) wanted.tags.push_back(tag.full());
    std::string chain;
    for (std::size_t i = 0; i < image.layers.size(); ++i) {
      unpack_job job{image.layers[i], {}};
      job.layer.parent_chain_id = chain;
      job.layer.info.diff_id = wanted.parsed.diff_ids[i];
      chain = chain_id_of(chain, job.layer.info.diff_id);
      job.layer.info.chain_id = chain;
      wanted.chain_ids.push_back(chain);
      jobs_.emplace(chain, std::move(job));
    }
    planned_.push_back(std::move(wanted));
  }

  /// Unpacks every layer that is neither in the store nor unpacked already, several at a time: they go to directories
  /// of their own, and overlayfs needs no order.
  result<> unpack_missing() {
    std::vector<const unpack_job*> todo;
    relied_on_.clear();
    {
      std::lock_guard lock(s_.mutex);
      for (const auto& [chain, job] : jobs_) {
        const auto known = s_.known.layers.find(chain);
        if (known != s_.known.layers.end())
          relied_on_.emplace(chain, known->second.serial);
        else
          todo.push_back(&job);
      }
    }
    std::atomic<std::size_t> next = 0;
    std::atomic<bool> failed = false;
    std::mutex gather;
    error first_failure{errc::ok, 0, {}};
    const auto work = [&] {
      for (auto i = next++; i < todo.size() && !failed; i = next++) {
        auto unpacked = unpack(*todo[i], gather);
        std::lock_guard lock(gather);
        if (unpacked.has_value()) {
          ready_.emplace(todo[i]->layer.info.chain_id, std::move(*unpacked));
        } else if (!failed.exchange(true)) {
          first_failure = unpacked.error();
        }
      }
    };
    {
      std::vector<std::jthread> helpers;
      const auto count = std::min(s_.options.unpack_threads, todo.size());
      try {
        for (std::size_t i = 1; i < count; ++i) helpers.emplace_back(work);
      } catch (const std::system_error&) {
        // No thread to be had: this one does all of it.
      }
      work();
    }
    if (failed) return first_failure;
    return {};
  }

  bool has_all_relied_on() {
    std::lock_guard lock(s_.mutex);
    return std::all_of(relied_on_.begin(), relied_on_.end(), [&](const auto& item) {
      const auto known = s_.known.layers.find(item.first);
      return known != s_.known.layers.end() && known->second.serial == item.second;
    });
  }

  /// Fits each new layer onto those below it. Not under the mutex, since it may take long: record_images makes sure
  /// that what was relied on is still the same.
  result<> settle() {
    std::set<std::string_view> settled;
    for (const auto& image : planned_) {
      std::vector<std::filesystem::path> below; // topmost first
      for (const auto& chain : image.chain_ids) {
        const auto fresh = ready_.find(chain);
        const bool is_fresh = fresh != ready_.end();
        const auto root = is_fresh ? fresh->second.directory / "fs" : s_.layout.layer_fs(chain);
        if (is_fresh && settled.insert(chain).second) GANTRY_TRYV(settle_layer(root, fresh->second.unpacked, below));
        below.insert(below.begin(), root);
      }
    }
    return {};
  }

  result<ready_layer> unpack(const unpack_job& job, std::mutex& gather) {
    const auto& diff_id = job.layer.info.diff_id;
    GANTRY_TRY(file, spool_->open(*job.blob));
    fd_source raw(file.get());
    const auto id = short_id(hex_of(diff_id));
    const std::function<void(std::int64_t, std::int64_t)> report = [&](std::int64_t current, std::int64_t total) {
      if (!report_) return;
      std::lock_guard lock(gather);
      report_({{}, "Loading layer", id, current, total});
    };
    reporting_source reported(raw, job.blob->size, report);
    const auto directory = ingest_.path() / ("layer-" + std::to_string(directories_++));
    auto unpacked = unpack_to(directory, reported, diff_id, job.blob->digest, s_.options, space_);
    if (unpacked.has_error()) return with_context(unpacked.error(), "layer `" + diff_id + "`: ");
    unpacked->layer.info.chain_id = job.layer.info.chain_id;
    unpacked->layer.parent_chain_id = job.layer.parent_chain_id;
    return unpacked;
  }

  /// Docker's texts, behaviours 254 and 257; ids are told only where nothing in the archive has a name.
  std::vector<std::string> tell(const recorded& done) {
    std::vector<std::string> ids;
    std::string by_name, by_id;
    const auto say = [&](std::string text) {
      if (report_) report_({std::move(text), {}, {}, 0, 0});
    };
    const auto familiar = [](const std::string& full) { return parse_reference(full)->familiar(); };
    bool named = false;
    for (const auto& image : planned_) {
      if (std::find(ids.begin(), ids.end(), image.id) == ids.end()) ids.push_back(image.id);
      for (const auto& tag : image.tags) {
        named = true;
        for (const auto& moved : done.moved) {
          if (moved.tag != tag) continue;
          say("The image " + familiar(tag) + " already exists, renaming the old one with ID " + moved.old_image +
              " to empty string\n");
        }
        say("Loaded image: " + familiar(tag) + "\n");
      }
    }
    if (!named) {
      for (const auto& id : ids) say("Loaded image ID: " + id + "\n");
    }
    return ids;
  }

  image_store_state& s_;
  const image_store::on_progress& report_;
  ingest_dir& ingest_;
  space_guard& space_;
  const archive_spool* spool_ = nullptr;
  std::vector<new_image> planned_;
  std::map<std::string, unpack_job> jobs_; ///< by chain id
  ready_layers ready_;
  layer_serials relied_on_;
  std::atomic<int> directories_ = 0;
};

} // namespace

result<ready_layer> unpack_to(const std::filesystem::path& directory, byte_source& source,
                              std::string_view expected_diff_id, std::string_view already_hashed,
                              const store_options& options, space_guard& space) {
  GANTRY_TRYV(options.step("unpack"));
  const auto root = directory / "fs";
  if (::mkdir(directory.c_str(), 0700) != 0 || ::mkdir(root.c_str(), 0755) != 0) {
    return sys_error("make `" + root.string() + "`", errno);
  }
  GANTRY_TRY(root_fd, open_directory(root));
  if (::fchmod(root_fd.get(), 0755) != 0) return sys_error("set mode", errno); // whatever the umask says
  GANTRY_TRY(peeked, peeked_source::peek(source, magic_bytes));
  // Plain layers of an archive were hashed as they came; once is enough.
  const bool hashed = compression_of(peeked.head()) == compression::none && !already_hashed.empty();
  GANTRY_TRY(plain, open_decompressed(peeked));
  hashing_source hashing(*plain, options.unpacked_bytes_max,
                         hashed ? hashing_source::hash::no : hashing_source::hash::yes);
  GANTRY_TRY(unpacked, unpack_layer(hashing, root_fd.get(), options, space));
  GANTRY_TRYV(hashing.drain());
  const auto diff_id = hashed ? std::string(already_hashed) : hashing.digest();
  if (!expected_diff_id.empty() && diff_id != expected_diff_id) {
    return bad("its content has the diff id " + diff_id);
  }
  GANTRY_TRYV(options.step("unpacked"));
  ready_layer ready;
  ready.layer.info.diff_id = diff_id;
  ready.layer.info.size_bytes = unpacked.size_bytes;
  ready.directory = directory;
  ready.unpacked = std::move(unpacked);
  return ready;
}

result<std::vector<std::string>> image_store::load(int source_fd, const on_progress& report) {
  auto& s = *state_;
  auto loaded = [&]() -> result<std::vector<std::string>> {
    GANTRY_TRYV(s.options.step("ingest"));
    GANTRY_TRY(ingest, ingest_dir::make(s.layout));
    GANTRY_TRY(space, space_guard::open(ingest.fd(), s.options.unpacked_bytes_max));
    return loading(s, report, ingest, space).run(source_fd);
  }();
  s.behind->empty_trash_soon();
  return loaded;
}

} // namespace gantry::storage
