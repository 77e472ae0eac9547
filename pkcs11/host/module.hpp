#pragma once

#include <libp11.h>
#include <p11-kit/pkcs11.h>

#include <memory>
#include <string>
#include <vector>

#include "base/owned.hpp"
#include "pkcs11/token_host.hpp"

namespace signet::pkcs11::host {

// What goes back to the agent instead of a value. After a failure of the device or of the module itself nothing in this
// process can be trusted to work again (libp11's pooled sessions stay poisoned, old handles die): the host ends.
struct Failure {
  base::Error error;
  bool ends_host = false;
};
template <class T>
using Outcome = std::expected<T, Failure>;

std::unexpected<Failure> refused(CK_RV ck_rv, std::string_view function);  // ends the host unless it is a plain refusal
std::unexpected<Failure> refused(base::ErrorCode code, std::string detail, CK_RV origin = 0);  // the host goes on
// An answer that no module gives: ends the host, which is then at fault.
std::unexpected<Failure> rubbish(std::string detail);

// The loaded PKCS#11 module. libp11 loads, enumerates and reads certificates; everything else calls `functions()`, the same
// module's own function list, because libp11 0.4.12 keeps PINs and has no events.
class Module {
 public:
  static base::Result<std::unique_ptr<Module>> load(const std::string& path);
  Module(const Module&) = delete;  // libp11's context points into itself
  Module& operator=(const Module&) = delete;
  ~Module();

  CK_FUNCTION_LIST& functions() const { return *functions_; }

  // Releasing libp11's slots closes all sessions of the token, ours too: while one is open, old enumerations are kept.
  enum class Sessions : std::uint8_t { none, open };
  Outcome<std::vector<TokenCertificate>> certificates(CK_SLOT_ID slot, Sessions sessions);
  Outcome<std::vector<Token>> tokens();
  // C_GetTokenInfo.
  std::expected<Token, CK_RV> token(CK_SLOT_ID slot) const;
  // Also makes the module look at its readers: without it some never see a token that was put back.
  enum class Slots : std::uint8_t { all, with_token };
  Outcome<std::vector<CK_SLOT_ID>> slot_ids(Slots which = Slots::all);
  // True of one whose C_Logout does not reach the card: OpenSC 0.23 tells a PIV card nothing of it.
  bool leaves_card_logged_in() const { return is_opensc_; }

 private:
  struct Enumeration {
    PKCS11_SLOT* slots = nullptr;
    unsigned int count = 0;
  };
  Module() = default;
  Outcome<void> enumerate(Sessions sessions);
  void release(Enumeration& enumeration);

  CK_FUNCTION_LIST* functions_ = nullptr;
  base::Owned<PKCS11_CTX, PKCS11_CTX_free> context_;
  bool initialised_just_now_ = true;
  bool is_opensc_ = false;
  Enumeration current_;
  std::vector<Enumeration> kept_;
};

}  // namespace signet::pkcs11::host
