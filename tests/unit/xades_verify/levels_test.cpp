// B-LT and B-LTA: made, and judged when certificates have long expired. The statements that are signed beside content.
#include "demo/ocsp.hpp"
#include "long_term.hpp"

using namespace signet;
using namespace signet::xades;
using namespace std::chrono_literals;

TEST_CASE("B-LT is judged with nothing but the anchor") {
  const std::string document = lt(signed_document(signer(), enveloping));
  const auto report = verified_one(document, later(now));
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK(level_said(report) == "lt");
  // The same without its lists is B-T, and lacks what it wants.
  const auto bare = verified_one(signed_document(signer(), enveloping), later(now));
  CHECK(said(bare) == "INDETERMINATE/TRY_LATER, valid");
  CHECK(level_said(bare) == "b");
  CHECK(level_said(verified_one(signed_document(signer(), enveloping))) == "t");
}

TEST_CASE("whom a trusted list vouches for is as good as an anchor of one's own, for levels too") {
  Pki pki;
  const demo::Identity person = pki.person();
  using Use = pki::TrustedService::Use;
  VerifyOptions by_list = later(now, pki);
  by_list.trust.anchors.clear();
  by_list.trust.services = {{.certificate = pki.authority.root().certificate, .use = Use::certificates, .from = now - 24h},
                            {.certificate = pki.authority.root().certificate, .use = Use::time_stamps, .from = now - 24h}};
  const std::string document = lt(signed_document(person, enveloping, pki), pki);
  CHECK(level_said(verified_one(document, by_list)) == "lt");
  CHECK(level_said(verified_one(archived(document, now, pki.responder), by_list)) == "lta");
}

TEST_CASE("who is trusted does not expire, anchor or service; who is below does") {
  Pki pki{.lives = 24h};
  const demo::Identity person = pki.person();
  pki.responder = demo::TimeStampResponder(lasting_tsa(pki), {});
  const std::string document = lt(signed_document(person, enveloping, pki), pki);
  VerifyOptions given = later(now + 40h, pki);
  CHECK(said(verified_one(document, given)) == "INDETERMINATE/OUT_OF_BOUNDS_NO_POE, valid");
  given.trust.services = {{.certificate = pki.issuer.root().certificate, .from = now - 24h}};
  CHECK(said(verified_one(document, given)) == "TOTAL-PASSED, valid");
}

TEST_CASE("what is known of a revocation is asked about anew where it is from before the time that matters") {
  Pki pki;
  const demo::Identity person = pki.person();
  SigningPlan plan = enveloping;
  plan.stamped_at = now + 2h;
  const std::string stamped = signed_document(person, plan, pki),
                    plain = signed_document(person, {.packaging = Packaging::enveloping}, pki);
  VerifyOptions given = options({"the contract"}, pki);
  given.at = now + 3h;
  const auto never = [](const pki::RevocationEvidence&, base::Time) { return false; };
  const auto warned_of_it = [](const SignatureReport& report) {
    return std::ranges::find(report.warnings, Warning::Kind::revocation_data_before_signature, &Warning::kind) !=
           report.warnings.end();
  };
  // Lists of `now`, two hours before the time stamp, three before the verification.
  auto report = verified_one(stamped, given);
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK(warned_of_it(report));
  auto wanted = newer_revocation_data(report, never);
  REQUIRE(wanted.size() == 3);  // the signer's, its issuer's, the TSA's
  CHECK(wanted[0].certificate == person.certificate);
  CHECK(wanted[0].asked_after == now + 2h);
  CHECK(wanted[1].certificate == pki.issuer.root().certificate);
  CHECK(wanted[2].certificate == pki.tsa.certificate);
  CHECK_FALSE(wanted[2].asked_after);
  CHECK(newer_revocation_data(report, [](const auto&, base::Time at) { return at == now + 2h; }).size() == 1);
  report = verified_one(plain, given);
  CHECK_FALSE(warned_of_it(report));  // no time is proven
  CHECK(newer_revocation_data(report, never).size() == 2);
  // Lists of after it: there is nothing to ask.
  given.trust.crls = {pki.authority.crl(-3h), pki.issuer.crl(-3h)};
  report = verified_one(stamped, given);
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK_FALSE(warned_of_it(report));
  CHECK(newer_revocation_data(report, never).empty());
  // One that tells of a later revocation says so.
  CHECK_FALSE(report.path->evidence.front().revoked_later);
  pki.issuer.revoke(person.certificate, now + 150min);
  given.trust.crls = {pki.authority.crl(-3h), pki.issuer.crl(-3h)};
  report = verified_one(stamped, given);
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK(report.path->evidence.front().revoked_later == now + 150min);
  CHECK(said(verified_one(plain, given)) == "INDETERMINATE/REVOKED_NO_POE, valid");
}

