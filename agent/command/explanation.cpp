#include "agent/command/explanation.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "agent/command/members.hpp"
#include "agent/messages.hpp"

namespace signet::agent {

using service::filled;
using service::tr;
namespace json = boost::json;

namespace {

using Lines = std::vector<std::string>;

const json::object& member(const json::object& object, std::string_view name) {
  static const json::object none;
  const json::value* const value = object.if_contains(name);
  return value != nullptr && value->is_object() ? value->get_object() : none;
}

std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// Of one package for each distribution; empty where this one has none.
std::string command_for(const Machine& machine, const json::object& packages) {
  const std::string package = machine.distribution.empty() ? std::string() : shown_member(packages, machine.distribution);
  if (package.empty()) return {};
  return (machine.distribution == "debian"   ? "sudo apt install "
          : machine.distribution == "fedora" ? "sudo dnf install "
                                             : "sudo pacman -S ") +
         package;
}

std::string how_to_install(const Machine& machine, const json::object& install) {
  const std::string command = command_for(machine, install);
  const std::string page = shown_member(install, "page");
  if (command.empty() || page.empty()) return command + page;
  return command + "  (" + page + ')';
}

// What every distribution has, by another name in each.
std::string how_to_install_ours(const Machine& machine, const char* debian, const char* fedora, const char* arch) {
  const std::string command = command_for(machine, {{"debian", debian}, {"fedora", fedora}, {"arch", arch}});
  return command.empty() ? filled(tr("install the package %1 (its name may differ a little here)"), {debian}) : command;
}

std::string because_text(const std::string& because) {
  if (because == "configured") return tr("the configuration names it for this device");
  if (because == "atr") return tr("the catalogue of devices knows this card");
  if (because == "usb_id") return tr("the catalogue of devices knows this USB device");
  if (because == "remembered") return tr("it showed a token on such a card before");
  if (because == "probed") return tr("the card is unknown, and this is the first installed module that shows a token on it");
  if (because == "p11_kit") return tr("it is registered with p11-kit");
  return tr("it is installed, for other tokens");
}

std::string refusal_text(const json::object& refusal) {
  const std::string why = shown_member(refusal, "why"), where = shown_member(refusal, "where");
  if (why == "outside_allowed_folders") return filled(tr("%1 is outside the folders that modules may be in"), {where});
  if (why == "file_owner" || why == "folder_owner") return filled(tr("%1 belongs neither to root nor to you"), {where});
  if (why == "file_writable_by_others" || why == "folder_writable_by_others") return filled(tr("others may write %1"), {where});
  if (why == "other_architecture") return filled(tr("%1 is for another kind of processor"), {where});
  if (why == "not_a_library" || why == "not_regular") return filled(tr("%1 is no shared library"), {where});
  if (why == "missing") return filled(tr("%1 is not there"), {where});
  return filled(tr("%1 cannot be read"), {where});
}

// What an administrator does about it.
std::string remedy(const json::object& refusal) {
  const std::string why = shown_member(refusal, "why"), where = shown_member(refusal, "where");
  if (why == "outside_allowed_folders")
    return filled(tr("if you trust it, add its folder to module_folders of [devices] in the configuration, then: %1"),
                  {"systemctl --user restart signetd"});
  if (why == "file_owner" || why == "folder_owner") return filled(tr("if you trust it: %1"), {"sudo chown root " + where});
  if (why == "file_writable_by_others" || why == "folder_writable_by_others")
    return filled(tr("if you trust it: %1"), {"sudo chmod go-w " + where});
  if (why == "other_architecture") return tr("install that software for this kind of computer: vendors often offer several");
  return tr("install that software again");
}

// Files are looked for, and cards tried, when something is plugged in.
std::string put_in_again() { return tr("then take the token or card out, and put it in again"); }

bool is_refused(const json::object& candidate) {
  const std::string verdict = shown_member(candidate, "verdict");
  return verdict == "refused" || verdict == "disabled";
}

class Explanation {
 public:
  Explanation(const json::object& result, const Machine& machine, std::ostream& out)
      : result_(result), machine_(machine), out_(out), pcscd_(pcscd()) {}

