#pragma once

#include "demo/pki.hpp"

namespace signet::demo {

// How a time stamp responder misbehaves.
enum class TsaFault : std::uint8_t {
  none,
  wrong_imprint,      // a token over another imprint
  wrong_nonce,
  bad_signature,      // one bit of the CMS signature flipped
  rejected,           // status rejection, failInfo badAlg
  garbage,            // bytes that are no TimeStampResp
  http_500,
  http_429,           // with Retry-After: 1
  silent,             // never answers
  wrong_usage,        // signed with a certificate that is not for time stamping
};

// Answers RFC 3161 requests in process: a test TSA by `openssl ts -reply` would do 114 a second. Any thread.
class TimeStampResponder {
 public:
  TimeStampResponder(Identity tsa, std::vector<pki::Certificate> chain);
  // DER TimeStampResp; throws only when OpenSSL fails for want of memory. `now` becomes genTime.
  base::Bytes answer(base::BytesView request, TsaFault fault, base::Time now) const;

 private:
  Identity tsa_;
  std::vector<pki::Certificate> chain_;
};

}  // namespace signet::demo
