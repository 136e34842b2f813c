/// What the disk looks like: the one drawn tree, changed together with its migration (record_store's schema version).
///
///   <data root>/
///     records.db               who exists: containers, images, layers (record_store)
///     layers/<chain hex>/fs/   one unpacked layer, named by its chain id, shared by all images that have it
///     init/<image hex>/        the image's init layer: mount targets that `docker diff` never shows
///     ingest/<random>/         work half done: spooled blobs and layers being unpacked
///     trash/<random>           renamed here to be deleted behind the caller
///
/// An image's configuration lives in its record, so there is no blob that could be lost apart from it.
///
/// Order of a load, each step visible on disk (a kill between any two leaves the image absent or exact):
///   1. ingest/<random>/ is made; blobs are spooled and hashed into it
///   2. each missing layer is unpacked to ingest/<random>/<n>/fs and its diff id is checked
///   3. each is settled onto the layers below it, then renamed to layers/<chain hex>
///   4. one transaction records layers (durable = false), images and tags          <- from here the image exists
///   5. ingest/<random>/ goes to the trash
///   6. behind the call: syncfs, then one transaction sets durable = true
/// open() drops what no record names (steps 1 to 3), and after another boot what step 6 did not reach.
/// A removal records first and renames to the trash after, so a kill between leaves what open() drops.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace gantry::storage {

/// "sha256:abc" -> "abc".
inline std::string_view hex_of(std::string_view digest) {
  const auto colon = digest.find(':');
  return colon == digest.npos ? digest : digest.substr(colon + 1);
}

struct data_layout {
  std::filesystem::path root;

  [[nodiscard]] std::filesystem::path layers() const { return root / "layers"; }
  [[nodiscard]] std::filesystem::path layer(std::string_view chain_id) const { return layers() / hex_of(chain_id); }
  [[nodiscard]] std::filesystem::path layer_fs(std::string_view chain_id) const { return layer(chain_id) / "fs"; }
  [[nodiscard]] std::filesystem::path init() const { return root / "init"; }
  [[nodiscard]] std::filesystem::path init_layer(std::string_view image_id) const { return init() / hex_of(image_id); }
  [[nodiscard]] std::filesystem::path ingest() const { return root / "ingest"; }
  [[nodiscard]] std::filesystem::path trash() const { return root / "trash"; }
};

} // namespace gantry::storage
