#include "base/digest.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <stdexcept>

#include "base/message_digest.hpp"
#include "base/owned.hpp"

namespace signet::base {
namespace {

struct Row {
  DigestAlgorithm algorithm;
  std::string_view name;
  const char* openssl_name;
  std::size_t size;
};
constexpr std::array rows{
    Row{DigestAlgorithm::sha1, "sha1", "SHA1", 20},         Row{DigestAlgorithm::sha224, "sha224", "SHA2-224", 28},
    Row{DigestAlgorithm::sha256, "sha256", "SHA2-256", 32}, Row{DigestAlgorithm::sha384, "sha384", "SHA2-384", 48},
    Row{DigestAlgorithm::sha512, "sha512", "SHA2-512", 64},
};
const Row& row(DigestAlgorithm algorithm) { return rows.at(static_cast<std::size_t>(algorithm)); }

EVP_MD_CTX* context_of_thread() {
  thread_local const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context{EVP_MD_CTX_new()};
  return context.get();
}

[[noreturn]] void cannot_compute(DigestAlgorithm algorithm) {
  throw std::runtime_error("OpenSSL cannot compute " + std::string(name(algorithm)));
}

}  // namespace

// Fetching an EVP_MD costs more than hashing a kilobyte, so each is fetched once and kept.
const EVP_MD* message_digest(DigestAlgorithm algorithm) {
  static const auto fetched = [] {
    std::array<Owned<EVP_MD, EVP_MD_free>, rows.size()> all;
    for (std::size_t i = 0; i < rows.size(); ++i) all[i].reset(EVP_MD_fetch(nullptr, rows[i].openssl_name, nullptr));
    return all;
  }();
  return fetched.at(static_cast<std::size_t>(algorithm)).get();
}

std::string_view name(DigestAlgorithm algorithm) { return row(algorithm).name; }

std::size_t size(DigestAlgorithm algorithm) { return row(algorithm).size; }

std::optional<DigestAlgorithm> digest_algorithm(std::string_view name) {
  std::string plain;
  for (char c : name.substr(0, 16)) {
    if (c == '-') continue;
    plain += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  for (const Row& row : rows) {
    if (row.name == plain) return row.algorithm;
  }
  return std::nullopt;
}

std::optional<DigestAlgorithm> digest_algorithm_of_size(std::size_t bytes) {
  const auto found = std::ranges::find(rows, bytes, &Row::size);
  return found == rows.end() ? std::nullopt : std::optional(found->algorithm);
}

Result<Digest> Digest::of_value(DigestAlgorithm algorithm, BytesView value) {
  if (value.size() != size(algorithm))
    return failure(ErrorCode::digest_length, std::string(name(algorithm)) + " has another length");
  Digest digest;
  digest.algorithm_ = algorithm;
  std::copy(value.begin(), value.end(), digest.value_.begin());
  return digest;
}

bool Digest::operator==(const Digest& other) const {
  return algorithm_ == other.algorithm_ && std::ranges::equal(bytes(), other.bytes());
}

Digest digest(DigestAlgorithm algorithm, BytesView data) {
  EVP_MD_CTX* const context = context_of_thread();
  Digest out;
  out.algorithm_ = algorithm;
  if (EVP_DigestInit_ex2(context, message_digest(algorithm), nullptr) != 1 ||
      EVP_DigestUpdate(context, data.data(), data.size()) != 1 || EVP_DigestFinal_ex(context, out.value_.data(), nullptr) != 1)
    cannot_compute(algorithm);
  return out;
}

void DigestPrefix::Free::operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }

DigestPrefix::DigestPrefix(DigestAlgorithm algorithm, BytesView beginning) : algorithm_(algorithm), context_(EVP_MD_CTX_new()) {
  if (EVP_DigestInit_ex2(context_.get(), message_digest(algorithm), nullptr) != 1 ||
      EVP_DigestUpdate(context_.get(), beginning.data(), beginning.size()) != 1)
    cannot_compute(algorithm);
}

Digest DigestPrefix::with(BytesView rest) const {
  EVP_MD_CTX* const context = context_of_thread();
  Digest out;
  out.algorithm_ = algorithm_;
  if (EVP_MD_CTX_copy_ex(context, context_.get()) != 1 || EVP_DigestUpdate(context, rest.data(), rest.size()) != 1 ||
      EVP_DigestFinal_ex(context, out.value_.data(), nullptr) != 1)
    cannot_compute(algorithm_);
  return out;
}

Result<Digest> parse_digest(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return failure(ErrorCode::parameter_invalid, "a digest is written ALG:HEX");
  const auto algorithm = digest_algorithm(text.substr(0, colon));
  if (!algorithm) return failure(ErrorCode::algorithm_unknown, "unknown digest algorithm");
  auto value = from_hex(text.substr(colon + 1));
  if (!value) return failure_of(value);
  return Digest::of_value(*algorithm, *value);
}

}  // namespace signet::base
