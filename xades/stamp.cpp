#include "xades/stamp.hpp"

#include <algorithm>
#include <iterator>

#include "base/text.hpp"
#include "coverage.hpp"
#include "opened_document.hpp"
#include "property_markup.hpp"

namespace signet::xades {
namespace {

using base::ErrorCode;
using base::failure;
using base::Result;

const Canonicalization stamp_method{Canonicalization::Kind::exclusive, false, {}};
constexpr std::string_view xades141_declaration = " xmlns:xades141=\"http://uri.etsi.org/01903/v1.4.1#\"";

std::unexpected<base::Error> unfit(std::string why) { return failure(ErrorCode::parameter_invalid, std::move(why)); }

Result<const xmlNode*> chosen_signature(const XmlDocument& document, std::optional<std::size_t> index) {
  const auto signatures = signatures_for_themselves(document);
  if (signatures.empty()) return unfit("the document has no signature");
  if (!index && signatures.size() != 1) return unfit("the document has several signatures, and none was chosen");
  if (index.value_or(0) >= signatures.size()) return unfit("the document has not so many signatures");
  return signatures[index.value_or(0)];
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
  PropertyPlace place = PropertyPlace::qualifying_properties;
};

Result<Anchor> anchor_in(const xmlNode* qualifying) {
  const xmlNode* const signed_properties = only_child(qualifying, xades_namespace, "SignedProperties");
  if (signed_properties == nullptr) return unfit("not a signature with one SignedProperties");
  const auto unsigned_properties = children(qualifying, xades_namespace, "UnsignedProperties");
  if (unsigned_properties.empty()) return Anchor{signed_properties, PropertyPlace::qualifying_properties};
  if (unsigned_properties.size() > 1) return unfit("several UnsignedProperties");
  const auto of_signature = children(unsigned_properties[0], xades_namespace, "UnsignedSignatureProperties");
  if (of_signature.empty()) return Anchor{unsigned_properties[0], PropertyPlace::unsigned_properties};
  if (of_signature.size() > 1) return unfit("several UnsignedSignatureProperties");
  return Anchor{of_signature[0], PropertyPlace::unsigned_signature_properties};
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

bool has_unsigned_property(const xmlNode* signature, std::string_view name) {
  const auto qualifying = qualifying_properties(signature);
  const xmlNode* const of_signature = qualifying ? only_child(only_child(*qualifying, xades_namespace, "UnsignedProperties"),
                                                              xades_namespace, "UnsignedSignatureProperties")
                                                 : nullptr;
  return !children(of_signature, xades_namespace, name).empty();
}

// All certificates, lists and responses in a signature, wherever in it they stand.
std::vector<base::Bytes> held_values(const xmlNode* signature) {
  std::vector<base::Bytes> out;
  for (const xmlNode* node = signature; node != nullptr; node = next_in(signature, node)) {
    const bool value = is(node, ds_namespace, "X509Certificate") || is(node, xades_namespace, "EncapsulatedX509Certificate") ||
                       is(node, xades_namespace, "EncapsulatedCRLValue") || is(node, xades_namespace, "EncapsulatedOCSPValue");
    if (auto der = value ? decoded(node) : std::nullopt) out.push_back(std::move(*der));
  }
  return out;
}

std::size_t count(const ValidationData& data) { return data.certificates.size() + data.crls.size() + data.ocsp.size(); }

ValidationData without_held(ValidationData data, const std::vector<base::Bytes>& held) {
  const auto is_held = [&](const auto& one) {
    return std::ranges::any_of(held, [&](const base::Bytes& der) { return std::ranges::equal(der, one.der()); });
  };
  std::erase_if(data.certificates, is_held);
  std::erase_if(data.crls, is_held);
  std::erase_if(data.ocsp, is_held);
  return data;
}

// Where unsigned properties of a signature go, after those that are there.
struct Gap {
  std::size_t begin = 0, end = 0;  // what of the document is replaced: nothing, or the end of an empty-element tag
  Markup around;
  std::string declarations;  // that each property needs
};

Result<Gap> gap_in(const OpenedDocument& document, const xmlNode* signature, const VerifyLimits& limits) {
  const auto qualifying = qualifying_properties(signature);
  if (!qualifying) return std::unexpected(qualifying.error());
  const auto anchor = anchor_in(*qualifying);
  if (!anchor) return std::unexpected(anchor.error());
  const auto extent = extent_of(anchor->element, document.tree, document.text, limits);
  if (!extent) return std::unexpected(extent.error());

  Gap gap;
  // Behind SignedProperties the scope is that of the element around both.
  const std::string declarations =
      declarations_at(anchor->place == PropertyPlace::qualifying_properties ? *qualifying : anchor->element, document.tree);
  gap.around = around_properties(anchor->place, declarations);
  if (anchor->place == PropertyPlace::unsigned_signature_properties) gap.declarations = declarations;
  if (anchor->place == PropertyPlace::qualifying_properties) {
    gap.begin = gap.end = extent->end;
  } else if (extent->is_empty_tag()) {  // "/>" is all that goes
    gap.begin = extent->inside - 2;
    gap.end = extent->inside;
    gap.around.before.insert(0, ">");
    gap.around.after += "</" + qualified_name(anchor->element) + ">";
  } else {
    // UnsignedSignatureProperties come first in UnsignedProperties, a property after those that are there.
    gap.begin = gap.end = anchor->place == PropertyPlace::unsigned_properties ? extent->inside : extent->after;
  }
  gap.begin += document.mark;
  gap.end += document.mark;
  return gap;
}

// The signature that is to get a property, and where that goes.
struct Chosen {
  OpenedDocument document;
  const xmlNode* node = nullptr;
  SignatureElement element;
  Gap gap;
};

// What would get more than a verifier reads again is refused before it is written.
Result<void> check_room_in(const xmlNode* signature, std::size_t time_stamps, std::size_t evidence) {
  const auto qualifying = qualifying_properties(signature);
  if (!qualifying) return std::unexpected(qualifying.error());
  return check_room(*qualifying, time_stamps, evidence);
}

Result<Chosen> chosen(std::string_view document, const VerifyLimits& limits, std::optional<std::size_t> signature) {
  auto open = opened(document, limits);
  if (!open) return std::unexpected(open.error());
  const auto node = chosen_signature(open->tree, signature);
  if (!node) return std::unexpected(node.error());
  auto element = read_signature(*node, limits);
  if (!element) return std::unexpected(element.error());
  auto gap = gap_in(*open, *node, limits);
  if (!gap) return std::unexpected(gap.error());
  return Chosen{std::move(*open), *node, std::move(*element), std::move(*gap)};
}

StampPlan plan_in(const Gap& gap, std::string_view name, std::string_view own_declarations, const base::Digest& imprint) {
  const Markup stamp = time_stamp_markup(name, gap.declarations + std::string(own_declarations));
  return {.imprint = imprint,
          .begin = gap.begin,
          .end = gap.end,
          .before = gap.around.before + stamp.before,
          .after = stamp.after + gap.around.after};
}

template <class T>
void append_values(std::string& out, std::string_view name, const std::vector<T>& values) {
  for (const T& value : values) {
    out.append("<xades:").append(name) += '>';
    base::append_base64(out, value.der());
    out.append("</xades:").append(name) += '>';
  }
}

// 5.4.1 and 5.4.2.
std::string certificate_values(const ValidationData& data, std::string_view declarations) {
  if (data.certificates.empty()) return {};
  std::string out = "<xades:CertificateValues" + std::string(declarations) + ">";
  append_values(out, "EncapsulatedX509Certificate", data.certificates);
  return out + "</xades:CertificateValues>";
}

std::string revocation_values(const ValidationData& data, std::string_view declarations) {
  if (data.crls.empty() && data.ocsp.empty()) return {};
  std::string out = "<xades:RevocationValues" + std::string(declarations) + ">";
  if (!data.crls.empty()) {
    out += "<xades:CRLValues>";
    append_values(out, "EncapsulatedCRLValue", data.crls);
    out += "</xades:CRLValues>";
  }
  if (!data.ocsp.empty()) {
    out += "<xades:OCSPValues>";
    append_values(out, "EncapsulatedOCSPValue", data.ocsp);
    out += "</xades:OCSPValues>";
  }
  return out + "</xades:RevocationValues>";
}

}  // namespace

UsedValidationData validation_data_of(const SignatureReport& report) {
  UsedValidationData out;
  const auto add = [&out](const pki::PathReport& path, ValidationData& to, std::size_t first) {
    const auto once = [&out](auto& list, auto ValidationData::* member, const auto& value) {
      const auto& one = out.of_signer.*member;
      const auto& other = out.of_time_stamps.*member;
      const auto same = [&](const auto& known) { return std::ranges::equal(known.der(), value.der()); };
      if (!std::ranges::any_of(one, same) && !std::ranges::any_of(other, same)) list.push_back(value);
    };
    for (std::size_t i = first; i < path.chain.size(); ++i) once(to.certificates, &ValidationData::certificates, path.chain[i]);
    for (const pki::RevocationEvidence& evidence : path.evidence) {
      for (const pki::Certificate& signer : evidence.signers) once(to.certificates, &ValidationData::certificates, signer);
      for (const pki::Crl& crl : evidence.crls) once(to.crls, &ValidationData::crls, crl);
      if (evidence.ocsp) once(to.ocsp, &ValidationData::ocsp, *evidence.ocsp);
    }
  };
  if (report.path) add(*report.path, out.of_signer, 1);  // the signer's own is in KeyInfo
  for (const TimeStampFinding& stamp : report.time_stamps)
    if (stamp.holds) add(stamp.path, out.of_time_stamps, 0);
  return out;
}

Markup around_properties(PropertyPlace place, std::string_view declarations) {
  struct Around {
    std::string_view name;
    PropertyPlace within;
  };
  static constexpr Around all[] = {{"xades:UnsignedProperties", PropertyPlace::qualifying_properties},
                                   {"xades:UnsignedSignatureProperties", PropertyPlace::unsigned_properties}};
  Markup markup;
  for (const auto& [name, within] : all) {
    if (within < place) continue;
    markup.before.append("<").append(name).append(within == place ? declarations : "") += '>';
    markup.after.insert(0, std::string("</").append(name) + ">");
  }
  return markup;
}

Markup time_stamp_markup(std::string_view qualified_name, std::string_view declarations, std::string_view method_declarations) {
  const std::string name(qualified_name);
  return {"<" + name + std::string(declarations) + "><ds:CanonicalizationMethod" + std::string(method_declarations) +
              " Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></ds:CanonicalizationMethod>"
              "<xades:EncapsulatedTimeStamp>",
          "</xades:EncapsulatedTimeStamp></" + name + ">"};
}

Result<StampPlan> plan_time_stamp(std::string_view document, base::DigestAlgorithm algorithm, const VerifyLimits& limits,
                                  std::optional<std::size_t> signature) {
  const auto place = chosen(document, limits, signature);
  if (!place) return std::unexpected(place.error());
  if (auto room = check_room_in(place->node, 1, 0); !room) return std::unexpected(room.error());
  WorkBudget budget;
  const auto covered =
      canonical(place->document.tree, {.top = place->element.value_node, .comments = true}, stamp_method, budget);
  if (!covered) return unfit("SignatureValue cannot be canonicalized within the limits");
  return plan_in(place->gap, "xades:SignatureTimeStamp", {}, base::digest(algorithm, base::as_bytes(*covered)));
}

Result<StampPlan> plan_archive_time_stamp(std::string_view document, const std::vector<GivenData>& data,
                                          base::DigestAlgorithm algorithm, const VerifyLimits& limits,
                                          std::optional<std::size_t> signature) {
  const auto place = chosen(document, limits, signature);
  if (!place) return std::unexpected(place.error());
  if (auto room = check_room_in(place->node, 1, 0); !room) return std::unexpected(room.error());
  WorkBudget budget;
  const TransformContext context{place->document.tree, place->element, limits, budget};
  const CheckedReferences references = check_references(context, data, VerifyOptions::DataFor::any_signature);
  const FoundProperties properties = find_properties(place->element, references);
  if (properties.status != FoundProperties::Status::found) return unfit(properties.detail);
  const TimeStampElement stamp{
      .kind = TimeStampKind::archive, .node = nullptr, .canonicalization = stamp_method, .token = {}, .includes = {}};
  const auto covered = covered_octets(stamp, context, references, properties.properties, data);
  if (!covered) return std::unexpected(covered.error());
  return plan_in(place->gap, "xades141:ArchiveTimeStamp", xades141_declaration, base::digest(algorithm, *covered));
}

Result<std::string> with_validation_data(std::string_view document, const ValidationData& of_signer,
                                         const ValidationData& of_time_stamps, const VerifyLimits& limits,
                                         std::optional<std::size_t> signature) {
  const auto place = chosen(document, limits, signature);
  if (!place) return std::unexpected(place.error());
  const Gap& gap = place->gap;
  const std::vector<base::Bytes> held = held_values(place->node);
  const ValidationData signers = without_held(of_signer, held), stamps = without_held(of_time_stamps, held);
  if (auto room = check_room_in(place->node, 0, count(signers) + count(stamps)); !room) return std::unexpected(room.error());
  const bool has_values =
      has_unsigned_property(place->node, "CertificateValues") || has_unsigned_property(place->node, "RevocationValues");
  const auto within_141 = [&](const ValidationData& data) {
    const std::string values = certificate_values(data, {}) + revocation_values(data, {});
    if (values.empty()) return std::string{};
    return "<xades141:TimeStampValidationData" + gap.declarations + std::string(xades141_declaration) + ">" + values +
           "</xades141:TimeStampValidationData>";
  };
  std::string properties;
  // There is one of each at most (6.3, n, o): what is found later goes where what time stamps want goes.
  if (has_values) {
    properties = within_141(signers);
  } else {
    properties = certificate_values(signers, gap.declarations) + revocation_values(signers, gap.declarations);
  }
  properties += within_141(stamps);
  std::string out;
  out.append(document.substr(0, gap.begin));
  if (!properties.empty()) out.append(gap.around.before).append(properties).append(gap.around.after);
  return out.append(document.substr(properties.empty() ? gap.begin : gap.end));
}

std::string stamped(std::string_view document, const StampPlan& plan, base::BytesView time_stamp_token) {
  std::string out;
  out.reserve(document.size() + plan.before.size() + plan.after.size() + time_stamp_token.size() * 4 / 3 + 4);
  out.append(document.substr(0, plan.begin)).append(plan.before);
  base::append_base64(out, time_stamp_token);
  return out.append(plan.after).append(document.substr(plan.end));
}

}  // namespace signet::xades
