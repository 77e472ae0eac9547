#include "xades/build.hpp"

#include <charconv>

#include "base/text.hpp"
#include "property_markup.hpp"
#include "xades/packaging.hpp"

namespace signet::xades {
namespace {

// Everything below is in the form that Exclusive XML Canonicalization 1.0 gives: start and end tags for empty elements,
// attributes in order, and each namespace declared where the canonical form of the signed subtree declares it. Declaring it
// there in the document too makes the hashed bytes a part of the sent ones.
#define DS "http://www.w3.org/2000/09/xmldsig#"
#define XADES "http://uri.etsi.org/01903/v1.3.2#"
#define EXCLUSIVE_C14N "http://www.w3.org/2001/10/xml-exc-c14n#"
constexpr std::string_view ds_declaration = " xmlns:ds=\"" DS "\"";
constexpr std::string_view signed_properties_type = "http://uri.etsi.org/01903#SignedProperties";

// Each kind of element has an Id of its own: those inside of what is signed begin with the shared id, the others with the
// signature's.
constexpr std::string_view value_suffix = "-value";
constexpr std::string_view properties_suffix = "-properties";
constexpr std::string_view reference_suffix = "-reference-";
constexpr std::string_view object_suffix = "-object-";

void append_number(std::string& out, std::size_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, end);
}

void append_object_id(std::string& out, std::string_view signature_id, std::size_t index) {
  out += signature_id;
  out += object_suffix;
  append_number(out, index);
}

std::string_view transforms_of(Packaging packaging) {
  switch (packaging) {
    case Packaging::detached:
      return {};
    case Packaging::enveloping:
    case Packaging::enveloping_file:
      return "<ds:Transforms><ds:Transform Algorithm=\"" DS "base64\"></ds:Transform></ds:Transforms>";
    case Packaging::enveloping_xml:
      return "<ds:Transforms><ds:Transform Algorithm=\"" EXCLUSIVE_C14N "\"></ds:Transform></ds:Transforms>";
    case Packaging::enveloped:
      break;
  }
  // The XPath is what leaves room for further signatures in the document (docs/decisions/0013).
  return "<ds:Transforms><ds:Transform Algorithm=\"" DS
         "enveloped-signature\"></ds:Transform>"
         "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"><ds:XPath>not(ancestor-or-self::ds:Signature)"
         "</ds:XPath></ds:Transform><ds:Transform Algorithm=\"" EXCLUSIVE_C14N "\"></ds:Transform></ds:Transforms>";
}

std::string_view mime_type_of(Packaging packaging) {
  const bool xml = packaging == Packaging::enveloping_xml || packaging == Packaging::enveloped;
  return xml ? "application/xml" : "application/octet-stream";
}

void append_digest(std::string& out, const base::Digest& digest, std::string_view declaration) {
  out += "<ds:DigestMethod";
  out += declaration;
  out += " Algorithm=\"";
  out += uri(digest.algorithm());
  out += "\"></ds:DigestMethod><ds:DigestValue";
  out += declaration;
  out += '>';
  base::append_base64(out, digest.bytes());
  out += "</ds:DigestValue>";
}

std::string key_info_of(const SignatureParameters& parameters) {
  std::string out = "<ds:KeyInfo><ds:X509Data>";
  const auto append = [&](const pki::Certificate& certificate) {
    out += "<ds:X509Certificate>";
    base::append_base64(out, certificate.der());
    out += "</ds:X509Certificate>";
  };
  append(parameters.signing_certificate);
  for (const pki::Certificate& certificate : parameters.chain) append(certificate);
  return out + "</ds:X509Data></ds:KeyInfo>";
}

void append_text_element(std::string& out, std::string_view name, std::string_view text) {
  if (text.empty()) return;
  out.append("<xades:").append(name) += '>';
  base::append_xml_text(out, text);
  out.append("</xades:").append(name) += '>';
}

void append_policy(std::string& out, const SignaturePolicy& policy) {
  out += "<xades:SignaturePolicyIdentifier><xades:SignaturePolicyId><xades:SigPolicyId>";
  // IdentifierType has no other way to tell an OID from an address.
  if (policy.identifier.starts_with("urn:oid:")) {
    out += "<xades:Identifier Qualifier=\"OIDAsURN\">";
    base::append_xml_text(out, policy.identifier);
    out += "</xades:Identifier>";
  } else {
    append_text_element(out, "Identifier", policy.identifier);
  }
  out += "</xades:SigPolicyId><xades:SigPolicyHash>";
  append_digest(out, policy.hash, ds_declaration);
  out += "</xades:SigPolicyHash>";
  if (!policy.location.empty()) {
    out += "<xades:SigPolicyQualifiers><xades:SigPolicyQualifier>";
    append_text_element(out, "SPURI", policy.location);
    out += "</xades:SigPolicyQualifier></xades:SigPolicyQualifiers>";
  }
  out += "</xades:SignaturePolicyId></xades:SignaturePolicyIdentifier>";
}

// In the order of the schema's SignedSignaturePropertiesType.
void append_signature_statements(std::string& out, const Statements& statements) {
  if (statements.policy) append_policy(out, *statements.policy);
  if (const ProductionPlace& place = statements.place; place != ProductionPlace{}) {
    out += "<xades:SignatureProductionPlaceV2>";
    append_text_element(out, "City", place.city);
    append_text_element(out, "StreetAddress", place.street);
    append_text_element(out, "StateOrProvince", place.state);
    append_text_element(out, "PostalCode", place.postal_code);
    append_text_element(out, "CountryName", place.country);
    out += "</xades:SignatureProductionPlaceV2>";
  }
  if (!statements.claimed_roles.empty()) {
    out += "<xades:SignerRoleV2><xades:ClaimedRoles>";
    for (const std::string& role : statements.claimed_roles) append_text_element(out, "ClaimedRole", role);
    out += "</xades:ClaimedRoles></xades:SignerRoleV2>";
  }
}

// In the order of SignedDataObjectPropertiesType, after the formats.
void append_data_statements(std::string& out, const Statements& statements) {
  for (const std::string& type : statements.commitment_types) {
    out += "<xades:CommitmentTypeIndication><xades:CommitmentTypeId>";
    append_text_element(out, "Identifier", type);
    out += "</xades:CommitmentTypeId><xades:AllSignedDataObjects></xades:AllSignedDataObjects></xades:CommitmentTypeIndication>";
  }
  if (statements.content_time_stamp.empty()) return;
  const Markup stamp = time_stamp_markup("xades:AllDataObjectsTimeStamp", {}, ds_declaration);
  out += stamp.before;
  base::append_base64(out, statements.content_time_stamp);
  out += stamp.after;
}

// SigningCertificateV2 (EN 319 132-1 clause 5.2.2) holds the signer's certificate alone.
std::string signed_properties_of(const SignatureParameters& parameters) {
  const pki::Certificate& certificate = parameters.signing_certificate;
  std::string out = "<xades:SignedProperties xmlns:xades=\"" XADES "\" Id=\"";
  out += parameters.shared_id;
  out += properties_suffix;
  out += "\"><xades:SignedSignatureProperties><xades:SigningTime>";
  out += base::rfc3339(parameters.signing_time);
  out += "</xades:SigningTime><xades:SigningCertificateV2><xades:Cert><xades:CertDigest>";
  append_digest(out, base::digest(parameters.algorithm.digest, certificate.der()), ds_declaration);
  out += "</xades:CertDigest><xades:IssuerSerialV2>";
  base::append_base64(out, certificate.issuer_serial_der());
  out += "</xades:IssuerSerialV2></xades:Cert></xades:SigningCertificateV2>";
  append_signature_statements(out, parameters.statements);
  out += "</xades:SignedSignatureProperties><xades:SignedDataObjectProperties>";
  for (std::size_t i = 0; i < parameters.objects; ++i) {
    out += "<xades:DataObjectFormat ObjectReference=\"#";
    out += parameters.shared_id;
    out += reference_suffix;
    append_number(out, i);
    out += "\"><xades:MimeType>";
    out += mime_type_of(parameters.packaging);
    out += "</xades:MimeType></xades:DataObjectFormat>";
  }
  append_data_statements(out, parameters.statements);
  return out + "</xades:SignedDataObjectProperties></xades:SignedProperties>";
}

std::string signed_info_start_of(const SignatureParameters& parameters, std::string_view signed_properties) {
  std::string out = "<ds:SignedInfo xmlns:ds=\"" DS "\"><ds:CanonicalizationMethod Algorithm=\"" EXCLUSIVE_C14N
                    "\"></ds:CanonicalizationMethod><ds:SignatureMethod Algorithm=\"";
  out += uri(parameters.algorithm);
  out += "\"></ds:SignatureMethod><ds:Reference Type=\"";
  out += signed_properties_type;
  out += "\" URI=\"#";
  out += parameters.shared_id;
  out += properties_suffix;
  out += "\"><ds:Transforms><ds:Transform Algorithm=\"" EXCLUSIVE_C14N "\"></ds:Transform></ds:Transforms>";
  append_digest(out, base::digest(parameters.algorithm.digest, base::as_bytes(signed_properties)), {});
  return out + "</ds:Reference>";
}

}  // namespace

