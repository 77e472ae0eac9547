#pragma once

#include <string>
#include <string_view>

#include "base/digest.hpp"
#include "xades/verify.hpp"

// Adds a SignatureTimeStamp (EN 319 132-1 clause 5.3) to a signature that somebody else made: B-B becomes B-T.
namespace signet::xades {

// What a time stamp authority is asked for, and where its answer goes.
struct StampPlan {
  base::Digest imprint;              // over the canonical SignatureValue element
  std::size_t begin = 0, end = 0;    // what of the document is replaced: nothing, or the end of an empty-element tag
  std::string before, after;         // the markup around the token
};

// For a document in UTF-8 with one signature. Nothing is verified. message_invalid and message_too_large as of verify(),
// parameter_invalid where it is no XAdES signature, has several, or its unsigned properties are not of the standard's form.
base::Result<StampPlan> plan_time_stamp(std::string_view document, base::DigestAlgorithm algorithm, const VerifyLimits& limits);

// The document with a TimeStampToken after the unsigned properties that are there. All else stays byte for byte.
std::string stamped(std::string_view document, const StampPlan& plan, base::BytesView time_stamp_token);

}  // namespace signet::xades
