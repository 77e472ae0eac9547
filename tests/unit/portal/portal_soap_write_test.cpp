#include <libxml/parser.h>
#include <libxml/xmlschemas.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>

#include "base/owned.hpp"
#include "messages.hpp"

using namespace signet;
using namespace signet::portal;
using namespace signet::portal::test;

namespace {

using Document = base::Owned<xmlDoc, xmlFreeDoc>;

const xmlChar* chars(const char* text) { return reinterpret_cast<const xmlChar*>(text); }

Document parsed(const std::string& xml) {
  Document document{xmlReadMemory(xml.data(), static_cast<int>(xml.size()), nullptr, nullptr, XML_PARSE_NONET | XML_PARSE_HUGE)};
  INFO(xml);
  REQUIRE(document);
  return document;
}

using Found = base::Owned<xmlXPathObject, xmlXPathFreeObject>;

Found evaluated(xmlDoc* document, const std::string& path) {
  const base::Owned<xmlXPathContext, xmlXPathFreeContext> context{xmlXPathNewContext(document)};
  xmlXPathRegisterNs(context.get(), chars("s"), chars("http://schemas.xmlsoap.org/soap/envelope/"));
  xmlXPathRegisterNs(context.get(), chars("m"), chars("https://msign.gov.md"));
  xmlXPathRegisterNs(context.get(), chars("i"), chars("http://www.w3.org/2001/XMLSchema-instance"));
  xmlXPathRegisterNs(context.get(), chars("xs"), chars("http://www.w3.org/2001/XMLSchema"));
  xmlXPathRegisterNs(context.get(), chars("w"), chars("http://schemas.xmlsoap.org/wsdl/"));
  xmlXPathRegisterNs(context.get(), chars("soap"), chars("http://schemas.xmlsoap.org/wsdl/soap/"));
  Found found{xmlXPathEvalExpression(chars(path.c_str()), context.get())};
  REQUIRE(found);
  return found;
}

std::string text(xmlDoc* document, const std::string& path) {
  const Found found = evaluated(document, "string(" + path + ")");
  return reinterpret_cast<const char*>(found->stringval);
}
int count(xmlDoc* document, const std::string& path) {
  return static_cast<int>(evaluated(document, "count(" + path + ")")->floatval);
}

xmlNode* only_node(xmlDoc* document, const std::string& path) {
  const Found found = evaluated(document, path);
  REQUIRE(found->nodesetval != nullptr);
  REQUIRE(found->nodesetval->nodeNr == 1);
  return found->nodesetval->nodeTab[0];
}

// Validated with the schema that clients see: the one in the WSDL.
Document valid_answer(const std::string& xml) {
  const Document contract = parsed(wsdl("https://localhost:8443/MSign.svc"));
  const Document alone{xmlNewDoc(chars("1.0"))};
  xmlDocSetRootElement(alone.get(),
                       xmlDocCopyNode(only_node(contract.get(), "/w:definitions/w:types/xs:schema"), alone.get(), 1));
  const base::Owned<xmlSchemaParserCtxt, xmlSchemaFreeParserCtxt> parser{xmlSchemaNewDocParserCtxt(alone.get())};
  const base::Owned<xmlSchema, xmlSchemaFree> schema{xmlSchemaParse(parser.get())};
  REQUIRE(schema);
  const base::Owned<xmlSchemaValidCtxt, xmlSchemaFreeValidCtxt> validity{xmlSchemaNewValidCtxt(schema.get())};
  Document answer = parsed(xml);
  INFO(xml);
  CHECK(xmlSchemaValidateOneElement(validity.get(), only_node(answer.get(), "/s:Envelope/s:Body/*")) == 0);
  return answer;
}

base::Bytes bytes(std::string_view text) { return {text.begin(), text.end()}; }

constexpr const char* hostile = "</x><script>alert(\"1\")</script> & ]]> &amp; '";

}  // namespace

TEST_CASE("the answer to a posted request holds its id") {
  const std::string answer = post_sign_request_response("0123456789abcdef0123456789abcdef");
  const Document document = valid_answer(answer);
  CHECK(text(document.get(), "/s:Envelope/s:Body/m:PostSignRequestResponse/m:PostSignRequestResult") ==
        "0123456789abcdef0123456789abcdef");
}

TEST_CASE("the answer while a request is pending holds no results, and yet their element") {
  const std::string answer = get_sign_response_response({});
  CHECK(answer.find("<GetSignResponseResult><Message i:nil=\"true\"/><Results></Results><Status>Pending</Status>"
                    "</GetSignResponseResult>") != answer.npos);
  valid_answer(answer);
}

