#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "references.hpp"

// QualifyingProperties (EN 319 132-1 clauses 4.3 and 5), read only from the node whose digest was checked.
namespace signet::xades {

// Of one signature; more is told of and left out. Renewed each year for a lifetime, an archive time stamp has its place; each comes
// with a handful of certificates, lists and responses.
inline constexpr std::size_t max_time_stamps = 100;
inline constexpr std::size_t max_evidence = 512;

// One Cert of SigningCertificateV2 (5.2.2) or of the older SigningCertificate.
struct SigningCertificateReference {
  std::optional<base::DigestAlgorithm> algorithm;
  base::Bytes digest;
  std::optional<base::Bytes> issuer_serial_der;  // IssuerSerialV2
};

struct TimeStampElement {
  TimeStampKind kind = TimeStampKind::signature;
  const xmlNode* node = nullptr;                     // the property
  std::optional<Canonicalization> canonicalization;  // none: one that is not allowed
  std::optional<base::Bytes> token;                  // none: not base64, or not one token
  std::vector<std::string> includes;                 // of IndividualDataObjectsTimeStamp: the Ids of the references it covers
};

// Evidence that a signature carries (5.4), with the unsigned property that holds it: what comes before an archive time stamp is
// covered by it.
struct EmbeddedEvidence {
  enum class Kind : std::uint8_t { certificate, crl, ocsp } kind = Kind::certificate;
  const xmlNode* node = nullptr;  // base64 within
  std::size_t property = 0;       // index in Properties::unsigned_properties
};

// SignaturePolicyIdentifier (5.2.9).
struct NamedPolicy {
  std::string identifier;              // "implied" for SignaturePolicyImplied; untrusted text
  std::optional<base::Digest> digest;  // none: implied, or one that is none
};

struct Properties {
  std::optional<base::Time> signing_time;
  std::vector<SigningCertificateReference> signing_certificates;
  bool has_signing_certificate_v2 = false;
  std::optional<NamedPolicy> signature_policy;
  bool name_the_signature = false;    // QualifyingProperties/@Target
  SignerStatements statements;
  std::map<std::string, std::string> mime_types;  // by DataObjectFormat/@ObjectReference, "#" and the Id of a reference; cut
  bool formats_every_object = false;  // a DataObjectFormat with MimeType for each signed reference (6.3)
  // Not signed:
  std::vector<const xmlNode*> unsigned_properties;  // of the signature, in order
  std::vector<TimeStampElement> time_stamps;        // those over content, which are signed, first; each kind in order
  std::vector<EmbeddedEvidence> evidence;
  bool has_revocation_values = false;
  std::vector<std::string> beyond_limits;  // what there is more of than is read
  bool are_repeated = false;  // UnsignedProperties or UnsignedSignatureProperties, of which there is to be one
};

// What SignedProperties a signature has.
struct FoundProperties {
  enum class Status : std::uint8_t {
    absent,     // XML Signature, but no XAdES
    unchecked,  // referenced, but its digest could not be checked or differs
    misplaced,  // the checked node is not this signature's SignedProperties: somebody moved it
    several,    // of what there is to be one: references to SignedProperties, SignedProperties, QualifyingProperties
    found,
  } status = Status::absent;
  std::string detail;
  Properties properties;
  bool in_place = false;  // where they are not `found`: others stand where those that were signed have their place
  // Whom these name: not to be believed, but nobody else is named.
  std::vector<SigningCertificateReference> claimed_certificates = {};
};

// Whether a signature with these QualifyingProperties can have so many more time stamps, and so many more certificates, lists and
// responses, and all be read again: message_too_large.
base::Result<void> check_room(const xmlNode* qualifying, std::size_t time_stamps, std::size_t evidence);

FoundProperties find_properties(const SignatureElement& signature, const CheckedReferences& references);

}  // namespace signet::xades
