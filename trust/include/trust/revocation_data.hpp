#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "pki/path.hpp"
#include "trust/cache.hpp"
#include "trust/fetching.hpp"

namespace signet::trust {

// Who was asked, or would have been, without success.
struct NotHad {
  std::string url;  // fit to be shown; empty for what is said of no single address
  std::string why;  // for developers
  bool private_address = false;  // not asked for that reason alone
};

// What was had for paths that lacked it, and why the rest was not.
struct RevocationData {
  std::vector<pki::OcspResponse> ocsp;
  std::vector<pki::Crl> crls;
  std::vector<NotHad> failures;
};

// OCSP responses and revocation lists from where certificates say that they are, OCSP first, by net::fetch and a cache on disk.
// What the certificate's issuer did not sign, itself or by a responder of its own, is neither kept nor preferred to what is; the rest
// is judged with the path. Blocks up to the time-out. Any thread.
class RevocationSource {
 public:
  explicit RevocationSource(Fetching fetching, std::optional<Cache> cache = {},
                            pki::NonceRule nonce = pki::NonceRule::same_or_absent)
      : fetching_(fetching), cache_(std::move(cache)), nonce_(nonce) {}

  // lists_after_ocsp: a list only of whom OCSP tells nothing. both: for a path that still lacks something, such as what is known of
  // the responder itself.
  enum class Ask : std::uint8_t { lists_after_ocsp, both };
  // `now`: the true time, whatever time is judged. A certificate must have a path to an anchor of ours (ListWanted says so), or
  // strangers choose what is called. `cancelled` may be null.
  RevocationData fetch(const std::vector<pki::ListWanted>& wanted, base::Time now, Ask ask = Ask::lists_after_ocsp,
                       const std::atomic<bool>* cancelled = nullptr) const;

 private:
  Fetching fetching_;
  std::optional<Cache> cache_;
  pki::NonceRule nonce_;
};

void add(RevocationData data, pki::TrustMaterial& trust);

// One question to one responder, for those who keep answers themselves: about `wanted.certificate`, by what its issuer signed, itself
// or by a responder that it certified, and in force until `end`. network_failed with what is wrong, also where the certificate is not
// known there. Blocks up to fetching.timeout; any thread. `cancelled` may be null.
struct Answered {
  pki::OcspResponse response;
  base::Time end;
};
base::Result<Answered> ask_responder(const std::string& url, const pki::ListWanted& wanted, const Fetching& fetching, base::Time now,
                                     const std::atomic<bool>* cancelled = nullptr);

// pki::validate_path, and again with what could be fetched where it lacked revocation data.
pki::PathReport validate_path(const pki::Certificate& certificate, pki::TrustMaterial trust, const pki::PathOptions& options,
                              const RevocationSource& source, base::Time now);

}  // namespace signet::trust