TEST_CASE("the answer to a signed request holds certificates and signatures in the order given") {
  SignResponse response;
  response.status = SignStatus::success;
  response.results.push_back({bytes("certificate"), "7", "<ds:Signature/>"});
  response.results.push_back({{}, {}, {}});
  response.results.push_back({base::Bytes{}, "", ""});
  const Document document = valid_answer(get_sign_response_response(response));
  const std::string results = "/s:Envelope/s:Body/m:GetSignResponseResponse/m:GetSignResponseResult/m:Results/m:SignResult";
  CHECK(count(document.get(), results) == 3);
  CHECK(text(document.get(), results + "[1]/m:Certificate") == "Y2VydGlmaWNhdGU=");
  CHECK(text(document.get(), results + "[1]/m:CorrelationID") == "7");
  CHECK(text(document.get(), results + "[1]/m:Signature") == "PGRzOlNpZ25hdHVyZS8+");
  CHECK(count(document.get(), results + "[2]/*[@i:nil='true']") == 3);
  CHECK(count(document.get(), results + "[3]/*[not(@i:nil)]") == 3);
  CHECK(text(document.get(), "//m:Status") == "Success");
}

TEST_CASE("the answer to a failed request says why") {
  SignResponse response;
  response.status = SignStatus::failure;
  response.message = "Semnătura a fost anulată";
  const Document document = valid_answer(get_sign_response_response(response));
  CHECK(text(document.get(), "//m:Message") == *response.message);
  CHECK(text(document.get(), "//m:Status") == "Failure");
}

TEST_CASE("the answer to a verification says what of each signature") {
  VerificationResponse response;
  VerificationResult good;
  good.certificates.push_back({bytes("der"), true, base::from_rfc3339("2026-11-22T10:00:00Z").value(), "C=MD, CN=Ion Țâra"});
  good.certificates.push_back({bytes("der"), false, {}, ""});
  good.correlation_id = "a";
  good.message = "Semnătura este validă";
  good.signatures_valid = true;
  response.results = {good, {{}, {}, "Semnătura nu este validă", false}};
  const Document document = valid_answer(verify_signatures_response(response));
  const std::string first = "//m:Results/m:VerificationResult[1]";
  CHECK(text(document.get(), first + "/m:Certificates/m:VerificationCertificate[1]/m:SignedAt") == "2026-11-22T10:00:00Z");
  CHECK(text(document.get(), first + "/m:Certificates/m:VerificationCertificate[1]/m:Subject") == "C=MD, CN=Ion Țâra");
  CHECK(count(document.get(), first + "/m:Certificates/m:VerificationCertificate[2]/m:SignedAt") == 0);
  CHECK(text(document.get(), first + "/m:SignaturesValid") == "true");
  CHECK(text(document.get(), "//m:VerificationResult[2]/m:SignaturesValid") == "false");
  CHECK(count(document.get(), "//m:VerificationResult[2]/m:Certificates/*") == 0);
  CHECK(count(document.get(), "//m:VerificationResult[2]/m:CorrelationID[@i:nil='true']") == 1);
  valid_answer(verify_signatures_response({}));
}

TEST_CASE("texts of others stay text") {
  SignResponse response;
  response.message = hostile;
  response.results.push_back({{}, hostile, {}});
  const Document document = valid_answer(get_sign_response_response(response));
  CHECK(text(document.get(), "//m:Message") == hostile);
  CHECK(text(document.get(), "//m:CorrelationID") == hostile);
  CHECK(text(valid_answer(post_sign_request_response(hostile)).get(), "//m:PostSignRequestResult") == hostile);
  CHECK(text(parsed(fault_response({FaultCode::client, hostile})).get(), "//faultstring") == hostile);
  CHECK(text(valid_answer(verify_signatures_response({{{{}, hostile, hostile, false}}})).get(), "//m:Message") == hostile);
}

