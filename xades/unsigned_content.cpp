#include "unsigned_content.hpp"

#include <algorithm>
#include <unordered_set>

namespace signet::xades {
namespace {

using Nodes = std::unordered_set<const xmlNode*>;

bool is_within_properties(const xmlNode* node) {
  while (node != nullptr && !is(node, xades_namespace, "QualifyingProperties")) node = node->parent;
  return node != nullptr;
}

bool is_within_objects(const xmlNode* node, const xmlNode* signature) {
  while (node->parent != signature) node = node->parent;
  return is(node, ds_namespace, "Object");
}

// What the signer read: not properties and keys, nor another's SignatureValue. What a manifest lists is looked at itself.
bool is_content(const CheckedReference& checked, const xmlNode* signature) {
  if (checked.report.status != ReferenceReport::Status::valid || checked.of_content || checked.report.signed_properties)
    return false;
  const xmlNode* const target = checked.target;
  if (target == nullptr || target == signature) return target == nullptr;
  if (is(target, ds_namespace, "Manifest") || is(target, ds_namespace, "SignatureValue")) return false;
  return !is_within(target, signature) || (is_within_objects(target, signature) && !is_within_properties(target));
}

std::vector<const xmlNode*> signed_content(const Evidence& evidence) {
  std::vector<const xmlNode*> out;
  for (const auto* all : {&evidence.references.all, &evidence.references.in_manifests})
    for (const CheckedReference& checked : *all)
      if (is_content(checked, evidence.signature.node)) out.push_back(checked.target);
  return out;
}

bool is_blank(const xmlNode* text) { return trimmed(as_text(text->content)).empty(); }

// An element around what is signed says nothing itself but by its attributes; those of an Object are about what is in it.
bool has_statements(const xmlNode* element) {
  if (is(element, ds_namespace, "Object")) return false;
  for (const xmlAttr* attribute = element->properties; attribute != nullptr; attribute = attribute->next)
    if (!is_id(attribute)) return true;
  return false;
}

// Of the signature itself all but what stands in an Object beside what is signed in it. An Object of which nothing is signed has
// a warning of its own.
void add_own(const xmlNode* signature, const std::vector<const xmlNode*>& content, Nodes& parts) {
  for (const xmlNode* child : children(signature)) {
    const auto properties = children(child, xades_namespace, "QualifyingProperties");
    const bool holds = std::ranges::any_of(content, [&](const xmlNode* part) { return is_within(part, child); });
    if (holds)
      parts.insert(properties.begin(), properties.end());
    else
      parts.insert(child);
  }
}

// Looks at each element once; what is signed, and what signatures are, is not entered.
bool says_more(const xmlNode* top, const Nodes& parts) {
  Nodes around;
  const auto add_around = [&around](const xmlNode* node) {
    for (node = node->parent; node != nullptr && around.insert(node).second; node = node->parent) {
    }
  };
  std::ranges::for_each(parts, add_around);
  const auto next_behind = [top](const xmlNode* node) -> const xmlNode* {
    while (node != top && node->next == nullptr) node = node->parent;
    return node == top ? nullptr : node->next;
  };
  for (const xmlNode* node = top; node != nullptr;) {
    const bool text = node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE;
    if (text && !is_blank(node)) return true;
    const bool enter = node->type == XML_ELEMENT_NODE && !parts.contains(node) && node->children != nullptr;
    if (node->type == XML_ELEMENT_NODE && !parts.contains(node) && (!around.contains(node) || has_statements(node))) return true;
    node = enter ? node->children : next_behind(node);
  }
  return false;
}

}  // namespace

std::vector<const xmlNode*> parts_beside_more(const Evidence& evidence) {
  std::vector<const xmlNode*> content = signed_content(evidence);
  if (content.empty() || std::ranges::find(content, nullptr) != content.end()) return {};
  const xmlNode* top = evidence.signature.node;
  while (top->parent != nullptr && top->parent->type == XML_ELEMENT_NODE) top = top->parent;
  Nodes parts(content.begin(), content.end());
  for (const xmlNode* node = top; node != nullptr; node = next_in(top, node))
    if (is(node, ds_namespace, "Signature") && node != evidence.signature.node) parts.insert(node);
  add_own(evidence.signature.node, content, parts);
  if (!says_more(top, parts)) return {};
  return content;
}

}  // namespace signet::xades
