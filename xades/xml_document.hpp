#pragma once

#include <libxml/tree.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/owned.hpp"
#include "xades/xml_gate.hpp"

namespace signet::xades {

inline constexpr std::string_view ds_namespace = "http://www.w3.org/2000/09/xmldsig#";
inline constexpr std::string_view xades_namespace = "http://uri.etsi.org/01903/v1.3.2#";
inline constexpr std::string_view xades141_namespace = "http://uri.etsi.org/01903/v1.4.1#";

// A hostile document as a tree: without document type, entity or anything loaded. Nodes live as long as the document, which
// nothing changes once it is read. One thread at a time.
class XmlDocument {
 public:
  static base::Result<XmlDocument> parse(base::BytesView document, const VerifyLimits& limits);

  xmlDoc* native() const { return doc_.get(); }
  xmlNode* root() const { return xmlDocGetRootElement(doc_.get()); }
  const XmlMeasure& measure() const { return measure_; }
  std::size_t size() const { return size_; }  // of the text, in UTF-8

  // The element with this Id. `ambiguous` if several have it: none of them is then the one that was signed.
  struct Found {
    xmlNode* element = nullptr;
    bool ambiguous = false;
  };
  Found element_with_id(std::string_view id) const;

  // All ds:Signature elements, in document order.
  const std::vector<xmlNode*>& signatures() const { return signatures_; }

 private:
  void read_tree();
  void read_element(xmlNode* element);

  base::Owned<xmlDoc, xmlFreeDoc> doc_;
  XmlMeasure measure_;
  std::size_t size_ = 0;
  bool entity_reference_ = false;
  std::unordered_map<std::string, Found> ids_;
  std::vector<xmlNode*> signatures_;
};

// libxml2 tells some errors of trees to a handler of the thread, by default on stderr: silent while this lives.
class SilentXmlErrors {
 public:
  SilentXmlErrors();
  ~SilentXmlErrors();
  SilentXmlErrors(const SilentXmlErrors&) = delete;  // the handler before is put back once
  SilentXmlErrors& operator=(const SilentXmlErrors&) = delete;

 private:
  void (*handler_)(void*, xmlError*);
  void* context_;
};

inline std::string_view as_text(const xmlChar* text) {
  return text == nullptr ? std::string_view{} : reinterpret_cast<const char*>(text);
}

bool is(const xmlNode* node, std::string_view namespace_name, std::string_view local_name);
bool is_within(const xmlNode* node, const xmlNode* ancestor);  // or the same
std::vector<xmlNode*> children(const xmlNode* node);           // elements
std::vector<xmlNode*> children(const xmlNode* node, std::string_view namespace_name, std::string_view local_name);
// The only child of that name; none if there are more.
xmlNode* only_child(const xmlNode* node, std::string_view namespace_name, std::string_view local_name);
// An attribute without a namespace.
std::optional<std::string> attribute(const xmlNode* node, std::string_view name);
bool is_id(const xmlAttr* attribute);  // Id, ID, id or xml:id
std::string id_of(const xmlNode* element);
// The node after `node` in document order, within `top`; null at the end.
xmlNode* next_in(const xmlNode* top, const xmlNode* node);
// The text that is its own: comments do not end or split it. Nothing where an element is within: somebody else may read around it
// or into it.
std::string text(const xmlNode* node);
// The text within, of elements within too, as XPath's string-value.
std::string string_value(const xmlNode* node);
std::string trimmed(std::string_view text);
// Its text, from base64; none if it is none.
std::optional<base::Bytes> decoded(const xmlNode* node);

}  // namespace signet::xades
