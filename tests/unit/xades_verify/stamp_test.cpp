#include "xades/stamp.hpp"

#include "fixture.hpp"

using namespace signet;
using namespace signet::xades;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view unsigned_open = "<xades:UnsignedProperties>";
constexpr std::string_view signed_close = "</xades:SignedProperties>";
constexpr std::string_view object_close = "</xades:QualifyingProperties></ds:Object></ds:Signature>";

StampPlan planned(std::string_view document) {
  auto plan = plan_time_stamp(document, base::DigestAlgorithm::sha256, {});
  if (!plan) FAIL(plan.error().detail);
  return *plan;
}

std::string with_stamp(std::string_view document) {
  const StampPlan plan = planned(document);
  return stamped(document, plan, token_over(plan.imprint, {}, pki_of_tests()));
}

std::string all_replaced(std::string text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
  return text;
}

// The unsigned properties of a document that has none.
std::string with_unsigned(const std::string& document, std::string_view properties) {
  return replaced(document, object_close, std::string(properties) + std::string(object_close));
}

base::ErrorCode refusal(std::string_view document, const VerifyLimits& limits = {}) {
  const auto plan = plan_time_stamp(document, base::DigestAlgorithm::sha256, limits);
  REQUIRE_FALSE(plan);
  return plan.error().code;
}

}  // namespace

TEST_CASE("a signature that gets its time stamp later is the one that had it from the beginning") {
  for (const auto packaging : {Packaging::detached, Packaging::enveloping}) {
    const std::string with = signed_document(
        signer(pki::KeyType::rsa),
        {.algorithm = {KeyScheme::rsa_pkcs1, base::DigestAlgorithm::sha256}, .packaging = packaging, .level = Level::b_t});
    // PKCS #1 v1.5 signs alike each time: without its unsigned properties it is the other one.
    const std::string unsigned_properties = part(with, unsigned_open, "</xades:UnsignedProperties>");
    const std::string without = replaced(with, unsigned_properties, "");
    const std::string token = part(unsigned_properties, "<xades:EncapsulatedTimeStamp>", "</xades:EncapsulatedTimeStamp>");
    const auto der = base::from_base64(token.substr(token.find('>') + 1, token.find("</") - token.find('>') - 1)).value();
    const StampPlan plan = planned(without);
    CHECK(plan.imprint == pki::parse_time_stamp_token(der).value().imprint);
    CHECK(stamped(without, plan, der) == with);
  }
}

TEST_CASE("a time stamp goes where the standard has it, whatever stands there and however it is written") {
  const std::string bare = signed_document(signer());
  const std::string ds_declared = "<ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">";
  std::string other_prefixes = replaced(bare, "<ds:Signature xmlns:ds=", "<dsig:Signature xmlns:dsig=");
  other_prefixes = replaced(replaced(other_prefixes, "</ds:Signature>", "</dsig:Signature>"), "<ds:KeyInfo>", ds_declared);
  for (const char* const name : {"ds:Object", "ds:SignatureValue"})
    other_prefixes = all_replaced(other_prefixes, name, std::string("dsig") + (name + 2));
  const std::string strange_prefixes =
      replaced(other_prefixes, "<dsig:Signature ", "<dsig:Signature xmlns:ds=\"urn:other\" xmlns:xades=\"urn:another\" ");
  const std::string default_namespace =
      replaced(replaced(bare, "<xades:QualifyingProperties xmlns:xades=", "<QualifyingProperties xmlns="),
               "</xades:QualifyingProperties>", "</QualifyingProperties>");
  const std::string first = with_stamp(bare);
  const std::pair<const char*, std::string> variants[] = {
      {"none", bare},
      {"an empty-element tag", with_unsigned(bare, "<xades:UnsignedProperties/>")},
      {"an empty-element tag with room", with_unsigned(bare, "<xades:UnsignedProperties Id=\"a>b\" />")},
      {"an empty element", with_unsigned(bare, "<xades:UnsignedProperties></xades:UnsignedProperties>")},
      {"both empty",
       with_unsigned(bare, "<xades:UnsignedProperties><xades:UnsignedSignatureProperties/></xades:UnsignedProperties>")},
      {"spaces and comments",
       with_unsigned(
           bare,
           "\r\n\t<xades:UnsignedProperties >\n<!-- </xades:UnsignedProperties> -->\n<xades:UnsignedSignatureProperties\n>"
           " <!-- <a> --> </xades:UnsignedSignatureProperties\n></xades:UnsignedProperties>\r\n")},
      {"only those of data objects",
       with_unsigned(bare,
                     "<xades:UnsignedProperties><xades:UnsignedDataObjectProperties><![CDATA[</xades:UnsignedProperties>]]>"
                     "</xades:UnsignedDataObjectProperties></xades:UnsignedProperties>")},
      {"others' properties",
       with_unsigned(bare,
                     "<q:UnsignedProperties xmlns:q=\"http://uri.etsi.org/01903/v1.3.2#\"><q:UnsignedSignatureProperties>"
                     "<q:CertificateValues/></q:UnsignedSignatureProperties></q:UnsignedProperties>")},
      {"empty under another prefix",
       with_unsigned(bare, "<q:UnsignedProperties xmlns:q=\"http://uri.etsi.org/01903/v1.3.2#\"/>")},
      {"one already", first},
      {"another prefix for XML Signature", other_prefixes},
      {"the prefixes mean other things", strange_prefixes},
      {"XAdES without a prefix", default_namespace},
      {"XAdES without a prefix, and an empty-element tag",
       replaced(default_namespace, "</QualifyingProperties>", "<UnsignedProperties/></QualifyingProperties>")},
      {"a byte order mark and a declaration",
       "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n" + bare + "\n<!-- ț -->\n"},
      {"within another document",
       "<a xmlns='urn:a' title=\"&lt;>\"><b/><![CDATA[<c>]]><?d <e>?><!-- <f> -->ș" + bare + "<g></g></a>"},
      {"its tag broken over lines", replaced(bare, signed_close, "</xades:SignedProperties\r\n\t>\n")},
  };
  for (const auto& [name, document] : variants) {
    INFO(name);
    REQUIRE(said(verified_one(document)) == "TOTAL-PASSED, valid");
    const StampPlan plan = planned(document);
    const std::string made = stamped(document, plan, token_over(plan.imprint, {}, pki_of_tests()));
    const auto report = verified_one(made);
    CHECK(said(report) == "TOTAL-PASSED, valid");
    CHECK(report.time_stamps.size() == (document == first ? 2 : 1));
    for (const auto& stamp : report.time_stamps) CHECK(stamp.status == pki::TimeStampStatus::valid);
    CHECK(report.level == Level::b_t);
    CHECK(report.proven_time == now);
    // All else as it was: at most the end of an empty-element tag is another.
    CHECK(made.starts_with(document.substr(0, plan.begin)));
    CHECK(made.ends_with(document.substr(plan.end)));
    const std::string gone = document.substr(plan.begin, plan.end - plan.begin);
    CHECK((gone.empty() || gone == "/>"));
  }
}

