#include "portal/acceptance.hpp"

#include <openssl/x509.h>

#include <algorithm>
#include <array>

#include "base/owned.hpp"
#include "portal/identifiers.hpp"
#include "xades/verify.hpp"

namespace signet::portal {
namespace {

constexpr std::chrono::hours signer_clock_skew{1};  // between a person's computer and us
constexpr std::chrono::minutes clock_skew{5};       // between a TSA and us

// Ours take 4 to 12 kB; chains and two time stamps make some 30.
constexpr xades::VerifyLimits signature_limits{.max_bytes = 256 * 1024, .max_signatures = 1, .max_references = 2};

void free_text(unsigned char* text) { OPENSSL_free(text); }

Refusal refusal_of(const xades::SignatureReport& report) {
  using enum xades::SubIndication;
  switch (report.sub_indication) {
    case hash_failure:
    case signed_data_not_found:
      return Refusal::other_hash;
    case try_later:
    case revocation_out_of_bounds_no_poe:
      return Refusal::revocation_unknown;
    case revoked:
    case expired:
    case not_yet_valid:
    case chain_constraints_failure:
    case certificate_chain_general_failure:
    case no_certificate_chain_found:
    case no_certificate_chain_found_no_poe:
    case revoked_no_poe:
    case revoked_ca_no_poe:
    case out_of_bounds_no_poe:
    case out_of_bounds_not_revoked:
      return Refusal::certificate_refused;
    default:
      return Refusal::signature_invalid;
  }
}

// The anchors and lists with the certificates of the path that was found: some come in the signature.
pki::TrustMaterial with_intermediates(const pki::TrustMaterial& trust, const xades::SignatureReport& report) {
  pki::TrustMaterial all = trust;
  if (report.path) all.intermediates.insert(all.intermediates.end(), report.path->chain.begin(), report.path->chain.end());
  return all;
}

// The signed hash and nothing else: a second reference would sign what nobody posted.
bool is_over_one_thing(const xades::SignatureReport& report) {
  return report.matched_data.size() == 1 &&
         std::ranges::count_if(report.references, [](const auto& reference) { return !reference.signed_properties; }) == 1;
}

}  // namespace

std::string_view name(Refusal refusal) {
  static constexpr std::array<std::string_view, 9> names{"signature_invalid",
                                                         "other_hash",
                                                         "signer_differs",
                                                         "certificate_refused",
                                                         "revocation_unknown",
                                                         "time_stamp_missing",
                                                         "certificate_not_of_instrument",
                                                         "signed_before",
                                                         "time_stamp_failed"};
  return names.at(static_cast<std::size_t>(refusal));
}

std::optional<std::string> idnp_of(const pki::Certificate& certificate) {
  const X509_NAME* const subject = X509_get_subject_name(certificate.native());
  const int at = X509_NAME_get_index_by_NID(subject, NID_serialNumber, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_serialNumber, at) >= 0) return {};  // none, or two that may differ
  unsigned char* text = nullptr;
  const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  const base::Owned<unsigned char, free_text> owner{text};
  if (size < 0) return {};
  std::string_view found(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
  for (const std::string_view prefix : {"PNOMD-", "IDCMD-"})
    if (found.starts_with(prefix)) found.remove_prefix(prefix.size());
  if (!is_idnp(found)) return {};
  return std::string(found);
}

std::expected<Accepted, Refusal> accept(std::string_view signature, const Wanted& wanted, const pki::TrustMaterial& trust,
                                        base::Time now, std::vector<pki::ListWanted>* without_lists) {
  // The e-service chose the hash, and posting it was allowed; what is made here and now is of today.
  const bool sha1 = wanted.digest.algorithm() == base::DigestAlgorithm::sha1;
  const xades::VerifyOptions options{.trust = trust,
                                     .at = now,
                                     .data = {{"", wanted.digest}},
                                     .limits = signature_limits,
                                     .policy = sha1 ? xades::Policy::sha1_content : xades::Policy::strict};
  const auto reports = xades::verify(base::as_bytes(signature), options);
  if (!reports || reports->size() != 1) return std::unexpected(Refusal::signature_invalid);
  const xades::SignatureReport& report = reports->front();
  if (without_lists != nullptr) *without_lists = xades::without_revocation_data(report);
  if (report.integrity == xades::Integrity::invalid && report.sub_indication != xades::SubIndication::hash_failure)
    return std::unexpected(Refusal::signature_invalid);
  if (report.indication != xades::Indication::total_passed) return std::unexpected(refusal_of(report));
  if (!is_over_one_thing(report)) return std::unexpected(Refusal::other_hash);
  if (!report.signer) return std::unexpected(Refusal::signature_invalid);
  if (wanted.signer_idnp && idnp_of(*report.signer) != wanted.signer_idnp) return std::unexpected(Refusal::signer_differs);
  if (!wanted.issuers.empty() && report.path) {
    const bool fits = std::ranges::any_of(report.path->chain, [&](const pki::Certificate& above) {
      return !(above == *report.signer) && std::ranges::find(wanted.issuers, above) != wanted.issuers.end();
    });
    if (!fits) return std::unexpected(Refusal::certificate_not_of_instrument);
  }
  // Somebody may have one from before, over the same hash: nobody consented to this request with it. A time stamp that is yet to
  // be added would not tell: there the signer's word counts.
  const auto signed_at = report.proven_time ? report.proven_time : report.claimed_time;
  // A time stamp is not signed: an old signature may get a new one. So what the signer says counts too, if his clock is not far
  // off.
  if (report.claimed_time && *report.claimed_time + signer_clock_skew < wanted.posted_at)
    return std::unexpected(Refusal::signed_before);
  if (!signed_at || *signed_at + clock_skew < wanted.posted_at) return std::unexpected(Refusal::signed_before);
  if (!report.proven_time) return std::unexpected(Refusal::time_stamp_missing);
  // The report judges at the time stamp; what is taken now must hold now.
  const auto path = pki::validate_path(*report.signer, with_intermediates(trust, report), now, pki::Purpose::signer);
  if (path.status == pki::PathStatus::no_revocation_data) {
    if (without_lists != nullptr) *without_lists = pki::lists_wanted(path);
    return std::unexpected(Refusal::revocation_unknown);
  }
  if (path.status != pki::PathStatus::valid) return std::unexpected(Refusal::certificate_refused);
  return Accepted{*report.signer, {}};
}

base::Result<xades::StampPlan> plan_time_stamp(std::string_view signature) {
  return xades::plan_time_stamp(signature, base::DigestAlgorithm::sha256, signature_limits);
}

}  // namespace signet::portal
