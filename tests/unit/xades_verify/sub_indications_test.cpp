// Every sub-indication that a report can have, and how it is provoked. With SIGNET_PROVOKED naming a folder each case is written
// there too, for others' judgement (tests/conformance/sub_indications.py).
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "forms.hpp"
#include "long_term.hpp"

using namespace signet;
using namespace signet::xades;
using namespace std::chrono_literals;

namespace {

struct Provoked {
  std::string document;
  VerifyOptions given;
};

struct Row {
  SubIndication sub_indication;
  const char* how;
  Provoked (*provoke)();
  // What EU DSS says with its default policy, "" where it is the same; "-": it cannot be asked. And why.
  const char* dss = "";
  const char* dss_why = "";
};

constexpr auto days = std::chrono::hours(24);
const base::Time in_2011 = base::from_rfc3339("2011-06-01T10:00:00Z").value();

Provoked enveloped_by(Pki& pki, const demo::Identity& person, const SigningPlan& plan = enveloping) {
  return {signed_document(person, plan, pki), options({"the contract"}, pki)};
}

Provoked not_a_signature() {
  const std::string document = signed_document(signer());
  return {replaced(document, part(document, "<ds:SignatureMethod", "</ds:SignatureMethod>"), ""), options()};
}
Provoked another_document() { return {signed_document(signer()), options({"another"})}; }
Provoked changed_value() { return {flipped(signed_document(signer()), "-value\">"), options()}; }
Provoked not_given() { return {signed_document(signer()), options({})}; }

Provoked revoked_before_content_was_stamped() {
  Pki pki;
  const demo::Identity person = pki.person();
  SigningPlan plan = enveloping;
  plan.content_stamped_at = now - 1h;
  pki.issuer.revoke(person.certificate, now - 2h);
  return enveloped_by(pki, person, plan);
}
Provoked revoked() {
  Pki pki;
  const demo::Identity person = pki.person();
  pki.issuer.revoke(person.certificate, now - 10min);
  return enveloped_by(pki, person);
}
Provoked issuer_revoked() {
  Pki pki;
  pki.authority.revoke(pki.issuer.root().certificate, now - 10min);
  return enveloped_by(pki, pki.person());
}

demo::Identity expired_person(Pki& pki) {
  return pki.issuer.issue({.common_name = "Ana",
                           .serial_number = {},
                           .key_type = pki::KeyType::ec_p256,
                           .starts_before_now = 48h,
                           .ends_after_now = -2h,
                           .key = {}});
}
Provoked expired_before_content_was_stamped() {
  Pki pki;
  SigningPlan plan = enveloping;
  plan.content_stamped_at = now - 1h;
  Provoked out = enveloped_by(pki, expired_person(pki), plan);
  out.given.trust.crls = {pki.authority.crl(3h), pki.issuer.crl(3h)};
  return out;
}
// The list is from after the certificate's end: revocations may be gone from it.
Provoked expired() {
  Pki pki;
  return enveloped_by(pki, expired_person(pki), {.packaging = Packaging::enveloping});
}
Provoked expired_and_known_not_revoked() {
  Pki pki;
  Provoked out = enveloped_by(pki, expired_person(pki), {.packaging = Packaging::enveloping});
  out.given.trust.crls = {pki.authority.crl(3h), pki.issuer.crl(3h)};
  return out;
}
Provoked stamped_before_the_certificate() {
  Pki pki;
  SigningPlan plan = enveloping;
  plan.stamped_at = now - 2h;
  return enveloped_by(
      pki,
      pki.issuer.issue(
          {.common_name = "Ana", .serial_number = {}, .key_type = pki::KeyType::ec_p256, .starts_before_now = 1h, .key = {}}),
      plan);
}

Provoked no_signing_time() {
  Form form{.uri = "contract.txt"};
  form.signing_time = "";
  return {made(form), options()};
}
Provoked a_certificate_for_encryption() {
  Pki pki;
  return enveloped_by(pki, pki.issuer.issue({.common_name = "Ana",
                                             .serial_number = {},
                                             .key_type = pki::KeyType::ec_p256,
                                             .usage = demo::Subject::Usage::encryption_only,
                                             .key = {}}));
}
Provoked issued_by_a_person() {
  Pki pki;
  demo::Authority pretender(pki.person(), now);
  const demo::Identity person =
      pretender.issue({.common_name = "Ana", .serial_number = {}, .key_type = pki::KeyType::ec_p256, .key = {}});
  Provoked out = enveloped_by(pki, person);
  out.given.trust.intermediates = {pretender.root().certificate};
  out.given.trust.crls.push_back(pretender.crl());
  return out;
}

// By SHA-1, of 2011, when it was good for it.
SigningPlan of_2011() {
  SigningPlan plan{.algorithm = {KeyScheme::ecdsa, base::DigestAlgorithm::sha1}, .packaging = Packaging::enveloping};
  plan.signing_time = plan.stamped_at = in_2011;
  return plan;
}
Provoked sha1_without_proof() {
  Pki pki{.at = in_2011, .lives = 20 * year};
  Provoked out = enveloped_by(pki, pki.person(), of_2011());
  out.given.trust.crls = {pki.authority.crl(1h, 20 * year), pki.issuer.crl(1h, 20 * year)};
  return out;
}
Provoked sha1_over_content_of_2013() {
  Pki pki{.at = in_2011, .lives = 20 * year};
  SigningPlan plan = of_2011();
  plan.content_stamped_at = in_2011 + 2 * year;
  Provoked out = enveloped_by(pki, pki.person(), plan);
  out.given.trust.crls = {pki.authority.crl(1h, 20 * year), pki.issuer.crl(1h, 20 * year)};
  return out;
}
Provoked a_certificate_signed_with_sha1() {
  Pki pki;
  return enveloped_by(
      pki,
      pki.issuer.issue(
          {.common_name = "Ana", .serial_number = {}, .key_type = pki::KeyType::ec_p256, .signed_with = EVP_sha1(), .key = {}}),
      {.packaging = Packaging::enveloping});
}
Provoked a_short_key() {
  Pki pki;
  return enveloped_by(pki, pki.issuer.issue({.common_name = "Ana", .serial_number = {}, .rsa_bits = 1024, .key = {}}),
                      {.algorithm = {KeyScheme::rsa_pkcs1, base::DigestAlgorithm::sha256}, .packaging = Packaging::enveloping});
}

Provoked a_changed_certificate() { return {flipped(signed_document(signer()), "<ds:X509Certificate>", 300), options()}; }
Provoked another_anchor() {
  Provoked out{signed_document(signer()), options()};
  out.given.trust.anchors = {demo::Authority("Another Root", now).root().certificate};
  return out;
}
Provoked an_anchor_that_is_none_any_more() {
  Provoked out{signed_document(signer()), options()};
  out.given.trust.anchors.clear();
  out.given.trust.services = {{.certificate = pki_of_tests().issuer.root().certificate, .from = now - year, .until = now - 1h}};
  return out;
}

// Of the issuer, whose certificate has ended since, and of the same age as the signature; but only the signature is proven.
Provoked a_list_of_unknown_age_for(std::chrono::seconds lives) {
  Pki pki;
  const demo::Identity person = pki.issuer.issue(
      {.common_name = "Ana", .serial_number = {}, .key_type = pki::KeyType::ec_p256, .ends_after_now = lives, .key = {}});
  const demo::TimeStampResponder lasting(lasting_tsa(pki), {});
  pki.responder = lasting;
  Provoked out{lt(signed_document(person, enveloping, pki), pki), later(now + year + days, pki)};
  out.given.trust.crls = {pki.authority.crl(-year, year + 30 * days)};
  return out;
}
Provoked a_list_of_unknown_age() { return a_list_of_unknown_age_for(year); }
Provoked a_list_of_unknown_age_for_a_lasting_certificate() { return a_list_of_unknown_age_for(2 * year); }
Provoked content_stamped_after_the_signature() {
  SigningPlan plan = enveloping;
  plan.content_stamped_at = now - 1h;
  plan.stamped_at = now - 2h;
  return {signed_document(signer(), plan), options()};
}
Provoked no_list() {
  Provoked out{signed_document(signer()), options()};
  out.given.trust.crls.clear();
  return out;
}

const std::vector<Row>& rows() {
  using enum SubIndication;
  static const std::vector<Row> all{
      {format_failure, "a part is missing", not_a_signature, "REFUSED", "it reads such a document not at all"},
      {hash_failure, "another document", another_document},
      {sig_crypto_failure, "a changed SignatureValue", changed_value},
      {xades::SubIndication::revoked, "revoked, and content stamped after that", revoked_before_content_was_stamped},
      {xades::SubIndication::expired, "expired, and content stamped after that", expired_before_content_was_stamped},
      {not_yet_valid, "stamped before the certificate was issued", stamped_before_the_certificate},
      {sig_constraints_failure, "no signing time", no_signing_time},
      {chain_constraints_failure, "a certificate for encryption", a_certificate_for_encryption, "TOTAL_PASSED",
       "its default policy warns of the key usage"},
      {certificate_chain_general_failure, "issued by somebody who is no authority", issued_by_a_person},
      {crypto_constraints_failure, "SHA-1 over content of 2013", sha1_over_content_of_2013},
      {crypto_constraints_failure_no_poe, "SHA-1 without proof of its age", sha1_without_proof},
      {crypto_constraints_failure_no_poe, "a certificate signed with SHA-1", a_certificate_signed_with_sha1},
      {crypto_constraints_failure_no_poe, "a key of 1024 bits", a_short_key},
      {no_signing_certificate_found, "a changed certificate", a_changed_certificate},
      {no_certificate_chain_found, "another anchor", another_anchor},
      {no_certificate_chain_found_no_poe, "an anchor that is none any more", an_anchor_that_is_none_any_more, "-",
       "anchors have an end in trusted lists alone"},
      {revoked_no_poe, "revoked before it was stamped", ::revoked},
      {revoked_ca_no_poe, "the issuer was revoked before it was stamped", issuer_revoked},
      {out_of_bounds_no_poe, "expired, like the issuer of a list of unknown age", a_list_of_unknown_age},
      {out_of_bounds_no_poe, "expired, and the list is younger", ::expired, "CERTIFICATE_CHAIN_GENERAL_FAILURE",
       "5.2.6.4 lets both: a list that may have forgotten the certificate is none for it"},
      {out_of_bounds_not_revoked, "expired, and the list is older", expired_and_known_not_revoked},
      {revocation_out_of_bounds_no_poe, "a list of an issuer whose certificate has ended",
       a_list_of_unknown_age_for_a_lasting_certificate},
      {timestamp_order_failure, "content stamped after the signature", content_stamped_after_the_signature, "TOTAL_PASSED",
       "5.5.4 step 4 e, of which its default policy warns"},
      {try_later, "no list", no_list, "CERTIFICATE_CHAIN_GENERAL_FAILURE",
       "it has TRY_LATER for data that are not fresh; here both are cured by asking again"},
      {signed_data_not_found, "the document is not given", not_given},
  };
  return all;
}

void write(const std::filesystem::path& file, std::string_view content) {
  std::ofstream out(file, std::ios::binary);
  out << content;
  REQUIRE(out.good());
}

// One folder a row, as sub_indications.py reads it.
void write(const std::filesystem::path& folder, const Row& row, const Provoked& provoked) {
  const auto& [document, given] = provoked;
  std::filesystem::create_directories(folder / "content");
  write(folder / "signature.xml", document);
  std::string anchors, certificates, lists;
  for (const auto& one : given.trust.anchors) anchors += demo::pem(one);
  for (const auto& one : given.trust.intermediates) certificates += demo::pem(one);
  for (const auto& one : given.trust.crls) lists += demo::pem(one);
  write(folder / "trust.pem", anchors);
  write(folder / "certificates.pem", certificates);
  write(folder / "crls.pem", lists);
  write(folder / "time", base::rfc3339(given.at));
  write(folder / "expected", name(row.sub_indication));
  write(folder / "dss", row.dss);
  write(folder / "why", row.dss_why);
  write(folder / "how", row.how);
  std::size_t number = 0;
  for (const GivenData& one : given.data) {
    const auto* bytes = std::get_if<base::Bytes>(&one.content);
    const std::filesystem::path of_datum = folder / "content" / std::to_string(number++);
    std::filesystem::create_directories(of_datum);
    if (bytes != nullptr) write(of_datum / one.name, base::as_text(*bytes));
    if (bytes == nullptr) write(of_datum / "digest", base::hex(std::get<base::Digest>(one.content).bytes()));
  }
}

}  // namespace

