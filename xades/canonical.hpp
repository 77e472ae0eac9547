#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pki/work.hpp"
#include "xml_document.hpp"

// Canonical XML 1.0, 1.1 and Exclusive XML Canonicalization, of whole documents and of what signatures take from them.
namespace signet::xades {

struct Canonicalization {
  enum class Kind : std::uint8_t { inclusive, inclusive_1_1, exclusive } kind = Kind::inclusive;
  bool with_comments = false;
  std::vector<std::string> inclusive_prefixes;  // exclusive only: InclusiveNamespaces' PrefixList
};

// From a ds:CanonicalizationMethod or ds:Transform; none if its Algorithm is another one or its parameters are not as they
// should.
std::optional<Canonicalization> canonicalization(const xmlNode* method);

// A subtree, or all of a document, as references name it. Never empty: `top` is not itself taken out.
struct NodeSet {
  const xmlNode* top = nullptr;      // none: the document with what stands beside its root
  bool comments = false;             // XML Signature 4.4.3.3: only the XPointer forms keep them
  const xmlNode* without = nullptr;  // a ds:Signature that is taken out (enveloped-signature)
  bool without_signatures = false;   // all of them are (the XPath that parallel signatures use)
};

using pki::WorkBudget;

// None when the budget is spent, when the result is far larger than the document, or for relative namespace names (which
// Canonical XML refuses).
std::optional<std::string> canonical(const XmlDocument& document, const NodeSet& nodes, const Canonicalization& method,
                                     WorkBudget& budget);

}  // namespace signet::xades
