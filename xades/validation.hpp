#pragma once

#include "signing_certificate.hpp"

// The validation of one signature (EN 319 102-1 clauses 5.3 and 5.5), in two steps: what is found, and what follows from it.
namespace signet::xades {

// What is known of a time stamp; `failure` is none where it holds.
struct CheckedTimeStamp {
  TimeStampKind kind = TimeStampKind::signature;
  pki::TimeStampReport report;
  SubIndication failure = SubIndication::none;
  bool unchecked = false;  // as TimeStampFinding has it
};

struct Evidence {
  SignatureElement signature;
  CheckedReferences references;
  FoundProperties properties;
  SignatureKey key;
  std::vector<CheckedTimeStamp> time_stamps;
  std::optional<base::Time> proven_time;        // of the signature, from above
  std::optional<base::Time> not_signed_before;  // from below: a time stamp over content, which is itself signed
  bool evidence_is_carried = false;             // all that its path and its time stamps' want is in the signature: B-LT
  Policy policy = Policy::strict;
  PolicyDocument policy_document = PolicyDocument::none;
  base::Time validated_at{};
  base::Time proven_since{};            // since when the signature is known to exist: the proven time, or that of the validation
  std::optional<pki::PathReport> path;  // at that time
  bool path_never_reliable = false;     // with a weak algorithm, which was too weak already when the certificate began
  bool revocation_out_of_bounds = false;  // it lacks only proof that what is carried for it is older than its issuers' end
};

struct Verdict {
  Indication indication;
  SubIndication sub_indication;
  std::string detail;
  Cause cause = Cause::other;
};

// What the policy lets pass and `strict` would not, in words; empty if nothing is.
std::string accepted_weakness(const Evidence& evidence);
Integrity integrity_of(const Evidence& evidence);
Verdict verdict_of(const Evidence& evidence);
std::optional<Level> level_of(const Evidence& evidence);
SubIndication sub_indication_of(const pki::PathReport& path);

// parameter_invalid where the element is no signature, message_too_large.
base::Result<Evidence> collect_evidence(const XmlDocument& document, const xmlNode* signature, const VerifyOptions& options,
                                        WorkBudget& budget);

}  // namespace signet::xades
