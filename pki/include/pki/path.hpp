#pragma once

#include <functional>
#include <string>
#include <vector>

#include "pki/algorithms.hpp"
#include "pki/certificate.hpp"
#include "pki/crl.hpp"
#include "pki/ocsp.hpp"
#include "pki/work.hpp"

namespace signet::pki {

// Whom somebody vouches for, as trusted lists do (ETSI TS 119 612): an anchor, self-signed or not, for one use and for some time.
struct TrustedService {
  Certificate certificate;
  enum class Use : std::uint8_t { certificates, time_stamps } use = Use::certificates;  // time_stamps: Purpose::time_stamping alone
  base::Time from{};
  std::optional<base::Time> until = {};  // not at that time and later
};

// What a path is built from and judged by. Anchors and revocation data are given, never fetched here.
struct TrustMaterial {
  std::vector<Certificate> anchors;  // self-signed: what is not is no anchor
  std::vector<Certificate> intermediates;
  std::vector<Crl> crls;
  std::vector<OcspResponse> ocsp = {};
  std::vector<TrustedService> services = {};  // those whose time and use fit a validation are anchors for it
};

enum class Purpose : std::uint8_t {
  signer,
  time_stamping,          // wants extendedKeyUsage timeStamping alone, critical (RFC 3161 2.3)
  client_authentication,  // of TLS: extendedKeyUsage, where there is one, names clientAuth (RFC 5280 4.2.1.12)
  any,                    // RFC 5280 clause 6 alone, an authority's certificate too
};

// Since when a certificate, list or response, known by its DER form, is proven to have existed (EN 319 102-1 5.6.2.3): what it is
// signed with is judged at that time, not at the path's. Null: at the path's time.
using KnownSince = std::function<base::Time(base::BytesView der)>;

// What RFC 5280 6.1.1 begins with, and what algorithms are taken. Defaults: any policy, none demanded.
struct PathOptions {
  base::Time at;  // the time of the validation
  Purpose purpose = Purpose::signer;
  const AlgorithmTable* algorithms = &ts_119_312();  // never null; outlives the call
  std::vector<std::string> initial_policies = {};    // OIDs with dots; empty: any-policy
  bool explicit_policy = false;                      // initial-explicit-policy
  bool inhibit_policy_mapping = false;
  bool inhibit_any_policy = false;
  KnownSince known_since = {};
  WorkBudget* budget = nullptr;                      // what it may cost; null: whatever it costs. Spent: no_path
};

enum class PathStatus : std::uint8_t {
  valid,
  no_path,            // no chain to an anchor
  expired,            // a certificate of the chain, at the given time
  not_yet_valid,
  revoked,            // the certificate itself, before or at the given time
  ca_revoked,
  no_revocation_data, // neither OCSP nor CRL, or none in force, for a certificate of the chain
  constraints,        // usage, basic constraints, name constraints, policies, a weak algorithm
};

// By what a certificate was found not to be revoked at the time in question, or to be.
struct RevocationEvidence {
  enum class Source : std::uint8_t { none, anchor, ocsp, crl } source = Source::none;  // anchor: nothing is asked about it
  base::Time produced{};                 // producedAt of OCSP, thisUpdate of the newest list
  std::optional<base::Time> next_update;
  std::optional<base::Time> revoked_later;  // after the time in question: it tells of a revocation that does not matter
  std::optional<OcspResponse> ocsp;
  std::vector<Crl> crls;                 // several where each is for some reasons only, or lists changes since another
  std::vector<Certificate> signers;      // who signed them, with their issuers, where they are not of the chain itself
};

struct PathReport {
  PathStatus status = PathStatus::no_path;
  base::Time at{};                // the time it was judged for
  std::string detail;             // for developers; names no person
  std::vector<Certificate> chain; // from the certificate to its anchor where one was found
  std::optional<base::Time> revoked_at;  // with `revoked` and `ca_revoked` only
  std::vector<RevocationEvidence> evidence = {};  // for each of `chain`, as far as it was looked at; else empty
  // With `constraints` and `no_revocation_data`, where an algorithm was not acceptable at that time, which and why (EN 319 102-1
  // 5.2.6: CRYPTO_CONSTRAINTS_FAILURE_NO_POE).
  std::optional<std::string> weak_algorithm = {};
  // With `constraints`: RFC 5280 clause 6 itself fails (CERTIFICATE_CHAIN_GENERAL_FAILURE), not what else is demanded.
  bool breaks_rfc_5280 = false;
  // With `no_path`: there was one, to a trusted service that was one before that time and is none any more.
  bool anchor_ended = false;
  // With `expired`: it is known that the certificate was not revoked while it was in force (OUT_OF_BOUNDS_NOT_REVOKED).
  bool known_not_revoked = false;
};

// RFC 5280 clause 6, with revocation for every certificate but the anchor: by OCSP (RFC 6960; signed by the issuer's key, or by a
// responder that this key certified for it), else by CRLs (6.3.3, with partitions, indirect lists and lists of changes). Either
// counts if it was in force at that time, or was made later while the certificate had not expired (or where it says that it tells
// of expired ones too: archiveCutoff, expiredCertsOnCRL). A revocation after that time does not matter; one before it does, whoever
// of them tells. Where several things are wrong: no_path, constraints, revoked, ca_revoked, the times, no_revocation_data. Any
// thread.
PathReport validate_path(const Certificate& certificate, const TrustMaterial& trust, const PathOptions& options);
// The same with the defaults of PathOptions.
PathReport validate_path(const Certificate& certificate, const TrustMaterial& trust, base::Time at, Purpose purpose);

// A certificate whose issuer's list is wanted, and what stands above it in its path: one of these must have signed the list.
struct ListWanted {
  Certificate certificate;
  std::vector<Certificate> issuers;
  // A time that is proven, and about which is asked: what was fetched before it says too little of it.
  std::optional<base::Time> asked_after = {};
  bool operator==(const ListWanted&) const = default;
};
// Paths have certificates in common: each of them, under one issuer, once, for the latest time that any needs. Not those without issuer.
std::vector<ListWanted> each_once(std::vector<ListWanted> wanted);
// What a path lacks that has no_revocation_data: the lists, or OCSP responses, of all its certificates but the anchor. Else empty.
std::vector<ListWanted> lists_wanted(const PathReport& path);
// The place among the responses, or lists, there of what was found by; none: a signature brought it with it.
std::optional<std::size_t> place_in(const TrustMaterial& trust, const RevocationEvidence& evidence);
// Of a valid path: those whose evidence was made before the time in question, so that newer could tell of a revocation between
// (EN 319 102-1 5.2.5). Not those whose evidence is current enough for that time.
using IsCurrent = std::function<bool(const RevocationEvidence&, base::Time at)>;
std::vector<ListWanted> newer_wanted(const PathReport& path, const IsCurrent& is_current);
// Whether it is one of the certificate's issuer, complete and signed; whether it is in force is not asked. Any thread.
bool is_wanted(const Crl& list, const ListWanted& wanted);
// Whether it tells of the certificate and is signed by its issuer (the first of `issuers`), or by a responder that this one certified
// for it and that is in force when it answers; the responder's own revocation and whether the response is in force are not asked.
bool is_wanted(const OcspResponse& response, const ListWanted& wanted);

}  // namespace signet::pki
