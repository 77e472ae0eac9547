#pragma once

#include <cstddef>
#include <optional>

#include "portal/contract.hpp"

// What the contract allows of what was read: lengths in characters, unique ids, forms of identifiers and hashes. Any thread.
namespace signet::portal {

struct Rules {
  bool allow_sha1 = false;
  std::size_t max_sign_contents = 100'000;
  std::size_t max_verification_contents = 10'000;  // each is a signature to be verified
};

// None if it is allowed. invalid_parameter with the first field that is not, as "Contents[3].CorrelationID: …", counted from 0.
std::optional<Fault> check(const SignRequest& request, const Rules& rules);
std::optional<Fault> check(const VerificationRequest& request, const Rules& rules);
// request_not_found too: for an id that no request can have.
std::optional<Fault> check(const GetSignResponse& call);

}  // namespace signet::portal
