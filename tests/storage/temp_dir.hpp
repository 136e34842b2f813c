/// A fresh directory for one test, gone at its end. In memory where that is possible, because a store syncs its whole
/// filesystem; TMPDIR names another place.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <unistd.h>

#include "io/base/assert.hpp"

namespace gantry::test {

class temp_dir {
public:
  temp_dir() {
    const char* wanted = std::getenv("TMPDIR");
    const bool memory = !wanted && ::access("/dev/shm", W_OK) == 0;
    const auto parent = memory ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path();
    std::string pattern = (parent / "gantry-storage-XXXXXX").string();
    GANTRY_ASSERT(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  temp_dir(const temp_dir&) = delete;
  temp_dir& operator=(const temp_dir&) = delete;
  ~temp_dir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

private:
  std::filesystem::path path_;
};

} // namespace gantry::test
