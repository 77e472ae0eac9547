#include <catch2/catch.hpp>

#include "portal/verification.hpp"
#include "signing_bench.hpp"

using namespace signet;
using namespace signet::portal;
using namespace std::chrono_literals;
using namespace signet::portal::test;

TEST_CASE("a signature over the posted hash, by who is expected, with a time stamp, is accepted") {
  Bench bench;
  for (const auto packaging : {xades::Packaging::detached, xades::Packaging::enveloping}) {
    const auto signature = bench.sign(bench.signer, {.packaging = packaging});
    CHECK_FALSE(bench.judged(signature, bench.wanted()));
    CHECK_FALSE(bench.judged(signature, bench.wanted(ana)));
  }
}

TEST_CASE("what is not quite what was asked for is refused with its reason") {
  Bench bench;
  CHECK(bench.judged("", bench.wanted()) == Refusal::signature_invalid);
  CHECK(bench.judged("<x/>", bench.wanted()) == Refusal::signature_invalid);
  CHECK(bench.judged(bench.sign(bench.signer, {.texts = {"b"}}), bench.wanted()) == Refusal::other_hash);
  CHECK(bench.judged(bench.sign(bench.signer, {.time_stamp = false}), bench.wanted()) == Refusal::time_stamp_missing);
  CHECK(bench.judged(bench.sign(), bench.wanted(ion)) == Refusal::signer_differs);
  // A second document that nobody posted, signed along.
  CHECK(bench.judged(bench.sign(bench.signer, {.texts = {"a", "b"}}), bench.wanted()));
  // Two signatures in one document.
  const std::string twice = "<two>" + bench.sign() + bench.sign() + "</two>";
  CHECK(bench.judged(twice, bench.wanted()));
  std::string damaged = bench.sign();
  const auto at = damaged.find("<ds:SignatureValue");
  REQUIRE(at != std::string::npos);
  const auto value = damaged.find('>', at) + 10;
  damaged[value] = damaged[value] == 'A' ? 'B' : 'A';
  CHECK(bench.judged(damaged, bench.wanted()) == Refusal::signature_invalid);
}

TEST_CASE("certificates that do not hold are refused: a stranger's, an expired and a revoked one, one without a list") {
  Bench bench;
  demo::Authority stranger("Another CA", now);
  const auto unknown = stranger.issue({.common_name = "Ana Test", .serial_number = ana, .key_type = pki::KeyType::ec_p256});
  CHECK(bench.judged(bench.sign(unknown, {}), bench.wanted(ana)) == Refusal::certificate_refused);
  const auto expired = bench.authority.issue({.common_name = "Ana Test",
                                              .serial_number = ana,
                                              .key_type = pki::KeyType::ec_p256,
                                              .starts_before_now = 48h,
                                              .ends_after_now = -24h});
  CHECK(bench.judged(bench.sign(expired, {}), bench.wanted(ana)) == Refusal::certificate_refused);
  const auto good = bench.sign();
  bench.authority.revoke(bench.signer.certificate, now - 1h);
  CHECK(bench.judged(good, bench.wanted(ana)) == Refusal::certificate_refused);

  Bench without;
  pki::TrustMaterial trust = without.trust();
  trust.crls.clear();
  const auto verdict = accept(without.sign(), without.wanted(), trust, now);
  REQUIRE_FALSE(verdict);
  CHECK(verdict.error() == Refusal::revocation_unknown);
}

TEST_CASE("a signature from before the request was posted is another consent's") {
  Bench bench;
  const auto signature = bench.sign();
  auto wanted = bench.wanted(ana);
  wanted.posted_at = now + 1min;  // clocks differ
  CHECK_FALSE(bench.judged(signature, wanted));
  wanted.posted_at = now + 10min;
  CHECK(bench.judged(signature, wanted) == Refusal::signed_before);
}

TEST_CASE("a signature from before the request is not made a new one by a time stamp of today") {
  Bench bench;
  auto wanted = bench.wanted(ana);
  wanted.posted_at = now - 10min;
  CHECK(bench.judged(bench.sign(bench.signer, {.signing_time = now - 2h}), wanted) == Refusal::signed_before);
  CHECK_FALSE(bench.judged(bench.sign(bench.signer, {.signing_time = now - 30min}), wanted));  // a slow clock
}

TEST_CASE("a signature without a time stamp from before the request was posted gets none") {
  Bench bench;
  const auto bare = bench.sign(bench.signer, {.time_stamp = false});
  auto wanted = bench.wanted(ana);
  wanted.posted_at = now + 1min;
  CHECK(bench.judged(bare, wanted) == Refusal::time_stamp_missing);
  wanted.posted_at = now + 10min;
  CHECK(bench.judged(bare, wanted) == Refusal::signed_before);
}

