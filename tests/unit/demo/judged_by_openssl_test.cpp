#include "demo/pki.hpp"
#include "demo/tsa.hpp"
#include "judge.hpp"
#include "pki/time_stamp.hpp"

using namespace signet;
using namespace signet::demo;
using namespace std::chrono_literals;

namespace {

const base::Time now = std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + 12h;
const std::string at_now = " -attime " + std::to_string(now.time_since_epoch().count());

Subject subject(std::string name, Subject::Usage usage = Subject::Usage::signing) {
  return {.common_name = std::move(name),
          .serial_number = "2001001000000",
          .key_type = pki::KeyType::ec_p256,
          .usage = usage,
          .key = {}};
}

struct World {
  Authority root{"Root", now};
  Authority issuing = root.subordinate(subject("Issuing CA"));
  Identity ana = issuing.issue(subject("Ana"));
  Identity tsa = issuing.issue(subject("TSA", Subject::Usage::time_stamping));

  void write_to(const Judge& judge) {
    judge.write("root.pem", pem(root.root().certificate));
    judge.write("issuing.pem", pem(issuing.root().certificate));
    judge.write("ana.pem", pem(ana.certificate));
    judge.write("tsa.pem", pem(tsa.certificate));
    judge.write("crls.pem", pem(root.crl()) + pem(issuing.crl()));
  }
};

const std::string verify_ana =
    "verify -crl_check_all -x509_strict -auth_level 2 -CAfile root.pem -untrusted issuing.pem -CRLfile crls.pem" + at_now;

}  // namespace

TEST_CASE("openssl verify, strictly, accepts our chain and our revocation lists") {
  const Judge judge;
  if (!judge.is_present()) return;
  World world;
  world.write_to(judge);
  const auto verdict = judge.run(verify_ana + " ana.pem");
  INFO(verdict.output);
  CHECK(verdict.accepted);
  const auto purpose = judge.run(verify_ana + " -purpose timestampsign tsa.pem");
  INFO(purpose.output);
  CHECK(purpose.accepted);
  CHECK_FALSE(judge.run(verify_ana + " -purpose timestampsign ana.pem").accepted);
}

TEST_CASE("openssl verify refuses what we revoked, let expire, or gave no list for") {
  const Judge judge;
  if (!judge.is_present()) return;
  World world;
  world.write_to(judge);
  world.issuing.revoke(world.ana.certificate, now - 1h);
  judge.write("crls.pem", pem(world.root.crl()) + pem(world.issuing.crl()));
  CHECK(judge.run(verify_ana + " ana.pem").output.find("certificate revoked") != std::string::npos);
  CHECK(judge.run(verify_ana + " tsa.pem").accepted);

  auto brief = subject("Ion");
  brief.ends_after_now = -1h;
  judge.write("ion.pem", pem(world.issuing.issue(brief).certificate));
  CHECK(judge.run(verify_ana + " ion.pem").output.find("certificate has expired") != std::string::npos);

  judge.write("crls.pem", pem(world.root.crl()) + pem(world.issuing.crl(48h, -1h)));
  CHECK(judge.run(verify_ana + " tsa.pem").output.find("CRL has expired") != std::string::npos);
}

TEST_CASE("openssl verify and our validate_path agree") {
  const Judge judge;
  if (!judge.is_present()) return;
  World world;
  world.write_to(judge);
  Authority stranger("Root", now);
  struct Case {
    const char* what;
    pki::Certificate anchor;
    std::vector<pki::Crl> crls;
  };
  const Case cases[] = {{"as it should be", world.root.root().certificate, {world.root.crl(), world.issuing.crl()}},
                        {"another root", stranger.root().certificate, {world.root.crl(), world.issuing.crl()}},
                        {"no list of the root", world.root.root().certificate, {world.issuing.crl()}},
                        {"another root's list", world.root.root().certificate, {stranger.crl(), world.issuing.crl()}},
                        {"an old list", world.root.root().certificate, {world.root.crl(), world.issuing.crl(2h, -1h)}}};
  for (const Case& c : cases) {
    INFO(c.what);
    judge.write("root.pem", pem(c.anchor));
    std::string lists;
    for (const pki::Crl& crl : c.crls) lists += pem(crl);
    judge.write("crls.pem", lists);
    const auto verdict = judge.run(verify_ana + " ana.pem");
    INFO(verdict.output);
    const auto report = pki::validate_path(world.ana.certificate, {{c.anchor}, {world.issuing.root().certificate}, c.crls}, now,
                                           pki::Purpose::signer);
    CHECK(verdict.accepted == (report.status == pki::PathStatus::valid));
  }
}

TEST_CASE("openssl ts accepts our responder's answer to its own request") {
  const Judge judge;
  if (!judge.is_present()) return;
  World world;
  world.write_to(judge);
  const TimeStampResponder responder(world.tsa, {world.issuing.root().certificate});
  judge.write("data", "what is stamped");
  const std::string algorithm = GENERATE("sha256", "sha384", "sha512");
  REQUIRE(judge.run("ts -query -data data -cert -out request -" + algorithm).accepted);
  const base::Bytes request = judge.read("request");
  judge.write("response", responder.answer(request, TsaFault::none, now));
  const std::string verify = "ts -verify -data data -in response -CAfile root.pem" + at_now;
  auto verdict = judge.run(verify);
  INFO(verdict.output);
  CHECK(verdict.accepted);
  verdict = judge.run("ts -verify -queryfile request -in response -CAfile root.pem" + at_now);
  INFO(verdict.output);
  CHECK(verdict.accepted);
}