std::string object_id(std::string_view signature_id, std::size_t index) {
  std::string out;
  append_object_id(out, signature_id, index);
  return out;
}

void append_base64_object(std::string& out, std::string_view id, base::BytesView content) {
  out += "<ds:Object Encoding=\"" DS "base64\" Id=\"";
  out += id;
  out += "\">";
  base::append_base64(out, content);
  out += "</ds:Object>";
}

base::Digest content_time_stamp_imprint(std::span<const DataObject> enveloped, base::DigestAlgorithm algorithm) {
  base::Bytes octets;
  for (const DataObject& object : enveloped)
    octets.insert(octets.end(), object.digest.bytes().begin(), object.digest.bytes().end());
  return base::digest(algorithm, octets);
}

SignatureWriter::SignatureWriter(const SignatureParameters& parameters)
    : algorithm_(parameters.algorithm),
      packaging_(parameters.packaging),
      signing_time_(parameters.signing_time),
      shared_id_(parameters.shared_id),
      signed_properties_(signed_properties_of(parameters)),
      signed_info_start_(signed_info_start_of(parameters, signed_properties_)),
      signed_info_digest_(algorithm_.digest, base::as_bytes(signed_info_start_)),
      key_info_(key_info_of(parameters)) {}

// The rest of SignedInfo, after what the signatures share.
void SignatureWriter::append_references(std::string& out, const SignatureContent& content) const {
  for (std::size_t i = 0; i < content.objects.size(); ++i) {
    const DataObject& object = content.objects[i];
    out += "<ds:Reference Id=\"";
    out += shared_id_;
    out += reference_suffix;
    append_number(out, i);
    out += "\" URI=\"";
    if (packaging_ == Packaging::detached) {
      base::append_percent_encoded(out, object.name);
    } else if (packaging_ != Packaging::enveloped) {
      out += '#';
      append_object_id(out, content.id, i);
    }
    out += "\">";
    out += transforms_of(packaging_);
    append_digest(
        out, packaging_ == Packaging::enveloping ? base::digest(algorithm_.digest, object.digest.bytes()) : object.digest, {});
    out += "</ds:Reference>";
  }
  out += "</ds:SignedInfo>";
}

