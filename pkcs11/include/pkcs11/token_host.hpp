#pragma once

#include <algorithm>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "base/secret.hpp"

namespace signet::pkcs11 {

// How a PIN that is locked or forgotten is set anew. None of them is C_InitToken, which would erase the keys.
enum class UnblockWay : std::uint8_t {
  so_pin,       // C_Login(CKU_SO) and C_InitPIN
  puk,          // C_SetPIN with the PUK in place of the old PIN, without a login; OpenSC is told to allow it
  vendor_tool,  // only the vendor's own program can
};
constexpr UnblockWay last_unblock_way = UnblockWay::vendor_tool;

enum class Mechanism : std::uint8_t {
  rsa_pkcs,      // CKM_RSA_PKCS over a DigestInfo that the host builds
  rsa_pkcs_pss,  // CKM_RSA_PKCS_PSS, MGF1 and salt of the digest's own kind and length
  ecdsa,         // CKM_ECDSA, r and s side by side
};

// Where a module is not to be taken at its word. Nothing set: it is.
struct TokenQuirks {
  std::vector<Mechanism> mechanisms = {};        // the only ones that work, whatever the module lists; none: as it says
  std::optional<bool> always_authenticate = {};  // of every key, in place of CKA_ALWAYS_AUTHENTICATE
  std::uint32_t pin_min = 0, pin_max = 0;        // bytes, in place of CK_TOKEN_INFO's; 0: as it says

