#include "fixture.hpp"

using namespace signet;
using namespace signet::xades;
using namespace std::chrono_literals;

namespace {

// A PKI that a test changes: revocations are for it alone.
struct Case {
  Pki pki;
  demo::Identity person = pki.person();

  SignatureReport verified(const SigningPlan& plan, base::Time at) {
    VerifyOptions given = options({"the contract"}, pki);
    given.at = at;
    return verified_one(signed_document(person, plan, pki), given);
  }
};

}  // namespace

TEST_CASE("without the anchor there is no chain") {
  auto given = options();
  given.trust.anchors.clear();
  CHECK(said(verified_one(signed_document(signer()), given)) == "INDETERMINATE/NO_CERTIFICATE_CHAIN_FOUND, valid");
  given.trust.anchors = {demo::Authority("Another Root", now).root().certificate};
  CHECK(said(verified_one(signed_document(signer()), given)) == "INDETERMINATE/NO_CERTIFICATE_CHAIN_FOUND, valid");
}

TEST_CASE("more certificates in KeyInfo than are read are told of") {
  const std::string document = signed_document(signer());
  const auto with = [&](std::size_t count) {
    std::string others;
    for (std::size_t i = 0; i < count; ++i)
      others += "<ds:X509Certificate>" + base::base64(pki_of_tests().person().certificate.der()) + "</ds:X509Certificate>";
    return replaced(document, "</ds:X509Data>", others + "</ds:X509Data>");
  };
  const std::string filled = with(30);  // beside the signer's and its issuer's
  CHECK(warned(verified_one(filled)).empty());
  const auto report = verified_one(
      replaced(filled, "</ds:X509Data>", part(filled, "<ds:X509Certificate>", "</ds:X509Certificate>") + "</ds:X509Data>"));
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK(warned(report) == std::vector<std::string>{"beyond_limits: more than 32 certificates in KeyInfo"});
}

TEST_CASE("without revocation data in force the answer is to try later") {
  auto given = options();
  given.trust.crls.clear();
  CHECK(said(verified_one(signed_document(signer()), given)) == "INDETERMINATE/TRY_LATER, valid");
  given.trust.crls = {pki_of_tests().authority.crl(), pki_of_tests().issuer.crl(2h, -1h)};
  CHECK(said(verified_one(signed_document(signer()), given)) == "INDETERMINATE/TRY_LATER, valid");
  Pki other;
  given.trust.crls = other.trust().crls;  // a namesake's
  CHECK(said(verified_one(signed_document(signer()), given)) == "INDETERMINATE/TRY_LATER, valid");
}

TEST_CASE("a revoked certificate passes only with a time stamp from before") {
  Case test;
  test.pki.issuer.revoke(test.person.certificate, now - 10min);
  CHECK(said(test.verified({}, now)) == "INDETERMINATE/REVOKED_NO_POE, valid");
  // A time stamp from after the revocation does not say when the signature was made.
  CHECK(said(test.verified({.level = Level::b_t}, now)) == "INDETERMINATE/REVOKED_NO_POE, valid");
  const auto before = test.verified({.level = Level::b_t, .stamped_at = now - 20min}, now);
  CHECK(said(before) == "TOTAL-PASSED, valid");
  CHECK(before.proven_time == now - 20min);
}

TEST_CASE("a revoked authority is not the signer's revocation") {
  Case test;
  test.pki.authority.revoke(test.pki.issuer.root().certificate, now - 10min);
  CHECK(said(test.verified({}, now)) == "INDETERMINATE/REVOKED_CA_NO_POE, valid");
}

TEST_CASE("an expired certificate passes only with a time stamp from before") {
  Case test;
  test.person = test.pki.issuer.issue(
      {.common_name = "Ana", .serial_number = {}, .key_type = pki::KeyType::ec_p256, .ends_after_now = 1h, .key = {}});
  CHECK(said(test.verified({}, now)) == "TOTAL-PASSED, valid");
  CHECK(said(test.verified({}, now + 48h)) == "INDETERMINATE/OUT_OF_BOUNDS_NOT_REVOKED, valid");
  CHECK(said(test.verified({.level = Level::b_t}, now + 48h)) == "TOTAL-PASSED, valid");
  CHECK(said(test.verified({.level = Level::b_t, .stamped_at = now + 2h}, now + 48h)) ==
        "INDETERMINATE/OUT_OF_BOUNDS_NOT_REVOKED, valid");
}

