#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace signet::base {

// Every way in which something can go wrong, grouped by who must act. The name of an enumerator is also its code on the
// wire and in `--json` (docs/PROTOCOL.md, "Errors"): renaming one changes the protocol.
enum class ErrorCode : std::uint8_t {
  // the person
  user_cancelled,   // said no, closed the dialog, or let it time out
  pin_incorrect,    // the token refused the PIN; one try is spent
  pin_locked,       // the token takes no PIN any more
  pin_length,       // the PIN is too short or too long for the token; no try is spent
  pin_unfit,        // the token does not take this as a new PIN: its characters, or a rule of its own
  pin_unknown,      // the token or its software failed while a PIN was set: whether the old or the new one counts is unknown
  puk_incorrect,    // the token refused the PUK or SO PIN; one try of it is spent
  puk_locked,       // the token takes no PUK or SO PIN any more: only its issuer can help
  unblock_unknown,  // whether its PUK or SO PIN unblocks this token is not known: neither is tried
  no_token,         // no token with a usable certificate is there
  token_removed,    // the token went away while it was needed
  certificate_not_found,  // no such certificate on the tokens that are there
  certificate_unfit,      // not for signing: key usage
  certificate_expired,    // outside its validity
  card_busy,              // another program holds the card
  screen_locked,          // the person's session is locked: nobody can be asked, and what ran is paused
  machine_asleep,         // the machine goes to sleep, or did: what ran is paused
  // the page, or whoever called
  origin_refused,
  host_refused,
  hello_required,
  version_unsupported,
  message_invalid,  // not UTF-8, not JSON, or not of the documented form
  message_too_large,
  method_unknown,
  parameter_invalid,
  algorithm_unknown,
  digest_length,
  id_duplicate,
  batch_empty,
  batch_too_large,
  part_out_of_order,
  batch_unknown,
  batch_state,  // the method does not fit what the batch is doing
  too_many,     // connections, batches or requests at once
  // the machine
  other_user,  // the peer belongs to a user this agent does not serve
  no_dialog_possible,
  module_missing,      // a token is there, and the PKCS#11 module that serves it is not installed
  module_failed,       // a PKCS#11 module cannot be loaded or initialised
  token_host_died,     // the process that holds the module ended
  token_host_timeout,  // ... or did not answer in time and was ended
  token_failed,        // the token or its module answered with an error (see origin)
  mechanism_unsupported,
  time_stamp_failed,
  disk_full,
  file_failed,
  network_failed,
  memory_not_lockable,
  configuration_invalid,
  agent_not_running,
  // us
  internal,
};

// The wire name of a code, such as "pin_incorrect".
std::string_view name(ErrorCode code);

enum class WhoActs : std::uint8_t { person, caller, machine, us };
WhoActs who_acts(ErrorCode code);

// `detail` is for developers and holds nothing secret or personal; `origin` is the CK_RV, OpenSSL or errno value, 0 if none;
// `tries_left` is how many more PINs the token takes, where it told so.
struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string detail;
  std::uint64_t origin = 0;
  std::optional<unsigned> tries_left = std::nullopt;

  bool operator==(const Error&) const = default;
};

}  // namespace signet::base
