#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pki/path.hpp"
#include "portal/store.hpp"
#include "xades/stamp.hpp"

namespace signet::portal {

// Why a signature that a page brought was not taken. The names are the codes that the page reads (pages/README.md).
enum class Refusal : std::uint8_t {
  signature_invalid,
  other_hash,
  signer_differs,
  certificate_refused,
  revocation_unknown,
  time_stamp_missing,  // and nothing else is wrong with it
  certificate_not_of_instrument,
  signed_before,
  time_stamp_failed,  // no TSA gave the one that was to be added
};
std::string_view name(Refusal refusal);

// What a signature must be for one thing that was posted.
struct Wanted {
  base::Digest digest;
  std::optional<std::string> signer_idnp;  // ExpectedSigner.ID
  std::vector<pki::Certificate> issuers;   // of the instrument; empty: any that is trusted
  base::Time posted_at{};                  // a signature from before is another consent's
};

struct Accepted {
  pki::Certificate signer;
  std::optional<std::string> stamped;  // the signature with the time stamp that was added to it; absent: as it came
};

// Nothing that a page brings is taken on trust: one signature over exactly the hash that was posted, whole and in force by the
// given anchors and lists at `now`, by the person who is expected, with a time stamp that holds. `without_lists` (may be null)
// gets the certificates whose revocation lists were missing. Any thread; takes about a millisecond.
std::expected<Accepted, Refusal> accept(std::string_view signature, const Wanted& wanted, const pki::TrustMaterial& trust,
                                        base::Time now, std::vector<pki::ListWanted>* without_lists = nullptr);

// What lacks nothing but its time stamp may get one: what a TSA is asked for. Errors as of xades::plan_time_stamp(), with the
// limits of accept().
base::Result<xades::StampPlan> plan_time_stamp(std::string_view signature);

// The IDNP in a signer's certificate (subject serialNumber): 13 digits, also behind a prefix of EN 319 412-1 ("PNOMD-",
// "IDCMD-").
std::optional<std::string> idnp_of(const pki::Certificate& certificate);

}  // namespace signet::portal
