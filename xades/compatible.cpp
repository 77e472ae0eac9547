#include "xades/compatible.hpp"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/owned.hpp"
#include "base/text.hpp"

namespace signet::xades {
namespace {

#define DS "http://www.w3.org/2000/09/xmldsig#"
constexpr std::string_view canonical_xml = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
constexpr std::string_view with_comments = "#WithComments";
// All namespaces are declared at the root, so each canonical subtree begins with both (Canonical XML 1.0, 2.3).
constexpr std::string_view declarations = " xmlns:ds=\"" DS "\" xmlns:xades=\"http://uri.etsi.org/01903/v1.3.2#\"";
constexpr std::size_t line_length = 64;

// An element that was written without declarations as Canonical XML has it.
std::string canonical(std::string_view element) {
  const std::size_t name = element.find_first_of(" >");
  std::string out(element.substr(0, name));
  return out.append(declarations).append(element.substr(name));
}

std::string in_lines(base::BytesView bytes) {
  const std::string encoded = base::base64(bytes);
  std::string out;
  for (std::size_t at = 0; at < encoded.size(); at += line_length)
    out.append(at == 0 ? "" : "\n").append(encoded, at, line_length);
  return out;
}

std::string digest_markup(const base::Digest& digest) {
  return "<ds:DigestMethod Algorithm=\"" + std::string(uri(digest.algorithm())) + "\"></ds:DigestMethod><ds:DigestValue>" +
         base::base64(digest.bytes()) + "</ds:DigestValue>";
}

std::string two_digits(long number) { return {static_cast<char>('0' + number / 10), static_cast<char>('0' + number % 10)}; }

std::string local_time(base::Time time, std::chrono::minutes offset) {
  std::string out = base::rfc3339(time + offset);
  out.back() = offset.count() < 0 ? '-' : '+';
  const long minutes = std::abs(offset.count());
  return out + two_digits(minutes / 60) + ":" + two_digits(minutes % 60);
}

// RFC 2253 clause 2.3: these have names, all others are dotted.
std::string attribute_type(const ASN1_OBJECT* type) {
  static constexpr std::array named{NID_commonName,       NID_localityName,           NID_stateOrProvinceName,
                                    NID_organizationName, NID_organizationalUnitName, NID_countryName,
                                    NID_streetAddress,    NID_domainComponent,        NID_userId};
  const int nid = OBJ_obj2nid(type);
  if (nid == NID_streetAddress) return "STREET";
  if (std::ranges::find(named, nid) != named.end()) return OBJ_nid2sn(nid);
  char dotted[128];
  const int size = OBJ_obj2txt(dotted, sizeof dotted, type, 1);
  return {dotted, std::clamp<std::size_t>(static_cast<std::size_t>(std::max(size, 0)), 0, sizeof dotted - 1)};
}

std::string attribute_value(const ASN1_STRING* value) {
  const base::Owned<BIO, BIO_free_all> out{BIO_new(BIO_s_mem())};
  if (out == nullptr) throw std::bad_alloc();
  // Bytes beyond ASCII as a backslash and two hexadecimal digits.
  ASN1_STRING_print_ex(out.get(), value,
                       ASN1_STRFLGS_ESC_2253 | ASN1_STRFLGS_ESC_CTRL | ASN1_STRFLGS_ESC_MSB | ASN1_STRFLGS_UTF8_CONVERT);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(std::max(size, 0L))};
}

// X509IssuerName: from the last RDN to the first, those of several attributes with a plus.
std::string issuer_name(const pki::Certificate& certificate) {
  const X509_NAME* const name = X509_get_issuer_name(certificate.native());
  std::string out;
  int set = -1;
  for (int i = X509_NAME_entry_count(name) - 1; i >= 0; --i) {
    const X509_NAME_ENTRY* const entry = X509_NAME_get_entry(name, i);
    if (!out.empty()) out += X509_NAME_ENTRY_set(entry) == set ? '+' : ',';
    set = X509_NAME_ENTRY_set(entry);
    out += attribute_type(X509_NAME_ENTRY_get_object(entry)) + "=" + attribute_value(X509_NAME_ENTRY_get_data(entry));
  }
  return out;
}

std::string serial_number(const pki::Certificate& certificate) {
  const base::Owned<BIGNUM, BN_free> number{ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate.native()), nullptr)};
  char* const decimal = number == nullptr ? nullptr : BN_bn2dec(number.get());
  if (decimal == nullptr) throw std::bad_alloc();
  std::string out(decimal);
  OPENSSL_free(decimal);
  return out;
}

// An Id is an NCName, a file's name need not be one.
std::string fit_for_id(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    const bool fits =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
    if (!fits) c = '_';
  }
  return out;
}

std::string file_reference_id(const CompatibleParameters& parameters) {
  return "SignedFile-Reference-" + parameters.uuid + "-" + fit_for_id(parameters.name);
}

std::string xml_text(std::string_view text) {
  std::string out;
  base::append_xml_text(out, text);
  return out;
}

