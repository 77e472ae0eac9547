#pragma once

#include <vector>

#include "transforms.hpp"

// The references of a signature: found, transformed, digested, compared.
namespace signet::xades {

struct CheckedReference {
  ReferenceReport report;
  const xmlNode* target = nullptr;  // in the document, with a matching digest: what may be read as signed
};

struct CheckedReferences {
  std::vector<CheckedReference> all;  // as in SignedInfo
  std::vector<std::size_t> matched_data;  // what of the given data a reference covers, or names
  bool given_data_unsigned = false;       // something was given for this signature that no reference covers
};

CheckedReferences check_references(const TransformContext& context, const std::vector<GivenData>& data,
                                   VerifyOptions::DataFor data_for);

}  // namespace signet::xades
