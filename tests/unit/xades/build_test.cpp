#include "xades/build.hpp"

#include <libxml/c14n.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>

#include <catch2/catch.hpp>

#include "base/owned.hpp"
#include "demo/pki.hpp"

using namespace signet;
using namespace signet::xades;

namespace {

const base::Time now = base::from_rfc3339("2026-11-22T10:00:00Z").value();

struct Signer {
  demo::Authority authority{"Test CA", now};
  demo::Identity identity =
      authority.issue({.common_name = "Ana & <Ion>", .serial_number = "2000000000001", .key_type = pki::KeyType::ec_p256});
};

const Signer& signer() {
  static const Signer made;
  return made;
}

SignatureParameters parameters(Packaging packaging = Packaging::detached, std::size_t objects = 1) {
  return {.signing_certificate = signer().identity.certificate,
          .chain = {signer().authority.root().certificate},
          .algorithm = {KeyScheme::ecdsa, base::DigestAlgorithm::sha256},
          .packaging = packaging,
          .shared_id = "s",
          .signing_time = now,
          .objects = objects};
}

using Document = base::Owned<xmlDoc, xmlFreeDoc>;

Document parsed(const std::string& text) {
  Document document(xmlReadMemory(text.data(), static_cast<int>(text.size()), nullptr, nullptr, XML_PARSE_NONET));
  REQUIRE(document);
  return document;
}

xmlNode* only(const Document& document, const char* path) {
  const base::Owned<xmlXPathContext, xmlXPathFreeContext> context(xmlXPathNewContext(document.get()));
  xmlXPathRegisterNs(context.get(), BAD_CAST "ds", BAD_CAST "http://www.w3.org/2000/09/xmldsig#");
  xmlXPathRegisterNs(context.get(), BAD_CAST "xades", BAD_CAST "http://uri.etsi.org/01903/v1.3.2#");
  const base::Owned<xmlXPathObject, xmlXPathFreeObject> found(xmlXPathEvalExpression(BAD_CAST path, context.get()));
  REQUIRE(found);
  REQUIRE(xmlXPathNodeSetGetLength(found->nodesetval) == 1);
  return found->nodesetval->nodeTab[0];
}

std::string text_of(const Document& document, const char* path) {
  xmlChar* const content = xmlNodeGetContent(only(document, path));
  std::string text(reinterpret_cast<const char*>(content));
  xmlFree(content);
  return text;
}

// Exclusive C14N of the subtree, by libxml2: the judge of what the writer claims to be canonical.
std::string canonical(const Document& document, const char* path) {
  xmlNode* const apex = only(document, path);
  const auto below_apex = [](void* wanted, xmlNodePtr node, xmlNodePtr parent) -> int {
    for (xmlNodePtr at = node->type == XML_NAMESPACE_DECL ? parent : node; at != nullptr; at = at->parent) {
      if (at == wanted) return 1;
    }
    return 0;
  };
  xmlOutputBuffer* const buffer = xmlAllocOutputBuffer(nullptr);
  REQUIRE(xmlC14NExecute(document.get(), below_apex, apex, XML_C14N_EXCLUSIVE_1_0, nullptr, 0, buffer) >= 0);
  std::string text(reinterpret_cast<const char*>(xmlOutputBufferGetContent(buffer)), xmlOutputBufferGetSize(buffer));
  xmlOutputBufferClose(buffer);
  return text;
}

const base::Bytes value(64, 0x5A);

}  // namespace

TEST_CASE("what is hashed is what libxml2 canonicalizes out of the document") {
  const auto packaging = GENERATE(Packaging::detached, Packaging::enveloping);
  const std::vector<DataObject> objects{{"factură 1.pdf", base::digest(base::DigestAlgorithm::sha256, base::as_bytes("1"))},
                                        {"b&<\">.txt", base::digest(base::DigestAlgorithm::sha512, base::as_bytes("2"))}};
  const SignatureWriter writer(parameters(packaging, objects.size()));
  const SignatureContent content{"s-1", objects};
  const Document document = parsed(writer.document(content, value));

  const std::string signed_info = canonical(document, "//ds:SignedInfo");
  CHECK(base::digest(base::DigestAlgorithm::sha256, base::as_bytes(signed_info)) == writer.to_be_signed(content));

  const std::string properties = canonical(document, "//xades:SignedProperties");
  CHECK(base::base64(base::digest(base::DigestAlgorithm::sha256, base::as_bytes(properties)).bytes()) ==
        text_of(document, "//ds:Reference[@Type='http://uri.etsi.org/01903#SignedProperties']/ds:DigestValue"));

  const std::string signature_value = canonical(document, "//ds:SignatureValue");
  CHECK(base::digest(base::DigestAlgorithm::sha256, base::as_bytes(signature_value)) ==
        writer.time_stamp_imprint(content, value, base::DigestAlgorithm::sha256));
}

TEST_CASE("a detached reference's digest is the hash that was given, under its name") {
  const std::vector<DataObject> objects{{"a b/c#?.pdf", base::digest(base::DigestAlgorithm::sha384, base::as_bytes("x"))}};
  const Document document = parsed(SignatureWriter(parameters()).document({"s-1", objects}, value));
  CHECK(text_of(document, "//ds:Reference[@Id='s-reference-0']/ds:DigestValue") == base::base64(objects[0].digest.bytes()));
  CHECK(text_of(document, "//ds:Reference[@Id='s-reference-0']/@URI") == "a%20b%2Fc%23%3F.pdf");
  CHECK(text_of(document, "//ds:Reference[@Id='s-reference-0']/ds:DigestMethod/@Algorithm") ==
        "http://www.w3.org/2001/04/xmldsig-more#sha384");
}

