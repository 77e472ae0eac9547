#pragma once

#include <string>
#include <string_view>

namespace signet::pkcs11::host {

// The card readers of PC/SC, which other programs use too. Where there is no pcscd there are none.

// Asks PC/SC about the card in each reader: true if another program is connected to one exclusively. Does not return while one
// is in another's transaction.
bool card_is_held();

// The reader of this name; empty if there is none. `slot` is a slotDescription of PKCS#11, which ends after 64 characters.
std::string reader_of(std::string_view slot);

// Resets the card in this reader, so that nobody is logged in to it any more. Where another program is connected to it the card
// is left as it is: that program may be logged in itself. Waits for another's transaction to end.
void reset_unless_shared(const std::string& reader);

}  // namespace signet::pkcs11::host
