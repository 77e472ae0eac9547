#include <algorithm>
#include <csignal>
#include <fstream>

#include "agent/command/query.hpp"
#include "agent/messages.hpp"
#include "base/text.hpp"

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

// ID or ID_LIKE of os-release(5) names the family of this distribution; empty if none of ours.
std::string distribution() {
  std::ifstream in("/etc/os-release");
  std::string ids;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("ID=") || line.starts_with("ID_LIKE=")) ids += ' ' + line.substr(line.find('=') + 1);
  }
  for (const auto& [word, family] :
       {std::pair{"debian", "debian"}, {"ubuntu", "debian"}, {"fedora", "fedora"}, {"rhel", "fedora"}, {"arch", "arch"}})
    if (ids.find(word) != std::string::npos) return family;
  return {};
}

std::string how_to_install(const json::object& install) {
  const std::string here = distribution();
  const std::string package = here.empty() ? std::string() : shown_member(install, here);
  const std::string page = shown_member(install, "page");
  std::string text;
  if (!package.empty())
    text = (here == "debian" ? "sudo apt install " : here == "fedora" ? "sudo dnf install " : "sudo pacman -S ") + package;
  if (!page.empty()) text += text.empty() ? page : "  (" + page + ')';
  return text;
}

std::string because_text(const std::string& because) {
  if (because == "configured") return tr("the configuration names it for this device");
  if (because == "atr") return tr("the catalogue of devices knows this card");
  if (because == "usb_id") return tr("the catalogue of devices knows this USB device");
  if (because == "remembered") return tr("it showed a token on such a card before");
  if (because == "p11_kit") return tr("it is registered with p11-kit");
  return tr("it is installed, for other tokens");
}

std::string refusal_text(const json::object& refusal) {
  const std::string why = shown_member(refusal, "why"), where = shown_member(refusal, "where");
  if (why == "outside_allowed_folders")
    return filled(tr("%1 is outside the folders that modules may be in: add its folder to [devices] module_folders"), {where});
  if (why == "file_owner" || why == "folder_owner")
    return filled(tr("%1 belongs neither to root nor to you: chown root it, if you trust it"), {where});
  if (why == "file_writable_by_others" || why == "folder_writable_by_others")
    return filled(tr("others may write %1: chmod go-w it, if you trust it"), {where});
  if (why == "other_architecture") return filled(tr("%1 is for another kind of processor"), {where});
  if (why == "not_a_library" || why == "not_regular") return filled(tr("%1 is no shared library"), {where});
  if (why == "missing") return filled(tr("%1 is not there"), {where});
  return filled(tr("%1 cannot be read"), {where});
}

std::string verdict_text(const json::object& candidate) {
  const std::string verdict = shown_member(candidate, "verdict");
  if (verdict == "usable") return tr("could be used too; the one above is preferred");
  if (verdict == "to_be_probed") return tr("may serve it: is tried without a PIN");
  if (verdict == "disabled") return tr("p11-kit's configuration disables it for this program");
  if (verdict == "refused") {
    const json::value* const refusal = candidate.if_contains("refusal");
    return filled(tr("not loaded: %1"), {refusal != nullptr && refusal->is_object() ? refusal_text(refusal->get_object()) : ""});
  }
  if (verdict == "not_installed") {
    const json::value* const install = candidate.if_contains("install");
    const std::string how = install == nullptr ? std::string() : how_to_install(install->as_object());
    return how.empty() ? tr("not installed") : filled(tr("not installed; to be had by: %1"), {how});
  }
  return {};
}

std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// A line of a device's; nothing without text. Names are as wide as the widest in this language; an empty one goes on.
void line(const std::string& name, const std::string& text) {
  if (text.empty()) return;
  static const std::size_t widest = [] {
    std::size_t most = 0;
    for (const std::string& one : {tr("Plugged in"), tr("Card"), tr("Served by"), tr("Because"), tr("Token"), tr("What to do"),
                                   tr("Now"), tr("Trouble"), tr("Looked at")})
      most = std::max(most, width(one));
    return most;
  }();
  std::cout << "   " << name << (name.empty() ? " " : ":") << std::string(widest - std::min(widest, width(name)) + 2, ' ') << text
            << '\n';
}

std::string place_of(const json::object& device) {
  std::string text;
  if (const json::value* const usb = device.if_contains("usb"))
    text = filled(tr("USB %1, at %2"), {shown_member(usb->as_object(), "id"), shown_member(usb->as_object(), "port")});
  if (const json::value* const reader = device.if_contains("reader")) {
    if (!text.empty()) text += "; ";
    text += filled(tr("reader %1"), {shown_member(reader->as_object(), "name")});
  }
  return text;
}

