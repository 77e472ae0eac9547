#include <algorithm>

#include "validation.hpp"

namespace signet::xades {
namespace {

using base::ErrorCode;
using base::failure;
using base::Result;

CheckedTimeStamp broken(pki::TimeStampStatus status, std::string detail) {
  CheckedTimeStamp out;
  out.report.status = status;
  out.report.detail = std::move(detail);
  out.failure = SubIndication::sig_constraints_failure;
  return out;
}

// EN 319 102-1 5.4 for the token, EN 319 132-1 5.3 for what it covers: the SignatureValue element.
CheckedTimeStamp check_time_stamp(const SignatureTimeStamp& stamp, const Evidence& evidence, const XmlDocument& document,
                                  const VerifyOptions& options, WorkBudget& budget) {
  using pki::TimeStampStatus;
  if (!stamp.token || !stamp.canonicalization)
    return broken(TimeStampStatus::signature_invalid, "not a SignatureTimeStamp with one token over the SignatureValue");
  const auto token = pki::parse_time_stamp_token(*stamp.token);
  if (!token) return broken(TimeStampStatus::signature_invalid, token.error().detail);
  const auto covered =
      canonical(document, {.top = evidence.signature.value_node, .comments = true}, *stamp.canonicalization, budget);
  if (!covered) return broken(TimeStampStatus::signature_invalid, "SignatureValue cannot be canonicalized within the limits");

  const base::Digest imprint = base::digest(token->imprint.algorithm(), base::as_bytes(*covered));
  CheckedTimeStamp out{pki::verify_time_stamp(*stamp.token, imprint, options.trust, options.at), SubIndication::none};
  if (out.report.status == TimeStampStatus::valid) {
    if (imprint.algorithm() == base::DigestAlgorithm::sha1) out.failure = SubIndication::crypto_constraints_failure;
    return out;
  }
  out.failure = SubIndication::sig_constraints_failure;
  if (out.report.status != TimeStampStatus::untrusted) return out;
  if (out.report.path.status != pki::PathStatus::valid) out.failure = sub_indication_of(out.report.path.status);
  // A path without fault to a token from after the validation: it proves nothing of the time before.
  else if (out.report.time > options.at)
    out.failure = SubIndication::timestamp_order_failure;
  return out;
}

void check_time_stamps(Evidence& evidence, const XmlDocument& document, const VerifyOptions& options, WorkBudget& budget) {
  for (const SignatureTimeStamp& stamp : evidence.properties.properties.time_stamps) {
    evidence.time_stamps.push_back(check_time_stamp(stamp, evidence, document, options, budget));
    const CheckedTimeStamp& checked = evidence.time_stamps.back();
    if (checked.failure != SubIndication::none) continue;
    evidence.proven_time = evidence.proven_time ? std::min(*evidence.proven_time, checked.report.time) : checked.report.time;
  }
}

// 5.2.6, at the best-signature-time of 5.5.4: that of the earliest time stamp that holds, else that of the validation. The
// path's own rules let revocation data from after that time tell of before.
void check_path(Evidence& evidence, const VerifyOptions& options) {
  if (!evidence.key.certificate) return;
  pki::TrustMaterial trust = options.trust;
  trust.intermediates.insert(trust.intermediates.end(), evidence.key.others.begin(), evidence.key.others.end());
  const base::Time at = std::min(evidence.proven_time.value_or(options.at), options.at);
  evidence.path = pki::validate_path(*evidence.key.certificate, trust, at, pki::Purpose::signer);
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
  out.signature = std::move(*signature);
  const auto signed_info =
      canonical(document, {.top = out.signature.signed_info, .comments = true}, *out.signature.canonicalization, budget);
  if (!signed_info) return failure(ErrorCode::parameter_invalid, "SignedInfo cannot be canonicalized within the limits");

  out.references = check_references({document, out.signature, options.limits, budget}, options.data, options.data_for);
  out.properties = find_properties(out.signature, out.references);
  out.key = check_signature_value(out.signature, out.properties.properties, options.trust, base::as_bytes(*signed_info));
  check_time_stamps(out, document, options, budget);
  check_path(out, options);
  return out;
}

}  // namespace signet::xades
