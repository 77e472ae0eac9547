#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "xades/types.hpp"

// Start here: how a signature is made. The caller asks what is to be signed, has the token sign it, and gets the document.
namespace signet::xades {

// One thing that is signed: it is known by its hash alone.
struct DataObject {
  std::string_view name;  // detached: becomes the Reference's URI, percent-encoded. UTF-8, not empty.
  base::Digest digest;    // of the content; where the document and its signature are one file as xades/packaging.hpp gives it
};

// Clause 5.2.9: the policy's identifier, a URI, and the hash of its document.
struct SignaturePolicy {
  std::string identifier;
  base::Digest hash;
  std::string location;  // SPURI, where the document is; empty: not said
};

// What a signer states beside signing, and signs with it. UTF-8 that XML can hold.
struct Statements {
  std::vector<std::string> commitment_types;  // 5.2.3: URIs; each for all that is signed
  std::vector<std::string> claimed_roles;     // 5.2.6
  ProductionPlace place;
  std::optional<SignaturePolicy> policy;
  base::Bytes content_time_stamp;  // a TimeStampToken over the content (5.2.8.1), see below
};

// The imprint of an AllDataObjectsTimeStamp over objects that are enveloped, asked for before they are signed. Of those that are
// detached only the hash is known, and it is over their content.
base::Digest content_time_stamp_imprint(std::span<const DataObject> enveloped, base::DigestAlgorithm algorithm);

// What the signatures of one batch made at the same time share.
struct SignatureParameters {
  pki::Certificate signing_certificate;
  std::vector<pki::Certificate> chain;  // further certificates for KeyInfo
  SignatureAlgorithm algorithm;
  Packaging packaging = Packaging::detached;
  std::string shared_id;  // NCName; begins the Ids inside of what is signed, which these signatures have in common
  base::Time signing_time{};
  std::size_t objects = 1;  // in each signature
  Statements statements = {};
};

// What one signature holds. Views: the caller keeps what they point to. `id` is an NCName, unique among documents.
struct SignatureContent {
  std::string_view id;
  std::span<const DataObject> objects;  // as many as the parameters say
};

// Writes XAdES baseline signatures (EN 319 132-1 clause 6.3) directly in exclusive canonical form, so that what is hashed
// is what is sent. SignedProperties and the beginning of SignedInfo are the same in all signatures of one writer: they are
// written and hashed once (docs/decisions/0004). The same content gives the same bytes every time: a batch keeps signature
// values, not documents. Immutable; any thread.
class SignatureWriter {
 public:
  explicit SignatureWriter(const SignatureParameters& parameters);

  const SignatureAlgorithm& algorithm() const { return algorithm_; }
  base::Time signing_time() const { return signing_time_; }

  // The digest of the canonical SignedInfo: what the key signs.
  base::Digest to_be_signed(const SignatureContent& content) const;

  // The imprint of a SignatureTimeStamp (5.3): over the canonical SignatureValue element.
  base::Digest time_stamp_imprint(const SignatureContent& content, base::BytesView value, base::DigestAlgorithm algorithm) const;

  // The whole document: B-B, or B-T with a TimeStampToken. `value` is as XML Signature wants it (ECDSA: r and s side by side).
  // Files and XML that are enveloped are not in it: with_objects() and enveloped() put the two together.
  std::string document(const SignatureContent& content, base::BytesView value, base::BytesView time_stamp_token = {}) const;

 private:
  void append_references(std::string& out, const SignatureContent& content) const;
  void append_signature_value(std::string& out, const SignatureContent& content, base::BytesView value,
                              std::string_view namespace_declaration) const;

  SignatureAlgorithm algorithm_;
  Packaging packaging_;
  base::Time signing_time_;
  std::string shared_id_;
  std::string signed_properties_;
  std::string signed_info_start_;  // to the end of the Reference to SignedProperties
  base::DigestPrefix signed_info_digest_;
  std::string key_info_;
};

}  // namespace signet::xades
