#include "soap_envelope.hpp"

#include <libxml/parser.h>

#include <algorithm>
#include <array>
#include <limits>
#include <new>
#include <optional>

#include "xades/xml_gate.hpp"
#include "xml_node.hpp"

namespace signet::portal {
namespace {

// Headers that say where a message goes: read by nobody here, as its body and its connection say the same, and no reason to
// refuse one that must be understood. The first is WCF's, with `Action` in it; the others are WS-Addressing of all versions.
constexpr std::array<std::string_view, 5> addressing_namespaces{
    "http://schemas.microsoft.com/ws/2005/05/addressing/none", "http://www.w3.org/2005/08/addressing",
    "http://schemas.xmlsoap.org/ws/2004/08/addressing",        "http://schemas.xmlsoap.org/ws/2004/03/addressing",
    "http://schemas.xmlsoap.org/ws/2003/03/addressing",
};

std::unexpected<Fault> refusal(FaultCode code, std::string reason) { return std::unexpected(Fault{code, std::move(reason)}); }
std::unexpected<Fault> no_message(std::string reason) { return refusal(FaultCode::client, std::move(reason)); }

// The gate's words are for developers and hold nothing of the document.
std::unexpected<Fault> no_message(const base::Error& error) { return no_message("the message is refused: " + error.detail); }

using Document = base::Owned<xmlDoc, xmlFreeDoc>;

std::expected<Document, Fault> read_document(std::string_view message, const SoapLimits& limits) {
  static const bool initialised = (xmlInitParser(), true);  // once, before any thread uses the parser
  static_cast<void>(initialised);
  xades::VerifyLimits counted;
  counted.max_bytes = limits.max_bytes;
  counted.max_nodes = limits.max_nodes;
  counted.max_depth = limits.max_depth;
  const auto text = xades::utf8_text(base::as_bytes(message), counted);
  if (!text) return no_message(text.error());
  if (const auto measured = xades::measure(*text, counted); !measured) return no_message(measured.error());
  if (text->size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) return no_message("the message is over 2 GiB");

  // The limits that XML_PARSE_HUGE lifts were enforced by measure(). The text is UTF-8 whatever it declares.
  constexpr int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_IGNORE_ENC | XML_PARSE_HUGE |
                          XML_PARSE_COMPACT | XML_PARSE_NOCDATA;
  const base::Owned<xmlParserCtxt, xmlFreeParserCtxt> context{xmlNewParserCtxt()};
  if (context == nullptr) throw std::bad_alloc();
  Document document{xmlCtxtReadMemory(context.get(), text->data(), static_cast<int>(text->size()), nullptr, nullptr, options)};
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

bool understood(const xmlNode* header) {
  return std::ranges::find(addressing_namespaces, namespace_of(header)) != addressing_namespaces.end();
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
