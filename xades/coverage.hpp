#pragma once

#include "properties.hpp"

// What the time stamps of a signature are over, octet for octet.
namespace signet::xades {

// The octets whose hash is a time stamp's imprint, by its own canonicalization (which it must have): of the signature 5.3, of
// content 5.2.8, of an archive 5.5.2. parameter_invalid where they cannot be had, above all where only the hash of what is signed
// is known; message_too_large beyond the budget.
base::Result<base::Bytes> covered_octets(const TimeStampElement& stamp, const TransformContext& context,
                                         const CheckedReferences& references, const Properties& properties,
                                         const std::vector<GivenData>& data);

// Whether they cannot be had for the only reason that content was not given, or only its hash. Content that was changed is another.
bool wants_content(const TimeStampElement& stamp, const SignatureElement& signature, const CheckedReferences& references,
                   const std::vector<GivenData>& data);

}  // namespace signet::xades