TEST_CASE("a time stamp that is older than the certificate proves that something is wrong") {
  Case test;
  test.person = test.pki.issuer.issue(
      {.common_name = "Ana", .serial_number = {}, .key_type = pki::KeyType::ec_p256, .starts_before_now = 1h, .key = {}});
  CHECK(said(test.verified({.level = Level::b_t, .stamped_at = now - 2h}, now)) == "TOTAL-FAILED/NOT_YET_VALID, valid");
  CHECK(said(test.verified({}, now - 2h)) == "INDETERMINATE/OUT_OF_BOUNDS_NO_POE, valid");
}

TEST_CASE("a certificate that is not for signing is refused") {
  Case test;
  using Usage = demo::Subject::Usage;
  for (Usage usage : {Usage::encryption_only, Usage::ca}) {
    test.person = test.pki.issuer.issue(
        {.common_name = "Ana", .serial_number = {}, .key_type = pki::KeyType::ec_p256, .usage = usage, .key = {}});
    CHECK(said(test.verified({}, now)) == "INDETERMINATE/CHAIN_CONSTRAINTS_FAILURE, valid");
  }
}

TEST_CASE("a key that is too short is refused") {
  Case test;
  test.person = test.pki.issuer.issue({.common_name = "Ana", .serial_number = {}, .rsa_bits = 1024, .key = {}});
  const auto report = test.verified({.algorithm = {KeyScheme::rsa_pkcs1, base::DigestAlgorithm::sha256}}, now);
  CHECK(report.indication == Indication::indeterminate);
  CHECK(report.integrity == Integrity::valid);
}

TEST_CASE("the signer's own claim of a time proves nothing") {
  Case test;
  test.person = test.pki.issuer.issue(
      {.common_name = "Ana", .serial_number = {}, .key_type = pki::KeyType::ec_p256, .ends_after_now = 1h, .key = {}});
  const auto report = test.verified({}, now + 48h);
  CHECK(report.claimed_time == now);
  CHECK_FALSE(report.proven_time);
  CHECK(report.indication == Indication::indeterminate);
}

TEST_CASE("a certificate of X.509 version 1 is taken under the compatible policy alone, and said") {
  Case test;
  test.person = test.pki.issuer.issue(
      {.common_name = "Ana", .serial_number = {}, .key_type = pki::KeyType::ec_p256, .version_1 = true, .key = {}});
  VerifyOptions given = options({"the contract"}, test.pki);
  const std::string document = signed_document(test.person, {}, test.pki);
  CHECK(said(verified_one(document, given)) == "INDETERMINATE/CHAIN_CONSTRAINTS_FAILURE, valid");
  given.policy = Policy::sha1_content;
  CHECK(said(verified_one(document, given)) == "INDETERMINATE/CHAIN_CONSTRAINTS_FAILURE, valid");
  given.policy = Policy::msign_compatible;
  const auto report = verified_one(document, given);
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK(warned(report) == std::vector<std::string>{"certificate_version_1"});
}

TEST_CASE("who has a certificate of version 1 is no authority under any policy") {
  Case test;
  demo::Authority old(
      test.pki.issuer.issue(
          {.common_name = "Old", .serial_number = {}, .key_type = pki::KeyType::ec_p256, .version_1 = true, .key = {}}),
      now);
  const auto person =
      old.issue({.common_name = "Ana", .serial_number = {}, .key_type = pki::KeyType::ec_p256, .version_1 = true, .key = {}});
  VerifyOptions given = options({"the contract"}, test.pki);
  given.policy = Policy::msign_compatible;
  given.trust.intermediates = {old.root().certificate};
  CHECK(said(verified_one(signed_document(person, {}, test.pki), given)) ==
        "INDETERMINATE/CERTIFICATE_CHAIN_GENERAL_FAILURE, valid");
}
