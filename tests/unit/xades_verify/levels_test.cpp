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
