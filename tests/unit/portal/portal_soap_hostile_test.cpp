#include <chrono>

#include "messages.hpp"

using namespace signet;
using namespace signet::portal;
using namespace signet::portal::test;

TEST_CASE("a document type declaration is refused, with entities or without") {
  const std::string message = enveloped(posted({.contents = content("<Name>&a;</Name>")}));
  std::string laughs = "<!DOCTYPE s [<!ENTITY a0 'ha'>";
  for (int i = 1; i < 10; ++i)
    laughs += "<!ENTITY a" + std::to_string(i) + " '" + repeated("&a" + std::to_string(i - 1) + ";", 10) + "'>";
  for (const std::string& declaration :
       {std::string("<!DOCTYPE s>"), std::string("<!DOCTYPE s [<!ENTITY a 'b'>]>"), laughs + "<!ENTITY a '&a9;'>]>",
        std::string("<!DOCTYPE s [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>"),
        std::string("<!DOCTYPE s [<!ENTITY % p SYSTEM 'http://127.0.0.1:1/x'> %p;]>"),
        std::string("<!DOCTYPE s SYSTEM 'http://127.0.0.1:1/x.dtd'>")}) {
    INFO(declaration);
    const Fault fault = refused(declaration + message);
    CHECK(fault.code == FaultCode::client);
    CHECK(fault.reason == "the message is refused: a document type declaration is refused");
  }
  CHECK(refused(message).code == FaultCode::client);  // an entity that nothing declares
}

TEST_CASE("nothing is fetched for a schema that the message names") {
  const std::string location = R"( i:schemaLocation="urn:x file:///nowhere/x.xsd https://msign.gov.md http://127.0.0.1:1/y.xsd")";
  std::string message = enveloped(posted());
  message.insert(message.find("<request") + 8, location);
  CHECK(read_call(message, "", {}));
}

TEST_CASE("bytes, nodes and depth are limited before a tree is built") {
  const std::string message = enveloped(posted());
  const auto reason = [&](const SoapLimits& limits) {
    const Fault fault = refused(message, "", limits);
    CHECK(fault.code == FaultCode::client);
    return fault.reason;
  };
  SoapLimits limits;
  limits.max_bytes = message.size();
  CHECK(read_call(message, "", limits));
  limits.max_bytes = message.size() - 1;
  CHECK(reason(limits) == "the message is refused: an XML document over the limit");
  limits = {};
  limits.max_depth = 6;
  CHECK(reason(limits) == "the message is refused: XML deeper than the limit");
  limits.max_depth = 7;
  CHECK(read_call(message, "", limits));
  limits = {};
  limits.max_nodes = 8;
  CHECK(reason(limits) == "the message is refused: more XML nodes than the limit");
}