TEST_CASE("what a verification used makes B-LT of a signature, by OCSP and lists, each thing once") {
  Pki pki;
  const demo::Identity person = pki.person();
  VerifyOptions given = options({"the contract"}, pki);
  given.trust.crls = {pki.authority.crl()};
  given.trust.ocsp = {demo::ocsp_response(
      pki.issuer.root(),
      {{.certificate = person.certificate, .issuer = pki.issuer.root().certificate, .at = now, .next_update = now + 1h}})};
  const std::string document = signed_document(person, enveloping, pki);
  const auto found = verified_one(document, given);
  REQUIRE(said(found) == "TOTAL-PASSED, valid");
  const auto [of_signer, of_time_stamps] = validation_data_of(found);
  CHECK(of_signer.ocsp.size() == 1);
  CHECK(of_signer.crls.size() == 1);
  CHECK(of_time_stamps.crls.empty());  // the authority's list is among the signer's
  const std::string made = with_validation_data(document, of_signer, of_time_stamps, {}).value();
  const auto report = verified_one(made, later(now, pki));
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK(level_said(report) == "lt");
  // Asked again there is nothing to add.
  const auto [again, stamps_again] = validation_data_of(report);
  CHECK(with_validation_data(made, again, stamps_again, {}).value() == made);
}

namespace {

// B-LT whose data are OCSP responses, in one document or several in one.
std::string with_responses(std::size_t signatures, Pki& pki, std::size_t time_stamps = 1) {
  const auto good = [](const demo::Identity& by, const pki::Certificate& about) {
    return demo::ocsp_response(by, {{.certificate = about, .issuer = by.certificate, .at = now, .next_update = now + 1h}});
  };
  const demo::Identity person = pki.person();
  const demo::Identity& root = pki.authority.root();
  const demo::Identity& issuer = pki.issuer.root();
  ValidationData data{{issuer.certificate, root.certificate}, {}};
  data.ocsp = {good(issuer, person.certificate), good(root, issuer.certificate), good(root, pki.tsa.certificate)};
  std::string out;
  for (std::size_t i = 0; i < signatures; ++i) {
    const std::string one = signed_document(person, enveloping, pki, "S" + std::to_string(i));
    const std::string stamp = part(one, "<xades:SignatureTimeStamp", "</xades:SignatureTimeStamp>");
    std::string stamps;
    for (std::size_t j = 0; j < time_stamps; ++j) stamps += stamp;
    out += with_validation_data(replaced(one, stamp, stamps), data, {}, {}).value();
  }
  return signatures == 1 ? out : "<all>" + out + "</all>";
}

}  // namespace

