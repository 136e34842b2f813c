/// Images: blobs by digest, layers unpacked once each and shared by chain id, tags. What the disk looks like stands in
/// storage/layout.hpp.
///
/// Reading goes through an immutable index that is replaced whole at each change: lists and lookups never wait.
/// Methods that change something block (unpacking, hashing, records): call them on the pool, never on a worker.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "io/base/result.hpp"
#include "io/base/time.hpp"
#include "storage/limits.hpp"
#include "storage/record_store.hpp"
#include "storage/reference.hpp"

namespace gantry::storage {

struct layer_info {
  std::string chain_id; ///< "sha256:...", names the unpacked directory
  std::string diff_id;
  std::int64_t size_bytes = 0; ///< of the unpacked files, as Docker counts
};

/// One image as the store knows it. `config` is the image's configuration JSON as it was loaded: its digest is the id.
struct image_info {
  std::string id; ///< "sha256:..."
  std::string config;
  std::vector<layer_info> layers;        ///< lowest first
  std::vector<std::string> repo_tags;    ///< familiar, sorted: "busybox:latest"
  std::vector<std::string> repo_digests; ///< "busybox@sha256:..."
  std::int64_t size_bytes = 0;
  unix_nanos created = 0;     ///< from the config
  unix_nanos last_tagged = 0; ///< 0: never
  std::string parent;         ///< image id or empty
  bool kept = false;          ///< removed by force while containers use it: no longer listed, its layers stay for them
};

/// All images at one moment. Immutable.
class image_index {
public:
  explicit image_index(std::vector<std::shared_ptr<const image_info>> images);

  /// Newest first. A copy, so that `for (auto& image : store.images()->all())` cannot outlive the index it came from.
  [[nodiscard]] std::vector<std::shared_ptr<const image_info>> all() const { return images_; }
  /// A reference (tag defaults to latest), a digest reference, a full id, or a unique id prefix, with or without
  /// "sha256:". Errors: not_found `No such image: X:latest` · invalid_parameter (bad reference or ambiguous prefix).
  [[nodiscard]] result<std::shared_ptr<const image_info>> find(std::string_view name_or_id) const;
  /// The image of a container, by its full id: also one that was removed by force while the container exists, which
  /// find() and all() no longer know. Null when there is none.
  [[nodiscard]] std::shared_ptr<const image_info> find_for_container(std::string_view image_id) const;
  /// The images that name `image_id` as their parent.
  [[nodiscard]] bool has_children(std::string_view image_id) const;

private:
  [[nodiscard]] result<std::shared_ptr<const image_info>> find_prefix(std::string_view hex) const;

  std::vector<std::shared_ptr<const image_info>> images_;
  std::map<std::string, std::shared_ptr<const image_info>, std::less<>> by_id_;   ///< hex, the kept ones too
  std::map<std::string, std::shared_ptr<const image_info>, std::less<>> by_name_; ///< familiar, with tag or digest
  std::set<std::string, std::less<>> parents_;
};

struct removed {
  std::vector<std::string> untagged; ///< "busybox:latest"
  std::vector<std::string> deleted;  ///< "sha256:...": images, then layers
  std::int64_t reclaimed_bytes = 0;
};

class image_store {
public:
  /// What a load reports as it goes, in Docker's words: {"stream": ...} or {"status", "id", "progress"}.
  struct progress {
    std::string stream; ///< "Loaded image: busybox:latest\n"
    std::string status; ///< "Loading layer"
    std::string id;     ///< 12 hex
    std::int64_t current = 0, total = 0;
  };
  /// Called from the threads of the load, one at a time; must not call the store.
  using on_progress = std::function<void(const progress&)>;
  /// Says which containers use an image, and how: asked under removal. Gives Docker's refusal text or nothing.
  struct usage {
    std::string container_id;
    bool running = false;
  };
  /// Called while the store is locked; must not call the store.
  using usage_of = std::function<std::vector<usage>(std::string_view image_id)>;

  /// Opens the store below `data_root`, checks what lies on disk against the records and drops what no record names
  /// (half-unpacked layers of a killed engine) into the trash.
  /// `records` must outlive the store.
  static result<std::unique_ptr<image_store>> open(const std::filesystem::path& data_root, record_store& records,
                                                   store_options options = {});
  ~image_store();

  /// Thread: any; never blocks.
  [[nodiscard]] std::shared_ptr<const image_index> images() const;

  /// The read-only directories of an image for an overlay, topmost first: the image's init layer (/.dockerenv, /dev,
  /// /proc, /sys, /etc/{hosts,hostname,resolv.conf}, /etc/mtab: behaviours 124), then its layers. Blocks only the first
  /// time for an image.
  result<std::vector<std::string>> lower_dirs(const image_info& image);

  /// Reads a docker-archive or OCI layout, plain or compressed (gzip, zstd, xz, bzip2), from a descriptor until its
  /// end. Each layer is hashed, inflated and unpacked as it streams by. Gives the ids of the loaded images. Errors:
  /// invalid_parameter (what in the archive is wrong), internal.
  result<std::vector<std::string>> load(int source_fd, const on_progress& report);

  /// Makes a one-layer image of a root filesystem tar (any compression). `config_json` is the object that becomes the
  /// image's "config" (already changed as asked for); gives the image id. `tag` may be empty.
  struct import_options {
    std::string tag;
    std::string comment;
    std::string config_json;
    std::string os = "linux", architecture, variant;
  };
  result<std::string> import(int source_fd, const import_options& options);

  /// Errors: not_found, invalid_parameter (behaviours 241).
  result<> tag(std::string_view image, std::string_view repository, std::string_view tag);

  /// DELETE /images/{name}: behaviours 240. Files go to the trash and are deleted behind the call.
  result<removed> remove(std::string_view image, bool force, bool no_prune, const usage_of& used_by);
  /// One whole image with all its tags, for prune. Errors: conflict (in use).
  result<removed> remove_image(std::string_view image_id, const usage_of& used_by);
  /// Frees what images removed by force left for containers that are now gone too. Call after containers were removed;
  /// costs nothing when no such image exists.
  result<> release_kept(const usage_of& used_by);

  /// Waits until what was loaded before the call is marked durable: for tests and an orderly shutdown.
  result<> flush();

private:
  struct state;
  explicit image_store(std::unique_ptr<state> s);
  std::unique_ptr<state> state_;
};

} // namespace gantry::storage
