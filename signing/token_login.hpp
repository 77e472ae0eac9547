#pragma once

#include <map>
#include <set>
#include <string>

#include "pkcs11/modules.hpp"
#include "signing/pin_cache.hpp"

namespace signet::signing {

// A key that is ready to sign: its token is logged in for this owner and nobody else.
struct ReadyKey {
  std::shared_ptr<pkcs11::TokenHost> host;
  pkcs11::Key key;
};

// Who is logged in to which module's token. A login belongs to a whole process, so a change of owner logs out first, and
// wiping a PIN logs out and ends the host that has seen it. One thread.
class TokenLogins {
 public:
  TokenLogins(pkcs11::Modules& modules, PinPolicy policy) : modules_(modules), pins_(policy) {}

  PinCache& pins() { return pins_; }
  const PinCache& pins() const { return pins_; }

  // The token as it is now; token_removed if another one, or none, is in its place.
  boost::asio::awaitable<base::Result<pkcs11::TokenPlace>> find(pkcs11::TokenPlace wanted);

  // True where a login would want a PIN that is not kept, or one that is kept and would be the last try.
  bool pin_missing(const pkcs11::TokenPlace& place, const PinOwner& owner) const;

  // Logs in, unless this owner is logged in already, and looks the key up. `typed` is a PIN that the token has not accepted
  // yet: it is presented once and kept only if accepted. Without it the kept one is presented again, or none where the reader
  // asks. Every refusal wipes.
  boost::asio::awaitable<base::Result<ReadyKey>> ready(pkcs11::TokenPlace place, PinOwner owner, std::optional<base::Secret> typed, base::Time now);

  // Logs this owner out and ends the host; the PIN stays kept.
  boost::asio::awaitable<void> end_login(PinOwner owner);
  // Wipes this owner's PIN, logs out and ends the host.
  boost::asio::awaitable<void> wipe(PinOwner owner);
  boost::asio::awaitable<void> wipe_all(std::set<PinOwner> in_use = {});
  boost::asio::awaitable<void> wipe_token(std::string serial);
  // Those whose time is over, `in_use` aside.
  boost::asio::awaitable<void> wipe_expired(base::Time now, std::set<PinOwner> in_use);
  // Something changed in this module: wipes what was logged in there, and what is kept for its tokens, if the token or the host
  // is gone. After `pulled` it does not ask: a token that is back already is not logged in any more.
  boost::asio::awaitable<void> look_after(std::size_t module, pkcs11::Modules::Change what);

 private:
  struct Login {
    PinOwner owner;
    std::weak_ptr<pkcs11::TokenHost> host;
    std::uint64_t slot_id = 0;
  };
  boost::asio::awaitable<void> end_logins(std::vector<PinOwner> owners);
  // Of each module the very host that holds the login; one that was started since goes on.
  boost::asio::awaitable<void> end_hosts(std::vector<std::size_t> modules);

  pkcs11::Modules& modules_;
  PinCache pins_;
  std::map<std::size_t, Login> logins_;          // by module
  std::map<std::string, std::size_t> module_of_;  // by serial number, of those whose PINs may be kept
};

}  // namespace signet::signing