TEST_CASE("a time stamp over something else is added, and does not hold") {
  const std::string document = signed_document(signer());
  const StampPlan plan = planned(document);
  const auto report = verified_one(stamped(document, plan, token_over(sha256("another"), {}, pki_of_tests())));
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK_FALSE(report.proven_time);
  CHECK_FALSE(report.time_stamps.at(0).holds);
}

TEST_CASE("what is not one XAdES signature in UTF-8 gets no time stamp") {
  const std::string bare = signed_document(signer());
  const auto object = part(bare, "<ds:Object>", "</ds:Object>");
  CHECK(refusal("") == base::ErrorCode::message_invalid);
  CHECK(refusal("no XML") == base::ErrorCode::message_invalid);
  CHECK(refusal("<a/>") == base::ErrorCode::parameter_invalid);
  CHECK(refusal("<!DOCTYPE a [<!ENTITY e 'x'>]>" + bare) == base::ErrorCode::message_invalid);
  CHECK(refusal("<two>" + bare + bare + "</two>") == base::ErrorCode::parameter_invalid);
  CHECK(refusal(replaced(bare, object, "")) == base::ErrorCode::parameter_invalid);
  CHECK(refusal(replaced(bare, object, object + object)) == base::ErrorCode::parameter_invalid);
  CHECK(refusal(all_replaced(bare, "http://uri.etsi.org/01903/v1.3.2#", "urn:other")) == base::ErrorCode::parameter_invalid);
  const std::string twice = "<xades:UnsignedProperties/><xades:UnsignedProperties/>";
  CHECK(refusal(with_unsigned(bare, twice)) == base::ErrorCode::parameter_invalid);
  const std::string both =
      "<xades:UnsignedProperties><xades:UnsignedSignatureProperties/><xades:UnsignedSignatureProperties/></"
      "xades:UnsignedProperties>";
  CHECK(refusal(with_unsigned(bare, both)) == base::ErrorCode::parameter_invalid);
  CHECK(refusal(replaced(bare, "<ds:SignatureValue", "<ds:SignedValue")) == base::ErrorCode::message_invalid);
  CHECK(refusal("<?xml version='1.0' encoding='ISO-8859-2'?><a>\xC8\x99" + bare + "</a>") == base::ErrorCode::message_invalid);
  std::string wide = "\xFF\xFE";
  for (const char c : bare) wide += {c, '\0'};
  CHECK(refusal(wide) == base::ErrorCode::message_invalid);
}

TEST_CASE("the limits of documents hold where a time stamp is added") {
  const std::string bare = signed_document(signer());
  CHECK(refusal(bare, {.max_bytes = bare.size() - 1}) == base::ErrorCode::message_too_large);
  CHECK(refusal(bare, {.max_nodes = 20}) == base::ErrorCode::message_too_large);
  CHECK(refusal(bare, {.max_depth = 3}) == base::ErrorCode::message_too_large);
  CHECK(refusal(bare, {.max_references = 1}) == base::ErrorCode::message_too_large);
}

TEST_CASE("a document cut off anywhere gets no time stamp") {
  const std::string bare = signed_document(signer());
  for (std::size_t size = 0; size < bare.size(); size += 7) {
    const auto plan = plan_time_stamp(std::string_view(bare).substr(0, size), base::DigestAlgorithm::sha256, {});
    CHECK_FALSE(plan);
  }
}