TEST_CASE("every sub-indication is provoked, and is what it is called") {
  const char* const folder = std::getenv("SIGNET_PROVOKED");
  std::size_t number = 0;
  for (const Row& row : rows()) {
    INFO(row.how);
    const Provoked provoked = row.provoke();
    const SignatureReport report = verified_one(provoked.document, provoked.given);
    INFO(report.detail);
    CHECK(name(report.sub_indication) == name(row.sub_indication));
    if (folder != nullptr) write(std::filesystem::path(folder) / std::to_string(number++), row, provoked);
  }
}

TEST_CASE("no sub-indication is without a row that provokes it") {
  std::set<SubIndication> provoked;
  for (const Row& row : rows()) provoked.insert(row.sub_indication);
  // The first value without a name is beyond the last.
  std::size_t count = 0;
  for (unsigned value = 1; !name(static_cast<SubIndication>(value)).empty(); ++value, ++count) {
    INFO(name(static_cast<SubIndication>(value)));
    CHECK(provoked.contains(static_cast<SubIndication>(value)));
  }
  CHECK(count == provoked.size());
}

TEST_CASE("what was reliable when it is proven to have existed stays so") {
  Pki pki{.at = in_2011, .lives = 20 * year};
  SigningPlan plan = of_2011();
  plan.level = Level::b_t;
  Provoked test = enveloped_by(pki, pki.person(), plan);
  test.given.trust.crls = {pki.authority.crl(1h, 20 * year), pki.issuer.crl(1h, 20 * year)};
  CHECK(said(verified_one(test.document, test.given)) == "TOTAL-PASSED, valid");
  plan.stamped_at = in_2011 + 2 * year;
  test.document = signed_document(pki.person(), plan, pki);
  CHECK(said(verified_one(test.document, test.given)) == "INDETERMINATE/CRYPTO_CONSTRAINTS_FAILURE_NO_POE, valid");
}

TEST_CASE("of an issuer's certificate with a weak signature only an archive time stamp proves the age") {
  Pki pki{.at = in_2011, .lives = 20 * year};
  pki.issuer = pki.authority.subordinate(
      {.common_name = "Old CA", .serial_number = {}, .ends_after_now = 20 * year, .signed_with = EVP_sha1(), .key = {}});
  SigningPlan plan = enveloping;
  plan.signing_time = plan.stamped_at = in_2011;
  Provoked test = enveloped_by(pki, pki.person(), plan);
  test.given.trust.crls = {pki.authority.crl(1h, 20 * year), pki.issuer.crl(1h, 20 * year)};
  CHECK(said(verified_one(test.document, test.given)) == "INDETERMINATE/CRYPTO_CONSTRAINTS_FAILURE_NO_POE, valid");
  CHECK(said(verified_one(archived(test.document, in_2011 + days, pki.responder), test.given)) == "TOTAL-PASSED, valid");
  CHECK(said(verified_one(archived(test.document, in_2011 + 2 * year, pki.responder), test.given)) ==
        "INDETERMINATE/CRYPTO_CONSTRAINTS_FAILURE_NO_POE, valid");
}