// What to do, or that nothing has to be done.
void show_outcome(const json::object& device) {
  const std::string outcome = shown_member(device, "outcome");
  if (outcome == "no_card") return line(tr("What to do"), tr("put the card in; the reader is empty"));
  if (outcome == "card_mute") return line(tr("What to do"), tr("turn the card over, or clean its contacts: it does not answer"));
  if (is_set(device, "probing"))
    return line(tr("Now"), tr("the card is unknown; the installed modules are being tried, without a PIN"));
  if (is_set(device, "fruitless") || outcome == "nothing_known")
    return line(tr("What to do"), tr("install the software of the card's issuer: nothing that is installed knows this card"));
  if (outcome == "refused") return line(tr("What to do"), tr("see why its module is not loaded, below"));
  if (outcome == "not_installed") {
    for (const json::value& row : rows(device, "candidates")) {
      const json::value* const install = row.as_object().if_contains("install");
      const std::string how = install == nullptr ? std::string() : how_to_install(install->as_object());
      if (how.empty()) continue;
      line(tr("What to do"), filled(tr("install %1: %2"), {shown_member(row.as_object(), "name"), how}));
      return line("", tr("then plug the token in again"));
    }
    return line(tr("What to do"), tr("install the software that came with the token"));
  }
  const json::value* const reader = device.if_contains("reader");
  if (reader != nullptr && is_set(reader->as_object(), "exclusive"))
    return line(tr("What to do"), message_for(base::ErrorCode::card_busy));
  const json::value* const module = device.if_contains("module");
  const std::string error = module == nullptr ? std::string() : shown_member(module->as_object(), "error");
  if (!error.empty()) {
    line(tr("Trouble"), error);
    if (is_set(module->as_object(), "stopped"))
      line(tr("What to do"),
           filled(tr("plug the token in again, or: signet restart “%1”"), {shown_member(module->as_object(), "name")}));
  } else if (outcome == "chosen" && rows(device, "tokens").empty() && device.contains("reader")) {
    line(tr("What to do"), tr("the module shows no token in this reader: it may be blank, or made with other software"));
  }
}

void show_device(std::size_t number, const json::object& device) {
  const std::string name = shown_member(device, "name");
  std::cout << number << ". " << (name.empty() ? tr("a device") : name) << '\n';
  line(tr("Plugged in"), place_of(device));
  if (const json::value* const reader = device.if_contains("reader")) line(tr("Card"), shown_member(reader->as_object(), "atr"));
  for (const json::value& row : rows(device, "candidates")) {
    const json::object& candidate = row.as_object();
    if (shown_member(candidate, "verdict") != "chosen") continue;
    line(tr("Served by"), filled("%1 (%2)", {shown_member(candidate, "name"), shown_member(candidate, "path")}));
    line(tr("Because"), because_text(shown_member(candidate, "because")));
  }
  for (const json::value& row : rows(device, "tokens"))
    line(tr("Token"),
         filled(tr("%1, serial number %2"), {shown_member(row.as_object(), "label"), shown_member(row.as_object(), "serial")}));
  show_outcome(device);
  bool first = true;
  for (const json::value& row : rows(device, "candidates")) {
    const json::object& candidate = row.as_object();
    const std::string text = verdict_text(candidate);
    if (text.empty()) continue;
    const std::string path = shown_member(candidate, "path");
    line(first ? tr("Looked at") : "", shown_member(candidate, "name") + (path.empty() ? "" : " (" + path + ')') + ": " + text);
    first = false;
  }
}

void show_explanation(const json::object& result) {
  std::size_t number = 0;
  for (const json::value& row : rows(result, "devices")) show_device(++number, row.as_object());
  if (!is_set(result, "automatic")) {
    std::cout << tr("Devices are not watched ([devices] automatic = false): only what the configuration names is loaded.")
              << '\n';
  } else if (number == 0) {
    std::cout
        << tr("Nothing that looks like a token or a card reader is plugged in. Plug the token in, try another USB port, and run "
              "this again.")
        << '\n';
  }
  for (const json::value& row : rows(result, "configured")) {
    const json::object& module = row.as_object();
    const std::string error = shown_member(module, "error");
    std::cout << filled(tr("The configuration loads %1."), {shown_member(module, "name")}) << (error.empty() ? "" : " " + error)
              << '\n';
  }
  for (const json::value& problem : rows(result, "problems")) {
    std::cout << filled(tr("Trouble: %1"), {std::string(problem.as_string())}) << '\n';
    if (problem.as_string().starts_with("PC/SC"))
      std::cout << tr("Cards and most tokens need pcscd: install it, start it (sudo systemctl enable --now pcscd.socket), and "
                      "see that polkit "
                      "lets you use it.")
                << '\n';
  }
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
    if (options->explain) return query(context, "tokens.explain", show_explanation);
    query(context, "tokens", show_tokens);
  });
}

}  // namespace signet::agent
