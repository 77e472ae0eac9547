#pragma once

#include <vector>

#include "transforms.hpp"

// The references of a signature: found, transformed, digested, compared.
namespace signet::xades {

struct CheckedReference {
  ReferenceReport report;
  const xmlNode* target = nullptr;   // in the document, with a matching digest: what may be read as signed
  const xmlNode* led_to = nullptr;   // in the document, whatever its digest
  bool ambiguous = false;            // several elements have its Id
  std::optional<std::size_t> datum;  // of the given data, with a matching digest
  std::optional<base::DigestAlgorithm> digest_algorithm;
  bool of_content = false;           // of something outside of the document
  std::optional<base::DigestAlgorithm> enclosed_hash;  // what is referenced encloses the given content by its hash
};

struct CheckedReferences {
  std::vector<CheckedReference> all;      // as in SignedInfo
  std::vector<CheckedReference> in_manifests;  // those of the manifests that are signed
  std::vector<std::size_t> matched_data;  // what of the given data a reference covers, or names
  bool given_data_unsigned = false;       // something was given for this signature that no reference covers
};

// What the digest of a reference that holds was made of, nodes canonicalized by `method`: what time stamps cover (EN 319 132-1
// 5.2.9, 5.5.2). parameter_invalid for one that does not hold, and for data that are known by their hash alone.
base::Result<base::Bytes> referenced_octets(const Reference& reference, const CheckedReference& checked,
                                            const Canonicalization& method, const TransformContext& context,
                                            const std::vector<GivenData>& data);

CheckedReferences check_references(const TransformContext& context, const std::vector<GivenData>& data,
                                   VerifyOptions::DataFor data_for);

}  // namespace signet::xades