TEST_CASE("depth, attributes and namespaces by the thousand are refused") {
  for (const std::string& body :
       {repeated("<a>", 100'000) + repeated("</a>", 100'000), posted({.between = repeated("<ExpectedSigner>", 10'000)}),
        "<a " + repeated("b='' ", 10'000) + "/>", [] {
          std::string many = "<a";
          for (int i = 0; i < 10'000; ++i) many += " xmlns:n" + std::to_string(i) + "='u'";
          return many + "/>";
        }()})
    CHECK(refused(enveloped(body)).code == FaultCode::client);
  CHECK(refused(enveloped(posted(), repeated("<a>", 40) + repeated("</a>", 40))).code == FaultCode::client);
}

TEST_CASE("namespaces in scope of many elements are limited more than the gate does") {
  std::string declarations = "<a";
  for (int i = 0; i < 65; ++i) declarations += " xmlns:n" + std::to_string(i) + "='u'";
  CHECK(refused(enveloped(declarations + "/>")).reason == "the message has too many XML namespaces in scope");
}

TEST_CASE("a text that comments split by the million takes no longer for it") {
  const auto begin = std::chrono::steady_clock::now();
  const std::string split = repeated("A<!---->", 500'000) + repeated("A<?p?>", 500'000);
  const auto request =
      read_posted(enveloped(posted({.contents = "<SignContent><Content>" + split + "</Content></SignContent>"})));
  CHECK(request.contents.at(0).content == base::Bytes(750'000, 0));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
}

TEST_CASE("the most contents that are ever posted fit the limits") {
  std::string contents;
  for (int i = 0; i < 100'000; ++i)
    contents += content("<CorrelationID>7f3f6d2c-5f0e-4f0e-9a53-" + std::to_string(100'000'000'000 + i) +
                        R"(</CorrelationID><MultipleSignatures>false</MultipleSignatures>)"
                        R"(<Name i:nil="true" xmlns:i="http://www.w3.org/2001/XMLSchema-instance"/>)");
  const auto request = read_posted(enveloped(posted({.contents = contents})));
  CHECK(request.contents.size() == 100'000);
  CHECK(request.contents.back().correlation_id == "7f3f6d2c-5f0e-4f0e-9a53-100000099999");
}

TEST_CASE("the fault of the last of ten thousand contents says which it is") {
  const std::string contents = repeated(content(), 9'999) + "<SignContent><Content>!</Content></SignContent>";
  CHECK(invalid(posted({.contents = contents})) == "SignRequest/Contents/SignContent/Content: is not base64, in Contents[9999]");
  CHECK(invalid(posted({.contents = repeated("<SignContent><Content>!</Content></SignContent>", 10'000)})) ==
        "SignRequest/Contents/SignContent/Content: is not base64, in Contents[0]");
}

TEST_CASE("encodings: what the document says it is, and nothing that hides markup") {
  const std::string message = enveloped(posted({.contents = content("<Name>țară</Name>")}));
  CHECK(read_posted("\xEF\xBB\xBF" + message).contents.at(0).name == "țară");
  CHECK(read_posted("<?xml version='1.0' encoding='UTF-8'?>" + message).contents.at(0).name == "țară");

  const std::string ascii = enveloped(posted({.contents = content("<Name>a</Name>")}));
  std::string wide;
  for (const char c : ascii) wide.append({c, '\0'});
  CHECK(read_posted("\xFF\xFE" + wide).contents.at(0).name == "a");
  CHECK(refused(wide).code == FaultCode::client);  // without a mark
  CHECK(refused("\xFF\xFE" + wide + "<").code == FaultCode::client);

  CHECK(
      read_posted("<?xml version='1.0' encoding='windows-1251'?>" + enveloped(posted({.contents = content("<Name>\xE8</Name>")})))
          .contents.at(0)
          .name == "и");
  // Says UTF-16 and is not, as some programs write it.
  CHECK(refused("<?xml version='1.0' encoding='utf-16'?>" + message).code == FaultCode::client);
  CHECK(refused("<?xml version='1.0' encoding='utf-7'?>" + message).code == FaultCode::client);
  CHECK(refused(enveloped(posted({.contents = content("<Name>\xC8</Name>")}))).code == FaultCode::client);
  CHECK(refused(enveloped(posted({.contents = content("<Name>\xED\xA0\x80</Name>")}))).code == FaultCode::client);
  CHECK(refused(enveloped(posted({.contents = content("<Name>\x01"
                                                      "</Name>")})))
            .code == FaultCode::client);
  CHECK(refused(enveloped(posted({.contents = content("<Name>&#1;</Name>")}))).code == FaultCode::client);
  CHECK(refused(enveloped(posted({.contents = content(std::string_view("<Name>\0</Name>", 14))}))).code == FaultCode::client);
}

TEST_CASE("a message cut anywhere is refused") {
  const std::string message = enveloped(posted());
  for (std::size_t size = 0; size < message.size(); ++size) REQUIRE(refused(message.substr(0, size)).code == FaultCode::client);
}
