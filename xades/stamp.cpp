#include "xades/stamp.hpp"

#include <algorithm>
#include <functional>
#include <iterator>

#include "base/text.hpp"
#include "canonical.hpp"
#include "signature_element.hpp"
#include "stamp_markup.hpp"

namespace signet::xades {
namespace {

using base::ErrorCode;
using base::failure;
using base::Result;

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

std::unexpected<base::Error> unfit(std::string why) { return failure(ErrorCode::parameter_invalid, std::move(why)); }

Result<const xmlNode*> only_signature(const XmlDocument& document) {
  std::vector<xmlNode*> signatures;
  std::ranges::copy_if(document.signatures(), std::back_inserter(signatures), std::not_fn(is_within_unsigned_properties));
  if (signatures.size() != 1) return unfit("a time stamp is added to a document with one signature");
  return signatures.front();
}

// 4.3: the only one among the signature's Objects.
Result<const xmlNode*> qualifying_properties(const xmlNode* signature) {
  std::vector<xmlNode*> found;
  for (const xmlNode* object : children(signature, ds_namespace, "Object"))
    std::ranges::copy(children(object, xades_namespace, "QualifyingProperties"), std::back_inserter(found));
  if (found.size() != 1) return unfit("not a signature with one QualifyingProperties");
  return found.front();
}

// The element that a time stamp goes into or behind.
struct Anchor {
  const xmlNode* element = nullptr;
  StampPlace place = StampPlace::qualifying_properties;
};

Result<Anchor> anchor_in(const xmlNode* qualifying) {
  const xmlNode* const signed_properties = only_child(qualifying, xades_namespace, "SignedProperties");
  if (signed_properties == nullptr) return unfit("not a signature with one SignedProperties");
  const auto unsigned_properties = children(qualifying, xades_namespace, "UnsignedProperties");
  if (unsigned_properties.empty()) return Anchor{signed_properties, StampPlace::qualifying_properties};
  if (unsigned_properties.size() > 1) return unfit("several UnsignedProperties");
  const auto of_signature = children(unsigned_properties[0], xades_namespace, "UnsignedSignatureProperties");
  if (of_signature.empty()) return Anchor{unsigned_properties[0], StampPlace::unsigned_properties};
  if (of_signature.size() > 1) return unfit("several UnsignedSignatureProperties");
  return Anchor{of_signature[0], StampPlace::unsigned_signature_properties};
}

// The gate split the text where libxml2 did: its nth start tag is the nth element of the tree.
Result<XmlExtent> extent_of(const xmlNode* element, const XmlDocument& document, std::string_view text,
                            const VerifyLimits& limits) {
  const auto extents = element_extents(text, limits);
  if (!extents) return std::unexpected(extents.error());
  std::size_t index = 0, count = 0;
  const xmlNode* const top = document.root();
  for (const xmlNode* node = top; node != nullptr; node = next_in(top, node)) {
    if (node->type != XML_ELEMENT_NODE) continue;
    if (node == element) index = count;
    ++count;
  }
  if (count != extents->size()) return failure(ErrorCode::message_invalid, "not split as XML is");
  return (*extents)[index];
}

// Others bind these prefixes to what they like.
std::string declarations_at(const xmlNode* element, const XmlDocument& document) {
  std::string out;
  for (const auto& [prefix, name] : {std::pair{"ds", ds_namespace}, std::pair{"xades", xades_namespace}}) {
    const xmlNs* const bound =
        xmlSearchNs(document.native(), const_cast<xmlNode*>(element), reinterpret_cast<const xmlChar*>(prefix));
    if (bound == nullptr || as_text(bound->href) != name) out.append(" xmlns:").append(prefix).append("=\"").append(name) += '"';
  }
  return out;
}

// As its start tag writes it.
std::string qualified_name(const xmlNode* element) {
  const std::string_view prefix = as_text(element->ns->prefix);
  return std::string(prefix) + (prefix.empty() ? "" : ":") + std::string(as_text(element->name));
}

void fill_in(StampPlan& plan, const Anchor& anchor, const XmlExtent& extent, std::string_view declarations) {
  auto [before, after] = stamp_markup(anchor.place, declarations);
  plan.before = std::move(before);
  plan.after = std::move(after);
  if (anchor.place == StampPlace::qualifying_properties) {
    plan.begin = plan.end = extent.end;
  } else if (extent.is_empty_tag()) {  // "/>" is all that goes
    plan.begin = extent.inside - 2;
    plan.end = extent.inside;
    plan.before.insert(0, ">");
    plan.after += "</" + qualified_name(anchor.element) + ">";
  } else {
    // UnsignedSignatureProperties come first in UnsignedProperties, a time stamp after those that are there.
    plan.begin = plan.end = anchor.place == StampPlace::unsigned_properties ? extent.inside : extent.after;
  }
}

}  // namespace

StampMarkup stamp_markup(StampPlace place, std::string_view declarations) {
  struct Level {
    std::string_view name;
    StampPlace within;
  };
  static constexpr Level levels[] = {{"xades:UnsignedProperties", StampPlace::qualifying_properties},
                                     {"xades:UnsignedSignatureProperties", StampPlace::unsigned_properties},
                                     {"xades:SignatureTimeStamp", StampPlace::unsigned_signature_properties}};
  StampMarkup markup;
  for (const auto& [name, within] : levels) {
    if (within < place) continue;
    markup.before.append("<").append(name).append(within == place ? declarations : "") += '>';
    markup.after.insert(0, std::string("</").append(name) + ">");
  }
  markup.before +=
      "<ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></ds:CanonicalizationMethod>"
      "<xades:EncapsulatedTimeStamp>";
  markup.after.insert(0, "</xades:EncapsulatedTimeStamp>");
  return markup;
}

Result<StampPlan> plan_time_stamp(std::string_view document, base::DigestAlgorithm algorithm, const VerifyLimits& limits) {
  // Offsets in the tree's text are offsets in the document, but for a byte order mark.
  const std::size_t mark = document.starts_with(byte_order_mark) ? byte_order_mark.size() : 0;
  const auto text = utf8_text(base::as_bytes(document), limits);
  if (!text) return std::unexpected(text.error());
  if (*text != document.substr(mark)) return failure(ErrorCode::message_invalid, "a time stamp is added to UTF-8 alone");
  const auto tree = XmlDocument::parse(base::as_bytes(*text), limits);
  if (!tree) return std::unexpected(tree.error());

  const auto signature = only_signature(*tree);
  if (!signature) return std::unexpected(signature.error());
  const auto element = read_signature(*signature, limits);
  if (!element) return std::unexpected(element.error());
  const auto qualifying = qualifying_properties(*signature);
  if (!qualifying) return std::unexpected(qualifying.error());
  const auto anchor = anchor_in(*qualifying);
  if (!anchor) return std::unexpected(anchor.error());
  const auto extent = extent_of(anchor->element, *tree, *text, limits);
  if (!extent) return std::unexpected(extent.error());

  WorkBudget budget;
  Canonicalization method;
  method.kind = Canonicalization::Kind::exclusive;
  const auto covered = canonical(*tree, {.top = element->value_node, .comments = true}, method, budget);
  if (!covered) return unfit("SignatureValue cannot be canonicalized within the limits");
  StampPlan plan;
  plan.imprint = base::digest(algorithm, base::as_bytes(*covered));
  // Behind SignedProperties the scope is that of the element around both.
  fill_in(plan, *anchor, *extent,
          declarations_at(anchor->place == StampPlace::qualifying_properties ? *qualifying : anchor->element, *tree));
  plan.begin += mark;
  plan.end += mark;
  return plan;
}

std::string stamped(std::string_view document, const StampPlan& plan, base::BytesView time_stamp_token) {
  std::string out;
  out.reserve(document.size() + plan.before.size() + plan.after.size() + time_stamp_token.size() * 4 / 3 + 4);
  out.append(document.substr(0, plan.begin)).append(plan.before);
  base::append_base64(out, time_stamp_token);
  return out.append(plan.after).append(document.substr(plan.end));
}

}  // namespace signet::xades
