#include <unistd.h>

#include <boost/json.hpp>
#include <iostream>

#include "agent/command/command.hpp"
#include "agent/messages.hpp"
#include "service/text.hpp"

namespace signet::agent {

using service::filled;
using service::tr;

namespace json = boost::json;
using base::ErrorCode;

namespace {

struct Options {
  std::string token;
  bool pin_stdin = false;
};

enum class Wanted : std::uint8_t { change, unblock };
enum class Typed : std::uint8_t { in_dialog, on_reader };

// Where the code alone would say something about signing.
std::string message_of(const base::Error& error, Wanted wanted, Typed where) {
  switch (error.code) {
    case ErrorCode::user_cancelled:
      return tr("Cancelled: the PIN is as it was.");
    case ErrorCode::parameter_invalid:
      return error.detail.find("several") != std::string::npos ? tr("Several tokens fit: choose one with --token.") : "";
    case ErrorCode::card_busy:
      return tr("The token is being used: wait until the batch has ended, or until the other program is done.");
    case ErrorCode::mechanism_unsupported:
      return wanted == Wanted::unblock ? tr("Only the vendor's own program can unblock the PIN of this token.")
                                       : tr("The token's software cannot change its PIN: use the vendor's own program.");
    case ErrorCode::pin_unfit:
      // Where OpenSC cannot do it, as with PIV cards, it says the same as for a PIN that is too short.
      if (where == Typed::in_dialog) return {};
      return tr(
          "The new PIN was not set; the old one still counts. On the card reader it was too short, too long or not repeated as "
          "it was, or the token's software cannot set a PIN there: then use a reader without keys, or the vendor's own "
          "program.");
    case ErrorCode::screen_locked:
      return tr("The screen is locked: the PIN is as it was. Unlock the screen and start again.");
    case ErrorCode::machine_asleep:
      return tr("The computer went to sleep: the PIN is as it was. Start again.");
    default:
      return {};
  }
}

int set_pin(const Context& context, const Options& options, Wanted wanted) {
  auto agent = context.agent();
  if (!agent) return report(context, agent.error());
  Typed where = Typed::in_dialog;
  if (!context.json) {
    agent->on_event([&where](std::string_view event, const json::object& params) {
      if (event != "waiting") return;
      const json::value* const what = params.if_contains("what");
      const bool reader = what != nullptr && what->is_string() && what->get_string() == "reader";
      std::cerr << tr("Look for the window “Signet” and answer there.") << '\n';
      if (!reader) return;
      where = Typed::on_reader;
      std::cerr << tr("The PINs are typed on the card reader.") << '\n';
    });
  }
  json::object params{{"token", options.token}};
  if (options.pin_stdin) params["pin"] = "descriptor";
  const auto token = agent->call(wanted == Wanted::change ? "pin.change" : "pin.unblock", std::move(params),
                                 options.pin_stdin ? STDIN_FILENO : -1);
  if (!token) return report(context, token.error(), message_of(token.error(), wanted, where));
  if (context.json) {
    std::cout << json::serialize(*token) << '\n';
    return 0;
  }
  const json::value* const label = token->if_contains("label");
  const std::string name = label != nullptr && label->is_string() ? std::string(label->get_string()) : std::string{};
  std::cout << (wanted == Wanted::change ? filled(tr("The PIN of the token “%1” is changed."), {name})
                                         : filled(tr("The PIN of the token “%1” is unblocked: the new one counts."), {name}))
            << '\n';
  return 0;
}

void add_task(CLI::App& app, Context& context, const char* name, const char* description, const char* lines, Wanted wanted) {
  const auto options = std::make_shared<Options>();
  CLI::App* const command = app.add_subcommand(name, description);
  command->add_option("--token", options->token, "The token: its serial number or label, from `signet tokens`");
  command->add_flag("--pin-stdin", options->pin_stdin, lines);
  command->callback([&context, options, wanted] { context.exit_code = set_pin(context, *options, wanted); });
}

}  // namespace

void add_pin(CLI::App& app, Context& context) {
  CLI::App* const pin = app.add_subcommand("pin", "Change or unblock the PIN of a token; what is typed is tried once");
  pin->require_subcommand(1);
  add_task(*pin, context, "change", "Give a token another PIN: asks for the PIN that it has and, twice, for the new one",
           "Read two lines from standard input (the agent reads them itself): the PIN and the new PIN; no dialog is shown",
           Wanted::change);
  add_task(
      *pin, context, "unblock", "Unblock a locked or forgotten PIN: asks for the PUK or SO PIN and, twice, for a new PIN",
      "Read two lines from standard input (the agent reads them itself): the PUK or SO PIN and the new PIN; no dialog is shown",
      Wanted::unblock);
}

}  // namespace signet::agent