std::string signed_properties_of(const CompatibleParameters& parameters) {
  const pki::Certificate& certificate = parameters.signing_certificate;
  std::string out = "<xades:SignedProperties Id=\"SignedProperties-" + parameters.uuid +
                    "\"><xades:SignedSignatureProperties><xades:SigningTime>" +
                    local_time(parameters.signing_time, parameters.offset) +
                    "</xades:SigningTime><xades:SigningCertificate><xades:Cert><xades:CertDigest>";
  out += digest_markup(base::digest(parameters.algorithm.digest, certificate.der()));
  out += "</xades:CertDigest><xades:IssuerSerial><ds:X509IssuerName>" + xml_text(issuer_name(certificate)) +
         "</ds:X509IssuerName><ds:X509SerialNumber>" + serial_number(certificate) +
         "</ds:X509SerialNumber></xades:IssuerSerial></xades:Cert></xades:SigningCertificate></xades:SignedSignatureProperties>";
  // The reference's Id as it is, without a '#'.
  out += "<xades:SignedDataObjectProperties><xades:DataObjectFormat ObjectReference=\"" + file_reference_id(parameters) +
         "\"><xades:Description>" + xml_text(parameters.name) +
         "</xades:Description><xades:MimeType>application/octet-stream</xades:MimeType></xades:DataObjectFormat>"
         "</xades:SignedDataObjectProperties></xades:SignedProperties>";
  return out;
}

}  // namespace

CompatibleWriter::CompatibleWriter(const CompatibleParameters& parameters, std::string object, const base::Digest& digest)
    : algorithm_(parameters.algorithm),
      uuid_(parameters.uuid),
      signed_properties_(signed_properties_of(parameters)),
      object_(std::move(object)) {
  const std::string properties_id = "#SignedProperties-" + uuid_;
  const std::string file_uri = object_.empty() ? "file:/" + base::percent_encoded(parameters.name) : "#FileObject-" + uuid_;
  signed_info_ = "<ds:SignedInfo Id=\"SignedInfo-" + uuid_ + "\"><ds:CanonicalizationMethod Algorithm=\"" +
                 std::string(canonical_xml) + std::string(object_.empty() ? "" : with_comments) +
                 "\"></ds:CanonicalizationMethod><ds:SignatureMethod Algorithm=\"" + std::string(uri(algorithm_)) +
                 "\"></ds:SignatureMethod>";
  signed_info_ += "<ds:Reference Id=\"SignedProperties-Reference-" + uuid_ +
                  "\" Type=\"http://uri.etsi.org/01903#SignedProperties\" URI=\"" + properties_id + "\">";
  signed_info_ += digest_markup(base::digest(algorithm_.digest, base::as_bytes(canonical(signed_properties_))));
  signed_info_ += "</ds:Reference><ds:Reference Id=\"" + file_reference_id(parameters) + "\" URI=\"" + file_uri + "\">";
  signed_info_ += digest_markup(digest) + "</ds:Reference></ds:SignedInfo>";
  key_info_ = "<ds:KeyInfo Id=\"KeyInfo-" + uuid_ + "\"><ds:X509Data><ds:X509Certificate>" +
              in_lines(parameters.signing_certificate.der()) + "</ds:X509Certificate></ds:X509Data></ds:KeyInfo>";
}

CompatibleWriter CompatibleWriter::enveloping(const CompatibleParameters& parameters, base::BytesView content) {
  std::string object =
      "<ds:Object Encoding=\"UTF-8\" Id=\"FileObject-" + parameters.uuid + "\">" + base::base64(content) + "</ds:Object>";
  const base::Digest digest = base::digest(parameters.algorithm.digest, base::as_bytes(canonical(object)));
  return {parameters, std::move(object), digest};
}

CompatibleWriter CompatibleWriter::detached(const CompatibleParameters& parameters, const base::Digest& digest) {
  return {parameters, {}, digest};
}

std::string CompatibleWriter::signature_value(base::BytesView value) const {
  return "<ds:SignatureValue Id=\"SignatureValue-" + uuid_ + "\">" + in_lines(value) + "</ds:SignatureValue>";
}

base::Digest CompatibleWriter::to_be_signed() const {
  return base::digest(algorithm_.digest, base::as_bytes(canonical(signed_info_)));
}

base::Digest CompatibleWriter::time_stamp_imprint(base::BytesView value, base::DigestAlgorithm algorithm) const {
  return base::digest(algorithm, base::as_bytes(canonical(signature_value(value))));
}

std::string CompatibleWriter::document(base::BytesView value, base::BytesView time_stamp_token) const {
  std::string out = "<ds:Signature" + std::string(declarations) + " Id=\"Signature-" + uuid_ + "\">" + signed_info_ +
                    signature_value(value) + key_info_ + "<ds:Object><xades:QualifyingProperties Target=\"#Signature-" + uuid_ +
                    "\">" + signed_properties_;
  if (!time_stamp_token.empty()) {
    out += "<xades:UnsignedProperties><xades:UnsignedSignatureProperties><xades:SignatureTimeStamp Id=\"SignatureTimeStamp-" +
           uuid_ + "\"><ds:CanonicalizationMethod Algorithm=\"" + std::string(canonical_xml) +
           "\"></ds:CanonicalizationMethod><xades:EncapsulatedTimeStamp Encoding=\"http://uri.etsi.org/01903/v1.2.2#DER\">" +
           in_lines(time_stamp_token) +
           "</xades:EncapsulatedTimeStamp></xades:SignatureTimeStamp></xades:UnsignedSignatureProperties>"
           "</xades:UnsignedProperties>";
  }
  return out + "</xades:QualifyingProperties></ds:Object>" + object_ + "</ds:Signature>";
}

#undef DS

}  // namespace signet::xades
