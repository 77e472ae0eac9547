#include "portal_under_test.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "base/digest.hpp"
#include "base/time.hpp"
#include "demo/pki.hpp"

namespace signet::bench {
namespace {

constexpr const char* public_url = "https://sign.example";

void write(const std::filesystem::path& file, const std::string& text) {
  if (!(std::ofstream(file) << text)) throw std::runtime_error(file.string());
}

std::string quoted(const std::filesystem::path& path) { return "\"" + path.string() + "\""; }

std::string between(std::string_view text, std::string_view begin, std::string_view end) {
  const auto at = text.find(begin);
  const auto to = at == std::string_view::npos ? at : text.find(end, at + begin.size());
  if (to == std::string_view::npos) throw std::runtime_error("no " + std::string(begin) + " in: " + std::string(text));
  return std::string(text.substr(at + begin.size(), to - at - begin.size()));
}

std::uint16_t port_in(const std::string& log, const std::string& what) {
  return static_cast<std::uint16_t>(std::stoul(between(log, "what=" + what + " address=127.0.0.1 port=", " ")));
}

std::string soap_message(const std::string& operation, const std::string& body) {
  const std::string envelope =
      R"(<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>)" + body + "</s:Body></s:Envelope>";
  return "POST /MSign.svc HTTP/1.1\r\nContent-Type: text/xml; charset=utf-8\r\nSOAPAction: \"https://msign.gov.md/IMSign/" +
         operation + "\"\r\nHost: sign.example:8443\r\nContent-Length: " + std::to_string(envelope.size()) +
         "\r\nAccept-Encoding: gzip, deflate\r\n\r\n" + envelope;
}

}  // namespace

PortalUnderTest::PortalUnderTest(const std::filesystem::path& programs, const std::filesystem::path& folder,
                                 const std::string& database)
    : folder_(folder) {
  std::filesystem::create_directories(sandbox());
  const base::Time now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const demo::Identity server =
      demo::Authority("Bench CA", now).issue({.common_name = "localhost", .key_type = pki::KeyType::ec_p256});
  write(server_certificate(), demo::pem(server.certificate));
  write(server_key(), demo::private_key_pem(server.key));
  const auto configuration = folder_ / "portal.toml";
  write(configuration, "public_url = \"" + std::string(public_url) +
                           "\"\n[api]\nlisten = [\"127.0.0.1:0\"]\ncertificate = " + quoted(server_certificate()) +
                           "\nkey = " + quoted(server_key()) + "\n[pages]\nlisten = [\"127.0.0.1:0\"]\n[store]\ndatabase = \"" +
                           (database.empty() ? "sqlite:" + database_file().string() : database) +
                           "\"\n[consumers]\nca = " + quoted(sandbox()) + "\n[sandbox]\nfolder = " + quoted(sandbox()) +
                           "\n[[instruments]]\nid = \"sandbox\"\nkind = \"sandbox\"\n");
  const auto program = programs / "signet-portal";
  const std::string add = quoted(program) + " --config " + quoted(configuration) +
                          " consumer add shop --name \"Bench shop\" --address 127.0.0.1 --return-url " + return_url +
                          " --issue " + quoted(folder_) + " --active >/dev/null";
  if (std::system(add.c_str()) != 0) throw std::runtime_error("the consumer could not be added");
  const auto log = folder_ / "portal.log";
  processes_.emplace_back(std::vector<std::string>{program.string(), "--config", configuration.string(), "serve"}, log);
  wait_for("signet-portal", [&] { return text_of(log).find(" ready ") != std::string::npos; });
  const std::string said = text_of(log);
  api_port_ = port_in(said, "api");
  page_port_ = port_in(said, "pages");
}

LoadOptions PortalUnderTest::callers(std::size_t connections) const {
  return {.port = api_port_,
          .tls = true,
          .certificate = folder_ / "shop.pem",
          .key = folder_ / "shop.key",
          .connections = connections};
}

LoadOptions PortalUnderTest::browsers(std::size_t connections) const {
  return {.port = page_port_, .tls = false, .certificate = {}, .key = {}, .connections = connections};
}

std::string PortalUnderTest::page(const std::string& method, const std::string& path, const std::string& headers,
                                  const std::string& body) const {
  boost::asio::ip::tcp::iostream stream;
  stream.connect(boost::asio::ip::tcp::endpoint{boost::asio::ip::make_address("127.0.0.1"), page_port_});
  stream << method << ' ' << path << " HTTP/1.1\r\nHost: sign.example\r\nConnection: close\r\n"
         << headers << "Content-Length: " << body.size() << "\r\n\r\n"
         << body << std::flush;
  std::string answer{std::istreambuf_iterator<char>(stream), {}};
  if (!answer.starts_with("HTTP/1.1 200")) throw std::runtime_error("a page: " + answer);
  return answer;
}

std::string PortalUnderTest::signed_request(std::size_t contents) const {
  std::string id;
  Load(callers(1))
      .run([message = post_message(contents)](std::size_t) -> std::string_view { return message; }, std::chrono::minutes{1}, 1,
           [&](std::size_t, std::string_view answer) { id = element(answer, "PostSignRequestResult"); });
  const std::string opened = page("GET", "/" + id + "?ReturnUrl=" + return_url, {}, {});
  const std::string headers = "Content-Type: application/json\r\nOrigin: " + std::string(public_url) +
                              "\r\nSignet-Page: " + between(opened, "\"token\":\"", "\"") + "\r\n";
  const std::string key = R"({"key":"00112233445566778899aabbccddeeff",)";
  page("POST", "/" + id + "/claim", headers, key + R"("instrument":"sandbox"})");
  const std::string done = page("POST", "/" + id + "/sandbox", headers, key + R"("action":"sign"})");
  if (done.find("\"success\"") == std::string::npos) throw std::runtime_error("the sandbox: " + done);
  return id;
}

base::Bytes posted_digest(std::size_t number) {
  const auto digest = base::digest(base::DigestAlgorithm::sha256, base::as_bytes(std::to_string(number)));
  return {digest.bytes().begin(), digest.bytes().end()};
}

std::string post_message(std::size_t contents) {
  std::string list;
  for (std::size_t i = 0; i < contents; ++i) {
    const std::string number = std::to_string(i);
    list += "<SignContent><Content>" + base::base64(posted_digest(i)) + "</Content><CorrelationID>c" + number +
            "</CorrelationID><MultipleSignatures>false</MultipleSignatures><Name>invoice-" + number + ".pdf</Name></SignContent>";
  }
  return soap_message(
      "PostSignRequest",
      R"(<PostSignRequest xmlns="https://msign.gov.md"><request xmlns:i="http://www.w3.org/2001/XMLSchema-instance">)"
      "<ContentDescription>Invoice 2026-11 of the bench</ContentDescription><ContentType>Hash</ContentType><Contents>" +
          list +
          R"(</Contents><ExpectedSigner i:nil="true"/><ShortContentDescription>Invoice</ShortContentDescription>)"
          R"(<SignatureReason i:nil="true"/></request></PostSignRequest>)");
}

std::string get_message(const std::string& request_id) {
  return soap_message("GetSignResponse", R"(<GetSignResponse xmlns="https://msign.gov.md"><requestID>)" + request_id +
                                             "</requestID><language>ro</language></GetSignResponse>");
}

std::string verify_message(base::BytesView digest, base::BytesView signature) {
  return soap_message("VerifySignatures",
                      R"(<VerifySignatures xmlns="https://msign.gov.md"><request><Contents><VerificationContent><Content>)" +
                          base::base64(digest) + "</Content><CorrelationID>c0</CorrelationID><Signature>" +
                          base::base64(signature) +
                          "</Signature></VerificationContent></Contents><Language>ro</Language>"
                          "<SignedContentType>Hash</SignedContentType></request></VerifySignatures>");
}

std::string open_page_message(const std::string& request_id) {
  return "GET /" + request_id + "?ReturnUrl=" + PortalUnderTest::return_url +
         "&RelayState=a1b2 HTTP/1.1\r\nHost: sign.example\r\nAccept: text/html\r\nAccept-Language: ro\r\n\r\n";
}

std::string element(std::string_view xml, const std::string& name) { return between(xml, "<" + name + ">", "</" + name + ">"); }

}  // namespace signet::bench
