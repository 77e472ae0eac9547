#pragma once

#include <span>
#include <string>
#include <string_view>

#include "xades/verify.hpp"

// Documents that become one file with their signature: what of them is signed, which is all that whoever makes the signature must
// know (DataObject::digest), and how the two are put together. Documents are read as verify() reads them: message_invalid for what
// is no XML and for a document type declaration, message_too_large for what would not be verified at these limits once it is
// signed. Any thread.
namespace signet::xades {

// Packaging::enveloped.
struct EnvelopedPlan {
  base::Digest digest;              // of the document without signatures, in exclusive canonical form
  std::size_t begin = 0, end = 0;   // what of the document is replaced: nothing, or the end of an empty-element tag
  std::string before, after;        // the markup around the signature
};

// For a document in UTF-8. The signature goes before the root's end tag. parameter_invalid where the root is a ds:Signature itself,
// and where a signature that the document has would not hold any more with another beside it: one that signs all but itself.
base::Result<EnvelopedPlan> plan_enveloped(std::string_view document, base::DigestAlgorithm algorithm, const VerifyLimits& limits);

// The document with its signature. All else stays byte for byte.
std::string enveloped(std::string_view document, const EnvelopedPlan& plan, std::string_view signature);

// Packaging::enveloping_file and enveloping_xml: the ds:Object of a signature, and what its Reference holds.
struct EnvelopedObject {
  base::Digest digest;
  std::string element;
};

// The Id of a signature's ds:Object, counted from 0 as the things that it signs.
std::string object_id(std::string_view signature_id, std::size_t index);

base::Result<EnvelopedObject> enveloped_file(base::BytesView content, std::string_view id, base::DigestAlgorithm algorithm,
                                             const VerifyLimits& limits);
// Of a document in any encoding that is read: its root element. What stands beside the root is not signed.
base::Result<EnvelopedObject> enveloped_xml(base::BytesView document, std::string_view id, base::DigestAlgorithm algorithm,
                                            const VerifyLimits& limits);

// The signature with its objects, in their order. message_invalid for what SignatureWriter did not write.
base::Result<std::string> with_objects(std::string_view signature, std::span<const EnvelopedObject> objects);

}  // namespace signet::xades
