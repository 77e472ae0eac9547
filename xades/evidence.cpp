#include <algorithm>

#include "coverage.hpp"
#include "proofs.hpp"

namespace signet::xades {
namespace {

using base::ErrorCode;
using base::failure;
using base::Result;

CheckedTimeStamp broken(TimeStampKind kind, pki::TimeStampStatus status, std::string detail) {
  CheckedTimeStamp out;
  out.kind = kind;
  out.report.status = status;
  out.report.detail = std::move(detail);
  out.failure = SubIndication::sig_constraints_failure;
  return out;
}

// What the time stamps of one signature are checked in.
struct StampContext {
  const TransformContext& transforms;
  const VerifyOptions& options;
  const CarriedEvidence& carried;
};

// EN 319 102-1 5.4 for the token, at the time since when it is known to exist: later a TSA's certificate may expire.
CheckedTimeStamp check_time_stamp(const TimeStampElement& stamp, const Evidence& evidence, const StampContext& context,
                                  const ProofsOfExistence& proofs, base::Time known_since) {
  using pki::TimeStampStatus;
  if (!stamp.token || !stamp.canonicalization)
    return broken(stamp.kind, TimeStampStatus::signature_invalid, "not a time stamp with one token and what it is to cover");
  const auto token = pki::parse_time_stamp_token(*stamp.token);
  if (!token) return broken(stamp.kind, TimeStampStatus::signature_invalid, token.error().detail);
  const auto covered =
      covered_octets(stamp, context.transforms, evidence.references, evidence.properties.properties, context.options.data);
  const bool unchecked =
      !covered && wants_content(stamp, context.transforms.signature, evidence.references, context.options.data);
  if (!covered && !unchecked) return broken(stamp.kind, TimeStampStatus::imprint_differs, covered.error().detail);

  // Where what it is over is not at hand the rest can be told all the same.
  const base::Digest imprint = covered ? base::digest(token->imprint.algorithm(), *covered) : token->imprint;
  const pki::TrustMaterial trust = with_carried(context.options.trust, context.carried, proofs, context.transforms.budget);
  const pki::TimeStampOptions how{.at = known_since,
                                  .known_since = xades::known_since(context.carried, proofs, nullptr),
                                  .budget = &context.transforms.budget};
  CheckedTimeStamp out{stamp.kind, pki::verify_time_stamp(*stamp.token, imprint, trust, how), SubIndication::none};
  if (unchecked && out.report.status != TimeStampStatus::signature_invalid) {
    out.report.status = TimeStampStatus::imprint_differs;
    out.report.detail = covered.error().detail;
    out.failure = SubIndication::sig_constraints_failure;
    out.unchecked = true;
    return out;
  }
  if (out.report.status == TimeStampStatus::valid) {
    if (auto weak = pki::weakness(pki::ts_119_312(), imprint.algorithm(), known_since)) {
      out.failure = SubIndication::crypto_constraints_failure_no_poe;
      out.report.detail = "the imprint: " + *weak;
    }
    return out;
  }
  out.failure = SubIndication::sig_constraints_failure;
  if (out.report.status != TimeStampStatus::untrusted) return out;
  if (out.report.path.status != pki::PathStatus::valid) out.failure = sub_indication_of(out.report.path);
  // A path without fault to a token from after the time when it is known to have existed: it proves nothing of the time before.
  else if (out.report.time > known_since)
    out.failure = SubIndication::timestamp_order_failure;
  return out;
}

std::size_t property_of(const TimeStampElement& stamp, const Properties& properties) {
  return static_cast<std::size_t>(std::ranges::find(properties.unsigned_properties, stamp.node) -
                                  properties.unsigned_properties.begin());
}

// EN 319 102-1 5.6.2: from the outermost archive time stamp inwards, each proves what lies within for the next; then what proves
// the signature's own time, then what was before it.
void check_time_stamps(Evidence& evidence, const StampContext& context, ProofsOfExistence& proofs) {
  const Properties& properties = evidence.properties.properties;
  const auto& stamps = properties.time_stamps;
  evidence.time_stamps.resize(stamps.size());
  const auto earliest = [&](base::Time time) { evidence.proven_time = std::min(evidence.proven_time.value_or(time), time); };
  for (std::size_t i = stamps.size(); i-- > 0;) {
    if (stamps[i].kind != TimeStampKind::archive) continue;
    const std::size_t property = property_of(stamps[i], properties);
    CheckedTimeStamp& checked = evidence.time_stamps[i] =
        check_time_stamp(stamps[i], evidence, context, proofs, proofs.of_property(property));
    if (checked.failure != SubIndication::none) continue;
    proofs.archived(property, checked.report.time);
    earliest(checked.report.time);
  }
  for (std::size_t i = 0; i < stamps.size(); ++i) {
    if (stamps[i].kind != TimeStampKind::signature) continue;
    const CheckedTimeStamp& checked = evidence.time_stamps[i] =
        check_time_stamp(stamps[i], evidence, context, proofs, proofs.of_property(property_of(stamps[i], properties)));
    if (checked.failure == SubIndication::none) earliest(checked.report.time);
  }
  if (evidence.proven_time) proofs.signature_stamped(*evidence.proven_time);
  for (std::size_t i = 0; i < stamps.size(); ++i) {
    if (stamps[i].kind == TimeStampKind::signature || stamps[i].kind == TimeStampKind::archive) continue;
    const CheckedTimeStamp& checked = evidence.time_stamps[i] =
        check_time_stamp(stamps[i], evidence, context, proofs, proofs.of_signature());
    if (checked.failure == SubIndication::none)
      evidence.not_signed_before = std::max(evidence.not_signed_before.value_or(checked.report.time), checked.report.time);
  }
}

pki::PathOptions signer_path(const Evidence& evidence, const VerifyOptions& options, const CarriedEvidence& carried,
                             const ProofsOfExistence& proofs, WorkBudget& budget) {
  return {.at = std::min(proofs.of_signature(), options.at),
          .purpose = pki::Purpose::signer,
          .known_since = known_since(carried, proofs, evidence.key.certificate ? &*evidence.key.certificate : nullptr),
          .budget = &budget};
}

// 5.2.6, at the best-signature-time of 5.5.4: that of the earliest time stamp that holds, else that of the validation. The
// path's own rules let revocation data from after that time tell of before.
void check_path(Evidence& evidence, const VerifyOptions& options, const CarriedEvidence& carried, const ProofsOfExistence& proofs,
                WorkBudget& budget) {
  if (!evidence.key.certificate) return;
  const pki::Certificate& certificate = *evidence.key.certificate;
  const pki::PathOptions how = signer_path(evidence, options, carried, proofs, budget);
  const pki::TrustMaterial trust = with_carried(options.trust, carried, proofs, budget);
  evidence.path = pki::validate_path(certificate, trust, how);
  if (evidence.path->weak_algorithm) {
    const pki::PathOptions then{.at = certificate.not_before(), .purpose = how.purpose, .budget = &budget};
    evidence.path_never_reliable = pki::validate_path(certificate, trust, then).weak_algorithm.has_value();
  }
  if (evidence.path->status != pki::PathStatus::no_revocation_data || (carried.crls.empty() && carried.ocsp.empty())) return;
  evidence.revocation_out_of_bounds =
      pki::validate_path(certificate, with_all_carried(options.trust, carried), how).status == pki::PathStatus::valid;
}

// EN 319 132-1 6.3, B-LT: whether anchors are all that must still be had from elsewhere. A signature whose certificate is an
// anchor itself needs nothing.
bool carries_its_evidence(const Evidence& evidence, const VerifyOptions& options, const CarriedEvidence& carried,
                          const ProofsOfExistence& proofs, WorkBudget& budget) {
  const Properties& properties = evidence.properties.properties;
  if (!evidence.path || evidence.path->status != pki::PathStatus::valid || !properties.has_revocation_values) return false;
  pki::TrustMaterial alone;
  alone.anchors = options.trust.anchors;
  alone.services = options.trust.services;
  alone = with_carried(alone, carried, proofs, budget);
  for (std::size_t i = 0; i < evidence.time_stamps.size(); ++i) {
    const CheckedTimeStamp& checked = evidence.time_stamps[i];
    if (checked.kind != TimeStampKind::signature || checked.failure != SubIndication::none) continue;
    // Its imprint was found right already.
    const base::Bytes& token = *properties.time_stamps[i].token;
    const base::Time known_since = proofs.of_property(property_of(properties.time_stamps[i], properties));
    const pki::TimeStampOptions how{
        .at = known_since, .known_since = xades::known_since(carried, proofs, nullptr), .budget = &budget};
    if (pki::verify_time_stamp(token, pki::parse_time_stamp_token(token)->imprint, alone, how).status !=
        pki::TimeStampStatus::valid)
      return false;
  }
  return pki::validate_path(*evidence.key.certificate, alone, signer_path(evidence, options, carried, proofs, budget)).status ==
         pki::PathStatus::valid;
}

// Which of the given documents is meant only the hash can tell.
PolicyDocument policy_document(const Properties& properties, const std::vector<base::Bytes>& given) {
  if (!properties.signature_policy || !properties.signature_policy->digest) return PolicyDocument::none;
  if (given.empty()) return PolicyDocument::not_given;
  const base::Digest& wanted = *properties.signature_policy->digest;
  const auto is = [&](const base::Bytes& document) { return base::digest(wanted.algorithm(), document) == wanted; };
  return std::ranges::any_of(given, is) ? PolicyDocument::same : PolicyDocument::differs;
}

}  // namespace

Result<Evidence> collect_evidence(const XmlDocument& document, const xmlNode* node, const VerifyOptions& options,
                                  WorkBudget& budget) {
  auto signature = read_signature(node, options.limits);
  if (!signature) return base::failure_of(signature);
  if (!signature->canonicalization)
    return failure(ErrorCode::parameter_invalid, "SignedInfo has a canonicalization that is not allowed");
  Evidence out;
  out.policy = options.policy;
  out.validated_at = options.at;
  out.signature = std::move(*signature);
  const auto signed_info =
      canonical(document, {.top = out.signature.signed_info, .comments = true}, *out.signature.canonicalization, budget);
  if (!signed_info && budget.is_spent()) return failure(ErrorCode::message_too_large, "more work than the limit");
  if (!signed_info) return failure(ErrorCode::parameter_invalid, "SignedInfo cannot be canonicalized within the limits");

  const TransformContext transforms{document, out.signature, options.limits, budget};
  out.references = check_references(transforms, options.data, options.data_for);
  out.properties = find_properties(out.signature, out.references);
  out.key = check_signature_value(out.signature, out.properties, options.trust, base::as_bytes(*signed_info), budget);
  const CarriedEvidence carried = carried_evidence(out.properties.properties, out.key.certificates);
  ProofsOfExistence proofs(out.properties.properties.unsigned_properties.size(), options.at);
  check_time_stamps(out, {transforms, options, carried}, proofs);
  out.policy_document = policy_document(out.properties.properties, options.signature_policies);
  out.proven_since = proofs.of_signature();
  check_path(out, options, carried, proofs, budget);
  out.evidence_is_carried = carries_its_evidence(out, options, carried, proofs, budget);
  return out;
}

}  // namespace signet::xades
