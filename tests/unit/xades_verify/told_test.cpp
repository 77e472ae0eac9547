// What a report tells beside its verdict: with what references were compared, what the signer states, why a time stamp counts for
// nothing, and which of several reasons a sub-indication has.
#include "forms.hpp"
#include "long_term.hpp"
#include "xades/packaging.hpp"

using namespace signet;
using namespace signet::xades;

namespace {

using Status = ReferenceReport::Status;

VerifyOptions given(std::vector<GivenData> data) {
  VerifyOptions out = options({});
  out.data = std::move(data);
  return out;
}

const ReferenceReport& data_of(const SignatureReport& report) {
  const auto found = std::ranges::find(report.references, false, &ReferenceReport::signed_properties);
  REQUIRE(found != report.references.end());
  return *found;
}

}  // namespace

TEST_CASE("a reference tells what was signed, and with what it was compared") {
  const std::string document = signed_document(signer(), {.contents = {"a", "b"}});
  const auto report = verified_one(document, given({{"else.pdf", sha256("b")}, {name_of(0), sha256("changed")}}));
  REQUIRE(report.references.size() == 3);
  CHECK(report.references[0].signed_properties);
  CHECK(report.references[0].within);
  const ReferenceReport &first = report.references[1], &second = report.references[2];
  CHECK((first.digest == sha256("a") && first.datum == 1u && first.status == Status::digest_differs && !first.within));
  CHECK((second.digest == sha256("b") && second.datum == 0u && second.status == Status::valid));
  CHECK(first.mime_type == "application/octet-stream");
  CHECK_FALSE(first.enclosed_hash);
  CHECK_FALSE(data_of(verified_one(document, given({}))).datum);
}

TEST_CASE("of a hash that is enclosed it is told whether a document was compared with it") {
  const std::string document = signed_document(signer(), {.packaging = Packaging::enveloping});
  const auto alone = verified_one(document, given({}));
  CHECK(data_of(alone).enclosed_hash == sha256("the contract"));
  CHECK_FALSE(data_of(alone).datum);
  const auto same = verified_one(document, given({{"contract.pdf", bytes_of("the contract")}}));
  CHECK((data_of(same).datum == 0u && data_of(same).enclosed_hash == sha256("the contract")));
  const auto differs = verified_one(document, given({{"another.pdf", bytes_of("another")}}));
  CHECK(said(differs) == "TOTAL-FAILED/HASH_FAILURE, invalid");
  CHECK((data_of(differs).datum == 0u && data_of(differs).enclosed_hash == sha256("the contract")));
  // What the file holds is what was signed: the given document is another one.
  CHECK(warned(differs).empty());
}

TEST_CASE("a document that is a hash's size is no hash where it was given itself") {
  const std::string content(32, 'x');
  const auto object = enveloped_file(base::as_bytes(content), object_id("S", 0), base::DigestAlgorithm::sha256, {}).value();
  const SignatureWriter writer({.signing_certificate = signer().certificate,
                                .chain = {pki_of_tests().issuer.root().certificate},
                                .algorithm = {KeyScheme::ecdsa, base::DigestAlgorithm::sha256},
                                .packaging = Packaging::enveloping_file,
                                .shared_id = "S",
                                .signing_time = now});
  const std::vector<DataObject> objects{{"x.bin", object.digest}};
  const SignatureContent what{"S", objects};
  const std::string document =
      with_objects(writer.document(what, demo::sign_digest(signer().key, demo::SoftScheme::ecdsa, writer.to_be_signed(what))),
                   std::vector{object})
          .value();
  CHECK(data_of(verified_one(document, given({}))).enclosed_hash);
  const auto report = verified_one(document, given({{"x.bin", bytes_of(content)}}));
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK_FALSE(data_of(report).enclosed_hash);
}