  void show() {
    show_pcscd();
    std::size_t number = 0;
    for (const json::value& row : rows(result_, "devices")) {
      if (number > 0) out_ << '\n';
      show_device(++number, row.as_object());
    }
    if (number > 0) out_ << '\n';
    if (!is_set(result_, "automatic")) {
      out_ << tr("Devices are not watched ([devices] automatic = false): only what the configuration names is loaded.") << '\n';
    } else if (number == 0 && pcscd_ != Pcscd::works) {
      out_ << tr("Among the USB devices there is none that is known as a token or a card reader.") << '\n';
    } else if (number == 0) {
      out_ << tr("Nothing that looks like a token or a card reader is plugged in. Plug the token in, try another USB port, and "
                 "run this again.")
           << '\n';
    }
    show_configured();
    for (const json::value& problem : rows(result_, "problems")) {
      const std::string text(problem.as_string());
      if (pcscd_ == Pcscd::works || !text.starts_with("PC/SC")) out_ << filled(tr("Trouble: %1"), {text}) << '\n';
    }
    if (sudo_) out_ << tr("What begins with “sudo” is for whoever administers this computer.") << '\n';
  }

 private:
  enum class Pcscd : std::uint8_t { works, missing, stopped, denied, fails };

  Pcscd pcscd() const {
    const json::object& state = member(result_, "pcsc");
    if (state.empty()) return Pcscd::works;
    const std::string why = shown_member(state, "why");
    if (why == "not_running") return machine_.pcscd ? Pcscd::stopped : Pcscd::missing;
    return why == "denied" ? Pcscd::denied : Pcscd::fails;
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
    out_ << "   " << name << (name.empty() ? " " : ":") << std::string(widest - std::min(widest, width(name)) + 2, ' ') << text
         << '\n';
  }
  void advise(const Lines& lines) {
    for (std::size_t i = 0; i < lines.size(); ++i) line(i == 0 ? tr("What to do") : "", lines[i]);
    sudo_ = sudo_ || std::ranges::any_of(lines, [](const std::string& one) { return one.contains("sudo "); });
  }

  // First: as long as it does not work, little of what follows is to be believed.
  void show_pcscd() {
    const std::string error = shown_member(member(result_, "pcsc"), "error");
    const std::string start = "sudo systemctl enable --now pcscd.socket";
    switch (pcscd_) {
      case Pcscd::works:
        return;
      case Pcscd::missing:
        out_ << tr("The smart-card service pcscd is not installed: no card and no reader is seen, and most tokens do not work.")
             << '\n';
        advise({how_to_install_ours(machine_, "pcscd", "pcsc-lite", "pcsclite"), start, tr("then run this again")});
        break;
      case Pcscd::stopped:
        out_ << tr("The smart-card service pcscd is not running: no card and no reader is seen, and most tokens do not work.")
             << '\n';
        advise({start, tr("then run this again")});
        break;
      case Pcscd::denied:
        out_ << tr("The smart-card service pcscd does not let you use cards: none is seen, and most tokens do not work.") << '\n';
        advise({tr("sign in at the computer itself and not over the network (ssh)"),
                tr("or have its administrator allow you access_pcsc with polkit: docs/tokens.md has the rule")});
        break;
      case Pcscd::fails:
        out_ << filled(
                    tr("The smart-card service pcscd does not work: no card is seen, and most tokens do not work. It says: %1"),
                    {error})
             << '\n';
        advise({"sudo systemctl restart pcscd.socket pcscd", tr("then run this again")});
        break;
    }
    out_ << '\n';
  }

  std::string place_of(const json::object& device) const {
    std::string text;
    const json::object& usb = member(device, "usb");
    if (!usb.empty()) text = filled(tr("USB %1, at %2"), {shown_member(usb, "id"), shown_member(usb, "port")});
    if (device.contains("reader")) {
      if (!text.empty()) text += "; ";
      text += filled(tr("reader %1"), {shown_member(member(device, "reader"), "name")});
    }
    return text;
  }

  std::string title_of(const json::object& device) const {
    const std::string name = shown_member(device, "name");
    if (!name.empty()) return name;
    return shown_member(device, "outcome") == "not_shown" ? tr("a card reader, or a token") : tr("a device");
  }

  void show_device(std::size_t number, const json::object& device) {
    out_ << number << ". " << title_of(device) << '\n';
    line(tr("Plugged in"), place_of(device));
    line(tr("Card"), shown_member(member(device, "reader"), "atr"));
    for (const json::value& row : rows(device, "candidates")) {
      const json::object& candidate = row.as_object();
      if (shown_member(candidate, "verdict") != "chosen") continue;
      line(tr("Served by"), filled("%1 (%2)", {shown_member(candidate, "name"), shown_member(candidate, "path")}));
      line(tr("Because"), because_text(shown_member(candidate, "because")));
    }
    for (const json::value& row : rows(device, "tokens")) line(tr("Token"), token_text(row.as_object()));
    show_outcome(device);
    bool first = true;
    for (const json::value& row : rows(device, "candidates")) {
      const json::object& candidate = row.as_object();
      const std::string text = verdict_text(device, candidate);
      if (text.empty()) continue;
      const std::string path = shown_member(candidate, "path");
      line(first ? tr("Looked at") : "", shown_member(candidate, "name") + (path.empty() ? "" : " (" + path + ')') + ": " + text);
      first = false;
    }
  }

