#pragma once

#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

#include "demo/pki.hpp"
#include "demo/tsa.hpp"
#include "xades/build.hpp"
#include "xades/verify.hpp"

// What the tests of the verifier share: an authority, signers, a time stamp authority, and a fixed clock.
namespace signet::xades {

inline const base::Time now = base::from_rfc3339("2026-11-22T10:00:00Z").value();

inline base::Bytes bytes_of(std::string_view text) {
  const base::BytesView view = base::as_bytes(text);
  return {view.begin(), view.end()};
}

inline base::Digest sha256(std::string_view text) { return base::digest(base::DigestAlgorithm::sha256, base::as_bytes(text)); }

// An authority with its people. Copies of an Authority share its state.
struct Pki {
  base::Time at = now;
  std::chrono::seconds lives{365L * 86'400};
  demo::Authority authority{"Test Root", at};
  demo::Authority issuer =
      authority.subordinate({.common_name = "Test CA", .serial_number = {}, .ends_after_now = lives, .key = {}});
  demo::Identity tsa = authority.issue({.common_name = "Test TSA",
                                        .serial_number = {},
                                        .key_type = pki::KeyType::ec_p256,
                                        .usage = demo::Subject::Usage::time_stamping,
                                        .ends_after_now = lives,
                                        .key = {}});
  demo::TimeStampResponder responder{tsa, {}};

  demo::Identity person(pki::KeyType type = pki::KeyType::ec_p256) {
    return issuer.issue({.common_name = "Ana <b>",
                         .serial_number = "2000000000001",
                         .key_type = type,
                         .ends_after_now = lives,
                         .key = {}});
  }

  // Made when signatures are: they tell all that there is to tell then.
  pki::Crl list(demo::Authority& of) const { return of.crl(std::chrono::seconds{0}); }
  pki::TrustMaterial trust() { return {{authority.root().certificate}, {}, {list(authority), list(issuer)}}; }
};

inline Pki& pki_of_tests() {
  static Pki made;
  return made;
}

// Keys are made once: RSA's cost a tenth of a second each.
inline const demo::Identity& signer(pki::KeyType type = pki::KeyType::ec_p256) {
  static std::map<pki::KeyType, demo::Identity> made;
  auto found = made.find(type);
  if (found == made.end()) found = made.emplace(type, pki_of_tests().person(type)).first;
  return found->second;
}

struct SigningPlan {
  SignatureAlgorithm algorithm{KeyScheme::ecdsa, base::DigestAlgorithm::sha256};
  Packaging packaging = Packaging::detached;
  Level level = Level::b_b;
  std::vector<std::string> contents{"the contract"};
  demo::TsaFault fault = demo::TsaFault::none;
  base::Time stamped_at = now;
  Statements statements = {};
  std::optional<base::Time> content_stamped_at = {};
  base::Time signing_time = now;
};

inline std::string name_of(std::size_t index) { return "contract " + std::to_string(index) + ".pdf"; }

inline demo::SoftScheme soft(KeyScheme scheme) {
  switch (scheme) {
    case KeyScheme::rsa_pkcs1:
      return demo::SoftScheme::rsa_pkcs1;
    case KeyScheme::rsa_pss:
      return demo::SoftScheme::rsa_pss;
    case KeyScheme::ecdsa:
      break;
  }
  return demo::SoftScheme::ecdsa;
}

inline base::Bytes token_over(const base::Digest& imprint, const SigningPlan& plan, Pki& pki) {
  const auto request = pki::make_time_stamp_request(imprint);
  auto response = pki::read_time_stamp_response(pki.responder.answer(request.der, plan.fault, plan.stamped_at), request);
  REQUIRE(response);
  return response->der;
}

inline std::string signed_document(const demo::Identity& identity, const SigningPlan& plan = {}, Pki& pki = pki_of_tests(),
                                   std::string_view id = "S") {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < plan.contents.size(); ++i) names.push_back(name_of(i));
  std::vector<DataObject> objects;
  for (std::size_t i = 0; i < plan.contents.size(); ++i)
    objects.push_back({names[i], base::digest(plan.algorithm.digest, base::as_bytes(plan.contents[i]))});
  Statements statements = plan.statements;
  if (plan.content_stamped_at)
    statements.content_time_stamp = token_over(content_time_stamp_imprint(objects, base::DigestAlgorithm::sha256),
                                               {.stamped_at = *plan.content_stamped_at}, pki);
  const SignatureWriter writer({identity.certificate,
                                {pki.issuer.root().certificate},
                                plan.algorithm,
                                plan.packaging,
                                std::string(id),
                                plan.signing_time,
                                plan.contents.size(),
                                statements});
  const SignatureContent content{id, objects};
  const auto value = demo::sign_digest(identity.key, soft(plan.algorithm.scheme), writer.to_be_signed(content));
  if (plan.level == Level::b_b) return writer.document(content, value);
  return writer.document(content, value,
                         token_over(writer.time_stamp_imprint(content, value, base::DigestAlgorithm::sha256), plan, pki));
}

inline VerifyOptions options(const std::vector<std::string>& contents = {"the contract"}, Pki& pki = pki_of_tests()) {
  VerifyOptions out{pki.trust(), now, {}, {}};
  for (std::size_t i = 0; i < contents.size(); ++i) out.data.push_back({name_of(i), bytes_of(contents[i])});
  return out;
}

inline std::vector<SignatureReport> verified(std::string_view document, const VerifyOptions& given = options()) {
  auto reports = verify(base::as_bytes(document), given);
  if (!reports) FAIL(base::name(reports.error().code) << ": " << reports.error().detail);
  return *reports;
}

inline SignatureReport verified_one(std::string_view document, const VerifyOptions& given = options()) {
  const auto reports = verified(document, given);
  REQUIRE(reports.size() == 1);
  return reports.front();
}

// What a report says, in one line that a failed check shows.
inline std::string said(const SignatureReport& report) {
  std::string out(name(report.indication));
  if (report.sub_indication != SubIndication::none) out += "/" + std::string(name(report.sub_indication));
  return out + ", " + std::string(name(report.integrity));
}

inline std::vector<std::string> warned(const SignatureReport& report) {
  std::vector<std::string> out;
  for (const Warning& one : report.warnings) out.push_back(std::string(name(one.kind)) + (one.detail.empty() ? "" : ": " + one.detail));
  return out;
}

inline std::string level_said(const SignatureReport& report) { return report.level ? std::string(name(*report.level)) : "none"; }

inline std::string replaced(std::string text, std::string_view what, std::string_view with) {
  const std::size_t at = text.find(what);
  REQUIRE(at != text.npos);
  return text.replace(at, what.size(), with);
}

// From the first `open` to the end of the next `close`.
inline std::string part(const std::string& text, std::string_view open, std::string_view close) {
  const std::size_t from = text.find(open);
  REQUIRE(from != text.npos);
  const std::size_t to = text.find(close, from);
  REQUIRE(to != text.npos);
  return text.substr(from, to + close.size() - from);
}

// One base64 digit after the first `after` is another: `skip` digits further on.
inline std::string flipped(std::string text, std::string_view after, std::size_t skip = 4) {
  const std::size_t at = text.find(after);
  REQUIRE(at != text.npos);
  char& digit = text.at(at + after.size() + skip);
  digit = digit == 'A' ? 'B' : 'A';
  return text;
}

}  // namespace signet::xades