TEST_CASE("what XML cannot hold is replaced, and everything else is kept") {
  const auto written = [](std::string_view message) {
    SignResponse response;
    response.message = message;
    return text(valid_answer(get_sign_response_response(response)).get(), "//m:Message");
  };
  CHECK(written("a\x01 \x1F b") == "a\xEF\xBF\xBD \xEF\xBF\xBD b");
  CHECK(written(std::string_view("\0", 1)) == "\xEF\xBF\xBD");
  CHECK(written("\xFF\xFE") == "\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(written("\xC8") == "\xEF\xBF\xBD");
  CHECK(written("\xED\xA0\x80") == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(written("\xEF\xBF\xBE \xEF\xBF\xBF") == "\xEF\xBF\xBD \xEF\xBF\xBD");
  for (const char* kept : {"a\tb\nc\rd", "\x7F", "\xC2\x80", "и 🖋 \xEF\xBF\xBD", "  ", ""}) CHECK(written(kept) == kept);
}

TEST_CASE("a fault names its code: the contract's without a prefix, SOAP's own in SOAP's namespace") {
  CHECK(fault_response({FaultCode::invalid_parameter, "Contents: at least one is required"}) ==
        R"(<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault>)"
        R"(<faultcode>InvalidParameter</faultcode><faultstring xml:lang="en">Contents: at least one is required</faultstring>)"
        R"(</s:Fault></s:Body></s:Envelope>)");
  const auto code = [](FaultCode of) {
    return text(parsed(fault_response({of, "x"})).get(), "/s:Envelope/s:Body/s:Fault/faultcode");
  };
  CHECK(code(FaultCode::authentication_failed) == "AuthenticationFailed");
  CHECK(code(FaultCode::authorization_failed) == "AuthorizationFailed");
  CHECK(code(FaultCode::request_not_found) == "RequestNotFound");
  CHECK(code(FaultCode::client) == "s:Client");
  CHECK(code(FaultCode::must_understand) == "s:MustUnderstand");
  CHECK(code(FaultCode::version_mismatch) == "s:VersionMismatch");
  CHECK(code(FaultCode::server) == "s:Server");
}

TEST_CASE("what read_call refuses can be told") {
  for (const std::string& message : {std::string("x"), enveloped(posted({.contents = "<SignContent/>"}))})
    CHECK_FALSE(text(parsed(fault_response(refused(message))).get(), "//faultstring").empty());
}

TEST_CASE("the WSDL is one document that names the contract's parts") {
  const Document document = parsed(wsdl("https://localhost:8443/MSign.svc?a=1&b=\"2\""));
  xmlDoc* const contract = document.get();
  CHECK(text(contract, "/w:definitions/@targetNamespace") == "https://msign.gov.md");
  CHECK(text(contract, "/w:definitions/w:service/@name") == "MSignService");
  CHECK(text(contract, "//w:port/@name") == "BasicHttpBinding_IMSign");
  CHECK(text(contract, "//soap:address/@location") == "https://localhost:8443/MSign.svc?a=1&b=\"2\"");
  CHECK(text(contract, "/w:definitions/w:portType/@name") == "IMSign");
  CHECK(text(contract, "/w:definitions/w:binding/@name") == "BasicHttpBinding_IMSign");
  CHECK(text(contract, "/w:definitions/w:binding/soap:binding/@transport") == "http://schemas.xmlsoap.org/soap/http");
  CHECK(count(contract, "//w:import | //xs:import | //xs:include | //w:fault") == 0);
  CHECK(count(contract, "//soap:body[@use='literal']") == 6);
  for (const std::string operation : {"PostSignRequest", "GetSignResponse", "VerifySignatures"}) {
    CHECK(text(contract, "//w:binding/w:operation[@name='" + operation + "']/soap:operation/@soapAction") ==
          "https://msign.gov.md/IMSign/" + operation);
    CHECK(text(contract, "//w:portType/w:operation[@name='" + operation + "']/w:output/@*[local-name()='Action']") ==
          "https://msign.gov.md/IMSign/" + operation + "Response");
    CHECK(count(contract, "//w:types/xs:schema/xs:element[@name='" + operation + "' or @name='" + operation + "Response']") == 2);
  }
}

TEST_CASE("structures of the WSDL are in the order that data contracts have") {
  const Document document = parsed(wsdl("https://localhost/"));
  CHECK(count(document.get(), "//xs:complexType[@name]") == 15);
  CHECK(text(document.get(), "//xs:complexType[@name='SignRequest']/xs:sequence/xs:element[2]/@name") == "ContentType");
  const Found found =
      evaluated(document.get(), "//xs:complexType[@name]/xs:sequence/xs:element/following-sibling::xs:element[1]");
  for (int i = 0; i < found->nodesetval->nodeNr; ++i) {
    const xmlNode* const element = found->nodesetval->nodeTab[i];
    const xmlNode* before = element->prev;
    while (before->type != XML_ELEMENT_NODE) before = before->prev;
    const auto name = [](const xmlNode* node) {
      xmlChar* const value = xmlGetNoNsProp(const_cast<xmlNode*>(node), chars("name"));
      std::string out(reinterpret_cast<const char*>(value));
      xmlFree(value);
      return out;
    };
    CHECK(name(before) < name(element));
  }
}