TEST_CASE("an enveloping signature carries the hash and signs its bytes") {
  const std::vector<DataObject> objects{{"x", base::digest(base::DigestAlgorithm::sha256, base::as_bytes("x"))}};
  const Document document = parsed(SignatureWriter(parameters(Packaging::enveloping)).document({"s-1", objects}, value));
  CHECK(text_of(document, "//ds:Object[@Id='s-1-object-0']") == base::base64(objects[0].digest.bytes()));
  CHECK(text_of(document, "//ds:Reference[@URI='#s-1-object-0']/ds:DigestValue") ==
        base::base64(base::digest(base::DigestAlgorithm::sha256, objects[0].digest.bytes()).bytes()));
}

TEST_CASE("the baseline properties of EN 319 132-1 clause 6.3 are there") {
  const std::vector<DataObject> objects{{"x", base::digest(base::DigestAlgorithm::sha256, base::as_bytes("x"))}};
  const Document document = parsed(SignatureWriter(parameters()).document({"s-1", objects}, value));
  CHECK(text_of(document, "//xades:SigningTime") == "2026-11-22T10:00:00Z");
  CHECK(text_of(document, "//xades:QualifyingProperties/@Target") == "#s-1");
  CHECK(text_of(document, "//xades:DataObjectFormat/@ObjectReference") == "#s-reference-0");
  CHECK(text_of(document, "//xades:DataObjectFormat/xades:MimeType") == "application/octet-stream");
  const auto& certificate = signer().identity.certificate;
  CHECK(text_of(document, "//xades:SigningCertificateV2/xades:Cert/xades:CertDigest/ds:DigestValue") ==
        base::base64(certificate.fingerprint().bytes()));
  CHECK(text_of(document, "//xades:IssuerSerialV2") == base::base64(certificate.issuer_serial_der()));
  CHECK(text_of(document, "(//ds:X509Certificate)[1]") == base::base64(certificate.der()));
}

TEST_CASE("the signatures of one writer share SignedProperties, and no other Id") {
  const std::vector<DataObject> first{{"x", base::digest(base::DigestAlgorithm::sha256, base::as_bytes("x"))}};
  const std::vector<DataObject> second{{"y", base::digest(base::DigestAlgorithm::sha256, base::as_bytes("y"))}};
  const SignatureWriter writer(parameters());
  CHECK_FALSE(writer.to_be_signed({"s-1", first}) == writer.to_be_signed({"s-2", second}));
  const Document a = parsed(writer.document({"s-1", first}, value));
  const Document b = parsed(writer.document({"s-2", second}, value));
  CHECK(canonical(a, "//xades:SignedProperties") == canonical(b, "//xades:SignedProperties"));
  CHECK(text_of(a, "/ds:Signature/@Id") == "s-1");
  CHECK(text_of(b, "/ds:Signature/@Id") == "s-2");
  CHECK(text_of(b, "//xades:QualifyingProperties/@Target") == "#s-2");
  CHECK(text_of(b, "//ds:SignatureValue/@Id") == "s-2-value");
}

TEST_CASE("the same content gives the same bytes, and a time stamp adds to them without changing what was signed") {
  const std::vector<DataObject> objects{{"x", base::digest(base::DigestAlgorithm::sha256, base::as_bytes("x"))}};
  const SignatureWriter writer(parameters());
  const SignatureContent content{"s-1", objects};
  const std::string plain = writer.document(content, value);
  CHECK(plain == writer.document(content, value));
  const Document stamped = parsed(writer.document(content, value, base::as_bytes("token")));
  CHECK(text_of(stamped, "//xades:EncapsulatedTimeStamp") == base::base64(base::as_bytes("token")));
  CHECK(canonical(stamped, "//ds:SignedInfo") == canonical(parsed(plain), "//ds:SignedInfo"));
  CHECK(canonical(stamped, "//xades:SignedProperties") == canonical(parsed(plain), "//xades:SignedProperties"));
}

TEST_CASE("algorithms and their URIs are told both ways, and an unknown one is not guessed") {
  for (const auto scheme : {KeyScheme::rsa_pkcs1, KeyScheme::rsa_pss, KeyScheme::ecdsa}) {
    for (const auto digest : {base::DigestAlgorithm::sha256, base::DigestAlgorithm::sha384, base::DigestAlgorithm::sha512}) {
      const SignatureAlgorithm algorithm{scheme, digest};
      CHECK(signature_algorithm(uri(algorithm)) == algorithm);
      CHECK(digest_algorithm_of_uri(uri(digest)) == digest);
    }
  }
  CHECK_FALSE(signature_algorithm("http://www.w3.org/2000/09/xmldsig#hmac-sha1"));
  CHECK_FALSE(digest_algorithm_of_uri("http://www.w3.org/2001/04/xmldsig-more#md5"));
  CHECK_FALSE(preferred_algorithm(pki::KeyType::other));
}
