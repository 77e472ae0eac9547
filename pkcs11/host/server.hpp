#pragma once

#include "host/channel.hpp"
#include "host/sessions.hpp"

namespace signet::pkcs11::host {

// Answers requests one after another, on the owner thread, until the agent hangs up or a failure ends the host; then logs out.
void serve(Module& module, Channel& channel, HostPurpose purpose);

}  // namespace signet::pkcs11::host
