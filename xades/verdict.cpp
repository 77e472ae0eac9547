#include <algorithm>
#include <array>

#include "validation.hpp"
#include "xades/types.hpp"

// From what was found to an indication: EN 319 102-1 clause 5.3 (basic signatures) with 5.5 (signatures with time), in the
// order in which DSS runs their blocks, but what proves a forgery (TOTAL-FAILED) before what is only not known.
namespace signet::xades {
namespace {

using Status = ReferenceReport::Status;
using PropertiesStatus = FoundProperties::Status;

bool any_reference(const Evidence& evidence, Status status) {
  return std::ranges::any_of(evidence.references.all,
                             [&](const CheckedReference& checked) { return checked.report.status == status; });
}

// Of what a manifest lists only what was given and differs matters.
bool any_listed(const Evidence& evidence, Status status) {
  return std::ranges::any_of(evidence.references.in_manifests,
                             [&](const CheckedReference& checked) { return checked.report.status == status; });
}

bool is_open(Status status) { return status == Status::not_found || status == Status::refused; }

bool signs_data(const Evidence& evidence) {
  return std::ranges::any_of(evidence.signature.references,
                             [](const Reference& reference) { return !reference.is_signed_properties(); });
}

Verdict failed(SubIndication sub_indication, std::string detail) {
  return {Indication::total_failed, sub_indication, std::move(detail)};
}
Verdict indeterminate(SubIndication sub_indication, std::string detail) {
  return {Indication::indeterminate, sub_indication, std::move(detail)};
}

using Step = std::optional<Verdict> (*)(const Evidence&);

// 5.2.7, the SignatureValue, though the standard looks for the data first: it is proof enough without them.
std::optional<Verdict> signature_value(const Evidence& evidence) {
  if (evidence.key.value != ValueStatus::invalid) return std::nullopt;
  if (any_reference(evidence, Status::digest_differs))
    return failed(SubIndication::hash_failure, "a reference has another digest");
  return failed(SubIndication::sig_crypto_failure, "SignatureValue is not the signing key's over SignedInfo");
}

// 5.2.7.4, first step: an object that cannot be had, be it not given, not found, named twice, or behind a refused transform.
std::optional<Verdict> signed_data_found(const Evidence& evidence) {
  for (const CheckedReference& checked : evidence.references.all) {
    if (is_open(checked.report.status)) return indeterminate(SubIndication::signed_data_not_found, checked.report.detail);
  }
  return std::nullopt;
}

// 5.2.7.4, second step.
std::optional<Verdict> digests(const Evidence& evidence) {
  if (any_listed(evidence, Status::digest_differs))
    return failed(SubIndication::hash_failure, "what a manifest lists has another digest");
  if (any_reference(evidence, Status::digest_differs))
    return failed(SubIndication::hash_failure, "a reference has another digest");
  return std::nullopt;
}

// 5.2.2, format checking, of what the digests could not tell.
std::optional<Verdict> format(const Evidence& evidence) {
  if (evidence.properties.status == PropertiesStatus::misplaced)
    return failed(SubIndication::format_failure, evidence.properties.detail);
  return std::nullopt;
}

std::optional<Verdict> data_signed(const Evidence& evidence) {
  if (!signs_data(evidence))
    return indeterminate(SubIndication::signed_data_not_found, "nothing but its own properties is signed");
  if (evidence.references.given_data_unsigned)
    return indeterminate(SubIndication::signed_data_not_found, "what was given is not signed");
  return std::nullopt;
}

// 5.2.3, identification of the signing certificate. Without the attribute the constraint to have it fails (5.2.8).
std::optional<Verdict> identification(const Evidence& evidence) {
  if (evidence.properties.status == PropertiesStatus::absent)
    return indeterminate(SubIndication::sig_constraints_failure, evidence.properties.detail);
  if (evidence.properties.properties.signing_certificates.empty())
    return indeterminate(SubIndication::sig_constraints_failure, "the signing certificate is not among the signed properties");
  if (!evidence.key.certificate)
    return indeterminate(SubIndication::no_signing_certificate_found,
                         "no certificate is the one that the signed properties name");
  return std::nullopt;
}

// 5.2.6, X.509 validation, and 5.5.4. A signature time stamp bounds the signing time from above only, so a certificate that
// was revoked (or had expired) before it leaves the question open: REVOKED (TOTAL-FAILED) would need a content time stamp
// from after the revocation (5.3.4). Only "not yet valid" is proven by it.
std::optional<Verdict> certificate_path(const Evidence& evidence) {
  if (!evidence.path || !evidence.key.certificate)
    return indeterminate(SubIndication::no_certificate_chain_found, "there is no path");
  const pki::PathReport& path = *evidence.path;
  if (path.status == pki::PathStatus::valid) return std::nullopt;
  // 5.3.4: content that was stamped after it is proof that the signature is younger still.
  if (evidence.not_signed_before && path.status == pki::PathStatus::revoked && path.revoked_at <= evidence.not_signed_before)
    return failed(SubIndication::revoked, "it signs a time stamp from after the revocation");
  if (evidence.not_signed_before && path.status == pki::PathStatus::expired &&
      evidence.key.certificate->not_after() < *evidence.not_signed_before)
    return failed(SubIndication::expired, "it signs a time stamp from after the certificate's end");
  if (evidence.proven_time && *evidence.proven_time < evidence.key.certificate->not_before())
    return failed(SubIndication::not_yet_valid, "the time stamp is older than the certificate");
  return indeterminate(sub_indication_of(path.status), path.detail);
}

bool is_weak(const pki::Certificate& certificate) {
  const int bits = certificate.key_bits();
  return certificate.key_type() == pki::KeyType::rsa ? bits < 2048 : bits < 224;
}

// SHA-1 under what is signed where the policy does not take it, or empty.
std::string weakness(const Evidence& evidence, Policy policy) {
  if (policy == Policy::msign_compatible) return {};
  const auto weak = [](std::optional<base::DigestAlgorithm> algorithm) { return algorithm == base::DigestAlgorithm::sha1; };
  const auto method = signature_algorithm(evidence.signature.method);
  if (method && weak(method->digest)) return "the signature algorithm uses SHA-1";
  if (std::ranges::any_of(evidence.signature.references, [&](const Reference& one) {
        return weak(one.digest_algorithm) && (policy == Policy::strict || one.is_same_document());
      }))
    return "a reference uses SHA-1";
  if (std::ranges::any_of(evidence.properties.properties.signing_certificates,
                          [&](const SigningCertificateReference& one) { return weak(one.algorithm); }))
    return "the signing certificate is named by SHA-1";
  return {};
}

// 5.2.8, signature acceptance, with ETSI TS 119 312's algorithms: no SHA-1 anywhere under what is signed.
std::optional<Verdict> cryptographic_constraints(const Evidence& evidence) {
  if (!signature_algorithm(evidence.signature.method))
    return indeterminate(SubIndication::crypto_constraints_failure, "the signature algorithm is not accepted");
  if (const std::string found = weakness(evidence, evidence.policy); !found.empty())
    return indeterminate(SubIndication::crypto_constraints_failure, found);
  if (!evidence.key.certificate || is_weak(*evidence.key.certificate))
    return indeterminate(SubIndication::crypto_constraints_failure, "the key is too short");
  return std::nullopt;
}

std::optional<Verdict> signed_attributes(const Evidence& evidence) {
  if (!evidence.properties.properties.name_the_signature)
    return indeterminate(SubIndication::sig_constraints_failure, "QualifyingProperties name another signature");
  if (!evidence.properties.properties.signing_time)
    return indeterminate(SubIndication::sig_constraints_failure, "SigningTime is missing or is no time");
  return std::nullopt;
}

// 5.5.4 drops time stamps that do not hold unless a constraint demands them. Ours does: a signature that comes with a proof
// of its time is not passed as if it came without. One that holds is enough.
std::optional<Verdict> time_stamps(const Evidence& evidence) {
  const auto proves = [](const CheckedTimeStamp& stamp) {
    return stamp.kind == TimeStampKind::signature || stamp.kind == TimeStampKind::archive;
  };
  const auto found = std::ranges::find_if(evidence.time_stamps, proves);
  if (found == evidence.time_stamps.end() || evidence.proven_time) return std::nullopt;
  const CheckedTimeStamp& first = *found;
  return indeterminate(first.failure, "the signature time stamp does not hold: " + first.report.detail);
}

constexpr std::array steps{
    Step{signature_value},   Step{signed_data_found}, Step{digests},          Step{format},
    Step{data_signed},       Step{identification},    Step{certificate_path}, Step{cryptographic_constraints},
    Step{signed_attributes}, Step{time_stamps}};

}  // namespace

std::string accepted_weakness(const Evidence& evidence) {
  return evidence.policy == Policy::strict ? std::string{} : weakness(evidence, Policy::strict);
}

SubIndication sub_indication_of(pki::PathStatus status) {
  switch (status) {
    case pki::PathStatus::valid:
      return SubIndication::none;
    case pki::PathStatus::no_path:
      return SubIndication::no_certificate_chain_found;
    case pki::PathStatus::expired:
    case pki::PathStatus::not_yet_valid:
      return SubIndication::out_of_bounds_no_poe;
    case pki::PathStatus::revoked:
      return SubIndication::revoked_no_poe;
    case pki::PathStatus::ca_revoked:
      return SubIndication::revoked_ca_no_poe;
    case pki::PathStatus::no_revocation_data:
      return SubIndication::try_later;
    case pki::PathStatus::constraints:
      break;
  }
  return SubIndication::chain_constraints_failure;
}

Integrity integrity_of(const Evidence& evidence) {
  for (const Step step : {Step{signature_value}, Step{signed_data_found}, Step{digests}, Step{format}}) {
    if (const auto verdict = step(evidence))
      return verdict->indication == Indication::total_failed ? Integrity::invalid : Integrity::unknown;
  }
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
