/// See sha256.hpp.
#include "storage/sha256.hpp"

#include <array>
#include <openssl/evp.h>

#include "io/base/assert.hpp"

namespace gantry::storage {

void sha256::context_free::operator()(void* context) const noexcept {
  EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context));
}

sha256::sha256() : context_(EVP_MD_CTX_new()) {
  GANTRY_ASSERT(context_ && EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_.get()), EVP_sha256(), nullptr) == 1);
}
sha256::~sha256() = default;
sha256::sha256(sha256&&) noexcept = default;
sha256& sha256::operator=(sha256&&) noexcept = default;

void sha256::update(std::span<const std::byte> data) noexcept {
  GANTRY_ASSERT(EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_.get()), data.data(), data.size()) == 1);
}

std::string sha256::digest() {
  std::array<unsigned char, 32> bytes{};
  unsigned int length = 0;
  GANTRY_ASSERT(EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_.get()), bytes.data(), &length) == 1);
  constexpr char digits[] = "0123456789abcdef";
  std::string text = "sha256:";
  for (const auto b : bytes) {
    text += digits[b >> 4];
    text += digits[b & 15];
  }
  return text;
}

std::string sha256_of(std::string_view data) {
  sha256 hash;
  hash.update(std::as_bytes(std::span(data.data(), data.size())));
  return hash.digest();
}

std::string chain_id_of(std::string_view parent_chain_id, std::string_view diff_id) {
  if (parent_chain_id.empty()) return std::string(diff_id);
  return sha256_of(std::string(parent_chain_id) + " " + std::string(diff_id));
}

} // namespace gantry::storage
