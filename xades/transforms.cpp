#include "transforms.hpp"

#include <algorithm>

namespace signet::xades {
namespace {

using base::Bytes;
using base::ErrorCode;
using base::failure;
using base::Result;

constexpr std::string_view filter2_namespace = "http://www.w3.org/2002/06/xmldsig-filter2";

Bytes to_bytes(std::string_view text) {
  const base::BytesView view = base::as_bytes(text);
  return {view.begin(), view.end()};
}

Result<Bytes> canonical_bytes(const XmlDocument& document, const NodeSet& nodes, const Canonicalization& method,
                              WorkBudget& budget) {
  const auto text = canonical(document, nodes, method, budget);
  if (!text) return failure(ErrorCode::parameter_invalid, "cannot be canonicalized, or not within the limits");
  return to_bytes(*text);
}

Result<Bytes> canonicalized(const ReferencedObject& object, const Canonicalization& method, const TransformContext& context) {
  if (const auto* nodes = std::get_if<NodeSet>(&object)) return canonical_bytes(context.document, *nodes, method, context.budget);
  // 4.4.3.2: a transform that wants nodes parses the octets.
  const Bytes& octets = std::get<Bytes>(object);
  if (!context.budget.take(32 * octets.size())) return failure(ErrorCode::parameter_invalid, "more work than the limit");
  auto document = XmlDocument::parse(octets, context.limits);
  if (!document) return base::failure_of(document);
  return canonical_bytes(*document, NodeSet{.comments = true}, method, context.budget);
}

// 6.6.2: of nodes, the text within.
Result<Bytes> base64_decoded(const ReferencedObject& object, const TransformContext& context) {
  const auto* nodes = std::get_if<NodeSet>(&object);
  if (nodes != nullptr && (nodes->without != nullptr || nodes->without_signatures))
    return failure(ErrorCode::parameter_invalid, "base64 of what is left of a document is not read here");
  const std::string encoded = nodes == nullptr ? std::string(base::as_text(std::get<Bytes>(object)))
                                               : string_value(nodes->top != nullptr ? nodes->top : context.document.root());
  if (!context.budget.take(5 * encoded.size() + 100)) return failure(ErrorCode::parameter_invalid, "more work than the limit");
  return base::from_base64(encoded);
}

// 6.6.4. What lies within the signature would be nothing without it: a digest of nothing that seems to be of something.
Result<NodeSet> without_signature(const ReferencedObject& object, const TransformContext& context) {
  const auto* nodes = std::get_if<NodeSet>(&object);
  if (nodes == nullptr) return failure(ErrorCode::parameter_invalid, "enveloped-signature of octets");
  NodeSet out = *nodes;
  if (out.top == nullptr || is_within(context.signature.node, out.top)) out.without = context.signature.node;
  if (out.top != nullptr && is_within(out.top, context.signature.node))
    return failure(ErrorCode::parameter_invalid, "enveloped-signature takes all away that is referenced");
  return out;
}

Result<NodeSet> without_all_signatures(const ReferencedObject& object) {
  const auto* nodes = std::get_if<NodeSet>(&object);
  if (nodes == nullptr) return failure(ErrorCode::parameter_invalid, "XPath of octets");
  NodeSet out = *nodes;
  out.without_signatures = true;
  for (const xmlNode* at = out.top; at != nullptr; at = at->parent) {
    if (is(at, ds_namespace, "Signature"))
      return failure(ErrorCode::parameter_invalid, "the XPath takes all away that is referenced");
  }
  return out;
}

bool is_bound_to_ds(const xmlNode* at, const std::string& prefix) {
  const xmlNs* found = xmlSearchNs(at->doc, const_cast<xmlNode*>(at), reinterpret_cast<const xmlChar*>(prefix.c_str()));
  return found != nullptr && as_text(found->href) == ds_namespace;
}

// `not(ancestor-or-self::ds:Signature)`, or XPath Filter 2.0's subtraction of `/descendant::ds:Signature`, whatever the prefix.
bool takes_out_all_signatures(const xmlNode* transform, std::string_view algorithm) {
  const bool filter2 = algorithm == filter2_namespace;
  const xmlNode* const expression = only_child(transform, filter2 ? filter2_namespace : ds_namespace, "XPath");
  if (expression == nullptr || children(transform).size() != 1 || !children(expression).empty()) return false;
  if (filter2 && attribute(expression, "Filter") != "subtract") return false;
  const std::string_view before = filter2 ? "/descendant::" : "not(ancestor-or-self::";
  const std::string_view after = filter2 ? ":Signature" : ":Signature)";
  const std::string path = trimmed(text(expression));
  if (!path.starts_with(before) || !path.ends_with(after) || path.size() <= before.size() + after.size()) return false;
  return is_bound_to_ds(expression, path.substr(before.size(), path.size() - before.size() - after.size()));
}

Result<ReferencedObject> applied(const xmlNode* transform, const ReferencedObject& object, const TransformContext& context) {
  const auto result_of = [](auto result) -> Result<ReferencedObject> {
    if (!result) return base::failure_of(result);
    return ReferencedObject(std::move(*result));
  };
  const std::string algorithm = attribute(transform, "Algorithm").value_or("");
  if (const auto method = canonicalization(transform)) return result_of(canonicalized(object, *method, context));
  if (algorithm == "http://www.w3.org/2000/09/xmldsig#base64") return result_of(base64_decoded(object, context));
  if (algorithm == "http://www.w3.org/2000/09/xmldsig#enveloped-signature") return result_of(without_signature(object, context));
  const bool xpath = algorithm == "http://www.w3.org/TR/1999/REC-xpath-19991116" || algorithm == filter2_namespace;
  if (xpath && takes_out_all_signatures(transform, algorithm)) return result_of(without_all_signatures(object));
  return failure(ErrorCode::parameter_invalid, "a transform that is not allowed");
}

}  // namespace

Result<ReferencedObject> processed(const Reference& reference, ReferencedObject object, const TransformContext& context) {
  if (reference.transforms.size() > context.limits.max_transforms)
    return failure(ErrorCode::parameter_invalid, "more transforms than the limit");
  for (const xmlNode* transform : reference.transforms) {
    auto result = applied(transform, object, context);
    if (!result) return base::failure_of(result);
    object = std::move(*result);
  }
  return object;
}

Result<Bytes> transformed(const Reference& reference, ReferencedObject object, const TransformContext& context) {
  return octets_of(processed(reference, std::move(object), context), Canonicalization{}, context);
}

Result<Bytes> octets_of(Result<ReferencedObject> object, const Canonicalization& method, const TransformContext& context) {
  if (!object) return base::failure_of(object);
  if (auto* octets = std::get_if<Bytes>(&*object)) return std::move(*octets);
  return canonicalized(*object, method, context);
}

}  // namespace signet::xades
