#pragma once

#include <map>

#include "host/module.hpp"

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
  // No PIN: the reader's PIN pad asks. One of a length that the token's PIN cannot have is not presented.
  Outcome<void> login(CK_SLOT_ID slot, base::BytesView pin, const TokenQuirks& quirks);
  Outcome<void> logout(CK_SLOT_ID slot);
  // One presentation of the first secret until the token has accepted it; logged out and closed on return. Where both are empty
  // the reader's PIN pad asks.
  Outcome<void> change_pin(CK_SLOT_ID slot, base::BytesView old_pin, base::BytesView new_pin, const TokenQuirks& quirks);
  Outcome<void> unblock_pin(CK_SLOT_ID slot, UnblockWay way, base::BytesView puk_or_so_pin, base::BytesView new_pin,
                            const TokenQuirks& quirks);
  void logout_all();

  Outcome<Key> find_key(CK_SLOT_ID slot, base::BytesView cka_id, const TokenQuirks& quirks);
  const OpenKey* key(std::uint32_t number) const;

 private:
  Outcome<CK_SESSION_HANDLE> session(CK_SLOT_ID slot);
  Outcome<CK_SESSION_HANDLE> session_to_set_pin(CK_SLOT_ID slot, base::BytesView new_pin, const TokenQuirks& quirks);
  void close(CK_SLOT_ID slot);

  Module& module_;
  CK_FUNCTION_LIST& p11_;
  std::map<CK_SLOT_ID, CK_SESSION_HANDLE> sessions_;
  std::map<std::uint32_t, OpenKey> keys_;
  std::uint32_t next_number_ = 1;
};

}  // namespace signet::pkcs11::host
