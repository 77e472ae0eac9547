#include "pki/work.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <algorithm>

namespace signet::pki {

std::size_t cost_of_verification(const EVP_PKEY* key, std::size_t octets) {
  constexpr std::size_t least = 50'000;
  if (key == nullptr) return least;
  const auto bits = static_cast<std::size_t>(std::max(EVP_PKEY_get_bits(key), 0));
  const std::size_t hashing = 2 * octets;
  if (EVP_PKEY_is_a(key, "RSA") != 1 && EVP_PKEY_is_a(key, "RSA-PSS") != 1) return least + 2 * bits * bits + hashing;
  // The exponent may be as long as 64 bits, which costs four times what the usual one does.
  BIGNUM* exponent = nullptr;
  EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent);
  const auto exponent_bits = static_cast<std::size_t>(exponent == nullptr ? 64 : BN_num_bits(exponent));
  BN_free(exponent);
  return least + exponent_bits * bits * bits / 3'000 + hashing;
}

}  // namespace signet::pki
