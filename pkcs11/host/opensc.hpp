#pragma once

namespace signet::pkcs11::host {

// Before the module is loaded: has OpenSC take C_SetPIN without a login for an unblocking by PUK (user_pin_unblock_style). Without
// that it takes the PUK for the PIN, which costs a try. In this process alone, by an OPENSC_CONF in memory that begins with ours
// and goes on with what was configured; other modules do not look at it. False if it cannot be set.
bool let_opensc_unblock();

}  // namespace signet::pkcs11::host