  std::string token_text(const json::object& token) const {
    std::string text = filled(tr("%1, serial number %2"), {shown_member(token, "label"), shown_member(token, "serial")});
    if (is_set(token, "pin_locked")) return text + ", " + tr("PIN LOCKED");
    return is_set(token, "pin_final_try") ? text + ", " + tr("LAST PIN TRY") : text;
  }

  std::string verdict_text(const json::object& device, const json::object& candidate) const {
    const std::string verdict = shown_member(candidate, "verdict"), because = shown_member(candidate, "because");
    if (verdict == "usable")
      return because == "catalogue" || because == "p11_kit" ? tr("is installed, and was not needed")
                                                            : tr("could be used too; the one above is preferred");
    if (verdict == "to_be_probed")
      return is_set(device, "fruitless") ? tr("was tried without a PIN, and shows no token")
                                         : tr("may serve it: is tried without a PIN");
    if (verdict == "disabled") return tr("p11-kit's configuration disables it for this program");
    if (verdict == "refused") return filled(tr("not loaded: %1"), {refusal_text(member(candidate, "refusal"))});
    if (verdict == "not_installed") {
      const std::string how = how_to_install(machine_, member(candidate, "install"));
      return how.empty() ? tr("not installed") : filled(tr("not installed; to be had by: %1"), {how});
    }
    return {};
  }

  // By the first candidate that is missing and can be had; empty if there is none.
  Lines install_advice(const json::object& device) const {
    for (const json::value& row : rows(device, "candidates")) {
      const json::object& candidate = row.as_object();
      const std::string how = how_to_install(machine_, member(candidate, "install"));
      if (shown_member(candidate, "verdict") == "not_installed" && !how.empty())
        return {filled(tr("install %1: %2"), {shown_member(candidate, "name"), how}), put_in_again()};
    }
    return {};
  }

  Lines refusal_advice(const json::object& device) const {
    for (const json::value& row : rows(device, "candidates")) {
      const json::object& candidate = row.as_object();
      if (!is_refused(candidate)) continue;
      const std::string name = shown_member(candidate, "name");
      if (shown_member(candidate, "verdict") == "disabled")
        return {filled(tr("its software (%1) is switched off for Signet: enable-in or disable-in in %2"),
                       {name, "/etc/pkcs11/modules, ~/.config/pkcs11/modules"}),
                put_in_again()};
      return {filled(tr("its software (%1) is not loaded: %2"), {name, refusal_text(member(candidate, "refusal"))}),
              remedy(member(candidate, "refusal")), put_in_again()};
    }
    return {};
  }

  Lines unknown_card_advice(const json::object& device) const {
    Lines lines{tr("install the software of the card's issuer: nothing that is installed knows this card")};
    const bool opensc = std::ranges::any_of(rows(device, "candidates"), [](const json::value& row) {
      return shown_member(row.as_object(), "name") == "OpenSC" || shown_member(row.as_object(), "path").contains("opensc-pkcs11");
    });
    if (!opensc)
      lines.push_back(filled(tr("or try OpenSC, which reads many kinds of cards: %1"),
                             {how_to_install_ours(machine_, "opensc-pkcs11", "opensc", "opensc")}));
    lines.push_back(put_in_again());
    return lines;
  }

  // A reader, or a token, that is at USB and not in pcscd's list.
  Lines unseen_advice(const json::object& device) const {
    if (pcscd_ != Pcscd::works) return {tr("get pcscd going first, as said at the top: until then nobody can see what is in it")};
    Lines lines;
    const bool unlinked = std::ranges::any_of(rows(result_, "devices"), [](const json::value& row) {
      return row.as_object().contains("reader") && !row.as_object().contains("usb");
    });
    if (unlinked) lines.push_back(tr("nothing, if it stands in this list as a reader, too"));
    if (!machine_.ccid_driver) {
      lines.push_back(filled(tr("install pcscd's driver for USB readers: %1"),
                             {how_to_install_ours(machine_, "libccid", "pcsc-lite-ccid", "ccid")}));
      lines.push_back(filled(tr("then: %1"), {"sudo systemctl restart pcscd"}));
      return lines;
    }
    lines.push_back(tr("plug it in again, at another USB port: pcscd does not show it"));
    lines.push_back(tr("with gpg: another program may have taken it: gpgconf --kill scdaemon"));
    for (const json::value& row : rows(device, "candidates")) {
      const std::string page = shown_member(member(row.as_object(), "install"), "page");
      if (page.empty() || shown_member(row.as_object(), "name") == "OpenSC") continue;
      lines.push_back(filled(tr("or pcscd has no driver for it: see %1"), {page}));
      return lines;
    }
    lines.push_back(tr("or pcscd has no driver for it: its maker may offer one"));
    return lines;
  }

