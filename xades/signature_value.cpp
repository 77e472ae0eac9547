#include "signature_value.hpp"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>

#include "base/error_queue.hpp"
#include "base/owned.hpp"
#include "xades/types.hpp"

namespace signet::xades {
namespace {

using base::Bytes;
using base::BytesView;

const char* openssl_name(base::DigestAlgorithm algorithm) {
  switch (algorithm) {
    case base::DigestAlgorithm::sha1:
      return "SHA1";
    case base::DigestAlgorithm::sha224:
      return "SHA2-224";
    case base::DigestAlgorithm::sha256:
      return "SHA2-256";
    case base::DigestAlgorithm::sha384:
      return "SHA2-384";
    case base::DigestAlgorithm::sha512:
      break;
  }
  return "SHA2-512";
}

bool fits(EVP_PKEY* key, KeyScheme scheme) {
  switch (scheme) {
    case KeyScheme::rsa_pkcs1:
      return EVP_PKEY_is_a(key, "RSA") == 1;
    case KeyScheme::rsa_pss:
      return EVP_PKEY_is_a(key, "RSA") == 1 || EVP_PKEY_is_a(key, "RSA-PSS") == 1;
    case KeyScheme::ecdsa:
      break;
  }
  return EVP_PKEY_is_a(key, "EC") == 1;
}

// XML Signature wants r and s side by side, each as long as the order of the curve; OpenSSL wants DER. Old signers left zeros
// out or put too many: two halves are what they meant, and no other numbers can be read from them.
std::optional<Bytes> ecdsa_der(EVP_PKEY* key, BytesView value) {
  const std::size_t order = (static_cast<std::size_t>(EVP_PKEY_get_bits(key)) + 7) / 8;
  const std::size_t half = value.size() / 2;
  if (value.size() % 2 != 0 || half == 0 || half > 2 * order) return std::nullopt;
  const base::Owned<ECDSA_SIG, ECDSA_SIG_free> signature{ECDSA_SIG_new()};
  BIGNUM* const r = BN_bin2bn(value.data(), static_cast<int>(half), nullptr);
  BIGNUM* const s = BN_bin2bn(value.data() + half, static_cast<int>(half), nullptr);
  if (ECDSA_SIG_set0(signature.get(), r, s) != 1) return std::nullopt;  // only if one is null: nothing is left to free
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  const base::Owned<unsigned char, [](unsigned char* p) { OPENSSL_free(p); }> owned{der};
  if (size <= 0) return std::nullopt;
  return Bytes(der, der + size);
}

// RFC 9231 2.3.9: the name alone says that MGF1 uses the same hash and that the salt is as long as it.
bool set_pss(EVP_PKEY_CTX* context) {
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

bool verifies(EVP_PKEY* key, const SignatureAlgorithm& algorithm, BytesView value, BytesView data) {
  const base::Owned<EVP_MD_CTX, EVP_MD_CTX_free> context{EVP_MD_CTX_new()};
  EVP_PKEY_CTX* of_key = nullptr;  // the digest context's
  if (EVP_DigestVerifyInit_ex(context.get(), &of_key, openssl_name(algorithm.digest), nullptr, nullptr, key, nullptr) != 1)
    return false;
  if (algorithm.scheme == KeyScheme::rsa_pss && !set_pss(of_key)) return false;
  return EVP_DigestVerify(context.get(), value.data(), value.size(), data.data(), data.size()) == 1;
}

// A URI of the W3C's that is none of ours names some other algorithm of XML Signature; any other is no algorithm at all.
ValueStatus status_of_unknown(std::string_view uri) {
  constexpr std::array namespaces{"http://www.w3.org/2000/09/xmldsig#", "http://www.w3.org/2001/04/xmldsig-more#",
                                  "http://www.w3.org/2007/05/xmldsig-more#", "http://www.w3.org/2021/04/xmldsig-more#",
                                  "http://www.w3.org/2009/xmldsig11#"};
  for (const std::string_view known : namespaces) {
    if (uri.starts_with(known)) return ValueStatus::unsupported;
  }
  return ValueStatus::invalid;
}

// What no public key of this type could have made, whatever else is known of the algorithm.
bool is_of_another_key(std::string_view uri, EVP_PKEY* key) {
  const std::string_view name = uri.substr(std::min(uri.find('#'), uri.size()));
  return key != nullptr && (name.starts_with("#hmac-") || (name.starts_with("#dsa-") && EVP_PKEY_is_a(key, "DSA") != 1));
}

}  // namespace

ValueStatus verify_value(const SignatureElement& signature, EVP_PKEY* key, BytesView signed_info) {
  const base::ErrorQueue queue;
  const auto algorithm = signature_algorithm(signature.method);
  if (!algorithm) return is_of_another_key(signature.method, key) ? ValueStatus::invalid : status_of_unknown(signature.method);
  if (!signature.value) return ValueStatus::invalid;
  bool valid = false;
  if (key != nullptr && fits(key, algorithm->scheme)) {
    const auto value = algorithm->scheme == KeyScheme::ecdsa ? ecdsa_der(key, *signature.value) : signature.value;
    valid = value && verifies(key, *algorithm, *value, signed_info);
  }
  return valid ? ValueStatus::valid : ValueStatus::invalid;
}

}  // namespace signet::xades
