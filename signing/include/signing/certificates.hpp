#pragma once

#include "pkcs11/modules.hpp"
#include "pki/certificate.hpp"
#include "xades/types.hpp"

namespace signet::signing {

// A certificate on a token with what a person needs to know to choose it.
struct SigningCertificate {
  pki::Certificate certificate;
  std::vector<pki::Certificate> chain;  // CA certificates from the same token that stand above it
  pkcs11::TokenPlace place;
  base::Bytes cka_id;
  enum class Validity : std::uint8_t { valid, expires_soon, not_yet_valid, expired } validity = Validity::valid;
  std::chrono::days left{0};  // until it expires; negative afterwards

  std::string id() const;  // the whole SHA-256 fingerprint in hexadecimal: how pages and the command line name it
};

inline constexpr std::chrono::days expires_soon_within{30};

// Those fit for signing (key usage) of the certificates given: valid first, expired last, each once.
std::vector<SigningCertificate> fit_for_signing(std::vector<SigningCertificate> certificates, base::Time now);

// All certificates fit for signing on all tokens that are there. no_token if there is no token at all,
// certificate_not_found if the tokens hold none, certificate_unfit if none of theirs is for signing. Presents no PIN. On the modules' thread.
boost::asio::awaitable<base::Result<std::vector<SigningCertificate>>> list_certificates(pkcs11::Modules& modules, base::Time now);

}  // namespace signet::signing