  Lines pin_advice(const json::object& token) const {
    const bool locked = is_set(token, "pin_locked");
    if (!locked && !is_set(token, "pin_final_try"))
      return is_set(token, "pin_count_low")
                 ? Lines{tr("a wrong PIN was typed before: few tries are left. Be sure of the next one")}
                 : Lines{};
    Lines lines;
    if (!locked) lines.push_back(tr("one try is left for the PIN, and a wrong one locks it: do not guess"));
    if (is_set(token, "puk_locked")) {
      lines.push_back(tr("its PUK or SO PIN is locked as well: only whoever issued the token can help"));
      return lines;
    }
    const std::string way = shown_member(token, "unblock"), tool = shown_member(token, "vendor_tool");
    const std::string command =
        "signet pin unblock" + (rows(result_, "tokens").size() > 1 ? " --token " + shown_member(token, "serial") : std::string());
    const std::string pattern = locked ? tr("set a new PIN: %1 (asks for the %2 that came with the token)")
                                       : tr("if you have forgotten it: %1 (asks for the %2 that came with the token)");
    if (way == "puk" || way == "so_pin") {
      lines.push_back(filled(pattern, {command, way == "puk" ? "PUK" : "SO PIN"}));
      lines.push_back(tr("without it, ask whoever issued the token"));
    } else if (way == "vendor_tool") {
      lines.push_back(filled(tr("only the vendor's program sets a new PIN: %1; or ask whoever issued the token"), {tool}));
    } else {
      lines.push_back(tr("ask whoever issued the token for a new PIN: how it is unblocked is not known here"));
      if (!tool.empty()) lines.push_back(filled(tr("the vendor's program may be able to: %1"), {tool}));
    }
    return lines;
  }

  void show_trouble(const json::object& module) {
    const std::string name = shown_member(module, "name"), code = shown_member(module, "code");
    const auto trouble = [&](const std::string& text) {
      line(tr("Trouble"), text);
      line("", '(' + shown_member(module, "error") + ')');
    };
    if (is_set(module, "stopped")) {
      trouble(filled(tr("its software (%1) failed again and again, and is not started any more"), {name}));
      return advise({filled(tr("plug the token in again, or: signet restart “%1”"), {name}),
                     tr("if it goes on: get another version of that software")});
    }
    if (code == "module_failed" || code == "module_missing") {
      trouble(filled(tr("its software (%1) cannot be loaded"), {name}));
      return advise({tr("install that software again, or another version of it"), put_in_again()});
    }
    if (code == "token_host_died" || code == "token_host_timeout") {
      trouble(filled(tr("its software (%1) crashed or did not answer, and is started again by itself"), {name}));
      return advise({tr("run this again in a moment")});
    }
    if (code == "card_busy") return advise(busy_advice());
    trouble(filled(tr("the token, or its software (%1), answered with an error"), {name}));
    advise({tr("close other programs that use the card, such as gpg or a browser"), put_in_again()});
  }

  Lines busy_advice() const {
    return {message_for(base::ErrorCode::card_busy), tr("with gpg: another program may have taken it: gpgconf --kill scdaemon")};
  }

  void show_served(const json::object& device) {
    const auto& tokens = rows(device, "tokens");
    if (!tokens.empty()) {
      bool advised = false;
      for (const json::value& token : tokens) {
        const Lines lines = pin_advice(token.as_object());
        advise(lines);
        advised = advised || !lines.empty();
      }
      if (!advised)
        line(tr("Now"), tr("it answers. `signet certs` lists its certificates, `signet origins` the websites that may use it"));
      return;
    }
    if (is_set(member(device, "reader"), "exclusive")) return advise(busy_advice());
    const json::object& module = member(device, "module");
    // What its module says of a token that cannot be seen is no news.
    if (!device.contains("reader") && pcscd_ != Pcscd::works) return advise(unseen_advice(device));
    if (!shown_member(module, "error").empty()) return show_trouble(module);
    if (!device.contains("reader")) return advise(unseen_advice(device));
    // Another one of its family may read what this one does not: it was preferred only because it is there.
    Lines lines = install_advice(device);
    if (lines.empty()) lines = refusal_advice(device);
    if (lines.empty())
      return advise({tr("the module shows no token in this reader: it may be blank, or made with other software")});
    line(tr("Now"), tr("the module shows no token in this reader: it may be blank, or made with other software"));
    advise(lines);
  }

