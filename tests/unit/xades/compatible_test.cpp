#include "xades/compatible.hpp"

#include <libxml/c14n.h>
#include <libxml/parser.h>
#include <openssl/x509.h>

#include <catch2/catch.hpp>
#include <map>

#include "base/owned.hpp"
#include "demo/pki.hpp"
#include "demo/tsa.hpp"
#include "xades/verify.hpp"

using namespace signet;
using namespace signet::xades;
using base::DigestAlgorithm;

namespace {

const base::Time now = base::from_rfc3339("2026-11-22T22:30:00Z").value();
const std::string uuid = "0f3c2a52-6d0e-4b7e-9d55-8f2b1f3a7c11";

struct World {
  demo::Authority authority{"Test CA", now};
  demo::Identity signer = authority.issue({.common_name = "Ion", .serial_number = "2000000000001"});
  demo::TimeStampResponder responder{authority.issue({.common_name = "TSA", .usage = demo::Subject::Usage::time_stamping}), {}};
};
World& world() {
  static World made;
  return made;
}

// The same certificate under an issuer of another name; nobody looks at its signature here.
pki::Certificate issued_by(const std::vector<std::pair<std::string, std::string>>& name) {
  const base::Owned<X509, X509_free> copy{X509_dup(world().signer.certificate.native())};
  const base::Owned<X509_NAME, X509_NAME_free> issuer{X509_NAME_new()};
  for (const auto& [type, value] : name) {
    const bool joined = type.starts_with('+');
    REQUIRE(X509_NAME_add_entry_by_txt(issuer.get(), type.c_str() + (joined ? 1 : 0), MBSTRING_UTF8,
                                       reinterpret_cast<const unsigned char*>(value.data()), static_cast<int>(value.size()), -1,
                                       joined ? -1 : 0) == 1);
  }
  X509_set_issuer_name(copy.get(), issuer.get());
  REQUIRE(i2d_re_X509_tbs(copy.get(), nullptr) > 0);  // or the encoding that was read is written again
  unsigned char* der = nullptr;
  const int size = i2d_X509(copy.get(), &der);
  REQUIRE(size > 0);
  auto out = pki::Certificate::from_der({der, static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  REQUIRE(out);
  return *out;
}

CompatibleParameters parameters(DigestAlgorithm digest, const std::string& name = "contract 1.pdf") {
  return {.signing_certificate = world().signer.certificate,
          .algorithm = {KeyScheme::rsa_pkcs1, digest},
          .uuid = uuid,
          .name = name,
          .signing_time = now,
          .offset = std::chrono::hours{2}};
}

base::Bytes value_of(const CompatibleWriter& writer) {
  return demo::sign_digest(world().signer.key, demo::SoftScheme::rsa_pkcs1, writer.to_be_signed());
}

base::Bytes token_over(const base::Digest& imprint) {
  const auto request = pki::make_time_stamp_request(imprint);
  auto token = pki::read_time_stamp_response(world().responder.answer(request.der, demo::TsaFault::none, now), request);
  REQUIRE(token);
  return token->der;
}

std::string with_time_stamp(const CompatibleWriter& writer) {
  const base::Bytes value = value_of(writer);
  return writer.document(value, token_over(writer.time_stamp_imprint(value, DigestAlgorithm::sha256)));
}

// --- a document as lines: for each element its depth, its name, its attributes, and what text it holds itself

using Document = base::Owned<xmlDoc, xmlFreeDoc>;

Document parsed(const std::string& text) {
  Document document(xmlReadMemory(text.data(), static_cast<int>(text.size()), nullptr, nullptr, XML_PARSE_NONET));
  REQUIRE(document);
  return document;
}

std::string text_of(const xmlChar* text) { return text == nullptr ? "" : reinterpret_cast<const char*>(text); }

std::string name_of(const xmlNode* node) {
  static const std::map<std::string, std::string> prefixes{{"http://www.w3.org/2000/09/xmldsig#", "ds:"},
                                                           {"http://uri.etsi.org/01903/v1.3.2#", "xades:"}};
  return prefixes.at(text_of(node->ns->href)) + text_of(node->name);
}

void tell(const xmlNode* node, std::size_t depth, std::vector<std::string>& lines) {
  std::string line = std::string(depth, ' ') + name_of(node);
  for (const xmlAttr* attribute = node->properties; attribute != nullptr; attribute = attribute->next)
    line += " " + text_of(attribute->name) + "=" + text_of(attribute->children->content);
  std::string own;
  for (const xmlNode* child = node->children; child != nullptr; child = child->next)
    if (child->type == XML_TEXT_NODE) own += text_of(child->content);
  lines.push_back(own.empty() ? line : line + " : " + own);
  for (const xmlNode* child = node->children; child != nullptr; child = child->next)
    if (child->type == XML_ELEMENT_NODE) tell(child, depth + 1, lines);
}

std::vector<std::string> lines_of(const std::string& document) {
  std::vector<std::string> lines;
  const Document tree = parsed(document);
  tell(xmlDocGetRootElement(tree.get()), 0, lines);
  return lines;
}

// Canonical XML 1.0 with comments of the element with this Id, by libxml2.
std::string canonical(const Document& document, const std::string& id) {
  const xmlNode* found = nullptr;
  for (const xmlNode* node = xmlDocGetRootElement(document.get()); node != nullptr;) {
    const xmlAttr* const attribute = node->type == XML_ELEMENT_NODE ? xmlHasProp(node, BAD_CAST "Id") : nullptr;
    if (attribute != nullptr && text_of(attribute->children->content) == id) found = node;
    const xmlNode* next = node->children;
    for (const xmlNode* at = node; next == nullptr && at != nullptr; at = at->parent) next = at->next;
    node = next;
  }
  REQUIRE(found != nullptr);
  const auto within = [](void* top, xmlNodePtr node, xmlNodePtr parent) -> int {
    for (const xmlNode* at = node->type == XML_NAMESPACE_DECL || node->type == XML_ATTRIBUTE_NODE ? parent : node; at != nullptr;
         at = at->parent)
      if (at == top) return 1;
    return 0;
  };
  xmlOutputBuffer* const buffer = xmlAllocOutputBuffer(nullptr);
  REQUIRE(xmlC14NExecute(document.get(), within, const_cast<xmlNode*>(found), XML_C14N_1_0, nullptr, 1, buffer) >= 0);
  std::string text(reinterpret_cast<const char*>(xmlOutputBufferGetContent(buffer)), xmlOutputBufferGetSize(buffer));
  xmlOutputBufferClose(buffer);
  return text;
}

std::string wrapped(const base::Bytes& bytes) {
  std::string text = base::base64(bytes);
  for (std::size_t at = 64; at < text.size(); at += 65) text.insert(at, "\n");
  return text;
}

base::Bytes der_of_signer() {
  const base::BytesView der = world().signer.certificate.der();
  return {der.begin(), der.end()};
}

std::string serial_of_signer() {
  const base::Owned<BIGNUM, BN_free> number{
      ASN1_INTEGER_to_BN(X509_get0_serialNumber(world().signer.certificate.native()), nullptr)};
  char* const text = BN_bn2dec(number.get());
  std::string out(text);
  OPENSSL_free(text);
  return out;
}

std::string base64_digest(DigestAlgorithm algorithm, std::string_view text) {
  return base::base64(base::digest(algorithm, base::as_bytes(text)).bytes());
}

// What the specification of the shape has, in its order. `hash`: of everything; `c14n`: of SignedInfo; `file`: URI and digest of
// the file's reference; `last`: what follows QualifyingProperties' Object.
std::vector<std::string> expected(const std::string& document, DigestAlgorithm algorithm, const std::string& c14n,
                                  const std::string& signature_method, const std::string& digest_method, const std::string& name,
                                  const std::string& file_uri, const std::string& file_digest, const base::Bytes& value,
                                  const base::Bytes& token, const std::vector<std::string>& last) {
  const std::string u = uuid;
  const Document tree = parsed(document);
  std::vector<std::string> lines{"ds:Signature Id=Signature-" + u,
                                 " ds:SignedInfo Id=SignedInfo-" + u,
                                 "  ds:CanonicalizationMethod Algorithm=" + c14n,
                                 "  ds:SignatureMethod Algorithm=" + signature_method,
                                 "  ds:Reference Id=SignedProperties-Reference-" + u +
                                     " Type=http://uri.etsi.org/01903#SignedProperties URI=#SignedProperties-" + u,
                                 "   ds:DigestMethod Algorithm=" + digest_method,
                                 "   ds:DigestValue : " + base64_digest(algorithm, canonical(tree, "SignedProperties-" + u)),
                                 "  ds:Reference Id=SignedFile-Reference-" + u + "-" + name + " URI=" + file_uri,
                                 "   ds:DigestMethod Algorithm=" + digest_method,
                                 "   ds:DigestValue : " + file_digest,
                                 " ds:SignatureValue Id=SignatureValue-" + u + " : " + wrapped(value),
                                 " ds:KeyInfo Id=KeyInfo-" + u,
                                 "  ds:X509Data",
                                 "   ds:X509Certificate : " + wrapped(der_of_signer()),
                                 " ds:Object",
                                 "  xades:QualifyingProperties Target=#Signature-" + u,
                                 "   xades:SignedProperties Id=SignedProperties-" + u,
                                 "    xades:SignedSignatureProperties",
                                 "     xades:SigningTime : 2026-11-23T00:30:00+02:00",
                                 "     xades:SigningCertificate",
                                 "      xades:Cert",
                                 "       xades:CertDigest",
                                 "        ds:DigestMethod Algorithm=" + digest_method,
                                 "        ds:DigestValue : " + base64_digest(algorithm, base::as_text(der_of_signer())),
                                 "       xades:IssuerSerial",
                                 "        ds:X509IssuerName : CN=Test CA,O=Signet demonstration,C=MD",
                                 "        ds:X509SerialNumber : " + serial_of_signer(),
                                 "    xades:SignedDataObjectProperties",
                                 "     xades:DataObjectFormat ObjectReference=SignedFile-Reference-" + u + "-" + name,
                                 "      xades:Description : contract 1.pdf",
                                 "      xades:MimeType : application/octet-stream"};
  if (!token.empty()) {
    for (const std::string& line :
         {std::string("   xades:UnsignedProperties"), std::string("    xades:UnsignedSignatureProperties"),
          "     xades:SignatureTimeStamp Id=SignatureTimeStamp-" + u,
          std::string("      ds:CanonicalizationMethod Algorithm=http://www.w3.org/TR/2001/REC-xml-c14n-20010315"),
          "      xades:EncapsulatedTimeStamp Encoding=http://uri.etsi.org/01903/v1.2.2#DER : " + wrapped(token)})
      lines.push_back(line);
  }
  lines.insert(lines.end(), last.begin(), last.end());
  return lines;
}

VerifyOptions options(Policy policy) {
  VerifyOptions out{{{world().authority.root().certificate}, {}, {world().authority.crl()}}, now, {}, {}};
  out.policy = policy;
  return out;
}

SignatureReport verified(const std::string& document, const VerifyOptions& given) {
  const auto reports = verify(base::as_bytes(document), given);
  REQUIRE(reports);
  REQUIRE(reports->size() == 1);
  return reports->front();
}

constexpr auto c14n = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
const base::Bytes hash_to_log_in_with(20, 0x5A);

}  // namespace

TEST_CASE("over a hash the compatible shape is enveloping, node for node as it is described") {
  const auto writer = CompatibleWriter::enveloping(parameters(DigestAlgorithm::sha1), hash_to_log_in_with);
  const base::Bytes value = value_of(writer);
  const base::Bytes token = token_over(writer.time_stamp_imprint(value, DigestAlgorithm::sha256));
  const auto stamped = GENERATE(false, true);
  const std::string document = stamped ? writer.document(value, token) : writer.document(value);
  const Document tree = parsed(document);
  CHECK(lines_of(document) == expected(document, DigestAlgorithm::sha1, std::string(c14n) + "#WithComments",
                                       "http://www.w3.org/2000/09/xmldsig#rsa-sha1", "http://www.w3.org/2000/09/xmldsig#sha1",
                                       "contract_1.pdf", "#FileObject-" + uuid,
                                       base64_digest(DigestAlgorithm::sha1, canonical(tree, "FileObject-" + uuid)), value,
                                       stamped ? token : base::Bytes{},
                                       {" ds:Object Encoding=UTF-8 Id=FileObject-" + uuid + " : WlpaWlpaWlpaWlpaWlpaWlpaWlo="}));
  CHECK(base::digest(DigestAlgorithm::sha1, base::as_bytes(canonical(tree, "SignedInfo-" + uuid))) == writer.to_be_signed());
  CHECK(base::digest(DigestAlgorithm::sha256, base::as_bytes(canonical(tree, "SignatureValue-" + uuid))) ==
        writer.time_stamp_imprint(value, DigestAlgorithm::sha256));
}

TEST_CASE("over a file the compatible shape is detached, without comments in its method") {
  const base::Digest digest = base::digest(DigestAlgorithm::sha256, base::as_bytes("a file"));
  const auto writer = CompatibleWriter::detached(parameters(DigestAlgorithm::sha256), digest);
  const base::Bytes value = value_of(writer);
  const std::string document = writer.document(value);
  CHECK(lines_of(document) == expected(document, DigestAlgorithm::sha256, c14n,
                                       "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
                                       "http://www.w3.org/2001/04/xmlenc#sha256", "contract_1.pdf", "file:/contract%201.pdf",
                                       base::base64(digest.bytes()), value, {}, {}));
  CHECK(base::digest(DigestAlgorithm::sha256, base::as_bytes(canonical(parsed(document), "SignedInfo-" + uuid))) ==
        writer.to_be_signed());
}

TEST_CASE("an issuer's name goes from the last part to the first, by short names or dotted, with bytes beyond ASCII escaped") {
  using Name = std::vector<std::pair<std::string, std::string>>;
  const auto [name, told] = GENERATE(table<Name, std::string>({
      {{{"C", "MD"}, {"O", "Țurcanu, fiul"}, {"2.5.4.97", "NTRMD-1"}, {"CN", "MDQSign"}},
       "CN=MDQSign,2.5.4.97=NTRMD-1,O=\\C8\\9Aurcanu\\, fiul,C=MD"},
      {{{"DC", "md"}, {"ST", "a"}, {"L", "b"}, {"street", "c"}, {"OU", "d"}, {"UID", "e"}}, "UID=e,OU=d,STREET=c,L=b,ST=a,DC=md"},
      {{{"serialNumber", "7"}, {"CN", " #x\"+;<>\\ "}}, "CN=\\ #x\\\"\\+\\;\\<\\>\\\\\\ ,2.5.4.5=7"},
      {{{"C", "MD"}, {"CN", "a"}, {"+OU", "b"}}, "CN=a+OU=b,C=MD"},
  }));
  CompatibleParameters given = parameters(DigestAlgorithm::sha1);
  given.signing_certificate = issued_by(name);
  const auto lines = lines_of(CompatibleWriter::enveloping(given, hash_to_log_in_with).document(base::Bytes(256)));
  const auto line = std::ranges::find_if(lines, [](const std::string& one) { return one.find("X509IssuerName") != one.npos; });
  REQUIRE(line != lines.end());
  INFO(*line);
  // Several values of one part are a set, without an order of their own.
  const std::string other = told == "CN=a+OU=b,C=MD" ? "OU=b+CN=a,C=MD" : told;
  CHECK((*line == "        ds:X509IssuerName : " + told || *line == "        ds:X509IssuerName : " + other));
}

TEST_CASE("a local time west of UTC is written with a minus") {
  CompatibleParameters given = parameters(DigestAlgorithm::sha256);
  given.offset = -std::chrono::minutes{210};
  const auto lines = lines_of(CompatibleWriter::enveloping(given, hash_to_log_in_with).document(base::Bytes(256)));
  CHECK(std::ranges::count(lines, "     xades:SigningTime : 2026-11-22T19:00:00-03:30") == 1);
}

TEST_CASE("the compatible shape is good under the policy that is for it, and SHA-1 is said; strict says no to that") {
  const auto writer = CompatibleWriter::enveloping(parameters(DigestAlgorithm::sha1), hash_to_log_in_with);
  const std::string document = with_time_stamp(writer);
  VerifyOptions given = options(Policy::msign_compatible);
  given.data.push_back({"", base::Digest::of_value(DigestAlgorithm::sha1, hash_to_log_in_with).value()});
  const SignatureReport report = verified(document, given);
  INFO(report.detail);
  CHECK(report.indication == Indication::total_passed);
  CHECK(report.integrity == Integrity::valid);
  CHECK(report.proven_time == now);
  CHECK(std::ranges::any_of(report.warnings, [](const Warning& one) { return one.kind == Warning::Kind::weak_algorithm; }));
  given.policy = Policy::strict;
  const SignatureReport strict = verified(document, given);
  CHECK(strict.indication != Indication::total_passed);
  CHECK(strict.integrity == Integrity::valid);
}

TEST_CASE("a detached one of the compatible shape is good with its file, and not with another") {
  const auto writer = CompatibleWriter::detached(parameters(DigestAlgorithm::sha256),
                                                 base::digest(DigestAlgorithm::sha256, base::as_bytes("a file")));
  const std::string document = with_time_stamp(writer);
  VerifyOptions given = options(Policy::msign_compatible);
  given.data.push_back({"", base::digest(DigestAlgorithm::sha256, base::as_bytes("a file"))});
  const SignatureReport report = verified(document, given);
  INFO(report.detail);
  CHECK(report.indication == Indication::total_passed);
  given.data.front().content = base::digest(DigestAlgorithm::sha256, base::as_bytes("another"));
  CHECK(verified(document, given).sub_indication == SubIndication::hash_failure);
}
