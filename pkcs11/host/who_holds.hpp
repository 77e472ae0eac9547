#pragma once

namespace signet::pkcs11::host {

// Asks PC/SC about the card in each reader: true if another program is connected to one exclusively. Does not return while one
// is in another's transaction.
bool card_is_held();

}  // namespace signet::pkcs11::host
