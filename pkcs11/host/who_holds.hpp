#pragma once

#include <span>

namespace signet::pkcs11::host {

// Asks PC/SC about the card in each reader: true if another program is connected to one exclusively. Does not return while one
// is in another's transaction. Only readers that one of these slots names (Token::slot) are asked about, where there is any.
// Ends the process by SIGALRM if PC/SC itself does not answer within a second.
bool card_is_held(std::span<const char* const> slots);

}  // namespace signet::pkcs11::host
