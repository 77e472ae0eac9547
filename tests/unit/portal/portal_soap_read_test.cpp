#include <atomic>
#include <thread>
#include <vector>

#include "messages.hpp"

using namespace signet;
using namespace signet::portal;
using namespace signet::portal::test;

namespace {

base::Bytes bytes(std::string_view base64) { return base::from_base64(base64).value(); }

// A .NET client: BasicHttpBinding over a data contract, with `headers` as the runtime writes them.
std::string from_dotnet(std::string_view headers) {
  return std::string(R"(<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">)")
      .append(headers)
      .append(R"(<s:Body><PostSignRequest xmlns="https://msign.gov.md">)"
              R"(<request xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><ContentDescription i:nil="true"/>)"
              R"(<ContentType>Hash</ContentType><Contents><SignContent><Content>)")
      .append(hash)
      .append(R"(</Content><CorrelationID>7f3f6d2c-5f0e-4f0e-9a53-3d9a4f5b2c11</CorrelationID>)"
              R"(<MultipleSignatures>false</MultipleSignatures><Name i:nil="true"/></SignContent></Contents>)"
              R"(<ExpectedSigner><DelegatedRoleID>0</DelegatedRoleID><DelegatorID i:nil="true"/>)"
              R"(<DelegatorType>None</DelegatorType><ID>2001234567890</ID></ExpectedSigner>)"
              R"(<ShortContentDescription>Cerere nr. 5</ShortContentDescription><SignatureReason i:nil="true"/>)"
              R"(</request></PostSignRequest></s:Body></s:Envelope>)");
}

constexpr std::string_view dotnet_header =
    R"(<s:Header><Action s:mustUnderstand="1" xmlns="http://schemas.microsoft.com/ws/2005/05/addressing/none">)"
    R"(https://msign.gov.md/IMSign/PostSignRequest</Action></s:Header>)";

constexpr std::string_view post_action = "\"https://msign.gov.md/IMSign/PostSignRequest\"";

const std::string verification = "<Contents><VerificationContent><Content>" + std::string(hash) +
                                 "</Content><Signature>PGEvPg==</Signature></VerificationContent></Contents>"
                                 "<SignedContentType>Hash</SignedContentType>";

}  // namespace

TEST_CASE("what a .NET client posts is read, with the runtime's Action header and without") {
  for (const std::string_view headers : {dotnet_header, std::string_view("")}) {
    const SignRequest request = read_posted(from_dotnet(headers), post_action);
    CHECK_FALSE(request.content_description);
    CHECK(request.content_type == ContentType::hash);
    CHECK(request.short_content_description == "Cerere nr. 5");
    CHECK_FALSE(request.signature_reason);
    REQUIRE(request.contents.size() == 1);
    CHECK(request.contents[0].content == bytes(hash));
    CHECK(request.contents[0].correlation_id == "7f3f6d2c-5f0e-4f0e-9a53-3d9a4f5b2c11");
    CHECK_FALSE(request.contents[0].multiple_signatures);
    CHECK_FALSE(request.contents[0].name);
    REQUIRE(request.expected_signer);
    CHECK(request.expected_signer->id == "2001234567890");
    CHECK(request.expected_signer->delegator_type == DelegatorType::none);
    CHECK(request.expected_signer->delegated_role_id == 0);
    CHECK_FALSE(request.expected_signer->delegator_id);
  }
}