  bool other_answers() const {
    return std::ranges::any_of(rows(result_, "devices"),
                               [](const json::value& row) { return !rows(row.as_object(), "tokens").empty(); });
  }

  // What to do, or that nothing has to be done.
  void show_outcome(const json::object& device) {
    const std::string outcome = shown_member(device, "outcome");
    const bool is_token = shown_member(device, "kind") == "token";
    if (outcome == "no_card")
      return is_token          ? advise({tr("plug the token in again: its reader says that there is no card in it")})
             : other_answers() ? line(tr("Now"), tr("the reader is empty"))
                               : advise({tr("put the card in; the reader is empty")});
    if (outcome == "card_mute")
      return advise({is_token ? tr("plug the token in again: it does not answer")
                              : tr("turn the card over, or clean its contacts: it does not answer")});
    if (outcome == "not_shown") return advise(unseen_advice(device));
    if (is_set(device, "probing")) {
      line(tr("Now"), tr("the card is unknown; the installed modules are being tried, without a PIN"));
      return advise({tr("run this again in a moment")});
    }
    if (is_set(device, "fruitless") || outcome == "nothing_known") return advise(unknown_card_advice(device));
    if (outcome == "refused") return advise(refusal_advice(device));
    if (outcome == "not_installed") {
      Lines lines = install_advice(device);
      if (lines.empty()) lines = {tr("install the software that came with the token"), put_in_again()};
      return advise(lines);
    }
    if (outcome == "chosen") show_served(device);
  }

  // What no device explains: modules that the configuration loads in any case, and tokens that are not plugged in.
  void show_configured() {
    for (const json::value& row : rows(result_, "configured")) {
      const json::object& module = row.as_object();
      const std::string error = shown_member(module, "error"), name = shown_member(module, "name");
      out_ << (error.empty() ? filled(tr("The configuration loads %1."), {name})
                             : filled(tr("The configuration loads %1, which does not work: %2"), {name, error}))
           << '\n';
      if (shown_member(module, "code") == "module_failed")
        advise({tr("mend or remove it in [[modules]] of the configuration"), "systemctl --user restart signetd"});
    }
    for (const json::value& row : rows(result_, "tokens")) {
      const json::object& token = row.as_object();
      if (is_set(token, "device")) continue;
      out_ << filled(tr("A token of %1 that is no device of this list: %2"), {shown_member(token, "module"), token_text(token)})
           << '\n';
      advise(pin_advice(token));
    }
  }

  const json::object& result_;
  const Machine& machine_;
  std::ostream& out_;
  Pcscd pcscd_;
  bool sudo_ = false;  // a command was advised that not everybody may run
};

}  // namespace

Machine Machine::look(const std::filesystem::path& root) {
  Machine machine;
  // ID or ID_LIKE of os-release(5) names the family of this distribution.
  std::ifstream in(root / "etc/os-release");
  std::string ids;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("ID=") || line.starts_with("ID_LIKE=")) ids += ' ' + line.substr(line.find('=') + 1);
  }
  for (const auto& [word, family] :
       {std::pair{"debian", "debian"}, {"ubuntu", "debian"}, {"fedora", "fedora"}, {"rhel", "fedora"}, {"arch", "arch"}}) {
    if (machine.distribution.empty() && ids.contains(word)) machine.distribution = family;
  }
  const auto any = [&](std::initializer_list<const char*> paths, int mode) {
    return std::ranges::any_of(paths, [&](const char* path) { return ::access((root / path).c_str(), mode) == 0; });
  };
  machine.pcscd = any({"usr/sbin/pcscd", "usr/bin/pcscd", "usr/local/sbin/pcscd"}, X_OK);
  machine.ccid_driver = any(
      {"usr/lib/pcsc/drivers/ifd-ccid.bundle/Contents/Info.plist", "usr/lib64/pcsc/drivers/ifd-ccid.bundle/Contents/Info.plist",
       "usr/local/lib/pcsc/drivers/ifd-ccid.bundle/Contents/Info.plist"},
      R_OK);
  return machine;
}

void show_explanation(const json::object& result, const Machine& machine, std::ostream& out) {
  Explanation(result, machine, out).show();
}

}  // namespace signet::agent
