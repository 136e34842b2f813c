/// Image references: "busybox" is docker.io/library/busybox:latest. Source: behaviours 236-238.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "io/base/result.hpp"

namespace gantry::storage {

struct reference {
  std::string domain; ///< "docker.io"
  std::string path;   ///< "library/busybox"
  std::string tag;    ///< empty when none was given
  std::string digest; ///< "sha256:..." or empty

  /// "busybox", "user/x", "localhost:5000/x": how replies show the repository.
  [[nodiscard]] std::string familiar_name() const;
  /// familiar_name with ":tag" or "@digest".
  [[nodiscard]] std::string familiar() const;
  /// "docker.io/library/busybox:latest"
  [[nodiscard]] std::string full() const;
};

/// Errors: invalid_parameter with Docker's texts ("invalid reference format", "... must be lowercase").
result<reference> parse_reference(std::string_view text);
/// The same, with the tag `latest` where neither tag nor digest is given.
result<reference> parse_reference_with_default_tag(std::string_view text);

/// Where a tag is to point from: a repository, with an optional tag of its own that `tag` replaces; "latest" at last.
/// Errors: invalid_parameter (a digest; the name of a digest algorithm): behaviours 241.
result<reference> parse_target(std::string_view repository, std::string_view tag);

/// [A-Za-z0-9_][A-Za-z0-9_.-]{0,127}
[[nodiscard]] bool is_valid_tag(std::string_view text) noexcept;
/// "sha256:" and 64 lower-case hex characters.
[[nodiscard]] bool is_sha256_digest(std::string_view text) noexcept;

} // namespace gantry::storage
