#pragma once

#include <string>
#include <variant>

#include "signature_element.hpp"

// From a reference's object to the octets whose digest is checked (XML Signature 4.4.3).
namespace signet::xades {

// Nodes of the signature's own document, or octets from outside.
using ReferencedObject = std::variant<NodeSet, base::Bytes>;

// What the transforms of a reference are applied in.
struct TransformContext {
  const XmlDocument& document;
  const SignatureElement& signature;
  const VerifyLimits& limits;
  WorkBudget& budget;
};

// Canonicalization, base64, enveloped-signature, and the one XPath that takes all signatures out (of parallel signatures);
// anything else, XSLT and other XPath above all, is parameter_invalid.
base::Result<ReferencedObject> processed(const Reference& reference, ReferencedObject object, const TransformContext& context);
// Octets stay, nodes are canonicalized: for a digest in Canonical XML 1.0 (4.4.3.2), for a time stamp by its own method.
base::Result<base::Bytes> octets_of(base::Result<ReferencedObject> object, const Canonicalization& method,
                                    const TransformContext& context);
// Both, for a digest.
base::Result<base::Bytes> transformed(const Reference& reference, ReferencedObject object, const TransformContext& context);

}  // namespace signet::xades
