#include "xades/packaging.hpp"

#include "fixture.hpp"

using namespace signet;
using namespace signet::xades;
using base::DigestAlgorithm;
using base::ErrorCode;

namespace {

const VerifyLimits limits;

// A ds:Signature over digests, as the agent makes it for whoever has the documents.
std::string signature_over(Packaging packaging, const std::vector<base::Digest>& digests, std::string_view id = "S") {
  std::vector<DataObject> objects;
  for (const base::Digest& digest : digests) objects.push_back({"contract.xml", digest});
  const SignatureWriter writer({.signing_certificate = signer().certificate,
                                .chain = {pki_of_tests().issuer.root().certificate},
                                .algorithm = {KeyScheme::ecdsa, DigestAlgorithm::sha256},
                                .packaging = packaging,
                                .shared_id = std::string(id),
                                .signing_time = now,
                                .objects = objects.size()});
  const SignatureContent content{id, objects};
  return writer.document(content, demo::sign_digest(signer().key, demo::SoftScheme::ecdsa, writer.to_be_signed(content)));
}

std::string signed_within(std::string_view document, std::string_view id = "S",
                          DigestAlgorithm algorithm = DigestAlgorithm::sha256) {
  const auto plan = plan_enveloped(document, algorithm, limits);
  if (!plan) FAIL(plan.error().detail);
  return enveloped(document, *plan, signature_over(Packaging::enveloped, {plan->digest}, id));
}

std::string enveloping(const std::vector<EnvelopedObject>& objects, Packaging packaging) {
  std::vector<base::Digest> digests;
  for (const EnvelopedObject& object : objects) digests.push_back(object.digest);
  return with_objects(signature_over(packaging, digests), objects).value();
}

std::string signed_around(std::string_view document) {
  const auto object = enveloped_xml(base::as_bytes(document), object_id("S", 0), DigestAlgorithm::sha256, limits);
  if (!object) FAIL(object.error().detail);
  return enveloping({*object}, Packaging::enveloping_xml);
}

std::string said_of(std::string_view document) { return said(verified_one(document, options({}))); }

constexpr auto good = "TOTAL-PASSED, valid";
constexpr auto changed = "TOTAL-FAILED/HASH_FAILURE, invalid";

}  // namespace

TEST_CASE("a signature stands before the end tag of an XML document's root, and no other byte of it is changed") {
  const auto document =
      GENERATE(as<std::string>{}, "<a>x</a>",
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<!-- c --><a\r\n b = 'ș' >x\r\n</a >\n<?p q?><!-- d -->\n",
               "<a xmlns=\"urn:x\" xmlns:ds=\"urn:not-a-signature\" xml:lang=\"ro\" xml:space=\"preserve\"><ds:b/><c "
               "xmlns=\"\">]]&gt;</c></a>",
               "\xEF\xBB\xBF<p:a xmlns:p=\"urn:p\"><![CDATA[</p:a>]]></p:a>", "<a Id=\"S\"><b Id=\"S-reference-0\"/></a>");
  const std::string signed_document = signed_within(document);
  INFO(signed_document);
  const std::size_t at = signed_document.find("<ds:Signature ");
  const std::size_t end = signed_document.find("</ds:Signature>") + std::string_view("</ds:Signature>").size();
  CHECK(signed_document.substr(0, at) + signed_document.substr(end) == document);
  CHECK(signed_document.substr(end, 2) == "</");
  const auto report = verified_one(signed_document, options({}));
  if (document.find("\"S\"") == document.npos) CHECK(said(report) == good);
  CHECK(report.warnings.empty());
}

TEST_CASE("an empty root gets an end tag, in the prefix that it has") {
  CHECK(signed_within("<p:a xmlns:p=\"urn:p\" b=\"/\" />\n").starts_with("<p:a xmlns:p=\"urn:p\" b=\"/\" ><ds:Signature "));
  CHECK(signed_within("<p:a xmlns:p=\"urn:p\"/>\n").ends_with("</ds:Signature></p:a>\n"));
  CHECK(said_of(signed_within("<p:a xmlns:p=\"urn:p\"/>\n")) == good);
  CHECK(said_of(signed_within("<a/>", "S", DigestAlgorithm::sha512)) == good);
}

TEST_CASE("what is changed in a document that holds its signature shows") {
  const std::string document = signed_within("<a b=\"1\"><c>10 lei</c></a>");
  REQUIRE(said_of(document) == good);
  for (const auto& [what, with] : std::vector<std::pair<std::string, std::string>>{{"10 lei", "99 lei"},
                                                                                   {"b=\"1\"", "b=\"2\""},
                                                                                   {"</c>", "</c><d/>"},
                                                                                   {"<a ", "<a xmlns=\"urn:other\" "},
                                                                                   {"</ds:Signature>", "</ds:Signature> "}})
    CHECK(said_of(replaced(document, what, with)) == changed);
}

TEST_CASE("a second signature in a document leaves the first one good, and a third one both") {
  std::string document = "<a><b>x</b></a>";
  for (const char* id : {"S", "T", "U"}) document = signed_within(document, id);
  const auto reports = verified(document, options({}));
  REQUIRE(reports.size() == 3);
  for (const auto& report : reports) CHECK(said(report) == good);
  for (const auto& report : verified(replaced(document, "<b>x", "<b>y"), options({}))) CHECK(said(report) == changed);
}

