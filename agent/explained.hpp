#pragma once

#include <boost/json/object.hpp>
#include <string_view>
#include <vector>

#include "drivers/device_modules.hpp"

namespace signet::agent {

// What is plugged in, what serves it and why: the result of `tokens.explain` (docs/PROTOCOL.md). `tokens` are those that are
// shown now. Texts of devices are made fit to be shown.
boost::json::object explained(const drivers::DeviceModules& devices, const pkcs11::Modules& modules,
                              const std::vector<pkcs11::TokenPlace>& tokens);

// What drivers/ says, as PKCS#11's client says it. `why`: where there is a device, and for its sake no token.
base::Error untrusted(const drivers::Refusal& refusal);
std::optional<base::Error> why_no_token(const drivers::DeviceModules& devices);

}  // namespace signet::agent
