#pragma once

#include "fixture.hpp"
#include "xades/stamp.hpp"

// What the tests of signatures that last share: B-LT and B-LTA made of B-T.
namespace signet::xades {

inline constexpr auto year = std::chrono::seconds(365L * 86'400);
inline const SigningPlan enveloping{.packaging = Packaging::enveloping, .level = Level::b_t};

// Trust as somebody has it years later: the anchor, and not one list.
inline VerifyOptions later(base::Time at, Pki& pki = pki_of_tests()) {
  VerifyOptions out{{{pki.authority.root().certificate}, {}, {}}, at, {}, {}};
  out.data = {{name_of(0), sha256("the contract")}};
  return out;
}

inline ValidationData of_signer(Pki& pki = pki_of_tests()) {
  return {{pki.issuer.root().certificate, pki.authority.root().certificate}, {pki.list(pki.authority), pki.list(pki.issuer)}};
}

inline std::string lt(const std::string& document, Pki& pki = pki_of_tests()) {
  auto out = with_validation_data(document, of_signer(pki), {{}, {pki.authority.crl()}}, {});
  REQUIRE(out);
  return *out;
}

inline std::string archived(const std::string& document, base::Time at, const demo::TimeStampResponder& responder,
                            const std::vector<GivenData>& data = {}) {
  auto plan = plan_archive_time_stamp(document, data, base::DigestAlgorithm::sha256, {});
  if (!plan) FAIL(plan.error().detail);
  const auto request = pki::make_time_stamp_request(plan->imprint);
  const auto token = pki::read_time_stamp_response(responder.answer(request.der, demo::TsaFault::none, at), request);
  REQUIRE(token);
  return stamped(document, *plan, token->der);
}

// A TSA whose certificate lives longer than the signers' do.
inline demo::Identity lasting_tsa(Pki& pki) {
  return pki.authority.issue({.common_name = "Lasting TSA",
                              .serial_number = {},
                              .key_type = pki::KeyType::ec_p256,
                              .usage = demo::Subject::Usage::time_stamping,
                              .ends_after_now = 3 * year,
                              .key = {}});
}

}  // namespace signet::xades
