#include "signing/certificates.hpp"

#include <catch2/catch.hpp>

#include "demo/pki.hpp"

using namespace signet;
using namespace signet::signing;
using namespace std::chrono_literals;
using demo::Subject;

namespace {

const base::Time now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());

SigningCertificate on_token(const demo::Identity& identity) { return {identity.certificate, {}, {}, {0x01}}; }

}  // namespace

TEST_CASE("only certificates for signing are offered, what has expired last") {
  demo::Authority authority("CA", now);
  const auto make = [&](std::string name, Subject::Usage usage, std::chrono::seconds ends) {
    return on_token(authority.issue({.common_name = std::move(name),
                                     .serial_number = {},
                                     .key_type = pki::KeyType::ec_p256,
                                     .usage = usage,
                                     .ends_after_now = ends}));
  };
  const auto expired = make("expired", Subject::Usage::signing, -1h);
  const auto good = make("good", Subject::Usage::signing, 24h * 100);
  const auto encryption = make("encryption", Subject::Usage::encryption_only, 24h * 100);
  const auto soon = make("soon", Subject::Usage::signing, 24h * 10 + 1h);
  const auto offered = fit_for_signing({expired, encryption, good, soon, good, on_token(authority.root())}, now);
  REQUIRE(offered.size() == 3);
  CHECK(offered[2].certificate.common_name() == "expired");
  CHECK(offered[2].validity == SigningCertificate::Validity::expired);
  for (const SigningCertificate& one : offered) {
    if (one.certificate.common_name() == "soon") {
      CHECK(one.validity == SigningCertificate::Validity::expires_soon);
      CHECK(one.left == std::chrono::days{10});
    }
    if (one.certificate.common_name() == "good") CHECK(one.validity == SigningCertificate::Validity::valid);
  }
}

TEST_CASE("the border of thirty days is where the warning begins") {
  demo::Authority authority("CA", now);
  const auto validity = [&](std::chrono::seconds ends) {
    return fit_for_signing(
               {on_token(authority.issue(
                   {.common_name = "x", .serial_number = {}, .key_type = pki::KeyType::ec_p256, .ends_after_now = ends}))},
               now)[0]
        .validity;
  };
  CHECK(validity(24h * 30 + 5s) == SigningCertificate::Validity::valid);
  CHECK(validity(24h * 30 - 5s) == SigningCertificate::Validity::expires_soon);
}
