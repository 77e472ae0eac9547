#pragma once

#include <map>

#include "host/module.hpp"
#include "wire.hpp"

namespace signet::pkcs11::host {

// A private key that was found once; its session stays open until logout.
struct OpenKey {
  CK_SLOT_ID slot = 0;
  CK_SESSION_HANDLE session = 0;
  CK_OBJECT_HANDLE handle = 0;
  Key key;
  std::size_t signature_size = 0;  // bytes; 0 if neither key nor certificate tells
  bool protected_authentication_path = false;
  TokenQuirks quirks;
};

// One read-only session a token, its login, and the keys found through it. A PIN is presented once a call and never kept.
class Sessions {
 public:
  explicit Sessions(Module& module) : module_(module), p11_(module.functions()) {}

  Module::Sessions state() const { return sessions_.empty() ? Module::Sessions::none : Module::Sessions::open; }
  // No PIN: the reader's PIN pad asks. token_removed, and nothing is presented, where another token than this is in the slot,
  // pin_length where it is shorter or longer than the token's PIN can be.
  Outcome<void> login(const wire::PinTarget& target, base::BytesView pin);
  Outcome<void> logout(CK_SLOT_ID slot);
  // One presentation of the first secret until the token has accepted it; logged out and closed on return. Where both are empty
  // the reader's PIN pad asks. The token is looked at as in login().
  Outcome<void> change_pin(const wire::PinTarget& target, base::BytesView old_pin, base::BytesView new_pin);
  Outcome<void> unblock_pin(const wire::PinTarget& target, UnblockWay way, base::BytesView puk_or_so_pin, base::BytesView new_pin);
  void logout_all();

  Outcome<Key> find_key(CK_SLOT_ID slot, base::BytesView cka_id, const TokenQuirks& quirks);
  const OpenKey* key(std::uint32_t number) const;

 private:
  Outcome<CK_SESSION_HANDLE> session(CK_SLOT_ID slot);
  Outcome<CK_SESSION_HANDLE> session_to_set_pin(const wire::PinTarget& target, base::BytesView new_pin);
  // Once its session is open: a token that is swapped then takes the session with it.
  Outcome<void> still_there(const wire::PinTarget& target) const;
  void close(CK_SLOT_ID slot);

  Module& module_;
  CK_FUNCTION_LIST& p11_;
  std::map<CK_SLOT_ID, CK_SESSION_HANDLE> sessions_;
  std::map<std::uint32_t, OpenKey> keys_;
  std::uint32_t next_number_ = 1;
};

}  // namespace signet::pkcs11::host
