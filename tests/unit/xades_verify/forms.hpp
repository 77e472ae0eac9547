#pragma once

#include "fixture.hpp"

// Signatures that other makers would make, put together by hand: their canonical forms are written here as the standards
// give them, not computed by what is tested.
namespace signet::xades {

inline constexpr std::string_view ds = "http://www.w3.org/2000/09/xmldsig#";
inline constexpr std::string_view c14n = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
inline constexpr std::string_view c14n_comments = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments";
inline constexpr std::string_view c14n11 = "http://www.w3.org/2006/12/xml-c14n11";
inline constexpr std::string_view exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#";
inline const std::string ds_declaration = " xmlns:ds=\"" + std::string(ds) + "\"";
inline const std::string xades_declaration = " xmlns:xades=\"http://uri.etsi.org/01903/v1.3.2#\"";

inline std::string all_replaced(std::string text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
  return text;
}

inline std::string algorithm_element(std::string_view name, std::string_view uri) {
  return "<" + std::string(name) + " Algorithm=\"" + std::string(uri) + "\"></" + std::string(name) + ">";
}

inline std::string digest_elements(base::DigestAlgorithm algorithm, base::BytesView data) {
  return algorithm_element("ds:DigestMethod", uri(algorithm)) + "<ds:DigestValue>" +
         base::base64(base::digest(algorithm, data).bytes()) + "</ds:DigestValue>";
}

struct Form {
  std::string_view method = c14n;     // of SignedInfo and SignedProperties
  std::string uri = {};               // of the data's reference
  std::string transforms = {};        // the Transform elements
  std::string data = "the contract";  // after the transforms
  std::string type = {};              // of the data's reference
  base::DigestAlgorithm digest = base::DigestAlgorithm::sha256;
  base::DigestAlgorithm certificate_digest = base::DigestAlgorithm::sha256;
  SignatureAlgorithm algorithm{KeyScheme::ecdsa, base::DigestAlgorithm::sha256};
  std::string certificate_property = "SigningCertificateV2";  // "": none
  std::string issuer_serial = {};                             // of IssuerSerialV2; "": none
  std::string signing_time = "2026-11-22T10:00:00Z";          // "": none
  std::string format =
      "<xades:DataObjectFormat ObjectReference=\"#r\"><xades:MimeType>text/plain</xades:MimeType></xades:DataObjectFormat>";
  std::string more_references = {};
  bool with_data = true, with_properties = true;  // what is referenced
  std::string objects = {};  // further ds:Object elements
  // Around the signature, and what of it the canonical forms of 1.0 and 1.1 inherit: namespaces before and after ds, attributes.
  std::string before = {}, after = {}, namespaces_before_ds = {}, namespaces_after_xades = {}, attributes = {};
};

inline std::string properties_content(const Form& form) {
  std::string out = "<xades:SignedSignatureProperties>";
  if (!form.signing_time.empty()) out += "<xades:SigningTime>" + form.signing_time + "</xades:SigningTime>";
  if (!form.certificate_property.empty()) {
    out += "<xades:" + form.certificate_property + "><xades:Cert><xades:CertDigest>" +
           digest_elements(form.certificate_digest, signer().certificate.der()) + "</xades:CertDigest>" +
           (form.issuer_serial.empty() ? "" : "<xades:IssuerSerialV2>" + form.issuer_serial + "</xades:IssuerSerialV2>") +
           "</xades:Cert></xades:" + form.certificate_property + ">";
  }
  return out + "</xades:SignedSignatureProperties><xades:SignedDataObjectProperties>" + form.format +
         "</xades:SignedDataObjectProperties>";
}

inline std::string canonical_properties(const Form& form) {
  const std::string content = properties_content(form) + "</xades:SignedProperties>";
  if (form.method == exclusive)
    return "<xades:SignedProperties" + xades_declaration + " Id=\"p\">" +
           all_replaced(all_replaced(content, "<ds:DigestMethod", "<ds:DigestMethod" + ds_declaration), "<ds:DigestValue",
                        "<ds:DigestValue" + ds_declaration);
  return "<xades:SignedProperties" + form.namespaces_before_ds + ds_declaration + xades_declaration +
         form.namespaces_after_xades + " Id=\"p\"" + form.attributes + ">" + content;
}

inline std::string made(const Form& form) {
  std::string info =
      algorithm_element("ds:CanonicalizationMethod", form.method) + algorithm_element("ds:SignatureMethod", uri(form.algorithm));
  if (form.with_data) {
    info += "<ds:Reference Id=\"r\"" + (form.type.empty() ? "" : " Type=\"" + form.type + "\"") + " URI=\"" + form.uri + "\">";
    if (!form.transforms.empty()) info += "<ds:Transforms>" + form.transforms + "</ds:Transforms>";
    info += digest_elements(form.digest, base::as_bytes(form.data)) + "</ds:Reference>";
  }
  info += form.more_references;
  if (form.with_properties) {
    info += "<ds:Reference Type=\"http://uri.etsi.org/01903#SignedProperties\" URI=\"#p\"><ds:Transforms>" +
            algorithm_element("ds:Transform", form.method) + "</ds:Transforms>" +
            digest_elements(form.digest, base::as_bytes(canonical_properties(form))) + "</ds:Reference>";
  }
  info += "</ds:SignedInfo>";
  const std::string canonical_info = form.method == exclusive ? "<ds:SignedInfo" + ds_declaration + ">" + info
                                                              : "<ds:SignedInfo" + form.namespaces_before_ds + ds_declaration +
                                                                    form.namespaces_after_xades + form.attributes + ">" + info;
  const auto value = demo::sign_digest(signer().key, soft(form.algorithm.scheme),
                                       base::digest(form.algorithm.digest, base::as_bytes(canonical_info)));
  std::string out = form.before + "<ds:Signature" + ds_declaration + " Id=\"S\"><ds:SignedInfo>" + info + "<ds:SignatureValue>" +
                    base::base64(value) + "</ds:SignatureValue><ds:KeyInfo><ds:X509Data>";
  for (const auto& certificate : {signer().certificate, pki_of_tests().issuer.root().certificate})
    out += "<ds:X509Certificate>" + base::base64(certificate.der()) + "</ds:X509Certificate>";
  out += "</ds:X509Data></ds:KeyInfo>";
  if (form.with_properties)
    out += "<ds:Object><xades:QualifyingProperties" + xades_declaration + " Target=\"#S\"><xades:SignedProperties Id=\"p\">" +
           properties_content(form) + "</xades:SignedProperties></xades:QualifyingProperties></ds:Object>";
  return out + form.objects + "</ds:Signature>" + form.after;
}

inline Form in_foreign_scope(std::string_view method) {
  Form form{.method = method, .uri = "contract.txt"};
  form.before = "<r xmlns=\"urn:r\" xmlns:z=\"urn:z\" xml:lang=\"ro\">";
  form.after = "</r>";
  form.namespaces_before_ds = " xmlns=\"urn:r\"";
  form.namespaces_after_xades = " xmlns:z=\"urn:z\"";
  form.attributes = " xml:lang=\"ro\"";
  return form;
}

inline Form enveloped() {
  Form form{.transforms = algorithm_element("ds:Transform", "http://www.w3.org/2000/09/xmldsig#enveloped-signature") +
                          algorithm_element("ds:Transform", c14n)};
  form.before = "<?xml version=\"1.0\"?>\n<doc><!-- unseen --><text a='1'   b=\"2\" />";
  form.after = "</doc>\n<!-- after -->";
  form.data = "<doc><text a=\"1\" b=\"2\"></text></doc>";
  return form;
}

}  // namespace signet::xades
