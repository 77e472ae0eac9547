#include "pki/ocsp.hpp"

#include <openssl/err.h>

#include <algorithm>

#include "pki/path.hpp"
#include "property.hpp"
#include "world.hpp"

// An OCSP response, from a responder or a signature.

using namespace signet;
using fuzz::hold;
using fuzz::world;

namespace {

const pki::Certificate& issuer() { return world().trust.intermediates.front(); }

pki::PathReport judged(const pki::Certificate& certificate, const pki::OcspResponse& response,
                       const std::vector<pki::Crl>& lists) {
  pki::TrustMaterial trust = world().trust;
  trust.crls = lists;
  trust.ocsp = {response};
  return pki::validate_path(certificate, trust, {.at = fuzz::now});
}

// What the issuer and its responder signed: the certificates that are sent along are nobody's word.
bool is_said_by_a_seed(const pki::OcspResponse& response) {
  static const std::vector<base::Bytes> seeds = fuzz::seeds("ocsp");
  return std::ranges::any_of(seeds, [&](const base::Bytes& seed) {
    const auto known = pki::OcspResponse::from_der(seed).value();
    return known.produced_at() == response.produced_at() && known.size() == response.size() &&
           known.nonce() == response.nonce() &&
           known.status_of(world().signer, issuer()) == response.status_of(world().signer, issuer());
  });
}

void check_paths(const pki::OcspResponse& response) {
  const auto& lists = world().trust.crls;
  // Lists revoke this one: no response makes him valid, with them or without those of his issuer.
  hold(judged(world().revoked, response, lists).status == pki::PathStatus::revoked);
  hold(judged(world().revoked, response, {lists.front()}).status != pki::PathStatus::valid);
  // And what nobody signed neither clears nor revokes this one.
  const auto report = judged(world().signer, response, {lists.front()});
  hold(report.status == pki::PathStatus::valid || report.status == pki::PathStatus::no_revocation_data);
  if (report.status == pki::PathStatus::valid) hold(is_said_by_a_seed(response) && report.evidence.front().ocsp == response);
  hold(judged(world().signer, response, lists).status == pki::PathStatus::valid);
}

void check_answer(base::BytesView input) {
  static const pki::OcspRequest request = pki::make_ocsp_request(world().signer, issuer());
  const auto read = pki::read_ocsp_response(input, request, world().signer, issuer(), pki::NonceRule::same_or_absent);
  hold(!pki::read_ocsp_response(input, request, world().signer, issuer(), pki::NonceRule::same));  // nobody knows the nonce
  if (!read) return hold(read.error().code == base::ErrorCode::network_failed);
  hold(read->nonce().empty() && read->status_of(world().signer, issuer()));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::BytesView input{data, size};
  check_answer(input);
  if (const auto response = pki::OcspResponse::from_der(input)) {
    hold(std::ranges::equal(response->der(), input) && response->size() <= 64 && response->certificates().size() <= 16);
    check_paths(*response);
  }
  hold(ERR_peek_error() == 0);
  return 0;
}
