#include <algorithm>
#include <array>

#include "validation.hpp"
#include "xades/types.hpp"

// From what was found to an indication: EN 319 102-1 clause 5.3 (basic signatures) with 5.5 (signatures with time), in the
// order of their blocks.
namespace signet::xades {
namespace {

using Status = ReferenceReport::Status;
using PropertiesStatus = FoundProperties::Status;

bool any_reference(const Evidence& evidence, Status status) {
  return std::ranges::any_of(evidence.references.all,
                             [&](const CheckedReference& checked) { return checked.report.status == status; });
}

bool all_hold(const Evidence& evidence) {
  return std::ranges::all_of(evidence.references.all,
                             [](const CheckedReference& checked) { return checked.report.status == Status::valid; });
}

// Of what a manifest lists only what was given and differs matters.
bool any_listed(const Evidence& evidence, Status status) {
  return std::ranges::any_of(evidence.references.in_manifests,
                             [&](const CheckedReference& checked) { return checked.report.status == status; });
}

bool signs_data(const Evidence& evidence) {
  return std::ranges::any_of(evidence.signature.references,
                             [](const Reference& reference) { return !reference.is_signed_properties(); });
}

Verdict failed(SubIndication sub_indication, std::string detail, Cause cause = Cause::other) {
  return {Indication::total_failed, sub_indication, std::move(detail), cause};
}
Verdict indeterminate(SubIndication sub_indication, std::string detail, Cause cause = Cause::other) {
  return {Indication::indeterminate, sub_indication, std::move(detail), cause};
}

// Whether the data are as they were, and what the signature says of itself is not.
Cause cause_of_difference(const Evidence& evidence) {
  const auto differs = [](const CheckedReference& one) { return one.report.status != Status::valid; };
  const bool data_differ =
      std::ranges::any_of(evidence.references.all,
                          [&](const CheckedReference& one) { return !one.report.signed_properties && differs(one); }) ||
      any_listed(evidence, Status::digest_differs);
  const bool properties_differ = std::ranges::any_of(
      evidence.references.all, [&](const CheckedReference& one) { return one.report.signed_properties && differs(one); });
  return properties_differ && !data_differ ? Cause::signed_properties_changed : Cause::other;
}

using Step = std::optional<Verdict> (*)(const Evidence&);

// 5.2.7.4, third step. Where a reference was refused too, be it for its transforms, it has no digest that could be the one.
std::optional<Verdict> signature_value(const Evidence& evidence) {
  if (evidence.key.value != ValueStatus::invalid) return std::nullopt;
  if (any_reference(evidence, Status::digest_differs) || any_reference(evidence, Status::refused))
    return failed(SubIndication::hash_failure, "a reference has another digest, and SignatureValue is not over it",
                  cause_of_difference(evidence));
  return failed(SubIndication::sig_crypto_failure, "SignatureValue is not the signing key's over SignedInfo");
}

std::optional<Verdict> any_with(const Evidence& evidence, bool (*is_so)(Status)) {
  const auto found = std::ranges::find_if(evidence.references.all,
                                          [&](const CheckedReference& checked) { return is_so(checked.report.status); });
  if (found == evidence.references.all.end()) return std::nullopt;
  return indeterminate(SubIndication::signed_data_not_found, found->report.detail);
}

// 5.2.7.4, first step: an object that was not given, or is not there, or not where it has its place.
std::optional<Verdict> signed_data_found(const Evidence& evidence) {
  if (evidence.properties.status == PropertiesStatus::misplaced && !evidence.properties.in_place)
    return indeterminate(SubIndication::signed_data_not_found, evidence.properties.detail);
  if (!signs_data(evidence))
    return indeterminate(SubIndication::signed_data_not_found, "nothing but its own properties is signed");
  return any_with(evidence, [](Status status) { return status == Status::not_found; });
}

// What cannot be had as well, after all that proves a forgery: an object behind a transform or an algorithm that is refused.
std::optional<Verdict> signed_data_read(const Evidence& evidence) {
  return any_with(evidence, [](Status status) { return status == Status::refused; });
}

// 5.2.7.4, second step.
std::optional<Verdict> digests(const Evidence& evidence) {
  if (any_listed(evidence, Status::digest_differs))
    return failed(SubIndication::hash_failure, "what a manifest lists has another digest");
  if (any_reference(evidence, Status::digest_differs))
    return failed(SubIndication::hash_failure, "a reference has another digest", cause_of_difference(evidence));
  if (evidence.properties.status == PropertiesStatus::misplaced)
    return failed(SubIndication::hash_failure, "other properties stand in the place of those that were signed",
                  Cause::signed_properties_changed);
  return std::nullopt;
}

// 5.2.2, format checking: an Id that names nobody, and what is there more than once (EN 319 132-1 4.3, 4.4).
std::optional<Verdict> format(const Evidence& evidence) {
  for (const CheckedReference& checked : evidence.references.all) {
    if (checked.ambiguous) return failed(SubIndication::format_failure, checked.report.detail);
  }
  if (evidence.properties.status == PropertiesStatus::several)
    return failed(SubIndication::format_failure, evidence.properties.detail);
  if (evidence.properties.properties.are_repeated)
    return failed(SubIndication::format_failure, "several UnsignedProperties or UnsignedSignatureProperties");
  return std::nullopt;
}

std::optional<Verdict> given_data_signed(const Evidence& evidence) {
  if (evidence.references.given_data_unsigned)
    return indeterminate(SubIndication::signed_data_not_found, "what was given is not signed", Cause::given_data_unsigned);
  return std::nullopt;
}

// 5.2.3, identification of the signing certificate, which comes before all cryptography. Where no properties can be believed, it
// is one that those in their place name; where none do, one whose key made the SignatureValue.
std::optional<Verdict> identification(const Evidence& evidence) {
  const bool named = !evidence.properties.properties.signing_certificates.empty();
  const bool claimed = !evidence.properties.claimed_certificates.empty();
  const bool found = named     ? evidence.key.certificate.has_value()
                     : claimed ? evidence.key.claimed
                               : evidence.key.value == ValueStatus::valid && all_hold(evidence);
  if (found) return std::nullopt;
  return indeterminate(SubIndication::no_signing_certificate_found, "no certificate is the one that the signed properties name");
}

// Without the attribute the constraint to have it fails (5.2.8).
std::optional<Verdict> signing_certificate_signed(const Evidence& evidence) {
  if (evidence.properties.status == PropertiesStatus::absent)
    return indeterminate(SubIndication::sig_constraints_failure, evidence.properties.detail);
  if (evidence.properties.properties.signing_certificates.empty())
    return indeterminate(SubIndication::sig_constraints_failure, "the signing certificate is not among the signed properties");
  return std::nullopt;
}

// 5.2.6, X.509 validation, and 5.5.4. A signature time stamp bounds the signing time from above only, so a certificate that
// was revoked (or had expired) before it leaves the question open: REVOKED (TOTAL-FAILED) would need a content time stamp
// from after the revocation (5.3.4). Only "not yet valid" is proven by it.
std::optional<Verdict> certificate_path(const Evidence& evidence) {
  if (!evidence.path || !evidence.key.certificate)
    return indeterminate(SubIndication::no_certificate_chain_found, "there is no path");
  const pki::PathReport& path = *evidence.path;
  if (path.status == pki::PathStatus::valid) {
    if (evidence.policy == Policy::msign_compatible || evidence.key.certificate->version() == 3) return std::nullopt;
    return indeterminate(SubIndication::chain_constraints_failure,
                         "the certificate is not of X.509 version 3: it cannot say what it is for");
  }
  // 5.3.4: content that was stamped after it is proof that the signature is younger still.
  if (evidence.not_signed_before && path.status == pki::PathStatus::revoked && path.revoked_at <= evidence.not_signed_before)
    return failed(SubIndication::revoked, "it signs a time stamp from after the revocation");
  if (evidence.not_signed_before && path.status == pki::PathStatus::expired &&
      evidence.key.certificate->not_after() < *evidence.not_signed_before)
    return failed(SubIndication::expired, "it signs a time stamp from after the certificate's end");
  if (evidence.proven_time && *evidence.proven_time < evidence.key.certificate->not_before())
    return failed(SubIndication::not_yet_valid, "the time stamp is older than the certificate");
  if (evidence.revocation_out_of_bounds) {
    // Of a certificate that has ended itself that is what is said first.
    const bool ended = evidence.validated_at > evidence.key.certificate->not_after();
    return indeterminate(ended ? SubIndication::out_of_bounds_no_poe : SubIndication::revocation_out_of_bounds_no_poe,
                         "nothing proves that the revocation data are older than their issuer's end");
  }
  return indeterminate(sub_indication_of(path), path.detail, evidence.path_never_reliable ? Cause::never_reliable : Cause::other);
}

using base::DigestAlgorithm;

// Why a digest was not acceptable then; SHA-1 is where the policy takes it.
std::string weakness(std::optional<DigestAlgorithm> digest, bool takes_sha1, base::Time at) {
  if (!digest || (takes_sha1 && *digest == DigestAlgorithm::sha1)) return {};
  return pki::weakness(pki::ts_119_312(), *digest, at).value_or("");
}

pki::KeyAlgorithm key_algorithm(KeyScheme scheme) {
  switch (scheme) {
    case KeyScheme::rsa_pkcs1:
      return pki::KeyAlgorithm::rsa;
    case KeyScheme::rsa_pss:
      return pki::KeyAlgorithm::rsa_pss;
    case KeyScheme::ecdsa:
      break;
  }
  return pki::KeyAlgorithm::ecdsa;
}

// Of the SignatureValue, or empty.
std::string weakness_of_value(const Evidence& evidence, Policy policy, base::Time at) {
  const auto method = signature_algorithm(evidence.signature.method);
  if (!method) return "the signature algorithm is not accepted";
  if (const std::string weak = weakness(method->digest, policy == Policy::msign_compatible, at); !weak.empty())
    return "the signature algorithm: " + weak;
  if (!evidence.key.certificate) return {};
  const auto weak = pki::weakness(pki::ts_119_312(), key_algorithm(method->scheme), evidence.key.certificate->key_bits(), at);
  return weak ? "the signing key: " + *weak : std::string{};
}

// Of what is signed, or empty.
std::string weakness_of_references(const Evidence& evidence, Policy policy, base::Time at) {
  const bool takes_sha1 = policy == Policy::msign_compatible;
  const bool takes_content = policy != Policy::strict;
  for (const CheckedReference& one : evidence.references.all) {
    if (const std::string weak = weakness(one.digest_algorithm, one.of_content ? takes_content : takes_sha1, at); !weak.empty())
      return "a reference: " + weak;
    if (const std::string weak = weakness(one.enclosed_hash, takes_content, at); !weak.empty())
      return "the hash of the content: " + weak;
  }
  for (const CheckedReference& one : evidence.references.in_manifests) {
    if (one.report.status != Status::valid) continue;
    if (const std::string weak = weakness(one.digest_algorithm, one.of_content ? takes_content : takes_sha1, at); !weak.empty())
      return "a reference of a manifest: " + weak;
  }
  for (const SigningCertificateReference& one : evidence.properties.properties.signing_certificates) {
    if (const std::string weak = weakness(one.algorithm, takes_sha1, at); !weak.empty())
      return "the name of the signing certificate: " + weak;
  }
  return {};
}

// 5.2.8 (signature acceptance) with ETSI TS 119 312's algorithms, each at the time since when the signature is known to exist
// (5.5.4 step 4 c, 5.6.2.4 step 4). What was not reliable even when the content was stamped, before it was signed, never was for
// this signature (5.3.4 step 6).
std::optional<Verdict> cryptographic_constraints(const Evidence& evidence) {
  std::string weak = weakness_of_value(evidence, evidence.policy, evidence.proven_since);
  if (!weak.empty() && evidence.not_signed_before &&
      !weakness_of_value(evidence, evidence.policy, *evidence.not_signed_before).empty())
    return indeterminate(SubIndication::crypto_constraints_failure, "when the signature was made: " + weak);
  if (weak.empty()) weak = weakness_of_references(evidence, evidence.policy, evidence.proven_since);
  if (weak.empty()) return std::nullopt;
  const auto weak_when = [&](base::Time at) {
    return !weakness_of_value(evidence, evidence.policy, at).empty() ||
           !weakness_of_references(evidence, evidence.policy, at).empty();
  };
  const bool never = evidence.key.certificate && weak_when(evidence.key.certificate->not_before());
  return indeterminate(SubIndication::crypto_constraints_failure_no_poe, std::move(weak),
                       never ? Cause::never_reliable : Cause::other);
  return std::nullopt;
}

std::optional<Verdict> signed_attributes(const Evidence& evidence) {
  if (!evidence.properties.properties.name_the_signature)
    return indeterminate(SubIndication::sig_constraints_failure, "QualifyingProperties name another signature");
  if (!evidence.properties.properties.signing_time)
    return indeterminate(SubIndication::sig_constraints_failure, "SigningTime is missing or is no time");
  const base::Time claimed = *evidence.properties.properties.signing_time;
  if (claimed < evidence.key.certificate->not_before() || evidence.key.certificate->not_after() < claimed)
    return indeterminate(SubIndication::sig_constraints_failure, "SigningTime is not within the certificate's validity");
  return std::nullopt;
}

// 5.5.4 step 4 e: content is stamped before the signature, and that before the archive; each archive time stamp after those that
// it covers. Clocks of several authorities may differ by as much as is let pass.
constexpr std::chrono::minutes clocks_differ_by{5};

bool in_order(const CheckedTimeStamp& inner, const CheckedTimeStamp& outer) {
  const auto rank = [](TimeStampKind kind) {
    return kind == TimeStampKind::archive ? 2 : kind == TimeStampKind::signature ? 1 : 0;
  };
  const int difference = rank(outer.kind) - rank(inner.kind);
  if (difference == 0 && outer.kind != TimeStampKind::archive) return true;
  const CheckedTimeStamp& first = difference < 0 ? outer : inner;
  const CheckedTimeStamp& second = difference < 0 ? inner : outer;
  return first.report.time <= second.report.time + clocks_differ_by;
}

std::optional<Verdict> order_of_time_stamps(const Evidence& evidence) {
  // One that is younger than what covers it does not hold for that reason alone.
  const auto counts = [](const CheckedTimeStamp& stamp) {
    return stamp.failure == SubIndication::none || stamp.failure == SubIndication::timestamp_order_failure;
  };
  if (!evidence.proven_time) return std::nullopt;
  for (auto inner = evidence.time_stamps.begin(); inner != evidence.time_stamps.end(); ++inner) {
    for (auto outer = inner + 1; outer != evidence.time_stamps.end(); ++outer) {
      if (counts(*inner) && counts(*outer) && !in_order(*inner, *outer))
        return indeterminate(SubIndication::timestamp_order_failure, "the time stamps are not in the order of their times");
    }
  }
  return std::nullopt;
}

constexpr std::array steps{
    Step{format},
    Step{identification},
    Step{signed_data_found},
    Step{digests},
    Step{signature_value},
    Step{signed_data_read},
    Step{given_data_signed},
    Step{signing_certificate_signed},
    Step{certificate_path},
    Step{cryptographic_constraints},
    Step{order_of_time_stamps},
    Step{signed_attributes},
};

}  // namespace

std::string accepted_weakness(const Evidence& evidence) {
  // What the policy does not take either is a verdict, and what it would have taken beside it is no news.
  if (evidence.policy == Policy::strict || cryptographic_constraints(evidence)) return {};
  std::string weak = weakness_of_value(evidence, Policy::strict, evidence.proven_since);
  return weak.empty() ? weakness_of_references(evidence, Policy::strict, evidence.proven_since) : weak;
}

SubIndication sub_indication_of(const pki::PathReport& path) {
  switch (path.status) {
    case pki::PathStatus::valid:
      return SubIndication::none;
    case pki::PathStatus::no_path:
      return path.anchor_ended ? SubIndication::no_certificate_chain_found_no_poe : SubIndication::no_certificate_chain_found;
    case pki::PathStatus::expired:
      return path.known_not_revoked ? SubIndication::out_of_bounds_not_revoked : SubIndication::out_of_bounds_no_poe;
    case pki::PathStatus::not_yet_valid:
      return SubIndication::out_of_bounds_no_poe;
    case pki::PathStatus::revoked:
      return SubIndication::revoked_no_poe;
    case pki::PathStatus::ca_revoked:
      return SubIndication::revoked_ca_no_poe;
    case pki::PathStatus::no_revocation_data:
      return path.weak_algorithm ? SubIndication::crypto_constraints_failure_no_poe : SubIndication::try_later;
    case pki::PathStatus::constraints:
      break;
  }
  if (path.weak_algorithm) return SubIndication::crypto_constraints_failure_no_poe;
  return path.breaks_rfc_5280 ? SubIndication::certificate_chain_general_failure : SubIndication::chain_constraints_failure;
}

Integrity integrity_of(const Evidence& evidence) {
  if (evidence.key.value == ValueStatus::invalid) return Integrity::invalid;
  const bool ambiguous = std::ranges::any_of(evidence.references.all, &CheckedReference::ambiguous);
  if (any_reference(evidence, Status::not_found) || any_reference(evidence, Status::refused) || ambiguous)
    return Integrity::unknown;
  const bool moved =
      evidence.properties.status == PropertiesStatus::misplaced || evidence.properties.status == PropertiesStatus::several;
  if (digests(evidence) || moved) return Integrity::invalid;
  return evidence.key.value == ValueStatus::valid ? Integrity::valid : Integrity::unknown;
}

Verdict verdict_of(const Evidence& evidence) {
  for (const Step step : steps) {
    if (auto verdict = step(evidence)) return *verdict;
  }
  return {Indication::total_passed, SubIndication::none, {}};
}

// EN 319 132-1 6.3. SigningCertificate without "V2" is the form before it, which a warning says.
std::optional<Level> level_of(const Evidence& evidence) {
  const Properties& properties = evidence.properties.properties;
  const bool baseline = evidence.properties.status == PropertiesStatus::found && properties.name_the_signature &&
                        signs_data(evidence) && properties.signing_time && evidence.key.certificate && evidence.key.in_key_info &&
                        properties.formats_every_object;
  if (!baseline) return std::nullopt;
  const auto holds = [&](TimeStampKind kind) {
    return std::ranges::any_of(evidence.time_stamps, [&](const CheckedTimeStamp& stamp) {
      return stamp.kind == kind && stamp.failure == SubIndication::none;
    });
  };
  if (!holds(TimeStampKind::signature)) return Level::b_b;
  if (!evidence.evidence_is_carried) return Level::b_t;
  return holds(TimeStampKind::archive) ? Level::b_lta : Level::b_lt;
}

}  // namespace signet::xades
