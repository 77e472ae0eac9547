#include <catch2/catch.hpp>

#include "portal/configuration.hpp"

using namespace signet;
using namespace signet::portal;

namespace {

const std::string least = R"(
public_url = "https://sign.example"
[api]
listen = ["127.0.0.1:8443", "[::1]:8443"]
certificate = "/etc/a.pem"
key = "/etc/a.key"
[pages]
listen = ["127.0.0.1:8080"]
[consumers]
ca = "/etc/cas"
[signers]
trust = "/etc/trust"
[[instruments]]
id = "moldsign"
)";

std::string problem(const std::string& toml) {
  const auto read = parse_configuration(toml, "portal.toml");
  if (read) return {};
  CHECK(read.error().code == base::ErrorCode::configuration_invalid);
  return read.error().detail;
}

std::string without(std::string text, const std::string& part) {
  const auto at = text.find(part);
  REQUIRE(at != std::string::npos);
  return text.erase(at, part.size());
}

}  // namespace

TEST_CASE("the least that a portal needs is read, and the API's listener asks for client certificates") {
  const auto read = parse_configuration(least, "portal.toml");
  REQUIRE(read);
  CHECK(read->api.endpoints.size() == 2);
  REQUIRE(read->api.tls);
  CHECK(read->api.tls->client_certificate == net::TlsFiles::ClientCertificate::asked);
  CHECK_FALSE(read->pages.tls);
  CHECK(read->instruments.at(0).kind == "token");
}

TEST_CASE("pages never ask for a client certificate") {
  std::string toml = least;
  toml.replace(toml.find("[pages]\n"), 8, "[pages]\ncertificate = \"/p.pem\"\nkey = \"/p.key\"\n");
  const auto with_tls = parse_configuration(toml, "portal.toml");
  REQUIRE(with_tls);
  REQUIRE(with_tls->pages.tls);
  CHECK(with_tls->pages.tls->client_certificate == net::TlsFiles::ClientCertificate::not_asked);
}

TEST_CASE("what is missing or wrong is named with its line") {
  CHECK(problem(without(least, "public_url = \"https://sign.example\"\n")).find("public_url") != std::string::npos);
  CHECK(problem(without(least, "ca = \"/etc/cas\"\n")).find("consumers.ca") != std::string::npos);
  CHECK(problem(without(least, "trust = \"/etc/trust\"\n")).find("signers.trust") != std::string::npos);
  CHECK(problem(without(least, "certificate = \"/etc/a.pem\"\nkey = \"/etc/a.key\"\n")).find("api.certificate") !=
        std::string::npos);
  CHECK(problem(least + "kind = \"sandbox\"\n").find("sandbox.folder") != std::string::npos);
  CHECK(problem(least + "[[instruments]]\nid = \"mobile\"\n").find("kind = \"mobile\"") != std::string::npos);
  CHECK(problem(least + "[[instruments]]\nid = \"mobile\"\nkind = \"mobile\"\n").empty());
  CHECK(problem(least + "[[instruments]]\nid = \"moldsign\"\n").find("twice") != std::string::npos);
  CHECK(problem(least + "[[instruments]]\nid = \"other\"\n").find("need an id") != std::string::npos);
  CHECK(problem("unknown = 1\n" + least).find("line 1: unknown key") != std::string::npos);
  CHECK(problem("public_uri = 1" + least).find("line 1") != std::string::npos);
  CHECK(problem(least + "[proxies]\ncertificate_header = \"X-Client\"\n").find("proxies.trusted") != std::string::npos);
  std::string wrong = least;
  wrong.replace(wrong.find("127.0.0.1:8443"), 14, "127.0.0.1");
  CHECK(problem(wrong).find("api.listen") != std::string::npos);
}

TEST_CASE("MPower is asked by https, known by a certificate, with roles that have codes") {
  const std::string mpower =
      "[mpower]\nurl = \"https://mpower.example:8443/clients-api/\"\ncertificate = \"/c.pem\"\nkey = \"/c.key\"\n";
  const auto read =
      parse_configuration(least + mpower + "timeout_ms = 500\n[mpower.roles]\n12 = \"AT-0000123\"\n", "portal.toml");
  REQUIRE(read);
  CHECK(read->mpower.url == "https://mpower.example:8443/clients-api");
  CHECK(read->mpower.roles == std::map<int, std::string>{{12, "AT-0000123"}});
  CHECK(read->mpower.timeout == std::chrono::milliseconds(500));
  CHECK(problem(least + "[mpower]\nurl = \"http://mpower.example\"\n").find("https") != std::string::npos);
  CHECK(problem(least + "[mpower]\nurl = \"https://mpower.example\"\n").find("mpower.certificate") != std::string::npos);
  CHECK(problem(least + mpower + "ca = \"ca.pem\"\n").find("mpower.ca") != std::string::npos);
  for (const char* const role : {"x = \"AT-0000123\"", "0 = \"AT-0000123\"", "12 = \"AT-123\"", "12 = \"AT-0000&1=\"", "12 = 7"})
    CHECK(problem(least + mpower + "[mpower.roles]\n" + role + "\n").find("roles") != std::string::npos);
}

TEST_CASE("how long a stop may take") {
  CHECK(parse_configuration(least, "portal.toml")->stop_timeout == std::chrono::seconds(30));
  CHECK(parse_configuration("stop_timeout_s = 5\n" + least, "portal.toml")->stop_timeout == std::chrono::seconds(5));
  CHECK(problem("stop_timeout_s = 0\n" + least).find("stop_timeout_s") != std::string::npos);
}

TEST_CASE("behind a proxy that asks for certificates the API may listen without TLS") {
  const auto toml = without(least, "certificate = \"/etc/a.pem\"\nkey = \"/etc/a.key\"\n") +
                    "[proxies]\ntrusted = [\"127.0.0.1\"]\ncertificate_header = \"X-Client-Cert\"\n";
  const auto read = parse_configuration(toml, "portal.toml");
  REQUIRE(read);
  CHECK(read->proxies.certificate_header == "x-client-cert");
}
