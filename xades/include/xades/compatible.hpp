#pragma once

#include <chrono>
#include <string>

#include "xades/types.hpp"

// The shape in which the national middleware makes signatures, for services that know no other (ETSI TS 101 903 v1.3.2; no baseline
// profile): SignedProperties first among the references, none with transforms, Canonical XML 1.0, SigningCertificate of the first
// form, base64 in lines of 64. Which content gets which container, and who may ask, is the business of whoever calls this: an
// enveloping one over a hash is how people log in.
namespace signet::xades {

struct CompatibleParameters {
  pki::Certificate signing_certificate;  // alone in KeyInfo
  SignatureAlgorithm algorithm;          // of the signature; its digest is used throughout: SHA-1 where the middleware has it
  std::string uuid;  // what all Ids have in common; characters of an NCName
  std::string name;  // of the content: a bare file name, no path. UTF-8, not empty
  base::Time signing_time{};
  std::chrono::minutes offset{};  // of the local time from UTC
};

// One signature. Immutable; any thread.
class CompatibleWriter {
 public:
  // The content, base64, in a ds:Object, whose canonical form is digested.
  static CompatibleWriter enveloping(const CompatibleParameters& parameters, base::BytesView content);
  // URI="file:/<name>"; the digest is by the algorithm of the parameters.
  static CompatibleWriter detached(const CompatibleParameters& parameters, const base::Digest& digest);

  // The digest of the canonical SignedInfo: what the key signs.
  base::Digest to_be_signed() const;
  // The imprint of the SignatureTimeStamp: over the canonical SignatureValue element, its lines included.
  base::Digest time_stamp_imprint(base::BytesView value, base::DigestAlgorithm algorithm) const;
  // The whole document, with a TimeStampToken (XAdES-T) or without. `value` as XML Signature wants it.
  std::string document(base::BytesView value, base::BytesView time_stamp_token = {}) const;

 private:
  CompatibleWriter(const CompatibleParameters& parameters, std::string object, const base::Digest& digest);
  std::string signature_value(base::BytesView value) const;

  SignatureAlgorithm algorithm_;
  std::string uuid_;
  std::string signed_properties_, signed_info_, key_info_;
  std::string object_;  // empty where the content is detached
};

}  // namespace signet::xades
