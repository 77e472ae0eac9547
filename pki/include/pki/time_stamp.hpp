#pragma once

#include "base/digest.hpp"
#include "pki/path.hpp"

namespace signet::pki {

// RFC 3161: the messages and their checks. Who carries them to a TSA and back is the caller's business. Any thread.

struct TimeStampRequest {
  base::Bytes der;
  base::Digest imprint;
  base::Bytes nonce;
  std::string policy = {};  // OID; empty: the authority's choice
};

// A request for a token over `imprint`, with a random nonce and certReq, under that policy if one is named (an OID with dots).
// Cannot fail but for want of memory, or for a policy that is no OID: std::invalid_argument.
TimeStampRequest make_time_stamp_request(const base::Digest& imprint, std::string policy = {});

// A TimeStampToken (the CMS SignedData alone, as XAdES embeds it).
struct TimeStampToken {
  base::Bytes der;
  base::Time time{};        // genTime, fractions cut
  base::Digest imprint;
  std::string policy;       // OID
  // How far the true time may be from genTime, as the authority says; none: it does not say.
  std::optional<std::chrono::microseconds> accuracy = {};
};

// The token of a TimeStampResp that answers `request`: status granted, imprint, nonce and policy as asked, the CMS signature valid
// with the certificate that the token names (ESSCertID) and carries. The TSA's chain is not judged here.
// time_stamp_failed with the TSA's reason; hostile input gives an error, never more.
base::Result<TimeStampToken> read_time_stamp_response(base::BytesView response, const TimeStampRequest& request);

// A token as found in a signature: parsed, not verified. parameter_invalid.
base::Result<TimeStampToken> parse_time_stamp_token(base::BytesView der);

enum class TimeStampStatus : std::uint8_t { valid, imprint_differs, signature_invalid, untrusted };

struct TimeStampReport {
  TimeStampStatus status = TimeStampStatus::signature_invalid;
  base::Time time{};
  PathReport path;          // of the TSA's certificate, at the time of the validation
  std::optional<Certificate> signer;
  std::string detail;
  std::string policy = {};                    // OID, as the token says it
  std::vector<std::string> warnings = {};     // what is not as it should be and does not matter for the status
};

struct TimeStampOptions {
  base::Time at;                                     // the time of the validation
  const AlgorithmTable* algorithms = &ts_119_312();  // never null; outlives the call
  std::vector<std::string> policies = {};            // OIDs that a token may be issued under; empty: any
  KnownSince known_since = {};                       // of what the token does not carry itself, which is as old as the token: `at`
  WorkBudget* budget = nullptr;                      // what it may cost; null: whatever it costs. Spent: untrusted
};

// RFC 3161 2.4.2 and 2.3: imprint, CMS signature, signing certificate attribute (ESSCertID or ESSCertIDv2), policy, TSA usage, chain
// and revocation at `at`, and every certificate of the chain but its anchor in force at genTime; helped by certificates and lists in
// the token. The imprint's own algorithm (SHA-1?) is the caller's to judge.
TimeStampReport verify_time_stamp(base::BytesView token, const base::Digest& imprint, const TrustMaterial& trust,
                                  const TimeStampOptions& options);
// The same with the defaults of TimeStampOptions.
TimeStampReport verify_time_stamp(base::BytesView token, const base::Digest& imprint, const TrustMaterial& trust, base::Time at);

}  // namespace signet::pki
