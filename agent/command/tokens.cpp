#include <csignal>

#include "agent/command/explanation.hpp"
#include "agent/command/query.hpp"
#include "agent/messages.hpp"

namespace signet::agent {

using service::filled;
using service::tr;
namespace json = boost::json;

namespace {

void show_token(const json::object& token) {
  std::cout << shown_member(token, "label") << "  " << shown_member(token, "manufacturer") << ' ' << shown_member(token, "model")
            << ", " << filled(tr("serial number %1"), {shown_member(token, "serial")}) << ", "
            << filled(tr("module %1"), {shown_member(token, "module")});
  if (is_set(token, "pin_locked"))
    std::cout << ", " << tr("PIN LOCKED");
  else if (is_set(token, "pin_final_try"))
    std::cout << ", " << tr("LAST PIN TRY");
  std::cout << '\n';
}

void show_tokens(const json::object& result) {
  for (const json::value& row : rows(result, "tokens")) show_token(row.as_object());
  if (rows(result, "tokens").empty())
    std::cout << message_for(base::ErrorCode::no_token) << '\n'
              << tr("`signet tokens --explain` says what was looked for.") << '\n';
}

void watch(Context& context) {
  auto agent = context.agent();
  auto result = agent ? agent->call("tokens.watch", {}) : base::Result<json::object>(base::failure_of(agent));
  if (!result) {
    context.exit_code = report(context, result.error());
    return;
  }
  const auto show = [&](const json::object& list) {
    if (context.json) {
      std::cout << json::serialize(list) << std::endl;
      return;
    }
    std::cout << tr("Tokens now:") << '\n';
    for (const json::value& row : rows(list, "tokens")) {
      std::cout << "  ";
      show_token(row.as_object());
    }
    if (rows(list, "tokens").empty()) std::cout << "  " << tr("none") << '\n';
    std::cout << std::flush;
  };
  show(*result);
  // Ends the waiting, with user_cancelled.
  struct sigaction action{};
  action.sa_handler = [](int) {};
  ::sigaction(SIGINT, &action, nullptr);
  agent->on_event([&](std::string_view event, const json::object& params) {
    if (event != "tokens.changed") return;
    const json::value* const list = params.if_contains("list");
    if (list != nullptr && list->is_object()) show(list->get_object());
  });
  for (;;) {
    if (auto waited = agent->wait_for_event(); !waited) {
      if (waited.error().code != base::ErrorCode::user_cancelled) context.exit_code = report(context, waited.error());
      return;
    }
    if (!std::cout) return;  // who read this is gone
  }
}

}  // namespace

void add_tokens(CLI::App& app, Context& context) {
  struct Options {
    bool explain = false, watch = false;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* const command = app.add_subcommand("tokens", "List the tokens that are there");
  CLI::Option* const explain = command->add_flag("--explain", options->explain,
                                                 "Say what is plugged in, which module serves it and why, or what to install");
  command->add_flag("--watch", options->watch, "Go on and say what is plugged in and pulled out, until Ctrl-C")
      ->excludes(explain);
  command->callback([&context, options] {
    if (options->watch) return watch(context);
    if (options->explain)
      return query(context, "tokens.explain",
                   [](const json::object& result) { show_explanation(result, Machine::look(), std::cout); });
    query(context, "tokens", show_tokens);
  });
}

}  // namespace signet::agent
