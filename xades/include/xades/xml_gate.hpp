#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "xades/verify.hpp"

// What a document is measured by before libxml2 sees it. libxml2 looks for repeated attributes in quadratic time before it
// calls any handler, and builds its tree at thirty times the document's size: counting in its handlers would be too late.
namespace signet::xades {

struct XmlMeasure {
  std::size_t nodes = 0;                // elements, attributes, namespace declarations, comments, instructions, CDATA sections
  std::size_t namespaces_in_scope = 0;  // the most at any element
  std::size_t longest_namespace = 0;    // of their names, in octets
};

// The text in UTF-8 without a byte order mark. Accepted: UTF-8, UTF-16 with a mark, and the declared one-byte encodings that
// have ASCII as their lower half. message_invalid, message_too_large.
base::Result<std::string> utf8_text(base::BytesView document, const VerifyLimits& limits);

// Where an element stands in the text: its start tag from `begin` to `inside`, its end tag from `after` to `end`. All but `begin`
// are alike for an empty-element tag.
struct XmlExtent {
  std::size_t begin = 0, inside = 0, after = 0, end = 0;

  bool is_empty_tag() const { return inside == end; }
};

// Splits the text at its markup, stricter than XML where that keeps libxml2 from seeing other markup than is counted here.
// message_invalid for a document type declaration and for what is not split as XML is, message_too_large.
base::Result<XmlMeasure> measure(std::string_view text, const VerifyLimits& limits);

// The elements of a text in the order of their start tags; errors as of measure(), which splits it.
base::Result<std::vector<XmlExtent>> element_extents(std::string_view text, const VerifyLimits& limits);

}  // namespace signet::xades