void SignatureWriter::append_signature_value(std::string& out, const SignatureContent& content, base::BytesView value,
                                             std::string_view declaration) const {
  out += "<ds:SignatureValue";
  out += declaration;
  out += " Id=\"";
  out += content.id;
  out += value_suffix;
  out += "\">";
  base::append_base64(out, value);
  out += "</ds:SignatureValue>";
}

base::Digest SignatureWriter::to_be_signed(const SignatureContent& content) const {
  thread_local std::string references;
  references.clear();
  append_references(references, content);
  return signed_info_digest_.with(base::as_bytes(references));
}

base::Digest SignatureWriter::time_stamp_imprint(const SignatureContent& content, base::BytesView value,
                                                 base::DigestAlgorithm algorithm) const {
  std::string element;
  append_signature_value(element, content, value, ds_declaration);
  return base::digest(algorithm, base::as_bytes(element));
}

std::string SignatureWriter::document(const SignatureContent& content, base::BytesView value,
                                      base::BytesView time_stamp_token) const {
  std::string out;
  out.reserve(1'400 + key_info_.size() + signed_properties_.size() + signed_info_start_.size() + content.objects.size() * 600 +
              value.size() * 2 + time_stamp_token.size() * 3 / 2);
  out += "<ds:Signature xmlns:ds=\"" DS "\" Id=\"";
  out += content.id;
  out += "\">";
  out += signed_info_start_;
  append_references(out, content);
  append_signature_value(out, content, value, {});
  out += key_info_;
  if (packaging_ == Packaging::enveloping) {
    for (std::size_t i = 0; i < content.objects.size(); ++i) {
      append_base64_object(out, object_id(content.id, i), content.objects[i].digest.bytes());
    }
  }
  out += "<ds:Object><xades:QualifyingProperties xmlns:xades=\"" XADES "\" Target=\"#";
  out += content.id;
  out += "\">";
  out += signed_properties_;
  if (!time_stamp_token.empty()) {
    const Markup around = around_properties(PropertyPlace::qualifying_properties, {});
    const Markup stamp = time_stamp_markup("xades:SignatureTimeStamp", {});
    out += around.before;
    out += stamp.before;
    base::append_base64(out, time_stamp_token);
    out += stamp.after;
    out += around.after;
  }
  out += "</xades:QualifyingProperties></ds:Object></ds:Signature>";
  return out;
}

#undef DS
#undef XADES
#undef EXCLUSIVE_C14N

}  // namespace signet::xades
