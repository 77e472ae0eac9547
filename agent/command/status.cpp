#include "agent/command/query.hpp"
#include "agent/messages.hpp"

namespace signet::agent {

using service::filled;
using service::tr;

namespace json = boost::json;

namespace {

std::string validity_text(const json::object& certificate) {
  const std::string validity = shown_member(certificate, "validity");
  if (validity == "expired") return filled(tr("expired on %1"), {shown_member(certificate, "not_after").substr(0, 10)});
  if (validity == "not_yet_valid")
    return filled(tr("not valid before %1"), {shown_member(certificate, "not_before").substr(0, 10)});
  // By the minute: it may be today.
  if (const std::string end = shown_member(certificate, "not_after"); validity == "expires_soon" && end.size() >= 16)
    return filled(tr("EXPIRES SOON: on %1"), {end.substr(0, 10) + " " + end.substr(11, 5) + " UTC"});
  return filled(tr("valid until %1"), {shown_member(certificate, "not_after").substr(0, 10)});
}

// Whether locks and sleep are noticed, and what keeps the machine awake.
void show_session(const json::object& session) {
  std::string names;
  for (const json::value& id : rows(session, "sessions")) names += (names.empty() ? "" : ", ") + std::string(id.as_string());
  if (const std::string missing = shown_member(session, "error"); !missing.empty()) {
    std::cout << filled(tr("Session:  locks and sleep are not noticed: %1"), {missing}) << '\n';
    return;
  }
  std::cout << filled(tr("Session:  %1"),
                      {names.empty() ? tr("none is known to logind; sleep is noticed, locks are not") : names});
  if (shown_member(session, "locked") == tr("yes")) std::cout << ", " << tr("locked");
  std::cout << '\n';
  for (const json::value& row : rows(session, "inhibitors")) {
    const json::object& inhibitor = row.as_object();
    const std::string refused = shown_member(inhibitor, "error"), what = shown_member(inhibitor, "what");
    const bool held = shown_member(inhibitor, "held") == tr("yes");
    if (!refused.empty())
      std::cout << "          " << filled(tr("refused to hold up %1: %2"), {what, refused}) << '\n';
    else if (held && shown_member(inhibitor, "mode") == "block")
      std::cout << "          " << filled(tr("keeps the machine awake while it signs (%1)"), {what}) << '\n';
  }
}

void show_status(const json::object& status) {
  std::cout << "signetd " << shown_member(status, "version") << '\n';
  std::cout << filled(tr("Address:  %1"), {shown_member(status, "address")}) << '\n';
  for (const json::value& row : rows(status, "modules")) {
    const json::object& module = row.as_object();
    const std::string error = shown_member(module, "error");
    std::cout << filled(tr("Module:   %1 (%2)"), {shown_member(module, "name"), shown_member(module, "path")})
              << (error.empty() ? "" : "\n          " + error) << '\n';
    if (const json::value* const stopped = module.if_contains("stopped"); stopped != nullptr && *stopped == true) {
      std::cout << "          "
                << filled(tr("STOPPED after %1 faults. To start it again: signet restart %2"),
                          {shown_member(module, "faults"), shown_member(module, "name")})
                << '\n';
    }
  }
  if (rows(status, "modules").empty())
    std::cout << tr("Module:   none is loaded: `signet tokens --explain` says what is plugged in, and what it needs") << '\n';
  const std::string why = shown_member(status, "dialog_error");
  std::cout << filled(tr("Dialog:   %1"), {why.empty() ? std::string(tr("possible"))
                                                       : message_for(base::ErrorCode::no_dialog_possible) + " (" + why + ')'})
            << '\n';
  std::cout << filled(tr("PINs:     %1 kept, scope %2"), {shown_member(status, "pins_kept"), shown_member(status, "pin_scope")});
  if (const std::string until = shown_member(status, "pins_until"); !until.empty())
    std::cout << filled(tr(", until %1"), {until});
  if (const std::string no_memory = shown_member(status, "pin_memory_error"); !no_memory.empty())
    std::cout << "\n          " << no_memory;
  std::cout << '\n'
            << filled(tr("Batches:  %1, %2 running"), {shown_member(status, "batches"), shown_member(status, "running")}) << '\n';
  if (const json::value* const session = status.if_contains("session"); session != nullptr && session->is_object())
    show_session(session->get_object());
  std::cout << filled(tr("Journal:  %1"), {shown_member(status, "journal")}) << '\n';
}

}  // namespace

void add_status(CLI::App& app, Context& context) {
  app.add_subcommand("status", "Say how the agent is: modules, dialogs, PINs kept, batches")->callback([&] {
    query(context, "status", show_status);
  });
}

void add_certs(CLI::App& app, Context& context) {
  app.add_subcommand("certs", "List the certificates that can sign")->callback([&] {
    query(context, "certificates", [](const json::object& result) {
      for (const json::value& row : rows(result, "certificates")) {
        const json::object& certificate = row.as_object();
        std::cout << shown_member(certificate, "id").substr(0, 16) << "  " << shown_member(certificate, "subject")
                  << "\n                  " << validity_text(certificate) << ", "
                  << filled(tr("token %1"), {shown_member(certificate, "token")}) << '\n';
      }
    });
  });
}

void add_origins(CLI::App& app, Context& context) {
  app.add_subcommand("origins", "List the websites that may use the agent")->callback([&] {
    query(context, "origins", [](const json::object& result) {
      for (const json::value& origin : rows(result, "origins")) std::cout << std::string_view(origin.as_string()) << '\n';
      if (rows(result, "origins").empty()) std::cout << tr("None. Add them to [web] origins in the configuration.") << '\n';
    });
  });
}

void add_lock(CLI::App& app, Context& context) {
  app.add_subcommand("lock", "Forget all PINs and log out of all tokens; running batches pause")->callback([&] {
    query(context, "lock",
          [](const json::object&) { std::cout << tr("All PINs are forgotten, all tokens are logged out.") << '\n'; });
  });
}

void add_restart(CLI::App& app, Context& context) {
  static std::string module;
  CLI::App* const restart = app.add_subcommand("restart", "Start a module anew, also one that was stopped after repeated faults");
  restart->add_option("MODULE", module, "Its name, as in `signet status`")->required();
  restart->callback([&] {
    query(context, "restart",
          [](const json::object&) { std::cout << filled(tr("%1 is started anew when it is next needed."), {module}) << '\n'; },
          {{"module", module}});
  });
}

}  // namespace signet::agent
