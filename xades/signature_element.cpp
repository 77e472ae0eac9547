#include "signature_element.hpp"

#include <algorithm>
#include <iterator>
#include <span>

#include "xades/types.hpp"

namespace signet::xades {
namespace {

using base::ErrorCode;
using base::failure;
using base::Result;

// SignedInfo, SignatureValue, KeyInfo?, Object*: in this order, and nothing else.
Result<void> check_children(const xmlNode* signature) {
  const auto all = children(signature);
  std::size_t at = 0;
  const auto next_is = [&](std::string_view name) { return at < all.size() && is(all[at], ds_namespace, name); };
  if (!next_is("SignedInfo")) return failure(ErrorCode::parameter_invalid, "the signature does not begin with SignedInfo");
  ++at;
  if (!next_is("SignatureValue")) return failure(ErrorCode::parameter_invalid, "SignedInfo is not followed by SignatureValue");
  ++at;
  if (next_is("KeyInfo")) ++at;
  while (next_is("Object")) ++at;
  if (at != all.size()) return failure(ErrorCode::parameter_invalid, "an element that XML Signature does not have there");
  return {};
}

Result<Reference> read_reference(const xmlNode* node) {
  if (!is(node, ds_namespace, "Reference")) return failure(ErrorCode::parameter_invalid, "not a Reference where one should be");
  // Transforms?, DigestMethod, DigestValue.
  const auto parts = children(node);
  const std::size_t first = !parts.empty() && is(parts[0], ds_namespace, "Transforms") ? 1 : 0;
  if (parts.size() != first + 2 || !is(parts[first], ds_namespace, "DigestMethod") ||
      !is(parts[first + 1], ds_namespace, "DigestValue"))
    return failure(ErrorCode::parameter_invalid, "a Reference is not of the standard's form");
  Reference out;
  out.id = attribute(node, "Id").value_or("");
  out.uri = attribute(node, "URI");
  out.type = attribute(node, "Type").value_or("");
  out.digest_algorithm = digest_algorithm_of_uri(attribute(parts[first], "Algorithm").value_or(""));
  const auto bytes = decoded(parts[first + 1]);
  if (out.digest_algorithm && bytes) {
    if (auto digest = base::Digest::of_value(*out.digest_algorithm, *bytes)) out.digest = *digest;
  }
  for (const xmlNode* transform : first == 0 ? std::vector<xmlNode*>{} : children(parts[0])) {
    if (!is(transform, ds_namespace, "Transform"))
      return failure(ErrorCode::parameter_invalid, "not a Transform where one should be");
    out.transforms.push_back(transform);
  }
  return out;
}

Result<void> read_references(std::span<xmlNode* const> nodes, const VerifyLimits& limits, std::vector<Reference>& out) {
  if (nodes.size() > limits.max_references) return failure(ErrorCode::message_too_large, "more references than the limit");
  for (const xmlNode* node : nodes) {
    auto reference = read_reference(node);
    if (!reference) return base::failure_of(reference);
    out.push_back(std::move(*reference));
  }
  return {};
}

Result<void> read_signed_info(SignatureElement& out, const VerifyLimits& limits) {
  const auto parts = children(out.signed_info);
  if (parts.size() < 3 || !is(parts[0], ds_namespace, "CanonicalizationMethod") || !is(parts[1], ds_namespace, "SignatureMethod"))
    return failure(ErrorCode::parameter_invalid, "SignedInfo lacks its methods or references");
  out.canonicalization = canonicalization(parts[0]);
  out.method = trimmed(attribute(parts[1], "Algorithm").value_or(""));
  return read_references(std::span(parts).subspan(2), limits, out.references);
}

}  // namespace

Result<SignatureElement> read_signature(const xmlNode* signature, const VerifyLimits& limits) {
  if (auto ok = check_children(signature); !ok) return base::failure_of(ok);
  SignatureElement out;
  out.node = signature;
  out.id = attribute(signature, "Id").value_or("");
  out.signed_info = only_child(signature, ds_namespace, "SignedInfo");
  out.value_node = only_child(signature, ds_namespace, "SignatureValue");
  out.value = decoded(out.value_node);
  out.key_info = only_child(signature, ds_namespace, "KeyInfo");
  if (auto ok = read_signed_info(out, limits); !ok) return base::failure_of(ok);
  return out;
}

Result<std::vector<Reference>> read_manifest(const xmlNode* manifest, const VerifyLimits& limits) {
  std::vector<Reference> out;
  const auto nodes = children(manifest);
  if (auto ok = read_references(nodes, limits, out); !ok) return base::failure_of(ok);
  return out;
}

const xmlNode* countersigned_by(const xmlNode* signature) {
  const xmlNode* at = signature->parent;
  for (const std::string_view name :
       {"CounterSignature", "UnsignedSignatureProperties", "UnsignedProperties", "QualifyingProperties"}) {
    if (!is(at, xades_namespace, name)) return nullptr;
    at = at->parent;
  }
  if (!is(at, ds_namespace, "Object") || !is(at->parent, ds_namespace, "Signature")) return nullptr;
  return at->parent;
}

std::vector<const xmlNode*> signatures_for_themselves(const XmlDocument& document) {
  std::vector<const xmlNode*> out;
  std::ranges::copy_if(document.signatures(), std::back_inserter(out),
                       [](const xmlNode* signature) { return countersigned_by(signature) == nullptr; });
  return out;
}

}  // namespace signet::xades
