/// An image store on a fresh data root, fed from memory.
#pragma once

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/mman.h>
#include <unistd.h>

#include "io/base/log.hpp"
#include "io/base/unique_fd.hpp"
#include "storage/image_store.hpp"
#include "tests/storage/tar_builder.hpp"
#include "tests/storage/temp_dir.hpp"

namespace gantry::test {

inline bool is_root() {
  if (::geteuid() == 0) return true;
  WARN("skipped: unpacking layers needs root");
  return false;
}

inline unique_fd memory_file(const std::string& bytes) {
  unique_fd fd(::memfd_create("test", MFD_CLOEXEC));
  REQUIRE(::write(fd.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  REQUIRE(::lseek(fd.get(), 0, SEEK_SET) == 0);
  return fd;
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

inline std::size_t count_in(const std::filesystem::path& path) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& item : std::filesystem::directory_iterator(path)) ++count;
  return count;
}

struct store_world {
  explicit store_world(const std::filesystem::path& data_root, storage::store_options options = {}) : root(data_root) {
    log::configure(log::level::fatal, log::format::text); // failures are made on purpose here
    auto opened_records = storage::record_store::open(root);
    if (opened_records.has_error()) FAIL(opened_records.error().message);
    records = std::move(*opened_records);
    auto opened = storage::image_store::open(root, *records, std::move(options));
    if (opened.has_error()) FAIL(opened.error().message);
    store = std::move(*opened);
  }

  result<std::vector<std::string>> load(const std::string& archive) {
    said.clear();
    const auto fd = memory_file(archive);
    return store->load(fd.get(), [this](const auto& p) { said += p.stream; });
  }
  std::vector<std::string> must_load(const std::string& archive) {
    auto loaded = load(archive);
    if (loaded.has_error()) FAIL(loaded.error().message);
    return *loaded;
  }
  std::shared_ptr<const storage::image_info> find(const std::string& name) const {
    auto found = store->images()->find(name);
    return found.has_value() ? *found : nullptr;
  }
  std::filesystem::path layer(const storage::image_info& image, std::size_t index) const {
    return root / "layers" / image.layers.at(index).chain_id.substr(7) / "fs";
  }
  /// Nothing half done is left anywhere.
  void check_clean(std::size_t layers) {
    (void)store->flush();
    CHECK(count_in(root / "ingest") == 0);
    CHECK(count_in(root / "trash") == 0);
    CHECK(count_in(root / "layers") == layers);
  }

  std::filesystem::path root;
  std::unique_ptr<storage::record_store> records;
  std::unique_ptr<storage::image_store> store;
  std::string said;
};

inline std::vector<storage::image_store::usage> unused(std::string_view) { return {}; }

} // namespace gantry::test
