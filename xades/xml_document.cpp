#include "xml_document.hpp"

#include <libxml/parser.h>
#include <libxml/xmlerror.h>

#include <limits>

namespace signet::xades {
namespace {

using base::ErrorCode;
using base::failure;
using base::Result;

std::string value_of(const xmlAttr* attribute) {
  std::string value;
  for (const xmlNode* part = attribute->children; part != nullptr; part = part->next) value += as_text(part->content);
  return value;
}

void ignore_error(void*, xmlError*) {}

}  // namespace

Result<XmlDocument> XmlDocument::parse(base::BytesView bytes, const VerifyLimits& limits) {
  static const bool initialised = (xmlInitParser(), true);  // once, before any thread uses the parser
  static_cast<void>(initialised);
  auto text = utf8_text(bytes, limits);
  if (!text) return base::failure_of(text);
  if (text->size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    return failure(ErrorCode::message_too_large, "an XML document over 2 GiB");
  auto measured = xades::measure(*text, limits);
  if (!measured) return base::failure_of(measured);

  // The limits that XML_PARSE_HUGE lifts (depth, entities) were enforced by measure(). The text is UTF-8 whatever it declares.
  constexpr int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_IGNORE_ENC | XML_PARSE_HUGE;
  const base::Owned<xmlParserCtxt, xmlFreeParserCtxt> context{xmlNewParserCtxt()};
  if (context == nullptr) throw std::bad_alloc();
  XmlDocument document;
  document.doc_.reset(xmlCtxtReadDoc(context.get(), reinterpret_cast<const xmlChar*>(text->c_str()), nullptr, nullptr, options));
  // nsWellFormed: libxml2 gives a tree even where a prefix is bound to nothing.
  if (document.doc_ == nullptr || context->wellFormed == 0 || context->nsWellFormed == 0 || document.root() == nullptr)
    return failure(ErrorCode::message_invalid, "not well-formed XML");
  document.measure_ = *measured;
  document.size_ = text->size();
  document.read_tree();
  if (document.entity_reference_ || document.doc_->intSubset != nullptr || document.doc_->extSubset != nullptr)
    return failure(ErrorCode::message_invalid, "a document type declaration is refused");
  return document;
}

void XmlDocument::read_tree() {
  xmlNode* const top = root();
  for (xmlNode* node = top; node != nullptr; node = next_in(top, node)) {
    if (node->type == XML_ELEMENT_NODE) read_element(node);
    entity_reference_ |= node->type == XML_ENTITY_REF_NODE;
  }
}

void XmlDocument::read_element(xmlNode* element) {
  for (const xmlAttr* attribute = element->properties; attribute != nullptr; attribute = attribute->next) {
    if (!is_id(attribute)) continue;
    Found& found = ids_[value_of(attribute)];
    found.ambiguous |= found.element != nullptr && found.element != element;
    found.element = element;
  }
  if (is(element, ds_namespace, "Signature")) signatures_.push_back(element);
}

XmlDocument::Found XmlDocument::element_with_id(std::string_view id) const {
  const auto found = ids_.find(std::string(id));
  return found == ids_.end() ? Found{} : found->second;
}

SilentXmlErrors::SilentXmlErrors() : handler_(xmlStructuredError), context_(xmlStructuredErrorContext) {
  xmlSetStructuredErrorFunc(nullptr, ignore_error);
}
SilentXmlErrors::~SilentXmlErrors() { xmlSetStructuredErrorFunc(context_, handler_); }

bool is(const xmlNode* node, std::string_view namespace_name, std::string_view local_name) {
  return node != nullptr && node->type == XML_ELEMENT_NODE && node->ns != nullptr && as_text(node->name) == local_name &&
         as_text(node->ns->href) == namespace_name;
}

bool is_within(const xmlNode* node, const xmlNode* ancestor) {
  while (node != nullptr && node != ancestor) node = node->parent;
  return node != nullptr;
}

std::vector<xmlNode*> children(const xmlNode* node) {
  std::vector<xmlNode*> out;
  for (xmlNode* child = node == nullptr ? nullptr : node->children; child != nullptr; child = child->next) {
    if (child->type == XML_ELEMENT_NODE) out.push_back(child);
  }
  return out;
}

std::vector<xmlNode*> children(const xmlNode* node, std::string_view namespace_name, std::string_view local_name) {
  std::vector<xmlNode*> out;
  for (xmlNode* child : children(node)) {
    if (is(child, namespace_name, local_name)) out.push_back(child);
  }
  return out;
}

xmlNode* only_child(const xmlNode* node, std::string_view namespace_name, std::string_view local_name) {
  const auto found = children(node, namespace_name, local_name);
  return found.size() == 1 ? found.front() : nullptr;
}

std::optional<std::string> attribute(const xmlNode* node, std::string_view name) {
  for (const xmlAttr* attribute = node == nullptr ? nullptr : node->properties; attribute != nullptr;
       attribute = attribute->next) {
    if (attribute->ns == nullptr && as_text(attribute->name) == name) return value_of(attribute);
  }
  return std::nullopt;
}

bool is_id(const xmlAttr* attribute) {
  const std::string_view name = as_text(attribute->name);
  if (attribute->ns == nullptr) return name == "Id" || name == "ID" || name == "id";
  return name == "id" && as_text(attribute->ns->href) == "http://www.w3.org/XML/1998/namespace";
}

std::string id_of(const xmlNode* element) {
  for (const xmlAttr* attribute = element->properties; attribute != nullptr; attribute = attribute->next)
    if (is_id(attribute)) return value_of(attribute);
  return {};
}

xmlNode* next_in(const xmlNode* top, const xmlNode* node) {
  if (node->type == XML_ELEMENT_NODE && node->children != nullptr) return node->children;
  while (node != top && node->next == nullptr) node = node->parent;
  return node == top ? nullptr : node->next;
}

std::string text(const xmlNode* node) {
  std::string out;
  for (const xmlNode* part = node == nullptr ? nullptr : node->children; part != nullptr; part = part->next) {
    if (part->type == XML_ELEMENT_NODE) return {};
    if (part->type == XML_TEXT_NODE || part->type == XML_CDATA_SECTION_NODE) out += as_text(part->content);
  }
  return out;
}

std::string string_value(const xmlNode* node) {
  std::string out;
  for (xmlNode* part = node == nullptr ? nullptr : node->children; part != nullptr; part = next_in(node, part)) {
    if (part->type == XML_TEXT_NODE || part->type == XML_CDATA_SECTION_NODE) out += as_text(part->content);
  }
  return out;
}

std::string trimmed(std::string_view text) {
  constexpr std::string_view white = " \t\r\n";
  const std::size_t first = text.find_first_not_of(white);
  return first == text.npos ? std::string{} : std::string(text.substr(first, text.find_last_not_of(white) - first + 1));
}

std::optional<base::Bytes> decoded(const xmlNode* node) {
  auto bytes = node == nullptr ? failure(ErrorCode::parameter_invalid) : base::from_base64(text(node));
  return bytes ? std::optional(std::move(*bytes)) : std::nullopt;
}

}  // namespace signet::xades