TEST_CASE("what zeep posts is read, with its WS-Addressing headers and a prefix of its own") {
  const auto request = read_posted(
      "<?xml version='1.0' encoding='utf-8'?>\n"
      R"(<soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/">)"
      R"(<soap-env:Header xmlns:wsa="http://www.w3.org/2005/08/addressing">)"
      R"(<wsa:Action>https://msign.gov.md/IMSign/PostSignRequest</wsa:Action>)"
      R"(<wsa:MessageID>urn:uuid:6d9c7a2e-6f5c-4d2f-a7a1-0a1b2c3d4e5f</wsa:MessageID>)"
      R"(<wsa:To>https://localhost:8443/MSign.svc</wsa:To></soap-env:Header>)"
      R"(<soap-env:Body><ns0:PostSignRequest xmlns:ns0="https://msign.gov.md"><ns0:request>)"
      R"(<ns0:ContentType>Hash</ns0:ContentType><ns0:Contents><ns0:SignContent><ns0:Content>)" +
          std::string(hash) +
          R"(</ns0:Content><ns0:Name>act.pdf</ns0:Name></ns0:SignContent></ns0:Contents>)"
          R"(<ns0:ShortContentDescription>Act</ns0:ShortContentDescription></ns0:request></ns0:PostSignRequest>)"
          R"(</soap-env:Body></soap-env:Envelope>)",
      post_action);
  REQUIRE(request.contents.size() == 1);
  CHECK(request.contents[0].name == "act.pdf");
  CHECK_FALSE(request.contents[0].correlation_id);
  CHECK_FALSE(request.expected_signer);
}