TEST_CASE("what lacks nothing but its time stamp is accepted with one, and not with another's") {
  Bench bench;
  const auto bare = bench.sign(bench.signer, {.time_stamp = false});
  const auto plan = plan_time_stamp(bare);
  REQUIRE(plan);
  const auto token_over = [&](const base::Digest& imprint, const demo::TimeStampResponder& tsa) {
    const auto request = pki::make_time_stamp_request(imprint);
    return pki::read_time_stamp_response(tsa.answer(request.der, demo::TsaFault::none, now), request)->der;
  };
  CHECK_FALSE(bench.judged(xades::stamped(bare, *plan, token_over(plan->imprint, bench.tsa)), bench.wanted(ana)));

  demo::Authority stranger("Another CA", now);
  const demo::TimeStampResponder theirs(stranger.issue({.common_name = "TSA", .usage = demo::Subject::Usage::time_stamping}), {});
  for (const auto& token : {token_over(plan->imprint, theirs), token_over(digest_of("b"), bench.tsa), base::Bytes{1, 2, 3}}) {
    CHECK(bench.judged(xades::stamped(bare, *plan, token), bench.wanted(ana)));
  }
}

TEST_CASE("a hash of SHA-1 that was posted is accepted under a signature that uses better ones, and nothing weaker is") {
  Bench bench;
  const auto sha1 = base::DigestAlgorithm::sha1;
  auto wanted = bench.wanted(ana);
  wanted.digest = base::digest(sha1, base::as_bytes("a"));
  for (const auto packaging : {xades::Packaging::detached, xades::Packaging::enveloping})
    CHECK_FALSE(bench.judged(bench.sign(bench.signer, {.packaging = packaging, .of_texts = sha1}), wanted));
  CHECK(bench.judged(bench.sign(bench.signer, {.texts = {"b"}, .of_texts = sha1}), wanted) == Refusal::other_hash);
  CHECK(bench.judged(bench.sign(), wanted) == Refusal::other_hash);
  // Where SHA-256 was posted, its signature is over that.
  CHECK(bench.judged(bench.sign(bench.signer, {.of_texts = sha1}), bench.wanted(ana)) == Refusal::other_hash);
  // A signature that uses SHA-1 for itself.
  CHECK(bench.judged(bench.sign(bench.signer, {.of_texts = sha1, .signed_by = sha1}), wanted) == Refusal::signature_invalid);
}

TEST_CASE("a time stamp from when the certificate still held does not make it hold now") {
  Bench bench;
  const auto signature = bench.sign();
  bench.authority.revoke(bench.signer.certificate, now + 1h);
  const auto trust = bench.trust();
  const auto later = now + 2h;
  const auto verdict = accept(signature, bench.wanted(ana), trust, later);
  REQUIRE_FALSE(verdict);
  CHECK(verdict.error() == Refusal::certificate_refused);
}

TEST_CASE("an instrument takes only certificates of its issuers") {
  Bench bench;
  auto wanted = bench.wanted();
  wanted.issuers.push_back(bench.authority.root().certificate);
  CHECK_FALSE(bench.judged(bench.sign(), wanted));
  wanted.issuers = {demo::Authority("Another CA", now).root().certificate};
  CHECK(bench.judged(bench.sign(), wanted) == Refusal::certificate_not_of_instrument);
}

TEST_CASE("the IDNP of a certificate is read with and without the prefix of EN 319 412-1, and only if it is one") {
  demo::Authority authority("CA", now);
  const auto of = [&](const char* serial_number) {
    return idnp_of(
        authority.issue({.common_name = "x", .serial_number = serial_number, .key_type = pki::KeyType::ec_p256}).certificate);
  };
  CHECK(of(ana) == ana);
  CHECK(of("PNOMD-2001234567892") == ana);
  CHECK(of("IDCMD-2001234567892") == ana);
  for (const char* const other : {"200123456789", "20012345678921", "PNORO-2001234567892", "200123456789a", ""})
    CHECK_FALSE(of(other));
}

TEST_CASE("VerifySignatures says yes to what was signed and no to everything else, in words that fit") {
  Bench bench;
  const auto trust = bench.trust();
  const auto bytes = [](std::string_view text) { return base::Bytes(text.begin(), text.end()); };
  const base::Digest digest = digest_of("a");
  const auto hash = digest.bytes();
  VerificationContent content{
      .content = base::Bytes(hash.begin(), hash.end()), .correlation_id = "1", .signature = bytes(bench.sign())};
  auto result = verify_content(content, trust, now, Language::en);
  CHECK(result.signatures_valid);
  CHECK(result.message == "The signature is valid");
  REQUIRE(result.certificates.size() == 1);
  CHECK(result.certificates[0].signed_at == now);
  CHECK(result.certificates[0].subject.ends_with("CN=Ana Test"));
  CHECK(result.certificates[0].subject.find(std::string("SERIALNUMBER=") + ana) != std::string::npos);

  content.signature = bytes(bench.sign(bench.signer, {.time_stamp = false}));
  result = verify_content(content, trust, now, Language::en);
  CHECK(result.signatures_valid);
  CHECK_FALSE(result.certificates.at(0).signed_at);

  for (const std::string& wrong :
       {bench.sign(bench.signer, {.texts = {"b"}}), std::string("no XML"), std::string("<a/>"), std::string()}) {
    content.signature = bytes(wrong);
    result = verify_content(content, trust, now, Language::en);
    CHECK_FALSE(result.signatures_valid);
    CHECK(result.message.starts_with("The signature is not valid"));
  }
  content.signature = bytes(bench.sign());
  content.content.reset();
  CHECK_FALSE(verify_content(content, trust, now, Language::en).signatures_valid);
}
