/// What is behind image_store, shared by its source files. Private to storage.
///
/// `mutex` guards the catalog and every rename into layers/ and init/. Long work (spooling, unpacking) runs outside of
/// it; what such work took for granted is checked again when it comes to record its result.
#pragma once

#include <map>
#include <mutex>
#include <set>

#include "storage/archive_images.hpp"
#include "storage/image_store.hpp"
#include "storage/janitor.hpp"
#include "storage/layer_unpack.hpp"
#include "storage/layout.hpp"

namespace gantry::storage {

struct stored_layer {
  layer_info info;
  std::string parent_chain_id;
  bool durable = false;
  std::uint64_t serial = 0; ///< tells a layer from another of the same chain id that was here before; not on disk
};

struct stored_image {
  std::shared_ptr<const image_info> info;
  std::vector<std::string> tags;    ///< full
  std::vector<std::string> digests; ///< full
};

/// Every image and layer that has a record.
struct catalog {
  std::map<std::string, stored_image, std::less<>> images; ///< by id
  std::map<std::string, stored_layer, std::less<>> layers; ///< by chain id

  /// Layers that no image needs.
  [[nodiscard]] std::vector<std::string> unneeded_layers() const;
  /// The image that has this full reference; null when none has.
  [[nodiscard]] stored_image* find_tag(std::string_view full);
};

/// `basis` with the names of `image` in their familiar forms.
std::shared_ptr<const image_info> make_info(const stored_image& image, const image_info& basis);

change put_image(const stored_image& image);
change put_layer(const stored_layer& layer);
change erase_image(std::string_view id);
change erase_layer(std::string_view chain_id);

/// Says at the start whether a recorded layer can still be trusted.
using layer_check = std::function<bool(const stored_layer&)>;
/// Reads all records. What is damaged, not usable, or built on such, is left out and its erasure put into `drop`.
/// Errors: unavailable (written by a newer engine), internal.
result<catalog> read_catalog(record_store& records, const layer_check& usable, std::vector<change>& drop);

struct image_store_state {
  image_store_state(data_layout where, record_store& r, store_options o)
      : layout(std::move(where)), records(r), options(std::move(o)) {}

  data_layout layout;
  record_store& records;
  store_options options;

  std::mutex mutex;
  catalog known;
  std::uint64_t last_serial = 0;

  std::mutex lower_mutex; ///< taken after `mutex`, held for a copy only
  std::map<std::string, std::vector<std::string>, std::less<>> lower_dirs; ///< of images whose init layer stands

  mutable std::mutex index_mutex; ///< held for copying one pointer
  std::shared_ptr<const image_index> index;

  std::unique_ptr<janitor> behind; ///< last: its thread uses the rest

  /// Records `changes`, then makes `next` what everyone sees. Call with `mutex` held.
  result<> commit(std::vector<change> changes, catalog next);
  void publish();
  /// Marks durable what was recorded before a syncfs. Runs on the janitor's thread.
  result<> sync_layers();
  /// Takes unneeded layers and the init layers of gone images off the disk, after the records are gone. With `mutex`.
  void discard(const std::vector<std::string>& chain_ids, const std::vector<std::string>& image_ids);
};

/// image_store's own name for it.
struct image_store::state : image_store_state {
  using image_store_state::image_store_state;
};

/// A directory of ingest/ that goes to the trash at the end of its scope.
class ingest_dir {
public:
  static result<ingest_dir> make(const data_layout& layout);
  ingest_dir(ingest_dir&&) noexcept;
  ~ingest_dir();
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

private:
  ingest_dir() = default;
  const data_layout* layout_ = nullptr;
  std::filesystem::path path_;
  unique_fd fd_;
};

/// What a load or an import wants recorded.
struct new_image {
  std::string id, config, parent;
  image_config parsed;
  std::vector<std::string> chain_ids; ///< lowest first, one for each diff id
  std::vector<std::string> tags;      ///< full
  unix_nanos last_tagged = 0;
};

/// A layer that stands unpacked in ingest/, not yet renamed to its place.
struct ready_layer {
  stored_layer layer;
  std::filesystem::path directory; ///< holds fs/
  unpacked_layer unpacked;
};
using ready_layers = std::map<std::string, ready_layer, std::less<>>; ///< by chain id

struct moved_tag {
  std::string tag; ///< full
  std::string old_image;
};
struct recorded {
  std::vector<std::string> missing_layers; ///< not empty: nothing was recorded; these must be unpacked (again)
  std::vector<moved_tag> moved;            ///< tags that other images had before
};

/// The last part of a load: puts layers in their places and records them, with images and tags, in one transaction.
/// All or nothing. Takes the state's mutex. `relied_on`: the recorded layers that `ready` was settled onto, with
/// serials.
using layer_serials = std::map<std::string, std::uint64_t, std::less<>>;
result<recorded> record_images(image_store_state& s, const std::vector<new_image>& images, const ready_layers& ready,
                               const layer_serials& relied_on);

/// Unpacks what `source` gives (compressed or not) to `directory`/fs. `expected_diff_id` empty: whatever it is.
/// `already_hashed`: the digest of the bytes of `source`, if known. Gives layer with diff id and size, without chain.
result<ready_layer> unpack_to(const std::filesystem::path& directory, byte_source& source,
                              std::string_view expected_diff_id, std::string_view already_hashed,
                              const store_options& options, space_guard& space);

} // namespace gantry::storage
