#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "pki/path.hpp"

// Whether a certificate of a path is revoked, by OCSP (RFC 6960) and lists (RFC 5280 6.3.3). Private to pki/.
namespace signet::pki {

// The path of somebody who is not of the chain and signed a list: to the same anchor and not revoked, or none.
using SignerPath = std::function<std::optional<std::vector<Certificate>>(const Certificate& signer)>;

struct RevocationContext {
  const TrustMaterial& trust;
  base::Time at;
  const AlgorithmTable& algorithms;
  SignerPath signer_path;  // null: nobody but the chain signs lists
  KnownSince known_since = {};
  WorkBudget* budget = nullptr;

  base::Time since(base::BytesView der) const { return known_since ? known_since(der) : at; }
};

struct RevocationFinding {
  std::optional<base::Time> revoked_at;  // the earliest, at or before the time in question
  RevocationEvidence evidence;           // source none: nothing tells
  bool tells_of_expired = false;         // of the certificate while it was in force, should it have expired since
  std::optional<std::string> weak_algorithm = {};  // with source none: by what something that tells is signed
};

// For each certificate of a path, the anchor last and found without being asked about. What of the trust material is not signed
// by whom it should is as if it were not there: it neither clears nor revokes, and does not displace what is.
std::vector<RevocationFinding> revocation_of(const std::vector<Certificate>& chain, const RevocationContext& context);

bool is_self_issued(const Certificate& certificate);  // issued by its subject's name: with its own key, or another of its

// What is asked of a list by itself.
bool is_complete(const X509_CRL* list);                               // with an end, and not only of changes since another
bool is_about(const X509_CRL* list, const Certificate& certificate);  // by its issuer's name, which others may have
bool has_signed(const Certificate& authority, const Crl& list, const AlgorithmTable& algorithms, base::Time at);

// RFC 6960 4.2.2.2: a responder that the issuer's key certified for it, in force at `then`; algorithms as of `at`.
bool is_delegate(const Certificate& candidate, const Certificate& issuer, base::Time then, const AlgorithmTable& algorithms,
                 base::Time at);
bool has_signed(const Certificate& responder, const OcspResponse& response, const AlgorithmTable& algorithms, base::Time at);

}  // namespace signet::pki
