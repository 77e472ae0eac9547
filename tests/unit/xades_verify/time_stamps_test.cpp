#include <algorithm>
#include <array>

#include "fixture.hpp"

using namespace signet;
using namespace signet::xades;
using namespace std::chrono_literals;

namespace {

const SigningPlan stamped{.level = Level::b_t};
constexpr std::string_view token_start = "<xades:EncapsulatedTimeStamp>";

// EN 319 102-1 5.5.4: it is left out, and the signature is judged as if it came without.
void check_left_out(const SignatureReport& report) {
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK(level_said(report) == "b");
  CHECK_FALSE(report.proven_time);
  CHECK(report.warnings == std::vector{Warning{Warning::Kind::time_stamp_does_not_hold,
                                               "the time stamp does not hold: nothing proves when it was signed"}});
  for (const TimeStampFinding& stamp : report.time_stamps) CHECK_FALSE(stamp.holds);
}

std::string token_of(const std::string& document) {
  const std::string element = part(document, token_start, "</xades:EncapsulatedTimeStamp>");
  return element.substr(token_start.size(), element.find("</") - token_start.size());
}

}  // namespace

TEST_CASE("a time stamp proves its time") {
  const auto report = verified_one(signed_document(signer(), {.level = Level::b_t, .stamped_at = now - 1min}));
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK(report.proven_time == now - 1min);
  REQUIRE(report.time_stamps.size() == 1);
  CHECK(report.time_stamps[0].status == pki::TimeStampStatus::valid);
  CHECK(warned(report) == std::vector<std::string>{"claimed_after_time_stamp"});
}

TEST_CASE("a time stamp with a bit flipped is left out, and told of") {
  const std::string document = signed_document(signer(), stamped);
  const std::string token = token_of(document);
  const base::Bytes der = base::from_base64(token).value();
  // What CMS signs, and the signature. Around it are version numbers and names that can be written in another way and mean
  // the same.
  const auto imprint = pki::parse_time_stamp_token(der).value().imprint;
  const auto certificate = pki_of_tests().tsa.certificate.der();
  const auto at_imprint = std::search(der.begin(), der.end(), imprint.bytes().begin(), imprint.bytes().end());
  const auto at_certificate = std::search(der.begin(), der.end(), certificate.begin(), certificate.end());
  REQUIRE(at_imprint != der.end());
  REQUIRE(at_certificate != der.end());
  const auto index = [&](auto at) { return static_cast<std::size_t>(at - der.begin()); };
  const std::array regions{std::pair{index(at_imprint) - 30, index(at_imprint) + 70},
                           std::pair{index(at_certificate), index(at_certificate) + certificate.size()},
                           std::pair{der.size() - 64, der.size()}};
  for (const auto& [from, to] : regions) {
    for (std::size_t i = from; i < to; i += 3) {
      base::Bytes changed = der;
      changed[i] ^= static_cast<std::uint8_t>(1u << (i % 8));
      const auto report = verified_one(replaced(document, token, base::base64(changed)));
      INFO("byte " << i << ": " << said(report));
      check_left_out(report);
    }
  }
}

TEST_CASE("a time stamp that holds for another signature is not this one's") {
  const std::string other = token_of(signed_document(signer(), stamped, pki_of_tests(), "Other"));
  const std::string document = signed_document(signer(), stamped);
  const auto report = verified_one(replaced(document, token_of(document), other));
  check_left_out(report);
  REQUIRE(report.time_stamps.size() == 1);
  CHECK(report.time_stamps[0].status == pki::TimeStampStatus::imprint_differs);
}

TEST_CASE("what is no time stamp is reported as one that does not hold") {
  const std::string document = signed_document(signer(), stamped);
  for (const std::string& content : {std::string("AAAA"), std::string("not base64!"), std::string()}) {
    const auto report = verified_one(replaced(document, token_of(document), content));
    check_left_out(report);
  }
  const std::string twice = part(document, token_start, "</xades:EncapsulatedTimeStamp>");
  check_left_out(verified_one(replaced(document, twice, twice + twice)));
  check_left_out(verified_one(replaced(document, twice, "<xades:Include URI=\"#S\"></xades:Include>" + twice)));
}

TEST_CASE("a time stamp of an authority that is not trusted proves nothing") {
  auto given = options();
  Pki other;
  const std::string document = signed_document(signer(), stamped, other);
  // The chain of the signer is in KeyInfo for its own issuer only: hand it over.
  given.trust.intermediates = {pki_of_tests().issuer.root().certificate};
  const auto report = verified_one(document, given);
  CHECK(report.time_stamps.at(0).path.status == pki::PathStatus::no_path);
  check_left_out(report);
}

TEST_CASE("a time stamp from the future proves nothing") {
  const auto report = verified_one(signed_document(signer(), {.level = Level::b_t, .stamped_at = now + 2h}));
  check_left_out(report);
}

TEST_CASE("of several time stamps one that holds is enough, and the others are told of") {
  const std::string document = signed_document(signer(), stamped);
  const std::string stamp = part(document, "<xades:SignatureTimeStamp>", "</xades:SignatureTimeStamp>");
  const std::string broken = flipped(stamp, token_start, 200);
  const auto report = verified_one(replaced(document, stamp, broken + stamp));
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK(level_said(report) == "t");
  CHECK(report.time_stamps.size() == 2);
  CHECK(warned(report) == std::vector<std::string>{"time_stamp_does_not_hold"});
}

TEST_CASE("as many time stamps are read as a signature gets in a lifetime, and of more is told") {
  std::string document = signed_document(signer(), stamped);
  const std::string stamp = part(document, "<xades:SignatureTimeStamp>", "</xades:SignatureTimeStamp>");
  std::string more;
  for (int i = 1; i < 100; ++i) more += stamp;
  document = replaced(document, stamp, more + stamp);
  const auto all = verified_one(document);
  CHECK(said(all) == "TOTAL-PASSED, valid");
  CHECK(all.time_stamps.size() == 100);
  CHECK(warned(all).empty());
  const auto report = verified_one(replaced(document, stamp, stamp + stamp));
  CHECK(report.time_stamps.size() == 100);
  CHECK(warned(report) == std::vector<std::string>{"beyond_limits: more than 100 time stamps"});
}

TEST_CASE("a time stamp over the value in another canonical form is read with that form") {
  // Without a method Canonical XML 1.0 is meant: the element then carries the namespaces of its ancestors.
  const std::string document = signed_document(signer(), stamped);
  const auto report = verified_one(replaced(document,
                                            part(part(document, "<xades:SignatureTimeStamp>", "</xades:SignatureTimeStamp>"),
                                                 "<ds:CanonicalizationMethod", "</ds:CanonicalizationMethod>") +
                                                std::string(token_start),
                                            token_start));
  CHECK(said(report) == "TOTAL-PASSED, valid");  // ds is the only namespace in scope
  const auto in_other_scope = verified_one("<x:a xmlns:x=\"urn:x\">" + document + "</x:a>");
  CHECK(said(in_other_scope) == "TOTAL-PASSED, valid");  // exclusive form: the scope does not matter
}
