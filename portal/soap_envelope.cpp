#include "soap_envelope.hpp"

#include <libxml/dict.h>
#include <libxml/parser.h>

#include <limits>
#include <new>
#include <optional>

#include "xades/xml_gate.hpp"
#include "xml_node.hpp"

namespace signet::portal {
namespace {

// libxml2 looks a prefix up among all of them, at each of the many elements. Clients declare some ten.
constexpr std::size_t max_namespaces_in_scope = 64;
// Those of the contract are some fifty; the rest are callers' inventions.
constexpr int max_names_kept = 1'000;

std::unexpected<Fault> refusal(FaultCode code, std::string reason) { return std::unexpected(Fault{code, std::move(reason)}); }
std::unexpected<Fault> no_message(std::string reason) { return refusal(FaultCode::client, std::move(reason)); }

// The gate's words are for developers and hold nothing of the document.
std::unexpected<Fault> no_message(const base::Error& error) { return no_message("the message is refused: " + error.detail); }

using Document = base::Owned<xmlDoc, xmlFreeDoc>;

using Parser = base::Owned<xmlParserCtxt, xmlFreeParserCtxt>;

// The calling thread's: to make one for each message costs as much as to read a small one. It keeps the names that it has seen.
xmlParserCtxt* parser() {
  thread_local Parser kept;
  if (kept != nullptr && xmlDictSize(kept->dict) <= max_names_kept) return kept.get();
  kept.reset(xmlNewParserCtxt());
  if (kept == nullptr) throw std::bad_alloc();
  // Comments and instructions say nothing here. Without them a text is one node: the schema's check joins what they would split,
  // piece by piece, in quadratic time.
  kept->sax->comment = nullptr;
  kept->sax->processingInstruction = nullptr;
  return kept.get();
}

std::expected<Document, Fault> read_document(std::string_view message, const SoapLimits& limits) {
  static const bool initialised = (xmlInitParser(), true);  // once, before any thread uses the parser
  static_cast<void>(initialised);
  xades::VerifyLimits counted;
  counted.max_bytes = limits.max_bytes;
  counted.max_nodes = limits.max_nodes;
  counted.max_depth = limits.max_depth;
  const auto text = xades::utf8_text(base::as_bytes(message), counted);
  if (!text) return no_message(text.error());
  const auto measured = xades::measure(*text, counted);
  if (!measured) return no_message(measured.error());
  if (measured->namespaces_in_scope > max_namespaces_in_scope)
    return no_message("the message has too many XML namespaces in scope");
  if (text->size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) return no_message("the message is over 2 GiB");

  // The limits that XML_PARSE_HUGE lifts were enforced by measure(). The text is UTF-8 whatever it declares.
  constexpr int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_IGNORE_ENC | XML_PARSE_HUGE |
                          XML_PARSE_COMPACT | XML_PARSE_NOCDATA;
  xmlParserCtxt* const context = parser();
  // As a text, which has no NUL: what is in memory by its size libxml2 copies piece by piece.
  Document document{xmlCtxtReadDoc(context, reinterpret_cast<const xmlChar*>(text->c_str()), nullptr, nullptr, options)};
  // nsWellFormed: libxml2 gives a tree even where a prefix is bound to nothing.
  if (document == nullptr || context->wellFormed == 0 || context->nsWellFormed == 0)
    return no_message("the message is not well-formed XML");
  if (document->intSubset != nullptr || document->extSubset != nullptr)
    return no_message("a document type declaration is refused");
  return document;
}

bool is_soap(const xmlNode* element, std::string_view name) {
  return element != nullptr && local_name(element) == name && namespace_of(element) == soap_namespace;
}

// Headers that say where a message goes: read by nobody here, as its body and its connection say the same, and no reason to
// refuse one that must be understood. WCF's, with `Action` in it, and WS-Addressing: of W3C, and of all the drafts before it.
bool understood(const xmlNode* header) {
  const std::string_view name = namespace_of(header);
  return name == "http://schemas.microsoft.com/ws/2005/05/addressing/none" || name == "http://www.w3.org/2005/08/addressing" ||
         (name.starts_with("http://schemas.xmlsoap.org/ws/") && name.ends_with("/addressing"));
}

std::optional<Fault> check_headers(const xmlNode* headers) {
  for (const xmlNode* header = first_element(headers); header != nullptr; header = next_element(header)) {
    if (is_true(header, soap_namespace, "mustUnderstand") && !understood(header))
      return Fault{FaultCode::must_understand, "a SOAP header that must be understood is not known here"};
  }
  return {};
}

std::expected<const xmlNode*, Fault> body_element(const xmlNode* root) {
  if (root == nullptr || local_name(root) != "Envelope") return no_message("the XML is not a SOAP envelope");
  // SOAP 1.1 clause 4.1.2: that of another version is told so, and so is one in no namespace.
  if (namespace_of(root) != soap_namespace)
    return refusal(FaultCode::version_mismatch, "the envelope is not that of SOAP 1.1 (" + std::string(soap_namespace) + ")");
  const xmlNode* part = first_element(root);
  if (is_soap(part, "Header")) {
    if (auto fault = check_headers(part)) return std::unexpected(std::move(*fault));
    part = next_element(part);
  }
  if (!is_soap(part, "Body") || next_element(part) != nullptr)
    return no_message("the SOAP envelope does not hold one Body, after one Header or none");
  const xmlNode* const operation = first_element(part);
  if (operation == nullptr || next_element(operation) != nullptr) return no_message("the SOAP body does not hold one element");
  return operation;
}

}  // namespace

std::expected<Envelope, Fault> read_envelope(std::string_view message, const SoapLimits& limits) {
  auto document = read_document(message, limits);
  if (!document) return std::unexpected(std::move(document.error()));
  auto operation = body_element(xmlDocGetRootElement(document->get()));
  if (!operation) return std::unexpected(std::move(operation.error()));
  return Envelope{std::move(*document), *operation};
}

}  // namespace signet::portal
