#pragma once

#include <optional>

#include "demo/pki.hpp"
#include "pki/ocsp.hpp"

namespace signet::demo {

// What a responder says of one certificate, and how.
struct OcspSaid {
  pki::Certificate certificate, issuer;
  base::Time at;  // producedAt and thisUpdate
  pki::OcspStatus::Value value = pki::OcspStatus::Value::good;
  std::optional<base::Time> next_update = {};
  std::optional<base::Time> revoked_at = {};  // of `revoked`; `at` without it
  bool on_hold = false;
  std::optional<base::Time> archive_cutoff = {};
  base::Bytes nonce = {};
  base::DigestAlgorithm id_digest = base::DigestAlgorithm::sha1;
  const EVP_MD* signature_digest = EVP_sha256();
  enum class ResponderId : std::uint8_t { name, key } responder_id = ResponderId::name;
  // An extension that nobody knows and that is critical, of the response or of this status.
  enum class Oddity : std::uint8_t { none, in_response, in_status } oddity = Oddity::none;
  std::vector<pki::Certificate> certificates = {};  // sent along, besides the responder's own
};

// A response with one status or several, signed by `responder` whoever that is. `said` is not empty; the first says how it is
// made. Throws std::runtime_error when OpenSSL fails.
pki::OcspResponse ocsp_response(const Identity& responder, const std::vector<OcspSaid>& said);

}  // namespace signet::demo
