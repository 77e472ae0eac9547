#pragma once

#include <p11-kit/pkcs11.h>

#include "host/channel.hpp"

namespace signet::pkcs11::host {

// Starts the one thread beside the owner's: it blocks in C_WaitForSlotEvent and writes a frame for each event, until the
// module says that it cannot wait. Never joined: the process ends by _exit.
void watch_slots(CK_FUNCTION_LIST& p11, Channel& channel);

}  // namespace signet::pkcs11::host