TEST_CASE("what a response costs does not depend on how many anchors there are besides its signer's") {
  Pki pki;
  const std::string document = with_responses(1, pki);
  VerifyOptions with_strangers = later(now, pki);
  with_strangers.trust.anchors.insert(with_strangers.trust.anchors.end(), 5'000, pki.person().certificate);
  CHECK(said(verified_one(document, with_strangers)) == "TOTAL-PASSED, valid");
}

TEST_CASE("as many signatures as a document may have are judged, each with responses and time stamps of its own") {
  Pki pki;
  const VerifyOptions given = later(now, pki);
  const auto reports = verified(with_responses(given.limits.max_signatures, pki, 10), given);
  CHECK(reports.size() == given.limits.max_signatures);
  for (const SignatureReport& one : reports) {
    CHECK(said(one) == "TOTAL-PASSED, valid");
    CHECK(level_said(one) == "lt");
  }
}

TEST_CASE("of what B-LT should carry each part is needed") {
  const std::string document = signed_document(signer(), enveloping);
  Pki& pki = pki_of_tests();
  const auto with = [&](const ValidationData& of_signer, const ValidationData& of_time_stamps) {
    return level_said(verified_one(with_validation_data(document, of_signer, of_time_stamps, {}).value()));
  };
  const pki::Certificate issuer = pki.issuer.root().certificate;
  CHECK(with({{issuer}, {pki.authority.crl(), pki.issuer.crl()}}, {}) == "lt");
  CHECK(with({{issuer}, {pki.issuer.crl()}}, {}) == "t");  // of the issuer and the TSA nothing is told
  CHECK(with({{issuer}, {pki.authority.crl()}}, {}) == "t");
  CHECK(with({{issuer}, {}}, {{}, {pki.authority.crl(), pki.issuer.crl()}}) == "t");  // no RevocationValues
}

TEST_CASE("of the many values that a signature may carry none is left out unsaid") {
  const std::string document = lt(signed_document(signer(), enveloping));
  const std::string value = part(document, "<xades:EncapsulatedX509Certificate>", "</xades:EncapsulatedX509Certificate>");
  const auto with = [&](int count) {
    std::string values;
    for (int i = 0; i < count; ++i) values += value;
    return replaced(document, value, values + value);
  };
  // The lists stand behind the certificates: without them there is no verdict.
  const auto report = verified_one(with(100), later(now));
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK(level_said(report) == "lt");
  CHECK(warned(report).empty());
  const auto beyond = verified_one(with(512), later(now));
  CHECK(said(beyond) == "INDETERMINATE/TRY_LATER, valid");
  CHECK(warned(beyond).back() == "beyond_limits: more than 512 certificates, lists and responses");
}

TEST_CASE("what would not be read again is not written") {
  const std::string document = lt(signed_document(signer(), enveloping));
  const auto times = [](const std::string& text, const std::string& what, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += what;
    return replaced(text, what, out);
  };
  const std::string stamp = part(document, "<xades:SignatureTimeStamp>", "</xades:SignatureTimeStamp>");
  const std::vector<GivenData> data = later(now).data;
  using base::ErrorCode;
  CHECK(plan_time_stamp(times(document, stamp, 99), base::DigestAlgorithm::sha256, {}));
  CHECK(plan_archive_time_stamp(times(document, stamp, 99), data, base::DigestAlgorithm::sha256, {}));
  for (const int full : {100, 120}) {
    const std::string with = times(document, stamp, full);
    CHECK(plan_time_stamp(with, base::DigestAlgorithm::sha256, {}).error().code == ErrorCode::message_too_large);
    CHECK(plan_archive_time_stamp(with, data, base::DigestAlgorithm::sha256, {}).error().code == ErrorCode::message_too_large);
  }
  const std::string value = part(document, "<xades:EncapsulatedX509Certificate>", "</xades:EncapsulatedX509Certificate>");
  const ValidationData one_more{{signer(pki::KeyType::ec_p384).certificate}, {}};
  int held = 0;
  for (const std::string_view open : {"<xades:EncapsulatedX509Certificate>", "<xades:EncapsulatedCRLValue>"})
    for (auto at = document.find(open); at != document.npos; at = document.find(open, at + 1)) ++held;
  CHECK(with_validation_data(times(document, value, 512 - held), one_more, {}, {}));
  CHECK(with_validation_data(times(document, value, 512 - held + 1), one_more, {}, {}).error().code ==
        ErrorCode::message_too_large);
}

TEST_CASE("an archive time stamp proves a signature whose certificates have all expired") {
  Pki pki;
  const demo::Identity person = pki.person();
  const demo::TimeStampResponder lasting(lasting_tsa(pki), {});
  const std::string document = lt(signed_document(person, enveloping, pki), pki);
  const base::Time then = now + 2 * year;
  // Only the lasting TSA's certificate is in force by then, and the lists have long ended.
  CHECK(verified_one(document, later(then, pki)).indication == Indication::indeterminate);
  const std::string with_stamp = archived(document, now + 1h, lasting);
  VerifyOptions options = later(then, pki);
  options.trust.crls = {pki.authority.crl(-2 * year, 2 * year + std::chrono::hours(24))};
  const auto report = verified_one(with_stamp, options);
  INFO(report.detail);
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK(level_said(report) == "lta");
  REQUIRE(report.time_stamps.size() == 2);
  CHECK(report.time_stamps[1].kind == TimeStampKind::archive);
  CHECK(report.proven_time == now);  // the signature time stamp's, which the archive time stamp proves
}

TEST_CASE("an archive time stamp from after all had expired proves nothing of before") {
  Pki pki;
  const demo::Identity person = pki.person();
  const demo::TimeStampResponder lasting(lasting_tsa(pki), {});
  const std::string document = lt(signed_document(person, enveloping, pki), pki);
  VerifyOptions options = later(now + 2 * year, pki);
  options.trust.crls = {pki.authority.crl(-2 * year, 2 * year + std::chrono::hours(24))};
  const auto report = verified_one(archived(document, now + year + year / 2, lasting), options);
  CHECK(said(report) == "INDETERMINATE/OUT_OF_BOUNDS_NO_POE, valid");
}

TEST_CASE("whatever an archive time stamp covers cannot be changed after it") {
  Pki pki;
  const demo::Identity person = pki.person();
  const demo::TimeStampResponder lasting(lasting_tsa(pki), {});
  const std::string document = archived(lt(signed_document(person, enveloping, pki), pki), now, lasting);
  const auto stamp_of = [&](const std::string& text) {
    const auto report = verified_one(text, options({"the contract"}, pki));
    for (const TimeStampFinding& stamp : report.time_stamps)
      if (stamp.kind == TimeStampKind::archive) return stamp;
    return TimeStampFinding{};
  };
  REQUIRE(stamp_of(document).holds);
  for (const std::string_view covered : {"<xades:EncapsulatedTimeStamp>", "<xades:EncapsulatedX509Certificate>",
                                         "<xades:EncapsulatedCRLValue>", "<ds:X509Certificate>"}) {
    INFO(covered);
    const auto stamp = stamp_of(flipped(document, covered, 400));
    CHECK_FALSE(stamp.holds);
    CHECK(stamp.status == pki::TimeStampStatus::imprint_differs);
  }
  // White space in SignatureValue leaves the signature as it was, and neither time stamp.
  CHECK_FALSE(stamp_of(replaced(document, "</ds:SignatureValue>", "\n</ds:SignatureValue>")).holds);
  // Nor taken out, nor put in before it.
  const std::string values = part(document, "<xades:CertificateValues", "</xades:CertificateValues>");
  CHECK_FALSE(stamp_of(replaced(document, values, "")).holds);
  CHECK_FALSE(
      stamp_of(replaced(document, values, values + "<xades:CompleteCertificateRefs></xades:CompleteCertificateRefs>")).holds);
  // What comes after it is not covered.
  CHECK(stamp_of(archived(document, now, lasting)).holds);
}

TEST_CASE("of a hash alone there is no archive time stamp, and the reason is told") {
  const std::string document = lt(signed_document(signer(), {.level = Level::b_t}));
  const auto refused =
      plan_archive_time_stamp(document, {{name_of(0), sha256("the contract")}}, base::DigestAlgorithm::sha256, {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == base::ErrorCode::parameter_invalid);
  CHECK(refused.error().detail == "of what is signed only the hash is known");
  const std::string made = archived(document, now, pki_of_tests().responder, {{name_of(0), bytes_of("the contract")}});
  CHECK(level_said(verified_one(made)) == "lta");
  // And with the hash alone it cannot be checked: it proves nothing, and the rest stands.
  const auto report = verified_one(made, [] {
    auto given = options();
    given.data = {{name_of(0), sha256("the contract")}};
    return given;
  }());
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK(level_said(report) == "lt");
  CHECK_FALSE(report.time_stamps.at(1).holds);
}

TEST_CASE("a list that is known only from after its issuer's end is not believed") {
  Pki pki;
  const demo::Identity person = pki.person();
  const std::string document = lt(signed_document(person, enveloping, pki), pki);
  // The TSA lives on, the issuer's certificate does not; nothing proves that the list is older.
  const base::Time then = now + year + std::chrono::hours(1);
  VerifyOptions given = later(then, pki);
  CHECK(verified_one(document, given).indication == Indication::indeterminate);
}

TEST_CASE("content that was stamped after the revocation proves that the signature is younger") {
  Pki pki;
  const demo::Identity person = pki.person();
  SigningPlan plan = enveloping;
  plan.content_stamped_at = now - 1h;
  pki.issuer.revoke(person.certificate, now - 2h);
  const auto report = verified_one(signed_document(person, plan, pki), options({"the contract"}, pki));
  CHECK(said(report) == "TOTAL-FAILED/REVOKED, valid");
  CHECK(report.not_signed_before == now - 1h);
  // Stamped before, it proves nothing of the kind.
  plan.content_stamped_at = now - 3h;
  CHECK(said(verified_one(signed_document(person, plan, pki), options({"the contract"}, pki))) ==
        "INDETERMINATE/REVOKED_NO_POE, valid");
}

TEST_CASE("content that was stamped after the certificate's end proves that it was signed too late") {
  Pki pki;
  const demo::Identity person = pki.issuer.issue({.common_name = "Ana",
                                                  .serial_number = {},
                                                  .key_type = pki::KeyType::ec_p256,
                                                  .starts_before_now = std::chrono::hours(48),
                                                  .ends_after_now = -std::chrono::hours(2),
                                                  .key = {}});
  SigningPlan plan = enveloping;
  plan.content_stamped_at = now - 1h;
  CHECK(said(verified_one(signed_document(person, plan, pki), options({"the contract"}, pki))) == "TOTAL-FAILED/EXPIRED, valid");
  plan.content_stamped_at.reset();
  CHECK(said(verified_one(signed_document(person, plan, pki), options({"the contract"}, pki))) ==
        "INDETERMINATE/OUT_OF_BOUNDS_NO_POE, valid");
}

TEST_CASE("what a signer states is signed, and written as the schema wants it") {
  SigningPlan plan;
  plan.statements = {.commitment_types = {"http://uri.etsi.org/01903/v1.2.2#ProofOfOrigin"},
                     .claimed_roles = {"director <general> & more", "președinte"},
                     .place = {.city = "Chișinău", .street = {}, .state = {}, .postal_code = "MD-2004", .country = "MD"},
                     .policy = SignaturePolicy{"urn:oid:1.2.3.4", sha256("the policy"), "https://policy.example/1"},
                     .content_time_stamp = {}};
  const std::string document = signed_document(signer(), plan);
  CHECK(said(verified_one(document)) == "TOTAL-PASSED, valid");
  CHECK(document.find("<xades:ClaimedRole>director &lt;general&gt; &amp; more</xades:ClaimedRole>") != std::string::npos);
  const auto order = {"<xades:SigningCertificateV2>", "<xades:SignaturePolicyIdentifier>", "<xades:SignatureProductionPlaceV2>",
                      "<xades:SignerRoleV2>",         "<xades:DataObjectFormat",           "<xades:CommitmentTypeIndication>"};
  std::size_t at = 0;
  for (const char* const element : order) {
    CHECK(document.find(element) > at);
    at = document.find(element);
    CHECK(at != std::string::npos);
  }
  CHECK(said(verified_one(replaced(document, "director", "Director"))) == "TOTAL-FAILED/HASH_FAILURE, invalid");
}

TEST_CASE("a signature policy that cannot be checked is told of") {
  SigningPlan plan;
  plan.statements.policy = SignaturePolicy{"urn:oid:1.2.3.4", sha256("the policy"), {}};
  const std::string document = signed_document(signer(), plan);
  VerifyOptions given = options();
  const auto report = verified_one(document, given);
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK(report.signature_policy == "urn:oid:1.2.3.4");
  CHECK(warned(report) == std::vector<std::string>{"signature_policy_unchecked: urn:oid:1.2.3.4"});
  given.signature_policies = {bytes_of("another policy")};
  CHECK(warned(verified_one(document, given)) == std::vector<std::string>{"signature_policy_differs: urn:oid:1.2.3.4"});
  given.signature_policies.push_back(bytes_of("the policy"));
  CHECK(verified_one(document, given).warnings.empty());
}
