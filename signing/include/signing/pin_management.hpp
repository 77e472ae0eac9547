#pragma once

#include <map>
#include <set>

#include "signing/batch.hpp"

namespace signet::signing {

// What the use cases of a PIN need of the outside, filled in by the agent. All must outlive them.
struct PinPorts {
  pkcs11::Modules& modules;
  Dialog& dialog;
  Journal& journal;
  Batches& batches;
  std::function<base::Time()> now;
  // Why nobody can be asked now (screen_locked, machine_asleep), as SigningPorts::away.
  std::function<std::optional<base::Error>()> away = {};
};

// Both secrets, from whoever runs a command with them: no dialog then, and no last try.
struct GivenPins {
  base::Secret old_secret;  // old PIN, PUK or SO PIN
  base::Secret new_pin;
};

// Changing and unblocking a token's PIN. What a person typed is presented once, in a host of its own that ends afterwards; what
// was kept of the token's PINs is wiped before. Never C_InitToken. One thread.
class PinManagement {
 public:
  PinManagement(boost::asio::any_io_executor executor, PinPorts ports);
  ~PinManagement();
  PinManagement(const PinManagement&) = delete;  // owns running work
  PinManagement& operator=(const PinManagement&) = delete;

  // `token`: serial number or label; empty where there is but one. Gives the token. Errors of TokenHost::change_pin and
  // unblock_pin, and: no_token, parameter_invalid (several fit), card_busy (a batch uses it), user_cancelled,
  // screen_locked (not for what a command brings), machine_asleep, mechanism_unsupported (only the vendor's own program unblocks it), unblock_unknown (Token::unblock says nothing).
  boost::asio::awaitable<base::Result<pkcs11::Token>> change(Asker asker, std::string token, std::optional<GivenPins> given,
                                                             Dialog::WaitingCallback waiting);
  boost::asio::awaitable<base::Result<pkcs11::Token>> unblock(Asker asker, std::string token, std::optional<GivenPins> given,
                                                              Dialog::WaitingCallback waiting);

  // Closes dialogs: what was typed into them is wiped, and who asked is told the reason. What is being presented goes on.
  void lock(base::Error reason);
  // Waits until no token is being given a PIN any more, however long that takes.
  boost::asio::awaitable<void> idle();
  // Closes dialogs and waits until no token is being given a PIN any more, however long that takes.
  boost::asio::awaitable<void> stop();

 private:
  class Implementation;
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace signet::signing
