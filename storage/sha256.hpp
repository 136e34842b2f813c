/// SHA-256, streaming, as "sha256:<64 hex>".
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace gantry::storage {

class sha256 {
public:
  sha256();
  ~sha256();
  sha256(sha256&&) noexcept;
  sha256& operator=(sha256&&) noexcept;

  void update(std::span<const std::byte> data) noexcept;
  /// Ends the computation; call once.
  [[nodiscard]] std::string digest();

private:
  struct context_free {
    void operator()(void* context) const noexcept;
  };
  std::unique_ptr<void, context_free> context_;
};

[[nodiscard]] std::string sha256_of(std::string_view data);

/// The name of a stack of layers: image-spec config.md, "Layer ChainID".
[[nodiscard]] std::string chain_id_of(std::string_view parent_chain_id, std::string_view diff_id);

} // namespace gantry::storage
