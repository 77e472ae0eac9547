#pragma once

#include <memory>
#include <optional>

#include "demo/pki.hpp"

namespace signet::demo {

// How a time stamp responder misbehaves.
enum class TsaFault : std::uint8_t {
  none,
  wrong_imprint,  // a token over another imprint
  wrong_nonce,
  bad_signature,  // one bit of the CMS signature flipped
  rejected,       // status rejection, failInfo badAlg
  garbage,        // bytes that are no TimeStampResp
  http_500,
  http_429,     // with Retry-After: 1
  silent,       // never answers
  wrong_usage,  // signed with a certificate that is not for time stamping (the responder's third argument)
};

// Answers RFC 3161 requests in process, some 20 000 a second with a P-256 key. It stands for a machine elsewhere, so what it takes
// of this one is to be small beside what it is asked by. Any thread.
class TimeStampResponder {
 public:
  // `chain`: what a token carries besides the signer's certificate. `unfit`: who signs under TsaFault::wrong_usage.
  TimeStampResponder(Identity tsa, std::vector<pki::Certificate> chain, std::optional<Identity> unfit = std::nullopt);
  // DER TimeStampResp, a rejection if the request is no good; `now` becomes genTime. Throws std::runtime_error when OpenSSL
  // fails, std::logic_error for the faults of a server (http_500, http_429, silent) and for wrong_usage without `unfit`.
  base::Bytes answer(base::BytesView request, TsaFault fault, base::Time now) const;

 private:
  struct Signer;
  std::shared_ptr<const Signer> tsa_, unfit_;  // unfit_ may be null
};

}  // namespace signet::demo
