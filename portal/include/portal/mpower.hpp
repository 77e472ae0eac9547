#pragma once

#include <atomic>
#include <optional>
#include <string>

#include "portal/configuration.hpp"
#include "portal/contract.hpp"

namespace signet::portal {

// What came of asking whether somebody may act for another.
struct Delegation {
  std::optional<Fault> fault;  // what the caller hears; none if the power is valid
  // For logs and counts: valid, not_valid, not_found; not_configured, not_mapped, signer_missing (nothing was asked); refused
  // (this service may not ask, or asks what MPower does not take: for its operator), failed, unreadable, unreachable, busy.
  std::string_view outcome = "valid";
  long status = 0;     // of HTTP, 0 if there was none
  std::string detail;  // why there was none, for the operator; without identity numbers
};

// Whether who is expected to sign may act for the delegator: MPower's `GET /api/Authorization/check/TypeCode-Valid-One`, once,
// with the type code that the configuration maps the role to. invalid_parameter where the caller is wrong, server where MPower
// gives no answer. Blocks up to the configured time-out: use it on a worker. Any thread. `cancelled` as for net::fetch.
Delegation check_delegation(const ExpectedSigner& signer, const Configuration::Mpower& mpower,
                            const std::atomic<bool>* cancelled = nullptr);

// For a question that would wait too long.
Delegation busy_delegation();

}  // namespace signet::portal
