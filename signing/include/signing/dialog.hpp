#pragma once

#include <boost/asio/awaitable.hpp>

#include <optional>

#include "base/secret.hpp"
#include "signing/certificates.hpp"
#include "signing/origin.hpp"
#include "signing/pin_cache.hpp"
#include "xades/build.hpp"

namespace signet::signing {

// Who waits for an answer: a batch (its handle), or a connection that wants a certificate. Not an origin: closing the dialog of
// one of its batches leaves those of its others open.
using Asker = std::string;

// What the person is asked before a batch is signed. Texts of the page are untrusted and shown as theirs.
struct ConsentRequest {
  Asker asker;
  Origin origin;
  std::string purpose;
  std::size_t count = 0;
  std::vector<std::string> first_names;  // at most a few; the dialog says how many more there are
  SigningCertificate certificate;
  xades::Level level{};
  xades::Statements statements = {};     // of the page, too; what is not shown is not signed
  bool consent_given = false;            // only the PIN is missing: a resumed batch, a mistyped PIN
  enum class Pin : std::uint8_t { none, ask, reader } pin = Pin::none;  // reader: typed on the reader's PIN pad
  std::optional<base::ErrorCode> last_refusal;  // of the PIN before: pin_incorrect, pin_length
  bool final_try = false;                // the next wrong PIN locks the token: the dialog warns and asks for confirmation
  // How long the PIN is kept: one that is typed now (`until` at most), or the one that is kept and used.
  PinScope pin_scope = PinScope::batch;
  std::optional<base::Time> pin_until = {};
};

// What a person is asked for when a PIN is to be changed or unblocked.
struct PinEntryRequest {
  Asker asker;
  enum class Task : std::uint8_t { change, unblock_by_puk, unblock_by_so_pin } task = Task::change;
  std::string token_label, token_serial;         // the token's own words
  std::uint32_t pin_min = 0, pin_max = 0;        // of the PIN, not of a PUK; 0: the token does not say
  enum class Where : std::uint8_t { dialog, reader } where = Where::dialog;
  // Whether a refusal of the old PIN, PUK or SO PIN would be the one that locks it. The person confirms before: perhaps, where
  // it was refused before and the token does not say how many tries are left.
  enum class LastTry : std::uint8_t { no, perhaps, yes } last_try = LastTry::no;
};

// Nothing where the reader asks.
struct PinEntry {
  std::optional<base::Secret> old_secret;  // old PIN, PUK or SO PIN
  std::optional<base::Secret> new_pin;     // typed twice
};

struct ConsentAnswer {
  std::optional<base::Secret> pin;
};

// What is open on the screen, for whoever waits for it.
struct Waiting {
  enum class For : std::uint8_t { certificate, consent, pin, reader } what = For::consent;
  base::Time until{};
};

// Asks the person, outside the web page; one dialog at a time, others wait. Errors: user_cancelled (also when it timed out),
// no_dialog_possible, memory_not_lockable. The agent talks to pinentry; tests answer by themselves.
class Dialog {
 public:
  virtual ~Dialog() = default;
  using WaitingCallback = std::function<void(const Waiting&)>;

  virtual boost::asio::awaitable<base::Result<ConsentAnswer>> consent(ConsentRequest request, WaitingCallback waiting) = 0;
  // The old secret, then the new PIN. What the two entries of the new PIN do not agree in, or what is too short or too long, is
  // told and asked again: no token is touched for it. An empty one is a cancel.
  virtual boost::asio::awaitable<base::Result<PinEntry>> enter_pins(PinEntryRequest request, WaitingCallback waiting) = 0;
  // Index of the chosen certificate.
  virtual boost::asio::awaitable<base::Result<std::size_t>> choose(Asker asker, Origin origin,
                                                                   std::vector<SigningCertificate> certificates,
                                                                   WaitingCallback waiting) = 0;
  // Closes what is open for this asker and opens nothing of what waits its turn: who asked is gone for good. Both end with
  // user_cancelled. What is asked afterwards is a new question.
  virtual void close(const Asker& asker) = 0;
};

}  // namespace signet::signing
