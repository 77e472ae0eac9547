#pragma once

#include <string>
#include <variant>
#include <vector>

#include "pki/time_stamp.hpp"
#include "xades/types.hpp"

namespace signet::xades {

// EN 319 102-1 clause 5.1. What cannot be said here is not among them: NO_POE is an inner result of that standard's, and that a
// signature policy is not at hand, or is another (SIGNATURE_POLICY_NOT_AVAILABLE, POLICY_PROCESSING_ERROR), is a warning.
enum class Indication : std::uint8_t { total_passed, total_failed, indeterminate };
enum class SubIndication : std::uint8_t {
  none,
  format_failure,
  hash_failure,
  sig_crypto_failure,
  revoked,
  expired,
  not_yet_valid,
  sig_constraints_failure,
  chain_constraints_failure,
  certificate_chain_general_failure,
  crypto_constraints_failure,         // an algorithm that was no longer reliable when the signature was made
  crypto_constraints_failure_no_poe,  // ... is no longer, and nothing proves that what it was used for is older
  no_signing_certificate_found,
  no_certificate_chain_found,
  no_certificate_chain_found_no_poe,  // to what was an anchor once
  revoked_no_poe,
  revoked_ca_no_poe,
  out_of_bounds_no_poe,
  out_of_bounds_not_revoked,
  revocation_out_of_bounds_no_poe,  // revocation data, of which nothing proves that they are older than their issuer's end
  timestamp_order_failure,
  try_later,  // no revocation data in force
  signed_data_not_found,
};
std::string_view name(Indication indication);         // "TOTAL-PASSED"
std::string_view name(SubIndication sub_indication);  // "HASH_FAILURE"; "" for none

// References and SignatureValue alone, apart from trust and time. unknown: a referenced object was not given.
enum class Integrity : std::uint8_t { valid, invalid, unknown };
std::string_view name(Integrity integrity);

// Content that a detached reference may mean: by its bytes or by its hash. An empty name fits any reference.
struct GivenData {
  std::string name;
  std::variant<base::Digest, base::Bytes> content;
};

struct VerifyLimits {
  std::size_t max_bytes = 16u << 20;
  std::size_t max_nodes = 200'000;  // elements, attributes and namespace declarations, counted before a tree is built
  unsigned max_depth = 64;
  std::size_t max_signatures = 100;
  std::size_t max_references = 1'000;
  std::size_t max_transforms = 8;  // per reference
};

// strict: the algorithms of ETSI TS 119 312, and signers' certificates of X.509 version 3. sha1_content: beside them a given hash of
// SHA-1 that is signed, detached or enclosed, where somebody else chose it; all that the signature itself uses is as in strict.
// msign_compatible: SHA-1 under what is signed too, as the national middleware makes it for hashes, and a signer's certificate of
// version 1, which cannot say what it is for. Each use is a warning. Paths and time stamps are judged alike under all: whoever has a
// certificate of version 1 is no authority, but an anchor.
enum class Policy : std::uint8_t { strict, sha1_content, msign_compatible };

struct VerifyOptions {
  pki::TrustMaterial trust;
  base::Time at;  // the time of the validation
  std::vector<GivenData> data;
  VerifyLimits limits;
  Policy policy = Policy::strict;
  std::vector<base::Bytes> signature_policies = {};  // documents of signature policies (5.2.9), compared by their hash
  // each_signature: what a signature does not sign of the data keeps it from passing. any_signature: the data are those of
  // several documents; a signature is matched with its own by digest, then by name, and the others say nothing of it.
  enum class DataFor : std::uint8_t { each_signature, any_signature } data_for = DataFor::each_signature;
};

// What a time stamp of a signature is over (EN 319 132-1).
enum class TimeStampKind : std::uint8_t {
  all_data_objects,         // the content, before it was signed (5.2.8.1)
  individual_data_objects,  // some of it (5.2.8.2)
  signature,                // SignatureValue (5.3)
  archive,                  // all that there was then (5.5.2)
};
std::string_view name(TimeStampKind kind);  // the property's name, "SignatureTimeStamp"

struct TimeStampFinding : pki::TimeStampReport {
  TimeStampKind kind = TimeStampKind::signature;
  bool holds = false;  // also by the algorithms' rules
  SubIndication failure = SubIndication::none;  // why it does not
  bool unchecked = false;  // for want of the content that it is over, or of all but its hash: its imprint was compared with nothing
};

// An element as the document has it: untrusted text, cut.
struct NamedElement {
  std::string name;  // with its prefix
  std::string id;    // empty: none