  bool allows(Mechanism mechanism) const {
    return mechanisms.empty() || std::ranges::find(mechanisms, mechanism) != mechanisms.end();
  }
  bool operator==(const TokenQuirks&) const = default;
};

// CK_TOKEN_INFO (PKCS#11 v2.40, 3.2), texts trimmed and made UTF-8; they come from the token and are not to be trusted.
struct Token {
  std::uint64_t slot_id = 0;
  std::string label, manufacturer, model, serial;
  std::string slot;  // CK_SLOT_INFO's description (3.2): most modules of cards give the PC/SC reader's name, cut to 64 bytes
  bool login_required = false;
  bool protected_authentication_path = false;  // the PIN is typed on the reader: no PIN is ever passed
  bool pin_count_low = false, pin_final_try = false, pin_locked = false;
  std::uint32_t pin_min = 0, pin_max = 0;          // bytes; 0 if the module does not say
  bool puk_final_try = false, puk_locked = false;  // of the PUK or SO PIN; many modules never say so
  // Not the token's own words but what is known of it besides (HostOptions::know_better). A try of the PUK or SO PIN is precious:
  // nothing means that nobody knows, and not that one may be guessed.
  std::optional<UnblockWay> unblock = {};
  std::string vendor_tool = {};  // the vendor's own program for PINs, for people
  TokenQuirks quirks = {};
};

struct TokenCertificate {
  base::Bytes cka_id;
  std::string label;
  base::Bytes der;
};

enum class KeyKind : std::uint8_t { rsa, ec };

// A private key that was looked up once; good for the host that gave it and only while that host lives.
struct Key {
  std::uint32_t number = 0;
  KeyKind kind = KeyKind::rsa;
  bool always_authenticate = false;  // CKA_ALWAYS_AUTHENTICATE: each signature wants a context login of its own
  bool pss_offered = false;          // the token lists CKM_RSA_PKCS_PSS
};

// What was signed of a chunk, in its order, up to the first error: nothing that was made is lost.
struct SignedChunk {
  std::vector<base::Bytes> signatures;
  std::optional<base::Error> error;
};

struct SlotEvent {
  std::uint64_t slot_id = 0;
  bool token_present = false;
};

// One that unblocks by PUK does nothing else: OpenSC must be told so at its start.
enum class HostPurpose : std::uint8_t { serves, unblocks_pins };

struct HostOptions {
  std::string program;    // path of signet-token-host
  std::string module;     // path of the PKCS#11 module
  std::string name = {};  // how errors call it: they go to web pages, which must not learn paths
  std::chrono::milliseconds load_timeout{30'000};
  std::chrono::milliseconds call_timeout{60'000};
  // tokens() and certificates(): a module may hang in them for good once its card was pulled (OpenSC), and people wait for what
  // they show. Neither a PIN nor a signature is lost with a host that is killed there.
  std::chrono::milliseconds list_timeout{20'000};
  std::chrono::milliseconds login_timeout{60'000};
  // At a PIN pad a person is waited for, and the reader ends that itself: CCID's bTimeOut is a byte of seconds. No host is killed
  // before.
  std::chrono::milliseconds pin_pad_timeout{300'000};
  // One signature. A card needs some seconds at most; OpenSC 0.23 hangs for good when the card is pulled at the wrong moment
  // (sc_unlock keeps its mutex), and C_WaitForSlotEvent with it. What was signed before is not lost.
  std::chrono::milliseconds sign_timeout{30'000};
  bool network = false;  // the module may open AF_INET and AF_INET6 sockets: network HSMs
  // A module that leaks: beyond so much its host makes way for another, where that loses nothing.
  std::size_t max_descriptors = 512;
  std::size_t max_memory_mb = 512;
  // Called once if the host ends by a fault of its module: a crash, an exit, a hang, or what no module answers. Not where it was
  // asked to end, its token was pulled or failed, or a person was waited for.
  std::function<void(const base::Error&)> on_fault = {};
  HostPurpose purpose = HostPurpose::serves;
  // Puts in what is known of a token and its module does not say. Called for each token that the host tells of.
  std::function<void(Token&)> know_better = {};
};

// The agent's end of one signet-token-host process, which holds one PKCS#11 module (the vendor's code runs nowhere else).
// A dead or silent host gives token_host_died or token_host_timeout to all its pending calls and is gone: start another. One that
// was silent while another program held a card gives card_busy.
// One thread (its executor's). Destroying it ends the process, after C_Logout if it can still answer.
class TokenHost {
 public:
  // module_failed with the loader's or C_Initialize's reason.
  static boost::asio::awaitable<base::Result<std::shared_ptr<TokenHost>>> start(HostOptions options);
  ~TokenHost();
  TokenHost(const TokenHost&) = delete;  // owns a process
  TokenHost& operator=(const TokenHost&) = delete;

  bool alive() const;
  // A token was pulled out: what the host is doing now, if anything, is to be over soon, as a module may hang over it for good.
  // `others_remain`: it serves others still, so that only a listing is hurried.
  void token_pulled(bool others_remain);
  int process_id() const;
  // The PKCS#11 function that the host says to be in, such as "C_Sign"; empty between two.
  std::string in_call() const;
  bool waits_for_events() const;  // becomes false where the module turns out to have no blocking C_WaitForSlotEvent
  void on_event(std::function<void(SlotEvent)> callback);
  void on_end(std::function<void(base::Error)> callback);  // once, however it ends

  // Slots with a token, enumerated anew. Wants no PIN.
  boost::asio::awaitable<base::Result<std::vector<Token>>> tokens();
  boost::asio::awaitable<base::Result<std::vector<TokenCertificate>>> certificates(std::uint64_t slot_id);

  // C_Login(CKU_USER), one presentation of the PIN, never repeated; no PIN where the reader has a PIN pad (`pin_pad_timeout`).
  // Gives the token's state after it, also beside an error: pin_incorrect, pin_locked, pin_length, token_removed, token_failed. A
  // PIN that is shorter or longer than the token's can be is not presented (pin_length).
  // `token` is as tokens() told it, also another host's: where another one is in its slot now, by serial number, manufacturer or
  // label, that is token_removed, and nothing is presented. The same for the two that set a PIN.
  struct Login {
    std::optional<base::Error> error;
    Token token;
  };
  boost::asio::awaitable<base::Result<Login>> login(const Token& token, const base::Secret* pin);
  boost::asio::awaitable<base::Result<void>> logout(std::uint64_t slot_id);

  // C_Login(CKU_USER) with the old PIN and, once the token has accepted it, C_SetPIN: a wrong one is presented once. Lengths of
  // both are checked against the token first (pin_length). No PINs where the reader has a PIN pad. Gives the token's state after
  // it, also beside an error: pin_incorrect, pin_locked, pin_length, pin_unfit, token_removed, token_failed. A host that dies or is
  // silent too long (`login_timeout`, `pin_pad_timeout`; never in C_SetPIN or C_InitPIN) once a PIN was presented, and a token that
  // fails in C_SetPIN, give pin_unknown: it may have counted a try or taken the new PIN. End the host afterwards.
  boost::asio::awaitable<base::Result<Login>> change_pin(const Token& token, const base::Secret* old_pin, const base::Secret* new_pin);
  // Sets a new PIN with the PUK or SO PIN, which is presented once: puk_incorrect, puk_locked, and else as change_pin.
  // `way` puk needs a host that was started with that purpose (token_failed, nothing is presented).
  boost::asio::awaitable<base::Result<Login>> unblock_pin(const Token& token, UnblockWay way, const base::Secret* puk_or_so_pin,
                                                          const base::Secret* new_pin);

  // Looks the private key up by CKA_ID; after login. certificate_not_found if there is none. With `quirks` it asks for the PIN,
  // and takes mechanisms (mechanism_unsupported), as they say.
  boost::asio::awaitable<base::Result<Key>> key(std::uint64_t slot_id, base::Bytes cka_id, const TokenQuirks& quirks = {});

  // C_SignInit and C_Sign for each digest. Several calls may be pending: they are served in order, so two in flight keep
  // the token busy. `context_pin` (copied before the first suspension) is presented for each signature of an
  // always-authenticate key: give it only once the token has accepted it. At most `max_chunk` digests. `sign_timeout` runs
  // anew while signatures are being made. A host that dies or hangs gives its error beside what was signed, alone if nothing was.
  static constexpr std::size_t max_chunk = 256;
  boost::asio::awaitable<base::Result<SignedChunk>> sign(Key key, Mechanism mechanism, std::vector<base::Digest> digests,
                                                         const base::Secret* context_pin);

  // Logs out and ends the process: vendor code keeps copies of a PIN. Pending calls fail with token_host_died. A host that writes
  // a PIN to its token (C_SetPIN, C_InitPIN) is waited for, however long that takes.
  boost::asio::awaitable<void> end();

 private:
  class Implementation;
  explicit TokenHost(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

// The error of a call whose host was ended by its owner, because a PIN was wiped or changed: what needs no PIN may ask the next
// host. Not so often that a defect would go round for ever.
bool ended_on_purpose(const base::Error& error);
// The error of a call for which somebody has to be logged in, where nobody is any more: a card is shared, and another program can
// reset it or log it out. A PIN that was accepted may be presented again.
bool logged_out(const base::Error& error);
constexpr int most_hosts_asked = 3;

}  // namespace signet::pkcs11