TEST_CASE("a signature that would break another one is not planned") {
  // As others make it: all but this very signature is signed.
  const std::string xpath =
      "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"><ds:XPath>"
      "not(ancestor-or-self::ds:Signature)</ds:XPath></ds:Transform>";
  const std::string others = replaced(signed_within("<a>x</a>"), xpath, "");
  REQUIRE(verified_one(others, options({})).references.back().status == ReferenceReport::Status::valid);
  const auto within = plan_enveloped(others, DigestAlgorithm::sha256, limits);
  REQUIRE_FALSE(within);
  CHECK(within.error().code == ErrorCode::parameter_invalid);
  CHECK(within.error().detail.find("would break") != std::string::npos);
  CHECK_FALSE(enveloped_xml(base::as_bytes(others), "o", DigestAlgorithm::sha256, limits));
  // One that is broken already is not what keeps others from signing.
  CHECK(plan_enveloped(replaced(others, "<a>x", "<a>y"), DigestAlgorithm::sha256, limits));
}

TEST_CASE("of a document that is a signature nothing would be signed") {
  const auto plan = plan_enveloped(signature_over(Packaging::detached, {sha256("x")}), DigestAlgorithm::sha256, limits);
  REQUIRE_FALSE(plan);
  CHECK(plan.error().code == ErrorCode::parameter_invalid);
}

TEST_CASE("what is no XML, or has a document type, is refused whichever way it would be signed") {
  const auto document = GENERATE(as<std::string>{}, "", "%PDF-1.7", "<a>", "<a></b>", "<a/><b/>", "<!DOCTYPE a []><a/>",
                                 "<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><a>&e;</a>", "<a>&e;</a>", "<p:a/>",
                                 "<a b='1' b='2'/>", "<a></ds:Object><ds:Object></a>");
  INFO(document);
  const auto within = plan_enveloped(document, DigestAlgorithm::sha256, limits);
  REQUIRE_FALSE(within);
  CHECK(within.error().code == ErrorCode::message_invalid);
  const auto around = enveloped_xml(base::as_bytes(document), "o", DigestAlgorithm::sha256, limits);
  REQUIRE_FALSE(around);
  CHECK(around.error().code == ErrorCode::message_invalid);
}

TEST_CASE("only UTF-8 holds a signature; a signature holds what is read in any encoding") {
  const std::string latin = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xE9</a>";
  const auto within = plan_enveloped(latin, DigestAlgorithm::sha256, limits);
  REQUIRE_FALSE(within);
  CHECK(within.error().detail == "not in UTF-8");
  const std::string around = signed_around(latin);
  CHECK(around.find("><a>é</a></ds:Object>") != std::string::npos);
  CHECK(said_of(around) == good);
}

TEST_CASE("a document that could not be verified any more with a signature in it is refused before it is signed") {
  VerifyLimits small;
  small.max_bytes = (1u << 20) + 100;
  CHECK(plan_enveloped("<a/>", DigestAlgorithm::sha256, small));
  const std::string long_one = "<a>" + std::string(200, 'x') + "</a>";
  const std::string deep = [] {
    std::string out;
    for (int i = 0; i < 63; ++i) out += "<a>";
    for (int i = 0; i < 63; ++i) out += "</a>";
    return out;
  }();
  for (const auto& error : {plan_enveloped(long_one, DigestAlgorithm::sha256, small).error(),
                            enveloped_xml(base::as_bytes(long_one), "o", DigestAlgorithm::sha256, small).error(),
                            enveloped_file(base::as_bytes(long_one), "o", DigestAlgorithm::sha256, small).error(),
                            enveloped_xml(base::as_bytes(deep), "o", DigestAlgorithm::sha256, limits).error()})
    CHECK(error.code == ErrorCode::message_too_large);
  CHECK(plan_enveloped(deep, DigestAlgorithm::sha256, limits));
  CHECK(enveloped_xml(base::as_bytes(deep.substr(3, deep.size() - 7)), "o", DigestAlgorithm::sha256, limits));
}

TEST_CASE("a signature holds a file, or several, and says what is changed in them") {
  std::vector<EnvelopedObject> objects;
  for (std::size_t i = 0; i < 3; ++i)
    objects.push_back(
        enveloped_file(base::as_bytes(std::string(i * 100, '\0')), object_id("S", i), DigestAlgorithm::sha384, limits).value());
  const std::string document = enveloping(objects, Packaging::enveloping_file);
  CHECK(said_of(document) == good);
  CHECK(verified_one(document, options({})).warnings.empty());
  CHECK(said_of(replaced(document, "AAAA", "AAAB")) == changed);
  CHECK(said_of(replaced(document, " Id=\"S-object-2\">", " Id=\"S-object-3\">")) ==
        "INDETERMINATE/SIGNED_DATA_NOT_FOUND, unknown");
  VerifyOptions given = options({});
  given.data.push_back({"f", base::Bytes(200)});
  CHECK(said(verified_one(document, given)) == good);
  given.data.front().content = base::Bytes(201);
  CHECK(said(verified_one(document, given)) == changed);
}

TEST_CASE("a signature holds an XML document's root as it is, whatever its prefixes mean") {
  const auto document =
      GENERATE(as<std::string>{}, "<a>x</a>", "<?xml version='1.0'?>\r\n<!-- c --><a>x<!-- d --></a><?p q?>",
               "<a xmlns=\"urn:x\" xmlns:ds=\"urn:y\"><ds:b xmlns:xades=\"urn:z\"><xades:c/></ds:b></a>", "<a/>");
  const std::string whole = signed_around(document);
  INFO(whole);
  CHECK(said_of(whole) == good);
  CHECK(said_of(replaced(whole, "<a", "<a b=\"1\"")) == changed);
}

TEST_CASE("objects go into a signature that was made here, and into nothing else") {
  CHECK_FALSE(with_objects("<ds:Signature/>", {}));
  CHECK_FALSE(with_objects("", {}));
}