  bool operator==(const NamedElement&) const = default;
};

struct ReferenceReport {
  std::string uri;
  bool signed_properties = false;
  bool within = false;       // it leads into the file itself, not to something outside
  bool in_manifest = false;  // listed by a manifest that is signed: it may be missing
  enum class Status : std::uint8_t { valid, digest_differs, not_found, refused } status = Status::not_found;
  std::string detail;
  std::optional<NamedElement> element = {};  // which of the document is signed, where it holds; none: all, or data from outside
  std::optional<base::Digest> digest = {};         // that was signed
  std::string mime_type = {};                      // as the signed DataObjectFormat has it; untrusted text, cut
  std::optional<std::size_t> datum = {};           // index in VerifyOptions::data: what it was compared with, whatever came of it
  // It holds so many octets that they are a hash, of a document that is elsewhere. Without `datum` no document was compared with it.
  std::optional<base::Digest> enclosed_hash = {};
};

// What a signer states of itself and of signing (EN 319 132-1 5.2), signed with the rest: claims that nobody else confirmed.
// Untrusted text, cut.
struct SignerStatements {
  std::vector<std::string> commitment_types;  // 5.2.3: URIs
  std::vector<std::string> claimed_roles;     // 5.2.6
  ProductionPlace place;                      // 5.2.5
};

// Whether the document of the policy that the signature names was given (5.2.9). none: it names none, or names none by its hash.
enum class PolicyDocument : std::uint8_t { none, not_given, same, differs };
std::string_view name(PolicyDocument document);  // "not_given"; "" for none

// What tells apart the reasons that one sub-indication has, for whoever explains it.
enum class Cause : std::uint8_t {
  other,
  signed_properties_changed,  // HASH_FAILURE: what the signature says of itself, and none of the data
  given_data_unsigned,        // SIGNED_DATA_NOT_FOUND: what is signed is there and unchanged; what was given is not among it
  never_reliable,             // CRYPTO_CONSTRAINTS_FAILURE_NO_POE: too weak already when the signer's certificate began
};
std::string_view name(Cause cause);  // "given_data_unsigned"; "" for other

// What does not change a verdict, and somebody should know.
struct Warning {
  enum class Kind : std::uint8_t {
    older_signing_certificate,  // SigningCertificate, of the form before SigningCertificateV2
    not_baseline,               // no DataObjectFormat for each signed object
    issuer_serial_differs,      // IssuerSerialV2 names another certificate than the digest beside it
    not_in_key_info,            // the signing certificate
    manifest_incomplete,        // not all that a manifest lists was given and checked
    unsigned_object,            // the signature holds an Object that it does not sign
    part_of_document,           // beside what it signs of the document around it there is more
    claimed_after_time_stamp,   // SigningTime
    revocation_data_before_signature,  // made before the time that is proven: a revocation in between would not be known
    time_stamp_does_not_hold,   // one of them, or all: then nothing proves when it was signed
    weak_algorithm,             // taken by the policy
    certificate_version_1,      // taken by the policy
    counter_signatures_unverified,
    beyond_limits,               // of something that it carries there is more than is read: the rest counts for nothing
    signature_policy_unchecked,  // its document was not given
    signature_policy_differs,    // what was given has another hash
  } kind;
  std::string detail = {};  // for developers

  bool operator==(const Warning&) const = default;
};
std::string_view name(Warning::Kind kind);  // "unsigned_object"

// One ds:Signature. A bad signature is a report, never an error.
struct SignatureReport {
  std::string id;
  Indication indication = Indication::indeterminate;
  SubIndication sub_indication = SubIndication::none;
  Integrity integrity = Integrity::unknown;
  std::optional<Level> level;  // the highest whose form is met
  Cause cause = Cause::other;
  std::optional<pki::Certificate> signer;
  // Without `signer`, where what would name it was changed: whose key the SignatureValue is by. Nothing says that it was meant.
  std::optional<pki::Certificate> key_holder;
  std::optional<base::Time> claimed_time;       // SigningTime: the signer's word
  std::optional<base::Time> proven_time;        // the best signature time: genTime of the earliest time stamp that holds
  std::optional<base::Time> not_signed_before;  // genTime of the latest time stamp over content that holds
  std::vector<ReferenceReport> references;
  std::vector<std::size_t> matched_data;  // indices in VerifyOptions::data: what the references were compared with
  std::vector<TimeStampFinding> time_stamps;
  std::optional<pki::PathReport> path;
  std::vector<SignatureReport>
      counter_signatures;  // over this one's SignatureValue (EN 319 132-1 5.2.7.1), each a verdict of its own
  std::string signature_policy;  // SigPolicyId/Identifier, or "implied"; empty: none
  PolicyDocument policy_document = PolicyDocument::none;
  SignerStatements statements;
  std::vector<Warning> warnings;
  std::string detail;  // why, for developers
};

// Verifies every ds:Signature of a document per EN 319 102-1 : format, references, wrapping defence
// (the node whose digest was checked is the node that is read), SignatureValue, signing certificate, path, revocation, time stamps, algorithms, past validation.
// Errors only for input that is no document at all: message_invalid (not XML, a DTD, no signature), message_too_large.
// Touches no file and no network. Any thread.
base::Result<std::vector<SignatureReport>> verify(base::BytesView document, const VerifyOptions& options);

// Whose revocation lists were missing for a verdict: every certificate of a path to an anchor, the signer's or a TSA's, that was
// found but for them. With their lists it may be another one. Empty where nothing of the kind was missing.
std::vector<pki::ListWanted> without_revocation_data(const SignatureReport& report);
// Those about whom newer data could tell of a revocation that is not known yet, for a path, the signer's or a TSA's, that rests on
// data from before the time that matters: a signature brings what its signer chose. Not those whose evidence is current enough.
std::vector<pki::ListWanted> newer_revocation_data(const SignatureReport& report, const pki::IsCurrent& is_current);

}  // namespace signet::xades
