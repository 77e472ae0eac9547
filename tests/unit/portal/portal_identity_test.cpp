#include <catch2/catch.hpp>

#include "demo/pki.hpp"
#include "portal/identity.hpp"

using namespace signet;
using namespace signet::portal;
using namespace std::chrono_literals;

namespace {

const base::Time now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
const auto home = boost::asio::ip::make_address("192.0.2.7");

base::Bytes der(const demo::Identity& identity) {
  const auto bytes = identity.certificate.der();
  return {bytes.begin(), bytes.end()};
}

struct Bench {
  demo::Authority authority{"System CA", now};
  demo::Identity known = authority.issue({.common_name = "shop", .key_type = pki::KeyType::ec_p256});
  Identity identity{{}};

  Bench() {
    pki::TrustMaterial trust;
    trust.anchors.push_back(authority.root().certificate);
    identity.trust(trust);
    know(known, authority);
  }
  void know(const demo::Identity& certificate, const demo::Authority& issuer, bool active = true) {
    std::string serial = certificate.certificate.serial_hex();
    std::ranges::transform(serial, serial.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    serial.erase(0, serial.find_first_not_of('0'));
    Consumer consumer;
    consumer.id = "shop";
    consumer.name = "The shop";
    consumer.active = active;
    consumer.certificates = {{serial, base::hex(issuer.root().certificate.fingerprint().bytes()), {}}};
    consumer.addresses = {*address_range("192.0.2.0/24")};
    identity.know({consumer});
  }
  // "" if let in.
  std::string refused(const base::Bytes* certificate, const boost::asio::ip::address& from = home, base::Time at = now) {
    const auto who = identity.of(certificate, from, at);
    if (who) return {};
    CHECK(who.error().code == FaultCode::authentication_failed);
    return who.error().reason;
  }
};

}  // namespace

TEST_CASE("a registered certificate from a registered address is let in") {
  Bench bench;
  const auto certificate = der(bench.known);
  CHECK(bench.refused(&certificate).empty());
  CHECK(bench.refused(&certificate, boost::asio::ip::make_address("::ffff:192.0.2.7")).empty());
}

TEST_CASE("everybody else is told which rule refuses") {
  Bench bench;
  const auto certificate = der(bench.known);
  CHECK(bench.refused(nullptr).starts_with("Invalid authentication certificate provided"));
  const base::Bytes garbage{1, 2, 3};
  CHECK(bench.refused(&garbage).starts_with("Invalid authentication certificate provided"));
  CHECK(bench.refused(&certificate, boost::asio::ip::make_address("192.0.3.7")).find("address") != std::string::npos);
  CHECK(bench.refused(&certificate, home, now + 24h * 400).find("expired") != std::string::npos);

  const auto unregistered = der(bench.authority.issue({.common_name = "x", .key_type = pki::KeyType::ec_p256}));
  CHECK(bench.refused(&unregistered).starts_with("Unknown service consumer: "));

  // The right number, from another CA: one that is not accepted, and one that is but is not the registered one.
  demo::Authority stranger("System CA", now);
  const auto foreign = der(stranger.issue({.common_name = "shop", .key_type = pki::KeyType::ec_p256}));
  CHECK(bench.refused(&foreign).starts_with("Invalid authentication certificate provided"));
  bench.know(bench.known, stranger);
  CHECK(bench.refused(&certificate).starts_with("Unknown service consumer: "));

  bench.know(bench.known, bench.authority, false);
  CHECK(bench.refused(&certificate).find("not active") != std::string::npos);
}

TEST_CASE("a certificate for something else than clients lets nobody in") {
  Bench bench;
  const auto tsa = bench.authority.issue({.common_name = "tsa", .usage = demo::Subject::Usage::time_stamping});
  bench.know(tsa, bench.authority);
  const auto certificate = der(tsa);
  CHECK(bench.refused(&certificate).find("not for authenticating a client") != std::string::npos);
}

TEST_CASE("a revoked certificate is refused where the CA's list is given") {
  Bench bench;
  bench.authority.revoke(bench.known.certificate, now - 1h);
  pki::TrustMaterial trust;
  trust.anchors.push_back(bench.authority.root().certificate);
  trust.crls.push_back(bench.authority.crl());
  bench.identity.trust(trust);
  const auto certificate = der(bench.known);
  CHECK(bench.refused(&certificate).find("revoked") != std::string::npos);
}
