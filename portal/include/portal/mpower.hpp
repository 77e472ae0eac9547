#pragma once

#include <optional>

#include "portal/configuration.hpp"
#include "portal/contract.hpp"

namespace signet::portal {

// Whether who is expected to sign may act for the delegator: MPower's `GET /api/Authorization/check/TypeCode-Valid-One`, once,
// with the type code that the configuration maps the role to. None if the power is valid. invalid_parameter for a role that is
// not mapped, a power that is not valid, and a service without [mpower]; server where MPower does not answer what can be read
// (401, 403, 500, slow). Blocks up to the configured time-out: use it on a worker. Any thread.
std::optional<Fault> check_delegation(const ExpectedSigner& signer, const Configuration::Mpower& mpower);

}  // namespace signet::portal
