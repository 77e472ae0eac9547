#pragma once

#include <array>
#include <memory>
#include <optional>

#include "base/bytes.hpp"

struct evp_md_ctx_st;

namespace signet::base {

// sha1 is made in the compatible profile alone (xades/compatible.hpp), and read where a policy takes it.
enum class DigestAlgorithm : std::uint8_t { sha1, sha224, sha256, sha384, sha512 };

std::string_view name(DigestAlgorithm algorithm);  // "sha256"
std::size_t size(DigestAlgorithm algorithm);       // in bytes
// Accepts "sha256", "SHA256" and "SHA-256".
std::optional<DigestAlgorithm> digest_algorithm(std::string_view name);
// A hash tells its algorithm by its size in bytes: 20, 28, 32, 48 or 64.
std::optional<DigestAlgorithm> digest_algorithm_of_size(std::size_t bytes);

// The value of a hash, without allocation: a batch holds 100 000 of them.
class Digest {
 public:
  Digest() = default;
  // digest_length if the bytes are not as many as the algorithm gives.
  static Result<Digest> of_value(DigestAlgorithm algorithm, BytesView value);

  DigestAlgorithm algorithm() const { return algorithm_; }
  BytesView bytes() const { return {value_.data(), size(algorithm_)}; }
  bool operator==(const Digest& other) const;

 private:
  friend Digest digest(DigestAlgorithm, BytesView);
  friend class DigestPrefix;
  DigestAlgorithm algorithm_ = DigestAlgorithm::sha256;
  std::array<std::uint8_t, 64> value_{};
};

Digest digest(DigestAlgorithm algorithm, BytesView data);

// The beginning that many messages have in common, hashed once. Immutable; any thread.
class DigestPrefix {
 public:
  DigestPrefix(DigestAlgorithm algorithm, BytesView beginning);
  // The digest of the beginning and `rest` together.
  Digest with(BytesView rest) const;

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  DigestAlgorithm algorithm_;
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

// "sha256:<hex>", the form of the command line.
Result<Digest> parse_digest(std::string_view text);

}  // namespace signet::base