TEST_CASE("openssl ts accepts our request and the token that we read from the answer") {
  const Judge judge;
  if (!judge.is_present()) return;
  World world;
  world.write_to(judge);
  const TimeStampResponder responder(world.tsa, {world.issuing.root().certificate});
  const base::Digest imprint = base::digest(base::DigestAlgorithm::sha256, base::as_bytes("what is stamped"));
  const pki::TimeStampRequest request = pki::make_time_stamp_request(imprint);
  judge.write("request", request.der);
  const auto printed = judge.run("ts -query -in request -text");
  INFO(printed.output);
  CHECK(printed.accepted);
  CHECK(printed.output.find("Certificate required: yes") != std::string::npos);
  const base::Bytes answer = responder.answer(request.der, TsaFault::none, now);
  judge.write("token", pki::read_time_stamp_response(answer, request).value().der);
  const auto verdict = judge.run("ts -verify -queryfile request -in token -token_in -CAfile root.pem" + at_now);
  INFO(verdict.output);
  CHECK(verdict.accepted);
}

TEST_CASE("we read the answer of openssl's own responder") {
  const Judge judge;
  if (!judge.is_present()) return;
  World world;
  world.write_to(judge);
  // It signs at the machine's time, so this chain is of today.
  const auto today = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  Authority root("Root of today", today);
  const Identity tsa = root.issue(subject("TSA", Subject::Usage::time_stamping));
  judge.write("tsa.pem", pem(tsa.certificate));
  judge.write("tsa.key", private_key_pem(tsa.key));
  judge.write("chain.pem", pem(root.root().certificate));
  judge.write("serial", "01\n");
  judge.write("ts.conf",
              "[tsa]\ndefault_tsa=it\n[it]\nserial=serial\nsigner_cert=tsa.pem\nsigner_key=tsa.key\ncerts=chain.pem\nsigner_"
              "digest=sha256\n"
              "default_policy=1.2.3.4\ndigests=sha256\naccuracy=secs:1\ness_cert_id_alg=sha256\n");
  const base::Digest imprint = base::digest(base::DigestAlgorithm::sha256, base::as_bytes("what is stamped"));
  const pki::TimeStampRequest request = pki::make_time_stamp_request(imprint);
  judge.write("request", request.der);
  const auto replied = judge.run("ts -reply -config ts.conf -queryfile request -out response");
  INFO(replied.output);
  REQUIRE(replied.accepted);
  const auto token = pki::read_time_stamp_response(judge.read("response"), request);
  REQUIRE(token);
  CHECK(token->policy == "1.2.3.4");
  const auto report = pki::verify_time_stamp(token->der, imprint, {{root.root().certificate}, {}, {root.crl()}}, today);
  INFO(report.detail);
  CHECK(report.status == pki::TimeStampStatus::valid);
}

TEST_CASE("openssl ts refuses our responder's faults") {
  const Judge judge;
  if (!judge.is_present()) return;
  World world;
  world.write_to(judge);
  const TimeStampResponder responder(world.tsa, {world.issuing.root().certificate}, world.ana);
  judge.write("data", "what is stamped");
  REQUIRE(judge.run("ts -query -data data -cert -out request -sha256").accepted);
  const TsaFault fault = GENERATE(TsaFault::wrong_imprint, TsaFault::wrong_nonce, TsaFault::bad_signature, TsaFault::rejected,
                                  TsaFault::garbage, TsaFault::wrong_usage);
  CAPTURE(static_cast<int>(fault));
  judge.write("response", responder.answer(judge.read("request"), fault, now));
  CHECK_FALSE(judge.run("ts -verify -queryfile request -in response -CAfile root.pem" + at_now).accepted);
}

TEST_CASE("openssl verifies what sign_digest signs") {
  const Judge judge;
  if (!judge.is_present()) return;
  const PrivateKey rsa = make_key(pki::KeyType::rsa);
  const auto [scheme, options] = GENERATE(table<SoftScheme, std::string>(
      {{SoftScheme::rsa_pkcs1, ""}, {SoftScheme::rsa_pss, " -pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:digest"}}));
  judge.write("key.pem", private_key_pem(rsa));
  const base::Digest digest = base::digest(base::DigestAlgorithm::sha384, base::as_bytes("what is signed"));
  judge.write("digest", digest.bytes());
  base::Bytes signature = sign_digest(rsa, scheme, digest);
  judge.write("signature", signature);
  const std::string verify = "pkeyutl -verify -inkey key.pem -in digest -sigfile signature -pkeyopt digest:sha384" + options;
  const auto verdict = judge.run(verify);
  INFO(verdict.output);
  CHECK(verdict.accepted);
  signature.back() ^= 1;
  judge.write("signature", signature);
  CHECK_FALSE(judge.run(verify).accepted);
}
