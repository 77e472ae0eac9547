#pragma once

#include <catch2/catch.hpp>
#include <optional>

#include "demo/tsa.hpp"
#include "pki/time_stamp.hpp"
#include "portal/acceptance.hpp"
#include "xades/build.hpp"

namespace signet::portal::test {

using namespace std::chrono_literals;

inline const base::Time now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
constexpr const char* ana = "2001234567892";
constexpr const char* ion = "2009876543210";

inline base::Digest digest_of(std::string_view text) { return base::digest(base::DigestAlgorithm::sha256, base::as_bytes(text)); }

// What a page may bring: signers of one authority, a TSA, and a signature that can be made wrong in one way.
struct Bench {
  demo::Authority authority{"Portal Test CA", now};
  demo::Identity signer = authority.issue({.common_name = "Ana Test", .serial_number = ana, .key_type = pki::KeyType::ec_p256});
  demo::TimeStampResponder tsa{authority.issue({.common_name = "TSA", .usage = demo::Subject::Usage::time_stamping}), {}};

  pki::TrustMaterial trust() {
    pki::TrustMaterial trust;
    trust.anchors.push_back(authority.root().certificate);
    trust.crls.push_back(authority.crl());
    return trust;
  }

  struct How {
    std::vector<std::string> texts{"a"};
    bool time_stamp = true;
    xades::Packaging packaging = xades::Packaging::detached;
    base::DigestAlgorithm of_texts = base::DigestAlgorithm::sha256;
    base::DigestAlgorithm signed_by = base::DigestAlgorithm::sha256;
    base::Time signing_time = now;  // what the signer says; the time stamp is of now
  };
  std::string sign(const demo::Identity& with, const How& how) {
    const xades::SignatureWriter writer({.signing_certificate = with.certificate,
                                         .chain = {},
                                         .algorithm = {xades::KeyScheme::ecdsa, how.signed_by},
                                         .packaging = how.packaging,
                                         .shared_id = "signet-1",
                                         .signing_time = how.signing_time,
                                         .objects = how.texts.size()});
    std::vector<xades::DataObject> objects;
    for (const std::string& text : how.texts) objects.push_back({text, base::digest(how.of_texts, base::as_bytes(text))});
    const xades::SignatureContent content{"signet-1-0", objects};
    const auto value = demo::sign_digest(with.key, demo::SoftScheme::ecdsa, writer.to_be_signed(content));
    if (!how.time_stamp) return writer.document(content, value);
    const auto request = pki::make_time_stamp_request(writer.time_stamp_imprint(content, value, base::DigestAlgorithm::sha256));
    const auto token = pki::read_time_stamp_response(tsa.answer(request.der, demo::TsaFault::none, now), request);
    REQUIRE(token);
    return writer.document(content, value, token->der);
  }
  std::string sign() { return sign(signer, How{}); }

  std::optional<Refusal> judged(std::string_view signature, const Wanted& wanted) {
    const auto verdict = accept(signature, wanted, trust(), now);
    if (verdict) return {};
    return verdict.error();
  }
  Wanted wanted(std::optional<std::string> idnp = {}) {
    return {.digest = digest_of("a"), .signer_idnp = std::move(idnp), .issuers = {}};
  }
};

}  // namespace signet::portal::test
