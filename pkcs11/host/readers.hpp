#pragma once

#include <memory>
#include <set>
#include <span>
#include <string>

namespace signet::pkcs11::host {

// The card readers of PC/SC, which other programs use too. Where there is no pcscd there are none.

// Asks PC/SC about the card in each reader: true if another program is connected to one exclusively. Does not return while one
// is in another's transaction. Only readers that one of these slots names (Token::slot) are asked about, where there is any.
// Ends the process by SIGALRM if PC/SC itself does not answer within a second.
bool card_is_held(std::span<const char* const> slots);

// Which readers are those of slots. Asked on threads of their own: a pcscd that hangs holds up no token that is not behind it.
// Owner's thread.
class ReadersInUse {
 public:
  ReadersInUse();
  // `slot`: a slotDescription of PKCS#11, which ends after 64 characters. One that is no reader's is none.
  void add(std::string slot);
  bool any() const;
  // Waits a moment for those that are being asked about.
  std::set<std::string> all() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // the threads', too
};

// Resets the card in this reader, so that nobody is logged in to it any more. Where another program is connected to it the card
// is left as it is: that program may be logged in itself. Waits for another's transaction to end.
void reset_unless_shared(const std::string& reader);

}  // namespace signet::pkcs11::host