TEST_CASE("what node's soap asks is read: no header, unused namespaces") {
  const auto call = std::get<GetSignResponse>(
      read(R"(<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/")"
           R"( xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:wsaw="http://www.w3.org/2006/05/addressing/wsdl")"
           R"( xmlns:tns="https://msign.gov.md"><soap:Body><GetSignResponse xmlns="https://msign.gov.md">)"
           R"(<requestID>0123456789abcdef0123456789abcdef</requestID><language>en</language>)"
           R"(</GetSignResponse></soap:Body></soap:Envelope>)",
           R"("https://msign.gov.md/IMSign/GetSignResponse")"));
  CHECK(call.request_id == "0123456789abcdef0123456789abcdef");
  CHECK(call.language == "en");
}

TEST_CASE("signatures to be verified are read") {
  const auto request =
      std::get<VerifySignatures>(
          read(
              enveloped(verified("<Contents><VerificationContent><Content>" + std::string(hash) +
                                 "</Content><CorrelationID>1</CorrelationID><Signature>PGEvPg==</Signature></VerificationContent>"
                                 "<VerificationContent><Content i:nil='1'/><Signature>PGIvPg==</Signature></VerificationContent>"
                                 "</Contents><Language>ru</Language><SignedContentType>Hash</SignedContentType>"))))
          .request;
  CHECK(request.language == "ru");
  CHECK(request.signed_content_type == ContentType::hash);
  REQUIRE(request.contents.size() == 2);
  CHECK(request.contents[0].content == bytes(hash));
  CHECK(request.contents[0].correlation_id == "1");
  CHECK(base::as_text(request.contents[0].signature) == "<a/>");
  CHECK_FALSE(request.contents[1].content);
}

TEST_CASE("every field of a request is read") {
  const auto request = read_posted(enveloped(posted({
      .before = "<ContentDescription>All of it</ContentDescription>",
      .contents =
          content("<CorrelationID>a</CorrelationID><MultipleSignatures> 1 </MultipleSignatures><Name>n</Name>") + content(),
      .between = "<ExpectedSigner><DelegatedRoleID>+7</DelegatedRoleID><DelegatorID>1003600012346</DelegatorID>"
                 "<DelegatorType>Organization</DelegatorType><ID i:nil='true'></ID></ExpectedSigner>",
      .after = "<SignatureReason>Approved</SignatureReason>",
  })));
  CHECK(request.content_description == "All of it");
  CHECK(request.signature_reason == "Approved");
  REQUIRE(request.contents.size() == 2);
  CHECK(request.contents[0].multiple_signatures);
  CHECK(request.contents[0].correlation_id == "a");
  CHECK(request.contents[0].name == "n");
  CHECK_FALSE(request.contents[1].multiple_signatures);
  REQUIRE(request.expected_signer);
  CHECK(request.expected_signer->delegated_role_id == 7);
  CHECK(request.expected_signer->delegator_id == "1003600012346");
  CHECK(request.expected_signer->delegator_type == DelegatorType::organization);
  CHECK_FALSE(request.expected_signer->id);
}

TEST_CASE("optional fields may be nil, whatever their type") {
  const auto request = read_posted(enveloped(posted({
      .before = "<ContentDescription i:nil='true'/>",
      .contents = content("<CorrelationID i:nil='true'/><MultipleSignatures i:nil='true'/><Name i:nil='1'/>"),
      .between = "<ExpectedSigner><DelegatedRoleID i:nil='true'/><DelegatorID i:nil='true'/><DelegatorType i:nil='true'/>"
                 "<ID i:nil='false'>2001234567890</ID></ExpectedSigner>",
      .after = "<SignatureReason i:nil='true'/>",
  })));
  CHECK_FALSE(request.contents.at(0).correlation_id);
  CHECK(request.expected_signer.value().delegator_type == DelegatorType::none);
  CHECK(request.expected_signer->id == "2001234567890");
  CHECK_FALSE(read_posted(enveloped(posted({.between = "<ExpectedSigner i:nil='true'/>"}))).expected_signer);
}

TEST_CASE("a client may name the types that elements have anyway, and no others") {
  const std::string named = "<Contents i:type='t:ArrayOfSignContent' xmlns:t='https://msign.gov.md'>";
  std::string message =
      posted({.contents = content("<Name i:type='x:string' xmlns:x='http://www.w3.org/2001/XMLSchema'>a</Name>")});
  message.replace(message.find("<Contents>"), 10, named);
  CHECK(read_posted(enveloped(message)).contents.at(0).name == "a");
  message.replace(message.find("t:ArrayOfSignContent"), 20, "t:SignRequest");
  CHECK(invalid(message).starts_with("SignRequest/Contents: "));
}

TEST_CASE("an empty text is not an absent one") {
  const auto request = read_posted(enveloped(posted({.before = "<ContentDescription/>", .contents = content("<Name></Name>")})));
  CHECK(request.content_description == "");
  CHECK(request.contents.at(0).name == "");
}

TEST_CASE("base64 may be broken into lines") {
  const std::string broken =
      "<SignContent><Content>\r\n  47DEQpj8HBSa+/TImW+5JCeu\r\n\tQeRkm5NMpJWZG3hSuFU=\n</Content></SignContent>";
  CHECK(read_posted(enveloped(posted({.contents = broken}))).contents.at(0).content == bytes(hash));
}

TEST_CASE("markup in texts is read as the text that it is") {
  const std::string written =
      "&lt;script&gt;alert(1)&lt;/script&gt; &amp;amp; &#x41;&#1080;<!-- not text --> <![CDATA[<b>&lt;</b>]]> ț "
      "🖋";
  const auto request = read_posted(enveloped(posted({.contents = content("<Name>" + written + "</Name>")})));
  CHECK(request.contents.at(0).name == "<script>alert(1)</script> &amp; Aи <b>&lt;</b> ț 🖋");
}

TEST_CASE("an unknown language is for whoever answers to deal with") {
  const auto call = std::get<GetSignResponse>(read(enveloped(asked("<requestID>a</requestID><language>tlh</language>"))));
  CHECK(call.language == "tlh");
  CHECK(language_or_default(*call.language) == Language::ro);
  CHECK_FALSE(std::get<GetSignResponse>(read(enveloped(asked("<requestID>a</requestID>")))).language);
  CHECK_FALSE(std::get<GetSignResponse>(read(enveloped(asked("<requestID>a</requestID><language i:nil='true'/>")))).language);
}

TEST_CASE("the SOAPAction may be quoted or not, empty or absent, and may not contradict the body") {
  const std::string message = enveloped(posted());
  for (const char* action :
       {"", "\"\"", "  ", "https://msign.gov.md/IMSign/PostSignRequest", "\"https://msign.gov.md/IMSign/PostSignRequest\"",
        " \"https://msign.gov.md/IMSign/PostSignRequest\" "}) {
    INFO(action);
    CHECK(read_call(message, action, {}));
  }
  for (const char* action :
       {"\"https://msign.gov.md/IMSign/GetSignResponse\"", "https://msign.gov.md/IMSign/PostSignRequestResponse",
        "PostSignRequest", "\"", "\"https://msign.gov.md/IMSign/PostSignRequest", "https://msign.gov.md/IMSign/"}) {
    INFO(action);
    const Fault fault = refused(message, action);
    CHECK(fault.code == FaultCode::client);
    CHECK(fault.reason == "the SOAPAction is not that of the body's operation, PostSignRequest");
  }
}

TEST_CASE("addressing headers are understood, others need not be, and one that must be is refused") {
  for (const char* name :
       {"http://www.w3.org/2005/08/addressing", "http://schemas.xmlsoap.org/ws/2004/08/addressing",
        "http://schemas.xmlsoap.org/ws/2003/02/addressing", "http://schemas.microsoft.com/ws/2005/05/addressing/none"}) {
    INFO(name);
    CHECK(read_call(
        enveloped(posted(), std::string("<a:Action s:mustUnderstand='1' xmlns:a='").append(name).append("'>x</a:Action>")), "",
        {}));
  }
  CHECK(read_call(enveloped(posted(), "<o:Security xmlns:o='urn:o'><o:Token/></o:Security>"), "", {}));
  CHECK(read_call(enveloped(posted(), "<o:Security s:mustUnderstand='0' xmlns:o='urn:o'/>"), "", {}));
  for (const char* header :
       {"<o:Security s:mustUnderstand='1' xmlns:o='urn:o'/>", "<o:Security s:mustUnderstand='true' xmlns:o='urn:o'/>",
        "<Action s:mustUnderstand='1'/>",
        "<a:Action xmlns:a='http://www.w3.org/2005/08/addressing'/><o:B s:mustUnderstand='&#49;' xmlns:o='urn:o'/>"}) {
    INFO(header);
    CHECK(refused(enveloped(posted(), header)).code == FaultCode::must_understand);
  }
}

TEST_CASE("an envelope of another version is told so") {
  const auto with = [](std::string_view name) {
    return std::string("<s:Envelope xmlns:s='")
        .append(name)
        .append("'><s:Body>")
        .append(posted())
        .append("</s:Body></s:Envelope>");
  };
  CHECK(refused(with("http://www.w3.org/2003/05/soap-envelope")).code == FaultCode::version_mismatch);
  CHECK(refused(with("urn:other")).code == FaultCode::version_mismatch);
  CHECK(refused("<Envelope/>").code == FaultCode::version_mismatch);
}

TEST_CASE("what is no message of the contract is the client's fault, in words") {
  constexpr std::string_view open = "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'>";
  const auto soap = [&](std::string_view inner) { return std::string(open).append(inner).append("</s:Envelope>"); };
  for (const std::string& message : {std::string(),
                                     std::string("hello"),
                                     std::string("{}"),
                                     std::string("<a/>"),
                                     std::string(open),
                                     soap(""),
                                     soap("<s:Header/>"),
                                     soap("<s:Body/>"),
                                     soap("<s:Body>text</s:Body>"),
                                     soap("<Body/>"),
                                     soap("<s:Body><a/><a/></s:Body>"),
                                     soap("<s:Body>" + posted() + posted() + "</s:Body>"),
                                     soap("<s:Body>" + posted() + "</s:Body><s:Body/>"),
                                     soap("<s:Body>" + posted() + "</s:Body><s:Header/>"),
                                     soap("<s:Header/><s:Header/><s:Body>" + posted() + "</s:Body>"),
                                     enveloped("<Other xmlns='https://msign.gov.md'/>"),
                                     enveloped("<PostSignRequest/>"),
                                     enveloped("<PostSignRequest xmlns='urn:other'/>"),
                                     enveloped("<PostSignRequestResponse xmlns='https://msign.gov.md'/>"),
                                     enveloped("<SignRequest xmlns='https://msign.gov.md'/>"),
                                     enveloped(posted()) + "x",
                                     enveloped("<u:PostSignRequest/>")}) {
    INFO(message);
    const Fault fault = refused(message);
    CHECK(fault.code == FaultCode::client);
    CHECK_FALSE(fault.reason.empty());
  }
}

TEST_CASE("what the schema refuses names the field and why") {
  const auto contents = [](std::string_view fields) { return invalid(posted({.contents = content() + std::string(fields)})); };
  const auto structure = [](std::string_view fields) {
    return invalid(
        std::string("<PostSignRequest xmlns='https://msign.gov.md' xmlns:i='http://www.w3.org/2001/XMLSchema-instance'>"
                    "<request>")
            .append(fields)
            .append("</request></PostSignRequest>"));
  };
  // a value
  CHECK(contents("<SignContent><Content>@@@</Content></SignContent>") ==
        "SignRequest/Contents/SignContent/Content: is not base64, in Contents[1]");
  CHECK(contents("<SignContent><Content>YQ=</Content></SignContent>") ==
        "SignRequest/Contents/SignContent/Content: is not base64, in Contents[1]");
  CHECK(contents("<SignContent><Content/><MultipleSignatures>yes</MultipleSignatures></SignContent>") ==
        "SignRequest/Contents/SignContent/MultipleSignatures: is neither true nor false, in Contents[1]");
  for (const char* number : {"x", "1.0", "2147483648", ""})
    CHECK(invalid(posted({.between = std::string("<ExpectedSigner><DelegatedRoleID>") + number +
                                     "</DelegatedRoleID><ID i:nil='true'/></ExpectedSigner>"})) ==
          "SignRequest/ExpectedSigner/DelegatedRoleID: is not a whole number of 32 bits");
  CHECK(structure("<ContentType>hash</ContentType>") == "SignRequest/ContentType: is not one of 'Hash', 'Pdf'");
  CHECK(invalid(posted({.between = "<ExpectedSigner><DelegatorType>'Evil' the set {x}</DelegatorType><ID/></ExpectedSigner>"})) ==
        "SignRequest/ExpectedSigner/DelegatorType: is not one of 'None', 'Person', 'Organization'");
  // missing
  CHECK(structure("") == "SignRequest/ContentType: is missing");
  CHECK(structure("<ContentType>Hash</ContentType>") == "SignRequest/Contents: is missing");
  CHECK(structure("<ContentType>Hash</ContentType><Contents/>") == "SignRequest/ShortContentDescription: is missing");
  CHECK(structure("<ContentType>Hash</ContentType><ShortContentDescription/>") ==
        "SignRequest/Contents: is missing; ShortContentDescription stands in its place");
  CHECK(contents("<SignContent/>") == "SignRequest/Contents/SignContent/Content: is missing, in Contents[1]");
  CHECK(contents("<SignContent><CorrelationID>1</CorrelationID></SignContent>") ==
        "SignRequest/Contents/SignContent/Content: is missing; CorrelationID stands in its place, in Contents[1]");
  CHECK(invalid(posted({.between = "<ExpectedSigner/>"})) == "SignRequest/ExpectedSigner/ID: is missing");
  CHECK(invalid("<PostSignRequest xmlns='https://msign.gov.md'/>") == "PostSignRequest/request: is missing");
  CHECK(invalid(asked("")) == "GetSignResponse/requestID: is missing");
  CHECK(invalid(asked("<requestID i:nil='true'/>")) == "GetSignResponse/requestID: is missing");
  CHECK(invalid("<VerifySignatures xmlns='https://msign.gov.md'/>") == "VerifySignatures/request: is missing");
  CHECK(invalid(verified("<Contents/>")) == "VerificationRequest/SignedContentType: is missing");
  // order
  CHECK(structure("<ContentType>Hash</ContentType><ContentDescription/>") ==
        "SignRequest/ContentDescription: is out of order, repeated or not of this structure; expected there: Contents");
  CHECK(contents("<SignContent><Content/><Name/><CorrelationID/></SignContent>")
            .starts_with("SignRequest/Contents/SignContent/CorrelationID: is out of order"));
  CHECK(invalid(asked("<language>ro</language><requestID>a</requestID>"))
            .starts_with("GetSignResponse/requestID: is out of order"));
  CHECK(contents("<SignContent><Content/><Content/></SignContent>")
            .starts_with("SignRequest/Contents/SignContent/Content: is out"));
  // nil
  CHECK(structure("<ContentType i:nil='true'/>") == "SignRequest/ContentType: is required and cannot be nil");
  CHECK(contents("<SignContent i:nil='true'/>") ==
        "SignRequest/Contents/SignContent: is required and cannot be nil, in Contents[1]");
  CHECK(invalid(posted({.before = "<ContentDescription i:nil='true'>x</ContentDescription>"})) ==
        "SignRequest/ContentDescription: is nil and yet holds something");
  // a form
  CHECK(structure("<ContentType xmlns=''>Hash</ContentType>") ==
        "SignRequest/ContentType: is not in the namespace https://msign.gov.md");
  CHECK(structure("x<ContentType>Hash</ContentType>") == "SignRequest: holds text where elements belong");
  CHECK(structure("<ContentType a='1'>Hash</ContentType>") ==
        "SignRequest/ContentType: has an attribute that the contract does not have");
  CHECK(contents("<SignContent a='1'><Content/></SignContent>") ==
        "SignRequest/Contents/SignContent: has an attribute that the contract does not have, in Contents[1]");
  CHECK(contents("<SignContent><Content/><Name><b/></Name></SignContent>") ==
        "SignRequest/Contents/SignContent/Name: holds elements where a value belongs, in Contents[1]");
  CHECK(structure("<ContentType>Hash</ContentType><Contents i:type='Evil'/>").starts_with("SignRequest/Contents: "));
}

TEST_CASE("a fault never repeats what the caller made up") {
  for (const char* field :
       {"<Evil/>", "<ContentType>Evil</ContentType>", "<ContentType Evil='Evil'>Hash</ContentType>",
        "<Evil:ContentType xmlns:Evil='Evil'/>", "Evil", "<ContentType i:type='Evil'>Hash</ContentType>",
        "<ContentType><Evil><Name>Evil</Name></Evil></ContentType>", "<Evil><Evil><ContentType/></Evil></Evil>",
        "<ContentType i:nil='Evil'/>", "<ContentType>Hash</ContentType><Contents>Evil</Contents>",
        "<ContentType>Hash</ContentType><Contents><Evil>Evil</Evil></Contents>",
        "<ContentType>Hash</ContentType><Contents i:schemaLocation='Evil file:///Evil'><Evil/></Contents>"}) {
    INFO(field);
    const std::string reason = invalid(std::string("<PostSignRequest xmlns='https://msign.gov.md' "
                                                   "xmlns:i='http://www.w3.org/2001/XMLSchema-instance'><request>")
                                           .append(field)
                                           .append("</request></PostSignRequest>"));
    CHECK(reason.find("Evil") == std::string::npos);
    CHECK(reason.starts_with("SignRequest"));
  }
  CHECK(refused(enveloped("<Evil xmlns='https://msign.gov.md'/>")).reason.find("Evil") == std::string::npos);
  CHECK(refused(enveloped(posted(), "<Evil s:mustUnderstand='1'/>")).reason.find("Evil") == std::string::npos);
  CHECK(refused(enveloped(posted()), "Evil").reason.find("Evil") == std::string::npos);
}

TEST_CASE("several threads read with the one schema") {
  const std::string good = enveloped(verified(verification));
  const std::string bad = enveloped(posted({.contents = "<SignContent/>"}));
  std::vector<std::jthread> threads;
  std::atomic<int> wrong = 0;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 200; ++n) wrong += !read_call(good, "", {}) || read_call(bad, "", {});
    });
  threads.clear();
  CHECK(wrong == 0);
}
