#pragma once

#include <libxml/tree.h>

#include <string>
#include <string_view>

// How libxml2's nodes are read here. What is returned as a view lives as long as the document.
namespace signet::portal {

inline std::string_view as_text(const xmlChar* text) {
  return text == nullptr ? std::string_view{} : reinterpret_cast<const char*>(text);
}
inline std::string_view local_name(const xmlNode* element) { return as_text(element->name); }
inline std::string_view namespace_of(const xmlNode* element) {
  return element->ns == nullptr ? std::string_view{} : as_text(element->ns->href);
}

// The next element from `node` on, itself too; null if there is none.
inline const xmlNode* element_from(const xmlNode* node) {
  while (node != nullptr && node->type != XML_ELEMENT_NODE) node = node->next;
  return node;
}
inline const xmlNode* first_element(const xmlNode* parent) { return element_from(parent->children); }
inline const xmlNode* next_element(const xmlNode* element) { return element_from(element->next); }

// Of an element without elements, or of an attribute.
template <class Node>
std::string text_of(const Node* node) {
  std::string out;
  for (const xmlNode* part = node->children; part != nullptr; part = part->next) {
    if (part->type == XML_TEXT_NODE || part->type == XML_CDATA_SECTION_NODE) out += as_text(part->content);
  }
  return out;
}

inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view white = " \t\r\n";
  const std::size_t first = text.find_first_not_of(white);
  return first == text.npos ? std::string_view{} : text.substr(first, text.find_last_not_of(white) - first + 1);
}

// Whether an attribute is there and says true.
inline bool is_true(const xmlNode* element, std::string_view namespace_name, std::string_view name) {
  for (const xmlAttr* attribute = element->properties; attribute != nullptr; attribute = attribute->next) {
    if (attribute->ns == nullptr || as_text(attribute->ns->href) != namespace_name || as_text(attribute->name) != name) continue;
    const std::string value = text_of(attribute);
    return trimmed(value) == "1" || trimmed(value) == "true";
  }
  return false;
}

}  // namespace signet::portal
