#pragma once

#include <vector>

#include "pki/certificate.hpp"
#include "pki/crl.hpp"

namespace signet::pki {

// What a path is built from and judged by. Anchors and revocation data are given, never fetched here.
struct TrustMaterial {
  std::vector<Certificate> anchors;
  std::vector<Certificate> intermediates;
  std::vector<Crl> crls;
};

enum class Purpose : std::uint8_t {
  signer,
  time_stamping,          // wants extendedKeyUsage timeStamping alone, critical (RFC 3161 2.3)
  client_authentication,  // of TLS: extendedKeyUsage, where there is one, names clientAuth (RFC 5280 4.2.1.12)
};

enum class PathStatus : std::uint8_t {
  valid,
  no_path,            // no chain to an anchor
  expired,            // a certificate of the chain, at the given time
  not_yet_valid,
  revoked,            // the certificate itself, before or at the given time
  ca_revoked,
  no_revocation_data, // no CRL, or none in force, for a certificate of the chain
  constraints,        // usage, basic constraints, name constraints, a weak algorithm
};

struct PathReport {
  PathStatus status = PathStatus::no_path;
  std::string detail;             // for developers; names no person
  std::vector<Certificate> chain; // from the certificate to its anchor where one was found
  std::optional<base::Time> revoked_at;  // with `revoked` and `ca_revoked` only
};

// RFC 5280 clause 6 at the time `at`, with revocation by the given CRLs for every certificate but the anchor. A list counts if
// it was in force at `at`, or was made later while the certificate had not expired; a revocation after `at` does not matter.
// Where several things are wrong: no_path, constraints, revoked, ca_revoked, the times, no_revocation_data. Any thread.
PathReport validate_path(const Certificate& certificate, const TrustMaterial& trust, base::Time at, Purpose purpose);

// A certificate whose issuer's list is wanted, and what stands above it in its path: one of these must have signed the list.
struct ListWanted {
  Certificate certificate;
  std::vector<Certificate> issuers;
  bool operator==(const ListWanted&) const = default;
};
// What a path lacks that has no_revocation_data: the lists of all its certificates but the anchor. Else empty.
std::vector<ListWanted> lists_wanted(const PathReport& path);
// Whether it is one of the certificate's issuer, complete and signed; whether it is in force is not asked. Any thread.
bool is_wanted(const Crl& list, const ListWanted& wanted);

}  // namespace signet::pki
