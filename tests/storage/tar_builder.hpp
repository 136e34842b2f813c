/// Tar archives made by hand, byte for byte, so that a test can also write what no honest tool would. And around them,
/// image archives.
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <array>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "io/base/assert.hpp"
#include "storage/sha256.hpp"

namespace gantry::test {

struct tar_item {
  std::string path;
  char type = '0';
  std::string data;
  unsigned mode = 0644;
  long uid = 0, gid = 0;
  long mtime = 1'600'000'000;
  std::string link;
  unsigned major = 0, minor = 0;
  std::vector<std::pair<std::string, std::string>> pax; ///< records before it, e.g. {"SCHILY.xattr.user.x", "y"}
  long claimed_size = -1;                               ///< when the header shall lie
};

class tar_builder {
public:
  tar_builder& add(const tar_item& item) {
    if (!item.pax.empty()) {
      std::string records;
      for (const auto& [key, value] : item.pax) records += pax_record(key, value);
      raw({"pax", 'x', records});
    }
    if (item.path.size() > 100) raw({"././@LongLink", 'L', item.path + '\0'});
    if (item.link.size() > 100) raw({"././@LongLink", 'K', item.link + '\0'});
    return raw(item);
  }
  tar_builder& dir(const std::string& path, unsigned mode = 0755) { return add({path, '5', {}, mode}); }
  tar_builder& file(const std::string& path, const std::string& data, unsigned mode = 0644) {
    return add({path, '0', data, mode});
  }
  tar_builder& symlink(const std::string& path, const std::string& to) {
    return add({path, '2', {}, 0777, 0, 0, 1'600'000'000, to});
  }
  tar_builder& hard_link(const std::string& path, const std::string& to) {
    return add({path, '1', {}, 0644, 0, 0, 1'600'000'000, to});
  }
  [[nodiscard]] std::string finish() const { return bytes_ + std::string(1024, '\0'); }

private:
  static std::string pax_record(const std::string& key, const std::string& value) {
    std::size_t length = key.size() + value.size() + 3;
    while (std::to_string(length).size() + key.size() + value.size() + 3 != length) {
      length = std::to_string(length).size() + key.size() + value.size() + 3;
    }
    return std::to_string(length) + " " + key + "=" + value + "\n";
  }

  template <std::size_t Width>
  static void octal(char (&field)[Width], unsigned long value) {
    for (std::size_t i = Width - 1; i-- > 0; value >>= 3) field[i] = static_cast<char>('0' + (value & 7));
  }

  tar_builder& raw(const tar_item& item) {
    struct {
      char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6], version[2],
          user[32], group[32], major[8], minor[8], prefix[155], pad[12];
    } h{};
    static_assert(sizeof h == 512);
    std::memcpy(h.name, item.path.data(), std::min<std::size_t>(item.path.size(), 100));
    std::memcpy(h.link, item.link.data(), std::min<std::size_t>(item.link.size(), 100));
    octal(h.mode, item.mode);
    octal(h.uid, static_cast<unsigned long>(item.uid));
    octal(h.gid, static_cast<unsigned long>(item.gid));
    octal(h.size, item.claimed_size >= 0 ? static_cast<unsigned long>(item.claimed_size) : item.data.size());
    octal(h.mtime, static_cast<unsigned long>(item.mtime));
    octal(h.major, item.major);
    octal(h.minor, item.minor);
    h.type = item.type;
    std::memcpy(h.magic, "ustar", 6);
    std::memcpy(h.version, "00", 2);
    std::memset(h.checksum, ' ', 8);
    unsigned sum = 0;
    for (std::size_t i = 0; i < sizeof h; ++i) sum += reinterpret_cast<unsigned char*>(&h)[i];
    std::snprintf(h.checksum, 7, "%06o", sum);
    bytes_.append(reinterpret_cast<char*>(&h), sizeof h);
    bytes_ += item.data;
    bytes_.append((512 - item.data.size() % 512) % 512, '\0');
    return *this;
  }

  std::string bytes_;
};

/// Makes the checksums of all headers right again after bytes were changed, so that the change is seen at all.
inline void fix_checksums(std::string& tar) {
  for (std::size_t at = 0; at + 512 <= tar.size(); at += 512) {
    if (tar.compare(at + 257, 5, "ustar") != 0) continue;
    unsigned sum = 8 * ' ';
    for (std::size_t i = 0; i < 512; ++i) sum += i >= 148 && i < 156 ? 0 : static_cast<unsigned char>(tar[at + i]);
    for (std::size_t i = 6; i-- > 0; sum >>= 3) tar[at + 148 + i] = static_cast<char>('0' + (sum & 7));
    tar[at + 154] = '\0';
  }
}

/// gzip, zstd, xz, bzip2 by libarchive's own filters: another implementation than the one under test (but for bzip2).
inline std::string compress(const std::string& bytes, const std::string& filter) {
  if (filter == "none") return bytes;
  std::string out(bytes.size() + (1 << 20), '\0');
  std::size_t used = 0;
  archive* a = archive_write_new();
  GANTRY_ASSERT(archive_write_add_filter_by_name(a, filter.c_str()) == ARCHIVE_OK);
  archive_write_set_format_raw(a);
  archive_write_set_bytes_per_block(a, 0);
  GANTRY_ASSERT(archive_write_open_memory(a, out.data(), out.size(), &used) == ARCHIVE_OK);
  archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_write_header(a, entry);
  GANTRY_ASSERT(archive_write_data(a, bytes.data(), bytes.size()) == static_cast<la_ssize_t>(bytes.size()));
  archive_entry_free(entry);
  archive_write_close(a);
  archive_write_free(a);
  out.resize(used);
  return out;
}

inline std::string quoted_list(const std::vector<std::string>& texts) {
  std::string list = "[";
  for (const auto& text : texts) list += (list.size() > 1 ? ",\"" : "\"") + text + "\"";
  return list + "]";
}

struct test_image {
  std::vector<std::string> layers; ///< plain tars, lowest first
  std::vector<std::string> tags;
  std::string parent;
  int history = 0;
  std::string filter = "none"; ///< compression of the layers
  std::string note = "x";      ///< makes the config, and so the id, different

  [[nodiscard]] std::string config() const {
    std::vector<std::string> diff_ids;
    for (const auto& layer : layers) diff_ids.push_back(storage::sha256_of(layer));
    std::string past;
    for (int i = 0; i < history; ++i) past += past.empty() ? "{}" : ",{}";
    return "{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":\"2024-01-02T03:04:05Z\",\"author\":\"" + note +
           "\",\"config\":{\"Cmd\":[\"sh\"]},\"history\":[" + past +
           "],\"rootfs\":{\"type\":\"layers\",\"diff_ids\":" + quoted_list(diff_ids) + "}}";
  }
  [[nodiscard]] std::string id() const { return storage::sha256_of(config()); }
};

inline std::string blob_path(const std::string& bytes) { return "blobs/sha256/" + storage::sha256_of(bytes).substr(7); }

/// As `docker save` of Docker 25 and later: blobs by digest, the manifest last.
inline std::string docker_archive(const std::vector<test_image>& images) {
  tar_builder tar;
  std::string manifest;
  for (const auto& image : images) {
    std::vector<std::string> layers;
    for (const auto& layer : image.layers) {
      const auto bytes = compress(layer, image.filter);
      layers.push_back(blob_path(bytes));
      tar.file(layers.back(), bytes);
    }
    tar.file(blob_path(image.config()), image.config());
    if (!manifest.empty()) manifest += ",";
    manifest += "{\"Config\":\"" + blob_path(image.config()) +
                "\",\"RepoTags\":" + (image.tags.empty() ? "null" : quoted_list(image.tags)) +
                ",\"Layers\":" + quoted_list(layers) +
                (image.parent.empty() ? "" : ",\"Parent\":\"" + image.parent + "\"") + "}";
  }
  tar.file("manifest.json", "[" + manifest + "]");
  return tar.finish();
}

/// As `docker save` of Docker 20.10: a directory a layer, equal layers as links, the manifest and `repositories` last.
inline std::string old_docker_archive(const test_image& image) {
  tar_builder tar;
  std::vector<std::string> layers;
  std::vector<std::pair<std::string, std::string>> written; // content -> path
  for (const auto& layer : image.layers) {
    const auto folder = storage::sha256_of(layer + std::to_string(layers.size())).substr(7);
    tar.dir(folder + "/").file(folder + "/VERSION", "1.0").file(folder + "/json", "{}");
    layers.push_back(folder + "/layer.tar");
    bool linked = false;
    for (const auto& [content, path] : written) {
      if (content != layer) continue;
      tar.symlink(layers.back(), "../" + path);
      linked = true;
      break;
    }
    if (linked) continue;
    tar.file(layers.back(), layer);
    written.emplace_back(layer, layers.back());
  }
  const auto config = image.id().substr(7) + ".json";
  tar.file(config, image.config());
  tar.file("manifest.json", "[{\"Config\":\"" + config + "\",\"RepoTags\":" + quoted_list(image.tags) +
                                ",\"Layers\":" + quoted_list(layers) + "}]");
  tar.file("repositories", "{\"x\":{\"latest\":\"y\"}}");
  return tar.finish();
}

} // namespace gantry::test
