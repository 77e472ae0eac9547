#pragma once

#include <optional>
#include <string>
#include <vector>

#include "canonical.hpp"

// A ds:Signature as read, before anything of it is believed.
namespace signet::xades {

inline constexpr std::string_view signed_properties_type = "http://uri.etsi.org/01903#SignedProperties";

struct Reference {
  std::string id;
  std::optional<std::string> uri;
  std::string type;
  std::vector<const xmlNode*> transforms;
  std::optional<base::DigestAlgorithm> digest_algorithm;  // none: one that is not known here
  std::optional<base::Digest> digest;                     // none: also where the value does not fit the algorithm

  bool is_same_document() const { return uri && (uri->empty() || uri->starts_with('#')); }
  bool is_signed_properties() const { return type == signed_properties_type; }
};

struct SignatureElement {
  const xmlNode* node = nullptr;
  std::string id;
  const xmlNode* signed_info = nullptr;
  std::optional<Canonicalization> canonicalization;  // none: one that is not allowed
  std::string method;                                // ds:SignatureMethod/@Algorithm
  std::vector<Reference> references;
  const xmlNode* value_node = nullptr;
  std::optional<base::Bytes> value;   // none: not base64
  const xmlNode* key_info = nullptr;  // may be absent
};

// parameter_invalid, with what is missing or there twice (XML Signature 4.2 to 4.4); message_too_large for too many references.
base::Result<SignatureElement> read_signature(const xmlNode* signature, const VerifyLimits& limits);

// The ds:Reference elements of a ds:Manifest (XML Signature 5.1). Errors as of read_signature().
base::Result<std::vector<Reference>> read_manifest(const xmlNode* manifest, const VerifyLimits& limits);

// The ds:Signature of which this one is a counter-signature: it stands in a CounterSignature (EN 319 132-1 5.2.7) of that one's own
// QualifyingProperties. None for any other, in whatever element it stands.
const xmlNode* countersigned_by(const xmlNode* signature);

// Those that are no counter-signatures, in document order: with these all signatures of a document can be reached.
std::vector<const xmlNode*> signatures_for_themselves(const XmlDocument& document);

}  // namespace signet::xades
