#include "agent/messages.hpp"

#include "service/text.hpp"
#include "xades/types.hpp"

namespace signet::agent {

using service::tr;

std::string message_for(base::ErrorCode code) {
  using enum base::ErrorCode;
  switch (code) {
    case user_cancelled:
      return tr("Cancelled: nothing was signed with this request. Start again when you are ready.");
    case pin_incorrect:
      return tr("The PIN was wrong.");
    case pin_locked:
      return tr(
          "The token is locked after too many wrong PINs. `signet pin unblock` unblocks it with its PUK or SO PIN; without them "
          "ask "
          "whoever issued it.");
    case pin_length:
      return tr("The PIN is too short or too long for this token; it was not tried.");
    case pin_unfit:
      return tr("The token does not take this as a new PIN. Choose another one; the old one still counts.");
    case pin_unknown:
      return tr(
          "The token or its software failed while the PIN was being set: whether it was is not known. Try the new PIN once; if "
          "it is "
          "wrong, it was not set.");
    case puk_incorrect:
      return tr("The PUK or SO PIN was wrong. Each of its tries is precious: try again only when you are sure of it.");
    case puk_locked:
      return tr("The PUK or SO PIN is locked after too many wrong ones. Only whoever issued the token can help.");
    case unblock_unknown:
      return tr(
          "How the PIN of this token is unblocked is not known here, and a wrong guess would cost one of few tries: nothing was "
          "tried. Ask whoever issued the token. Who knows it writes `unblock` into [[modules]] of the configuration.");
    case no_token:
      return tr(
          "No token was found. Plug it in, or put the card into the reader. If it is there, `signet status` says which module "
          "is missing or failed.");
    case token_removed:
      return tr("The token was removed. Plug it in again and go on: what is signed stays signed.");
    case certificate_not_found:
      return tr("No certificate for signing was found on the token.");
    case certificate_unfit:
      return tr("This certificate is not meant for signing.");
    case certificate_expired:
      return tr("This certificate is expired or not yet valid. Ask its issuer for a new one.");
    case card_busy:
      return tr("Another program holds the card. Close it, or wait until it is done.");
    case screen_locked:
      return tr("The screen is locked. Unlock it and go on: what is signed stays signed.");
    case machine_asleep:
      return tr("The computer went to sleep. Go on: what is signed stays signed.");
    case origin_refused:
      return tr("This website is not allowed to use the agent. Add it to [web] origins in the configuration if you trust it.");
    case host_refused:
      return tr("The agent was addressed under a foreign name.");
    case hello_required:
    case version_unsupported:
      return tr("The caller and the agent speak different versions. Update the older one.");
    case message_invalid:
    case method_unknown:
      return tr("The request was not understood.");
    case parameter_invalid:
      return tr("A value in the request is wrong.");
    case message_too_large:
      return tr("The request is too large.");
    case algorithm_unknown:
      return tr("This hash algorithm is not supported: use SHA-256, SHA-384 or SHA-512.");
    case digest_length:
      return tr("A hash does not have the length of its algorithm.");
    case id_duplicate:
      return tr("Two items have the same name or identifier.");
    case batch_empty:
      return tr("There is nothing to sign.");
    case batch_too_large:
      return tr("That is too much for one batch: at most 100000 items.");
    case part_out_of_order:
      return tr("Parts of the batch came in a wrong order.");
    case batch_unknown:
      return tr("The batch is not known any more. Start again.");
    case batch_state:
      return tr("The batch cannot do that now.");
    case too_many:
      return tr("Too much at once. Finish or cancel something first.");
    case other_user:
      return tr("The agent belongs to another user of this computer.");
    case no_dialog_possible:
      return tr("The PIN dialog cannot be shown: there is no display or no pinentry program.");
    case module_missing:
      return tr(
          "A token is there, but its software (PKCS#11 module) is not installed. `signet tokens --explain` says what to "
          "install.");
    case module_failed:
      return tr("The token's software (PKCS#11 module) cannot be loaded. `signet status` says why.");
    case token_host_died:
    case token_host_timeout:
      return tr("The token's software crashed or did not answer, and was started again. Try again.");
    case token_failed:
      return tr("The token answered with an error.");
    case mechanism_unsupported:
      return tr("The token cannot sign in this way.");
    case time_stamp_failed:
      return tr("No time stamp could be had. The signature is good without it; it can be time-stamped later.");
    case disk_full:
      return tr("The disk is full: nothing is signed without room for the journal. Free some space and try again.");
    case file_failed:
      return tr("A file cannot be read or written.");
    case network_failed:
      return tr("The network cannot be reached.");
    case memory_not_lockable:
      return tr("Memory for the PIN cannot be locked. Raise the limit of locked memory (ulimit -l).");
    case configuration_invalid:
      return tr("The configuration is wrong.");
    case agent_not_running:
      return tr("The agent is not running. Start it: systemctl --user start signetd, or run signetd in a terminal.");
    case internal:
      break;
  }
  return tr("An unexpected error. Please report it with what `signet status` prints.");
}

std::string commitment_text(std::string_view uri) {
  const std::string_view name = xades::commitment_type_name(uri);
  if (name == "origin") return tr("I am the author (proof of origin)");
  if (name == "receipt") return tr("I have received this (proof of receipt)");
  if (name == "delivery") return tr("I have delivered this (proof of delivery)");
  if (name == "sender") return tr("I am the sender (proof of sender)");
  if (name == "approval") return tr("I approve of the content (proof of approval)");
  if (name == "creation") return tr("I have made this, and no more (proof of creation)");
  return {};
}

}  // namespace signet::agent
