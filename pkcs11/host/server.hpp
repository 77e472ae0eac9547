#pragma once

#include <set>
#include <string>

#include "host/channel.hpp"
#include "host/sessions.hpp"
#include "host/wear.hpp"

namespace signet::pkcs11::host {

// Answers requests one after another, on the owner thread, until the agent hangs up, a failure ends the host, or it has grown
// beyond its limits where that loses nothing; then logs out. The answer: the PC/SC readers of the tokens that were logged in to.
std::set<std::string> serve(Module& module, Channel& channel, WearLimits wear, HostPurpose purpose);

}  // namespace signet::pkcs11::host
