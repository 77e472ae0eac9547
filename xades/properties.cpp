#include "properties.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "xades/types.hpp"

namespace signet::xades {
namespace {

constexpr std::size_t max_certificate_references = 16;
constexpr std::size_t max_statements = 16;
constexpr std::size_t shown_characters = 256;

bool is_xades(const xmlNode* node, std::string_view name) { return is(node, xades_namespace, name); }
xmlNode* only(const xmlNode* parent, std::string_view name) { return only_child(parent, xades_namespace, name); }

// 4.3.1 and 4.4: SignedProperties in QualifyingProperties, in an Object of this signature.
std::string why_misplaced(const xmlNode* node, const SignatureElement& signature) {
  if (!is_xades(node, "SignedProperties")) return "the reference to SignedProperties leads elsewhere";
  const xmlNode* const qualifying = node->parent;
  if (!is_xades(qualifying, "QualifyingProperties")) return "SignedProperties are not in QualifyingProperties";
  if (!is(qualifying->parent, ds_namespace, "Object") || qualifying->parent->parent != signature.node)
    return "QualifyingProperties are not in an Object of this signature";
  return {};
}

// 4.3: one of each.
std::string why_several(const xmlNode* node, const SignatureElement& signature) {
  if (only(node->parent, "SignedProperties") != node) return "several SignedProperties";
  std::size_t count = 0;
  for (const xmlNode* object : children(signature.node, ds_namespace, "Object"))
    count += children(object, xades_namespace, "QualifyingProperties").size();
  return count == 1 ? "" : "several QualifyingProperties";
}

SigningCertificateReference read_certificate_reference(const xmlNode* cert) {
  SigningCertificateReference out;
  const xmlNode* const digest = only(cert, "CertDigest");
  out.algorithm = digest_algorithm_of_uri(attribute(only_child(digest, ds_namespace, "DigestMethod"), "Algorithm").value_or(""));
  out.digest = decoded(only_child(digest, ds_namespace, "DigestValue")).value_or(base::Bytes{});
  if (const xmlNode* serial = only(cert, "IssuerSerialV2")) out.issuer_serial_der = decoded(serial).value_or(base::Bytes{});
  return out;
}

void read_certificate_references(const xmlNode* property, std::vector<SigningCertificateReference>& out) {
  for (const xmlNode* cert : children(property, xades_namespace, "Cert")) {
    if (out.size() == max_certificate_references) return;
    out.push_back(read_certificate_reference(cert));
  }
}

void leave_out(Properties& out, std::size_t limit, std::string_view of_what) {
  std::string what = "more than " + std::to_string(limit) + " " + std::string(of_what);
  if (std::ranges::find(out.beyond_limits, what) == out.beyond_limits.end()) out.beyond_limits.push_back(std::move(what));
}

void read_signing_certificate(const xmlNode* signature_properties, Properties& out) {
  const xmlNode* const v2 = only(signature_properties, "SigningCertificateV2");
  out.has_signing_certificate_v2 = v2 != nullptr;
  read_certificate_references(v2 != nullptr ? v2 : only(signature_properties, "SigningCertificate"), out.signing_certificates);
}

std::string shown_text(const xmlNode* element) { return base::shown(trimmed(text(element)), shown_characters); }

void read_formats(const xmlNode* signed_properties, const SignatureElement& signature, Properties& out) {
  for (const xmlNode* format :
       children(only(signed_properties, "SignedDataObjectProperties"), xades_namespace, "DataObjectFormat")) {
    if (const xmlNode* const type = only(format, "MimeType"))
      out.mime_types.emplace(attribute(format, "ObjectReference").value_or(""), shown_text(type));
  }
  out.formats_every_object = std::ranges::all_of(signature.references, [&](const Reference& reference) {
    return reference.is_signed_properties() || (!reference.id.empty() && out.mime_types.contains("#" + reference.id));
  });
}

// Also as they were before their "V2" (5.2.5, 5.2.6).
const xmlNode* either(const xmlNode* parent, std::string_view name) {
  const xmlNode* const v2 = only(parent, std::string(name) + "V2");
  return v2 != nullptr ? v2 : only(parent, name);
}

void read_statements(const xmlNode* signed_properties, SignerStatements& out) {
  const xmlNode* const of_signature = only(signed_properties, "SignedSignatureProperties");
  const xmlNode* const place = either(of_signature, "SignatureProductionPlace");
  const auto part = [place](std::string_view name) {
    const xmlNode* const element = only(place, name);
    return element == nullptr ? std::string{} : shown_text(element);
  };
  out.place = {part("City"), part("StreetAddress"), part("StateOrProvince"), part("PostalCode"), part("CountryName")};
  for (const xmlNode* role : children(only(either(of_signature, "SignerRole"), "ClaimedRoles"), xades_namespace, "ClaimedRole"))
    if (out.claimed_roles.size() < max_statements) out.claimed_roles.push_back(shown_text(role));
  for (const xmlNode* commitment :
       children(only(signed_properties, "SignedDataObjectProperties"), xades_namespace, "CommitmentTypeIndication")) {
    const xmlNode* const type = only(only(commitment, "CommitmentTypeId"), "Identifier");
    if (type != nullptr && out.commitment_types.size() < max_statements) out.commitment_types.push_back(shown_text(type));
  }
}

// 5.3: without Include elements, since what is covered is fixed, but for IndividualDataObjectsTimeStamp; without a method
// Canonical XML 1.0 is meant.
void read_time_stamp(const xmlNode* element, TimeStampKind kind, Properties& out) {
  if (out.time_stamps.size() == max_time_stamps) return leave_out(out, max_time_stamps, "time stamps");
  TimeStampElement stamp{.kind = kind, .node = element, .canonicalization = Canonicalization{}, .token = {}, .includes = {}};
  std::size_t tokens = 0;
  for (const xmlNode* child : children(element)) {
    if (is(child, ds_namespace, "CanonicalizationMethod")) {
      stamp.canonicalization = canonicalization(child);
    } else if (is_xades(child, "EncapsulatedTimeStamp")) {
      stamp.token = decoded(child);
      ++tokens;
    } else if (kind == TimeStampKind::individual_data_objects && is_xades(child, "Include") &&
               attribute(child, "referencedData") == "true" && attribute(child, "URI").value_or("").starts_with('#')) {
      stamp.includes.push_back(attribute(child, "URI")->substr(1));
    } else {
      stamp.canonicalization.reset();
    }
  }
  if (tokens != 1) stamp.token.reset();
  out.time_stamps.push_back(std::move(stamp));
}

void read_encapsulated(const xmlNode* values, std::string_view name, EmbeddedEvidence::Kind kind, Properties& out) {
  for (const xmlNode* value : children(values, xades_namespace, name)) {
    if (out.evidence.size() == max_evidence) return leave_out(out, max_evidence, "certificates, lists and responses");
    out.evidence.push_back({kind, value, out.unsigned_properties.size()});
  }
}

void read_certificate_values(const xmlNode* values, Properties& out) {
  read_encapsulated(values, "EncapsulatedX509Certificate", EmbeddedEvidence::Kind::certificate, out);
}

void read_revocation_values(const xmlNode* values, Properties& out) {
  read_encapsulated(only(values, "CRLValues"), "EncapsulatedCRLValue", EmbeddedEvidence::Kind::crl, out);
  read_encapsulated(only(values, "OCSPValues"), "EncapsulatedOCSPValue", EmbeddedEvidence::Kind::ocsp, out);
}

void read_unsigned_property(const xmlNode* property, Properties& out) {
  const bool is_141 = as_text(property->ns == nullptr ? nullptr : property->ns->href) == xades141_namespace;
  const std::string_view name = as_text(property->name);
  if (is_141) {
    if (name == "ArchiveTimeStamp") read_time_stamp(property, TimeStampKind::archive, out);
    if (name == "TimeStampValidationData" || name == "AnyValidationData") {
      read_certificate_values(only(property, "CertificateValues"), out);
      read_revocation_values(only(property, "RevocationValues"), out);
    }
    return;
  }
  if (is_xades(property, "SignatureTimeStamp")) read_time_stamp(property, TimeStampKind::signature, out);
  if (is_xades(property, "CertificateValues") || is_xades(property, "AttrAuthoritiesCertValues"))
    read_certificate_values(property, out);
  if (is_xades(property, "RevocationValues") || is_xades(property, "AttributeRevocationValues")) {
    out.has_revocation_values = true;
    read_revocation_values(property, out);
  }
}

void read_unsigned(const xmlNode* qualifying, Properties& out) {
  const auto all = children(qualifying, xades_namespace, "UnsignedProperties");
  out.are_repeated =
      all.size() > 1 || (all.size() == 1 && children(all[0], xades_namespace, "UnsignedSignatureProperties").size() > 1);
  for (const xmlNode* property : children(only(only(qualifying, "UnsignedProperties"), "UnsignedSignatureProperties"))) {
    read_unsigned_property(property, out);
    out.unsigned_properties.push_back(property);
  }
}

void read_signature_policy(const xmlNode* of_signature, Properties& out) {
  const xmlNode* const property = only(of_signature, "SignaturePolicyIdentifier");
  if (property == nullptr) return;
  const xmlNode* const id = only(property, "SignaturePolicyId");
  NamedPolicy policy{"implied", {}};
  if (id != nullptr) {
    const xmlNode* const identifier = only(only(id, "SigPolicyId"), "Identifier");
    policy.identifier = identifier == nullptr ? std::string{} : std::string(trimmed(text(identifier)));
    const xmlNode* const hash = only(id, "SigPolicyHash");
    const xmlNode* const method = only_child(hash, ds_namespace, "DigestMethod");
    const xmlNode* const value = only_child(hash, ds_namespace, "DigestValue");
    const auto algorithm =
        method == nullptr ? std::nullopt : digest_algorithm_of_uri(attribute(method, "Algorithm").value_or(""));
    const auto octets = value == nullptr ? std::nullopt : decoded(value);
    if (algorithm && octets) {
      if (auto digest = base::Digest::of_value(*algorithm, *octets)) policy.digest = *digest;
    }
  }
  out.signature_policy = std::move(policy);
}

// 5.2.8: over content, before it was signed.
void read_content_time_stamps(const xmlNode* signed_properties, Properties& out) {
  for (const xmlNode* property : children(only(signed_properties, "SignedDataObjectProperties"))) {
    if (is_xades(property, "AllDataObjectsTimeStamp")) read_time_stamp(property, TimeStampKind::all_data_objects, out);
    if (is_xades(property, "IndividualDataObjectsTimeStamp"))
      read_time_stamp(property, TimeStampKind::individual_data_objects, out);
  }
}

Properties read_properties(const xmlNode* signed_properties, const SignatureElement& signature) {
  Properties out;
  const xmlNode* const of_signature = only(signed_properties, "SignedSignatureProperties");
  if (const xmlNode* time = only(of_signature, "SigningTime")) out.signing_time = base::from_rfc3339(trimmed(text(time)));
  read_signing_certificate(of_signature, out);
  read_signature_policy(of_signature, out);
  out.name_the_signature = !signature.id.empty() && attribute(signed_properties->parent, "Target") == "#" + signature.id;
  read_formats(signed_properties, signature, out);
  read_statements(signed_properties, out.statements);
  read_content_time_stamps(signed_properties, out);
  read_unsigned(signed_properties->parent, out);
  return out;
}

void look_in_their_place(const SignatureElement& signature, FoundProperties& out) {
  for (const xmlNode* object : children(signature.node, ds_namespace, "Object")) {
    for (const xmlNode* qualifying : children(object, xades_namespace, "QualifyingProperties")) {
      const xmlNode* const in_place = only(qualifying, "SignedProperties");
      out.in_place |= in_place != nullptr;
      for (const xmlNode* property : children(only(in_place, "SignedSignatureProperties"))) {
        if (is_xades(property, "SigningCertificateV2") || is_xades(property, "SigningCertificate"))
          read_certificate_references(property, out.claimed_certificates);
      }
    }
  }
}

FoundProperties found_by(const CheckedReferences& references, const SignatureElement& signature) {
  using Status = FoundProperties::Status;
  const CheckedReference* found = nullptr;
  for (const CheckedReference& reference : references.all) {
    if (!reference.report.signed_properties) continue;
    if (found != nullptr) return {Status::several, "several references to SignedProperties", {}};
    found = &reference;
  }
  if (found == nullptr) return {Status::absent, "no reference to SignedProperties", {}};
  if (found->report.status != ReferenceReport::Status::valid)
    return {Status::unchecked, "SignedProperties are not those that were signed", {}};
  if (std::string why = why_misplaced(found->target, signature); !why.empty()) return {Status::misplaced, std::move(why), {}};
  if (std::string why = why_several(found->target, signature); !why.empty()) return {Status::several, std::move(why), {}};
  return {Status::found, {}, read_properties(found->target, signature)};
}

}  // namespace

base::Result<void> check_room(const xmlNode* qualifying, std::size_t time_stamps, std::size_t evidence) {
  Properties there;
  read_content_time_stamps(only(qualifying, "SignedProperties"), there);
  read_unsigned(qualifying, there);
  if (there.time_stamps.size() + time_stamps > max_time_stamps) leave_out(there, max_time_stamps, "time stamps");
  if (there.evidence.size() + evidence > max_evidence) leave_out(there, max_evidence, "certificates, lists and responses");
  if (there.beyond_limits.empty()) return {};
  return base::failure(base::ErrorCode::message_too_large, "the signature would carry " + there.beyond_limits.front());
}

FoundProperties find_properties(const SignatureElement& signature, const CheckedReferences& references) {
  FoundProperties out = found_by(references, signature);
  if (out.status != FoundProperties::Status::found) look_in_their_place(signature, out);
  return out;
}

}  // namespace signet::xades