TEST_CASE("XML that is enclosed is the given document however that is written, and no other") {
  const std::string original = "<?xml version=\"1.0\"?>\n<!-- c --><a xmlns=\"urn:a\" b='1'>100 lei</a>\n";
  const auto object = enveloped_xml(base::as_bytes(original), object_id("S", 0), base::DigestAlgorithm::sha256, {}).value();
  const SignatureWriter writer({.signing_certificate = signer().certificate,
                                .chain = {pki_of_tests().issuer.root().certificate},
                                .algorithm = {KeyScheme::ecdsa, base::DigestAlgorithm::sha256},
                                .packaging = Packaging::enveloping_xml,
                                .shared_id = "S",
                                .signing_time = now});
  const std::vector<DataObject> objects{{"a.xml", object.digest}};
  const SignatureContent what{"S", objects};
  const std::string document =
      with_objects(writer.document(what, demo::sign_digest(signer().key, demo::SoftScheme::ecdsa, writer.to_be_signed(what))),
                   std::vector{object})
          .value();
  for (const std::string& same : {original, std::string("<a b=\"1\" xmlns=\"urn:a\">100 lei</a>")}) {
    const auto report = verified_one(document, given({{"a.xml", bytes_of(same)}}));
    CHECK(said(report) == "TOTAL-PASSED, valid");
    CHECK(data_of(report).datum == 0u);
  }
  for (const char* other : {"<a xmlns=\"urn:a\" b='1'>999 lei</a>", "<a b='1'>100 lei</a>", "no XML", ""}) {
    const auto report = verified_one(document, given({{"a.xml", bytes_of(other)}}));
    CHECK(said(report) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND, valid");
    CHECK(report.cause == Cause::given_data_unsigned);
  }
}

TEST_CASE("that too much was given is told apart from that something was not") {
  const std::string document = signed_document(signer());
  const auto more = verified_one(document, given({{name_of(0), sha256("the contract")}, {"more.pdf", sha256("more")}}));
  CHECK(said(more) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND, valid");
  CHECK(more.cause == Cause::given_data_unsigned);
  CHECK(verified_one(document, given({})).cause == Cause::other);
}

TEST_CASE("signed properties that were changed are told apart from a changed document, and the key's holder is named") {
  const std::string document = replaced(signed_document(signer()), "<xades:SigningTime>2026", "<xades:SigningTime>2025");
  const auto report = verified_one(document);
  CHECK(said(report) == "TOTAL-FAILED/HASH_FAILURE, invalid");
  CHECK(report.cause == Cause::signed_properties_changed);
  CHECK_FALSE(report.signer);
  CHECK(report.key_holder == signer().certificate);
  CHECK(warned(report).empty());
  const auto both = verified_one(document, given({{"", sha256("another")}}));
  CHECK(both.cause == Cause::other);
  CHECK_FALSE(verified_one(signed_document(signer())).key_holder);
}

TEST_CASE("an archive time stamp over content that is not at hand is not checked, and does not fail") {
  const std::vector<GivenData> whole{{name_of(0), bytes_of("the contract")}};
  const std::string document =
      archived(lt(signed_document(signer(), {.level = Level::b_t})), now, pki_of_tests().responder, whole);
  const auto stamp_of = [&](std::vector<GivenData> data) {
    const auto report = verified_one(document, given(std::move(data)));
    REQUIRE(report.time_stamps.size() == 2);
    return report.time_stamps[1];
  };
  const auto checked = stamp_of(whole);
  CHECK((checked.holds && !checked.unchecked));
  for (const auto& data : {std::vector<GivenData>{}, std::vector<GivenData>{{name_of(0), sha256("the contract")}}}) {
    const auto stamp = stamp_of(data);
    CHECK((!stamp.holds && stamp.unchecked));
    CHECK(stamp.failure == SubIndication::sig_constraints_failure);
    CHECK(stamp.time == now);
    CHECK(stamp.signer == pki_of_tests().tsa.certificate);
  }
  const auto changed = stamp_of({{name_of(0), bytes_of("another")}});
  CHECK((!changed.holds && !changed.unchecked));
  // What is wrong with the token itself does not wait for the content.
  const std::size_t token = document.rfind("<xades:EncapsulatedTimeStamp>");
  std::string damaged = document;
  damaged.replace(token, damaged.find('<', token + 1) - token, "<xades:EncapsulatedTimeStamp>AAAA");
  const auto broken = verified_one(damaged, given({})).time_stamps.at(1);
  CHECK((!broken.holds && !broken.unchecked));
}

TEST_CASE("what the signer states is told, and whether the policy's document was the one") {
  SigningPlan plan;
  plan.statements.commitment_types = {std::string(commitment_type_uri("approval")), "urn:own"};
  plan.statements.claimed_roles = {"Director", "<b>"};
  plan.statements.place = {"Chișinău", "", "", "MD-2012", "MD"};
  plan.statements.policy = SignaturePolicy{"urn:oid:1.2.3.4", sha256("the policy"), {}};
  const std::string document = signed_document(signer(), plan);
  auto how = options();
  const auto report = verified_one(document, how);
  CHECK(report.statements.commitment_types == plan.statements.commitment_types);
  CHECK(report.statements.claimed_roles == plan.statements.claimed_roles);
  CHECK(report.statements.place == plan.statements.place);
  CHECK(report.policy_document == PolicyDocument::not_given);
  how.signature_policies = {bytes_of("another")};
  CHECK(verified_one(document, how).policy_document == PolicyDocument::differs);
  how.signature_policies = {bytes_of("the policy")};
  CHECK(verified_one(document, how).policy_document == PolicyDocument::same);
  CHECK(verified_one(signed_document(signer()), how).policy_document == PolicyDocument::none);
  // Only what was signed is read.
  const auto changed = verified_one(replaced(document, "Director", "Minister"), how);
  CHECK(changed.statements.claimed_roles.empty());
}

TEST_CASE("what a policy takes is no news where something else is too weak for it") {
  const auto sha1 = base::DigestAlgorithm::sha1;
  auto how = options();
  how.policy = Policy::msign_compatible;
  Form form{.uri = name_of(0), .digest = sha1};
  CHECK(warned(verified_one(made(form), how)) ==
        std::vector<std::string>{"weak_algorithm: a reference: sha1 was acceptable until 2012-08-01"});
  // Nothing could prove that it was used before 2012: its certificate is of today.
  how.policy = Policy::strict;
  const auto report = verified_one(made(form), how);
  CHECK(said(report) == "INDETERMINATE/CRYPTO_CONSTRAINTS_FAILURE_NO_POE, valid");
  CHECK(report.cause == Cause::never_reliable);
  CHECK(warned(report).empty());
}
