#include "xades/verify.hpp"

#include <algorithm>
#include <iterator>
#include <unordered_map>

#include "base/text.hpp"
#include "opened_document.hpp"
#include "unsigned_content.hpp"

namespace signet::xades {
namespace {

using base::ErrorCode;
using base::failure;
using base::Result;

constexpr std::size_t shown_id = 128;
constexpr std::size_t shown_element = 64;
constexpr std::size_t shown_detail = 400;

NamedElement named(const xmlNode* element) {
  return {base::shown(qualified_name(element), shown_element), base::shown(id_of(element), shown_id)};
}

bool is_signed(const xmlNode* object, const Evidence& evidence) {
  return std::ranges::any_of(evidence.references.all, [&](const CheckedReference& checked) {
    // What was signed and is another one now is told as that.
    const bool changed = checked.report.status == ReferenceReport::Status::digest_differs;
    const xmlNode* const target = changed ? checked.led_to : checked.target;
    return target != nullptr && (is_within(target, object) || is_within(object, target));
  });
}

// Somebody who sees only a TOTAL-PASSED must not read as signed what is not.
bool has_unsigned_object(const Evidence& evidence) {
  return std::ranges::any_of(children(evidence.signature.node, ds_namespace, "Object"),
                             [&](const xmlNode* object) { return !is_signed(object, evidence); });
}

constexpr std::size_t shown_parts = 4;

std::string listed_parts(const std::vector<const xmlNode*>& parts) {
  std::string out;
  for (std::size_t i = 0; i < std::min(parts.size(), shown_parts); ++i) {
    const NamedElement element = named(parts[i]);
    out += (i == 0 ? "only <" : ", <") + element.name + (element.id.empty() ? "" : " Id=\"" + element.id + '"') + '>';
  }
  if (parts.size() > shown_parts) out += " and " + std::to_string(parts.size() - shown_parts) + " more";
  return out + (parts.size() == 1 ? " is signed" : " are signed");
}

// 5.2.4, as DSS has it by default: a policy that cannot be had or differs is told of, and the signature judged without it.
std::optional<Warning> warning_of_policy(const Evidence& evidence) {
  const auto& policy = evidence.properties.properties.signature_policy;
  if (!policy || !policy->digest)
    return policy ? std::optional(Warning{Warning::Kind::signature_policy_unchecked, policy->identifier}) : std::nullopt;
  using enum PolicyDocument;
  if (evidence.policy_document == same) return std::nullopt;
  return Warning{
      evidence.policy_document == differs ? Warning::Kind::signature_policy_differs : Warning::Kind::signature_policy_unchecked,
      policy->identifier};
}

std::vector<Warning> warnings_of(const Evidence& evidence) {
  using enum Warning::Kind;
  const Properties& properties = evidence.properties.properties;
  std::vector<Warning> out;
  const auto warn = [&out](Warning::Kind kind, std::string detail = {}) { out.push_back({kind, std::move(detail)}); };
  if (evidence.properties.status == FoundProperties::Status::found) {
    if (!properties.has_signing_certificate_v2 && !properties.signing_certificates.empty()) warn(older_signing_certificate);
    if (!properties.formats_every_object) warn(not_baseline);
  }
  if (evidence.key.serial_differs) warn(issuer_serial_differs);
  if (evidence.key.certificate && !evidence.key.in_key_info) warn(not_in_key_info);
  const auto listed = [&](const CheckedReference& one) { return one.report.status != ReferenceReport::Status::valid; };
  if (std::ranges::any_of(evidence.references.in_manifests, listed)) warn(manifest_incomplete);
  if (has_unsigned_object(evidence)) warn(unsigned_object);
  if (const auto parts = parts_beside_more(evidence); !parts.empty()) warn(part_of_document, listed_parts(parts));
  if (evidence.proven_time && properties.signing_time && *properties.signing_time > *evidence.proven_time)
    warn(claimed_after_time_stamp);
  if (evidence.proven_time && evidence.path && evidence.path->status == pki::PathStatus::valid) {
    const pki::RevocationEvidence& revocation = evidence.path->evidence.front();
    using Source = pki::RevocationEvidence::Source;
    if ((revocation.source == Source::ocsp || revocation.source == Source::crl) && revocation.produced < *evidence.proven_time)
      warn(revocation_data_before_signature);
  }
  const auto holds = [](const CheckedTimeStamp& stamp) { return stamp.failure == SubIndication::none; };
  // EN 319 102-1 5.5.4 leaves out what does not hold: the signature is judged as if it came without.
  if (!std::ranges::all_of(evidence.time_stamps, holds))
    warn(time_stamp_does_not_hold, evidence.proven_time ? "" : "the time stamp does not hold: nothing proves when it was signed");
  if (std::string weakness = accepted_weakness(evidence); !weakness.empty()) warn(weak_algorithm, std::move(weakness));
  if (evidence.policy == Policy::msign_compatible && evidence.key.certificate && evidence.key.certificate->version() == 1)
    warn(certificate_version_1);
  for (const std::string& what : properties.beyond_limits) warn(Warning::Kind::beyond_limits, what);
  if (evidence.key.key_info_beyond_limit)
    warn(Warning::Kind::beyond_limits, "more than " + std::to_string(max_key_info_certificates) + " certificates in KeyInfo");
  if (auto policy = warning_of_policy(evidence)) out.push_back(std::move(*policy));
  return out;
}

SignatureReport report_of(const Evidence& evidence) {
  SignatureReport report;
  Verdict verdict = verdict_of(evidence);
  report.indication = verdict.indication;
  report.sub_indication = verdict.sub_indication;
  report.cause = verdict.cause;
  report.detail = base::shown(verdict.detail, shown_detail);
  report.integrity = integrity_of(evidence);
  report.level = level_of(evidence);
  report.signer = evidence.key.certificate;
  report.key_holder = evidence.key.holder;
  report.claimed_time = evidence.properties.properties.signing_time;
  report.proven_time = evidence.proven_time;
  const auto& mime_types = evidence.properties.properties.mime_types;
  const auto add = [&report](const CheckedReference& checked) -> ReferenceReport& {
    report.references.push_back(checked.report);
    if (checked.target != nullptr) report.references.back().element = named(checked.target);
    return report.references.back();
  };
  for (std::size_t i = 0; i < evidence.references.all.size(); ++i) {
    const auto type = mime_types.find("#" + evidence.signature.references[i].id);
    ReferenceReport& added = add(evidence.references.all[i]);
    if (type != mime_types.end()) added.mime_type = type->second;
  }
  for (const CheckedReference& checked : evidence.references.in_manifests) add(checked).in_manifest = true;
  report.matched_data = evidence.references.matched_data;
  report.not_signed_before = evidence.not_signed_before;
  for (const CheckedTimeStamp& stamp : evidence.time_stamps)
    report.time_stamps.push_back(
        {stamp.report, stamp.kind, stamp.failure == SubIndication::none, stamp.failure, stamp.unchecked});
  report.path = evidence.path;
  if (const auto& policy = evidence.properties.properties.signature_policy)
    report.signature_policy = base::shown(policy->identifier, shown_id);
  report.policy_document = evidence.policy_document;
  report.statements = evidence.properties.properties.statements;
  report.warnings = warnings_of(evidence);
  return report;
}

// 5.2.2: not even of the form of a signature, so nothing of it can be verified.
SignatureReport report_of_no_signature(const std::string& why) {
  SignatureReport report;
  report.indication = Indication::total_failed;
  report.sub_indication = SubIndication::format_failure;
  report.integrity = Integrity::invalid;
  report.detail = base::shown(why, shown_detail);
  return report;
}

// 5.2.7.1: a counter-signature signs the SignatureValue of the signature that holds it; another could have been put there by
// anybody.
bool signs(const Evidence& evidence, const xmlNode* value) {
  return value != nullptr &&
         std::ranges::any_of(evidence.references.all, [&](const CheckedReference& checked) { return checked.target == value; });
}

using CounterSignatures = std::unordered_map<const xmlNode*, std::vector<const xmlNode*>>;  // by what they stand in

CounterSignatures counter_signatures(const XmlDocument& document) {
  CounterSignatures out;
  for (const xmlNode* signature : document.signatures())
    if (const xmlNode* const holder = countersigned_by(signature)) out[holder].push_back(signature);
  return out;
}

struct Run {
  const XmlDocument& document;
  const CounterSignatures& counter_signatures;
  const VerifyOptions& options;
  WorkBudget& budget;
  std::size_t signatures_left;
};

// The signature around a counter-signature.
struct Countersigned {
  const xmlNode* value = nullptr;  // its SignatureValue; none in one that is not of the form
};

constexpr unsigned deepest_counter_signature = 4;
// What each may cost beyond what the document may: a signature with its path, OCSP responses and ten time stamps.
constexpr std::size_t work_of_a_signature = 20'000'000;

base::Result<SignatureReport> report_of_signature(const xmlNode* signature, const Countersigned* countersigned, Run& run,
                                                  unsigned depth) {
  if (run.signatures_left == 0) return failure(ErrorCode::message_too_large, "more signatures than the limit");
  --run.signatures_left;
  const auto evidence = collect_evidence(run.document, signature, run.options, run.budget);
  if (!evidence && evidence.error().code == ErrorCode::message_too_large) return std::unexpected(evidence.error());
  SignatureReport report = evidence ? report_of(*evidence) : report_of_no_signature(evidence.error().detail);
  report.id = base::shown(attribute(signature, "Id").value_or(""), shown_id);
  const bool has_its_data = report.sub_indication != SubIndication::signed_data_not_found;
  if (evidence && countersigned != nullptr && report.integrity != Integrity::invalid && has_its_data &&
      !signs(*evidence, countersigned->value)) {
    report.indication = Indication::total_failed;
    report.sub_indication = SubIndication::format_failure;
    report.integrity = Integrity::invalid;
    report.cause = Cause::other;
    report.detail = "the counter-signature does not sign the SignatureValue of the signature that holds it";
  }
  const auto found = run.counter_signatures.find(signature);
  if (found == run.counter_signatures.end()) return report;
  if (depth == deepest_counter_signature) {
    report.warnings.push_back({Warning::Kind::counter_signatures_unverified});
    return report;
  }
  // What was given is for the signatures that sign it.
  VerifyOptions options = run.options;
  options.data.clear();
  Run within{run.document, run.counter_signatures, options, run.budget, run.signatures_left};
  const Countersigned around{evidence ? evidence->signature.value_node : nullptr};
  for (const xmlNode* counter_signature : found->second) {
    auto one = report_of_signature(counter_signature, &around, within, depth + 1);
    if (!one) return one;
    report.counter_signatures.push_back(std::move(*one));
  }
  run.signatures_left = within.signatures_left;
  return report;
}

}  // namespace

std::string_view name(Indication indication) {
  switch (indication) {
    case Indication::total_passed:
      return "TOTAL-PASSED";
    case Indication::total_failed:
      return "TOTAL-FAILED";
    case Indication::indeterminate:
      break;
  }
  return "INDETERMINATE";
}

std::string_view name(SubIndication sub_indication) {
  switch (sub_indication) {
    case SubIndication::none:
      break;
    case SubIndication::format_failure:
      return "FORMAT_FAILURE";
    case SubIndication::hash_failure:
      return "HASH_FAILURE";
    case SubIndication::sig_crypto_failure:
      return "SIG_CRYPTO_FAILURE";
    case SubIndication::revoked:
      return "REVOKED";
    case SubIndication::expired:
      return "EXPIRED";
    case SubIndication::not_yet_valid:
      return "NOT_YET_VALID";
    case SubIndication::sig_constraints_failure:
      return "SIG_CONSTRAINTS_FAILURE";
    case SubIndication::chain_constraints_failure:
      return "CHAIN_CONSTRAINTS_FAILURE";
    case SubIndication::certificate_chain_general_failure:
      return "CERTIFICATE_CHAIN_GENERAL_FAILURE";
    case SubIndication::crypto_constraints_failure:
      return "CRYPTO_CONSTRAINTS_FAILURE";
    case SubIndication::crypto_constraints_failure_no_poe:
      return "CRYPTO_CONSTRAINTS_FAILURE_NO_POE";
    case SubIndication::no_signing_certificate_found:
      return "NO_SIGNING_CERTIFICATE_FOUND";
    case SubIndication::no_certificate_chain_found:
      return "NO_CERTIFICATE_CHAIN_FOUND";
    case SubIndication::no_certificate_chain_found_no_poe:
      return "NO_CERTIFICATE_CHAIN_FOUND_NO_POE";
    case SubIndication::revoked_no_poe:
      return "REVOKED_NO_POE";
    case SubIndication::revoked_ca_no_poe:
      return "REVOKED_CA_NO_POE";
    case SubIndication::out_of_bounds_no_poe:
      return "OUT_OF_BOUNDS_NO_POE";
    case SubIndication::out_of_bounds_not_revoked:
      return "OUT_OF_BOUNDS_NOT_REVOKED";
    case SubIndication::revocation_out_of_bounds_no_poe:
      return "REVOCATION_OUT_OF_BOUNDS_NO_POE";
    case SubIndication::timestamp_order_failure:
      return "TIMESTAMP_ORDER_FAILURE";
    case SubIndication::try_later:
      return "TRY_LATER";
    case SubIndication::signed_data_not_found:
      return "SIGNED_DATA_NOT_FOUND";
  }
  return "";
}

std::string_view name(PolicyDocument document) {
  switch (document) {
    case PolicyDocument::not_given:
      return "not_given";
    case PolicyDocument::same:
      return "same";
    case PolicyDocument::differs:
      return "differs";
    case PolicyDocument::none:
      break;
  }
  return "";
}

std::string_view name(Cause cause) {
  switch (cause) {
    case Cause::signed_properties_changed:
      return "signed_properties_changed";
    case Cause::given_data_unsigned:
      return "given_data_unsigned";
    case Cause::never_reliable:
      return "never_reliable";
    case Cause::other:
      break;
  }
  return "";
}

std::string_view name(Warning::Kind kind) {
  using enum Warning::Kind;
  switch (kind) {
    case older_signing_certificate:
      return "older_signing_certificate";
    case not_baseline:
      return "not_baseline";
    case issuer_serial_differs:
      return "issuer_serial_differs";
    case not_in_key_info:
      return "not_in_key_info";
    case manifest_incomplete:
      return "manifest_incomplete";
    case unsigned_object:
      return "unsigned_object";
    case part_of_document:
      return "part_of_document";
    case claimed_after_time_stamp:
      return "claimed_after_time_stamp";
    case revocation_data_before_signature:
      return "revocation_data_before_signature";
    case time_stamp_does_not_hold:
      return "time_stamp_does_not_hold";
    case weak_algorithm:
      return "weak_algorithm";
    case certificate_version_1:
      return "certificate_version_1";
    case counter_signatures_unverified:
      return "counter_signatures_unverified";
    case beyond_limits:
      return "beyond_limits";
    case signature_policy_unchecked:
      return "signature_policy_unchecked";
    case signature_policy_differs:
      return "signature_policy_differs";
  }
  return "";
}

std::string_view name(TimeStampKind kind) {
  switch (kind) {
    case TimeStampKind::all_data_objects:
      return "AllDataObjectsTimeStamp";
    case TimeStampKind::individual_data_objects:
      return "IndividualDataObjectsTimeStamp";
    case TimeStampKind::archive:
      return "ArchiveTimeStamp";
    case TimeStampKind::signature:
      break;
  }
  return "SignatureTimeStamp";
}

std::string_view name(Integrity integrity) {
  switch (integrity) {
    case Integrity::valid:
      return "valid";
    case Integrity::invalid:
      return "invalid";
    case Integrity::unknown:
      break;
  }
  return "unknown";
}

Result<std::vector<SignatureReport>> verify(base::BytesView bytes, const VerifyOptions& options) {
  auto document = XmlDocument::parse(bytes, options.limits);
  if (!document) return base::failure_of(document);
  const auto signatures = signatures_for_themselves(*document);
  if (signatures.empty()) return failure(ErrorCode::message_invalid, "the document has no signature");
  const CounterSignatures counter_signatures_of = counter_signatures(*document);

  WorkBudget budget;
  Run run{*document, counter_signatures_of, options, budget, options.limits.max_signatures};
  std::vector<SignatureReport> reports;
  for (const xmlNode* signature : signatures) {
    budget.add(work_of_a_signature);
    auto report = report_of_signature(signature, nullptr, run, 0);
    if (!report) return std::unexpected(report.error());
    reports.push_back(std::move(*report));
  }
  return reports;
}

namespace {

// What is wanted for the paths of a report, the signer's and those of TSAs.
template <class Wanted>
std::vector<pki::ListWanted> of_all_paths(const SignatureReport& report, const Wanted& wanted_for) {
  std::vector<pki::ListWanted> all;
  if (report.path) {
    all = wanted_for(*report.path);
    for (pki::ListWanted& one : all) one.asked_after = report.proven_time;
  }
  for (const pki::TimeStampReport& stamp : report.time_stamps) std::ranges::move(wanted_for(stamp.path), std::back_inserter(all));
  return all;
}

}  // namespace

std::vector<pki::ListWanted> without_revocation_data(const SignatureReport& report) {
  return of_all_paths(report, [](const pki::PathReport& path) { return pki::lists_wanted(path); });
}

std::vector<pki::ListWanted> newer_revocation_data(const SignatureReport& report, const pki::IsCurrent& is_current) {
  return of_all_paths(report, [&](const pki::PathReport& path) { return pki::newer_wanted(path, is_current); });
}

}  // namespace signet::xades
