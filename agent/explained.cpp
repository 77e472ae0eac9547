#include "agent/explained.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <cstring>

#include "base/text.hpp"

namespace signet::agent {

namespace json = boost::json;
using namespace drivers;

namespace {

constexpr std::size_t shown_name = 128;

std::string_view name(Outcome outcome) {
  switch (outcome) {
    case Outcome::chosen:
      return "chosen";
    case Outcome::probe:
      return "probe";
    case Outcome::not_installed:
      return "not_installed";
    case Outcome::refused:
      return "refused";
    case Outcome::nothing_known:
      return "nothing_known";
    case Outcome::no_card:
      return "no_card";
    case Outcome::not_shown:
      return "not_shown";
    case Outcome::card_mute:
      return "card_mute";
    case Outcome::no_token:
      break;
  }
  return "no_token";
}

std::string_view name(Because because) {
  switch (because) {
    case Because::configured:
      return "configured";
    case Because::atr:
      return "atr";
    case Because::usb_id:
      return "usb_id";
    case Because::remembered:
      return "remembered";
    case Because::probed:
      return "probed";
    case Because::p11_kit:
      return "p11_kit";
    case Because::catalogue:
      break;
  }
  return "catalogue";
}

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::chosen:
      return "chosen";
    case Verdict::usable:
      return "usable";
    case Verdict::to_be_probed:
      return "to_be_probed";
    case Verdict::not_installed:
      return "not_installed";
    case Verdict::refused:
      return "refused";
    case Verdict::disabled:
      break;
  }
  return "disabled";
}

std::string_view name(Distrust why) {
  switch (why) {
    case Distrust::missing:
      return "missing";
    case Distrust::unreadable:
      return "unreadable";
    case Distrust::outside_allowed_folders:
      return "outside_allowed_folders";
    case Distrust::not_regular:
      return "not_regular";
    case Distrust::file_owner:
      return "file_owner";
    case Distrust::file_writable_by_others:
      return "file_writable_by_others";
    case Distrust::folder_owner:
      return "folder_owner";
    case Distrust::folder_writable_by_others:
      return "folder_writable_by_others";
    case Distrust::not_a_library:
      return "not_a_library";
    case Distrust::other_architecture:
      break;
  }
  return "other_architecture";
}

std::string_view name(Unblock unblock) {
  switch (unblock) {
    case Unblock::so_pin:
      return "so_pin";
    case Unblock::puk:
      return "puk";
    case Unblock::vendor_tool:
      return "vendor_tool";
    case Unblock::unknown:
      break;
  }
  return "unknown";
}

json::object row_of(const Candidate& candidate) {
  json::object row{{"name", base::shown(candidate.name, shown_name)},
                   {"path", candidate.path.string()},
                   {"because", name(candidate.because)},
                   {"verdict", name(candidate.verdict)},
                   {"by_p11_kit", candidate.by_p11_kit},
                   {"quirks", candidate.quirks.count()},
                   {"unblock", name(candidate.quirks.unblock)}};
  if (!candidate.quirks.vendor_tool.empty()) row["vendor_tool"] = candidate.quirks.vendor_tool;
  if (candidate.refusal)
    row["refusal"] = json::object{{"why", name(candidate.refusal->why)}, {"where", candidate.refusal->where.string()}};
  const Install& install = candidate.install;
  if (install != Install{})
    row["install"] =
        json::object{{"debian", install.debian}, {"fedora", install.fedora}, {"arch", install.arch}, {"page", install.page}};
  return row;
}

std::string atr_text(base::BytesView atr) {
  std::string text;
  for (const std::uint8_t byte : atr) {
    if (!text.empty()) text += ' ';
    text += base::hex({&byte, 1});
  }
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

// What people call the device: its family, else what it tells of itself.
std::string title(const ServedDevice& device, const Catalogue& catalogue) {
  for (const std::string& id : device.choice.families)
    if (const Family* const family = catalogue.find(id)) return base::shown(family->name, shown_name);
  return device.device.reader ? base::shown(device.device.reader->name, shown_name) : std::string();
}

// What the catalogue calls it; empty if it does not know the device.
std::string_view kind_of(const ServedDevice& device, const Catalogue& catalogue) {
  for (const std::string& id : device.choice.families)
    if (const Family* const family = catalogue.find(id)) return family->kind == Kind::reader ? "reader" : "token";
  return {};
}

std::string_view name(const std::optional<pkcs11::UnblockWay>& way) {
  if (!way) return "unknown";
  return *way == pkcs11::UnblockWay::so_pin ? "so_pin" : *way == pkcs11::UnblockWay::puk ? "puk" : "vendor_tool";
}

json::object row_of(const pkcs11::Token& token) {
  return {{"label", base::shown(token.label, shown_name)},
          {"serial", base::shown(token.serial, shown_name)},
          {"pin_locked", token.pin_locked},
          {"pin_final_try", token.pin_final_try},
          {"pin_count_low", token.pin_count_low},
          {"puk_locked", token.puk_locked},
          {"unblock", name(token.unblock)},
          {"vendor_tool", token.vendor_tool}};
}

json::object row_of(const pkcs11::ModuleState& state) {
  json::object row{{"name", state.name}, {"running", state.running}, {"stopped", state.stopped}, {"faults", state.faults}};
  if (!state.last_error) return row;
  row["error"] = std::string(base::name(state.last_error->code)) + ": " + state.last_error->detail;
  row["code"] = base::name(state.last_error->code);
  return row;
}

// Whether it is a token of this device: the card of its reader or, of a device that is no reader, what its module shows and no
// reader has.
bool is_of(const pkcs11::TokenPlace& place, const ServedDevice& served, const DeviceModules& devices) {
  if (served.device.reader) return in_reader(place.token, *served.device.reader);
  return served.module == place.module && std::ranges::none_of(devices.devices(), [&](const ServedDevice& other) {
           return other.device.reader && in_reader(place.token, *other.device.reader);
         });
}

json::object row_of(const ServedDevice& served, const DeviceModules& devices, const pkcs11::Modules& modules,
                    const std::vector<pkcs11::TokenPlace>& tokens) {
  const Catalogue& catalogue = devices.catalogue();
  json::object row{{"name", title(served, catalogue)},
                   {"kind", kind_of(served, catalogue)},
                   {"outcome", name(served.choice.outcome)},
                   {"probing", served.probing},
                   {"fruitless", served.fruitless}};
  if (const auto& usb = served.device.usb)
    row["usb"] = json::object{{"id", usb->id.text()}, {"port", usb->port}, {"serial", base::shown(usb->serial, shown_name)}};
  json::array shown;
  if (const auto& reader = served.device.reader) {
    row["reader"] = json::object{{"name", base::shown(reader->name, shown_name)},
                                 {"card", reader->has_card},
                                 {"mute", reader->mute},
                                 {"atr", atr_text(reader->atr)},
                                 {"exclusive", reader->use == Reader::Use::exclusive}};
  }
  for (const pkcs11::TokenPlace& place : tokens)
    if (is_of(place, served, devices)) shown.push_back(row_of(place.token));
  row["tokens"] = std::move(shown);
  if (served.module) row["module"] = row_of(modules.states().at(*served.module));
  json::array candidates;
  for (const Candidate& candidate : served.choice.candidates) candidates.push_back(row_of(candidate));
  row["candidates"] = std::move(candidates);
  return row;
}

// winscard.h, pcsclite.h: what SCardEstablishContext answers without a service, or where polkit refuses it.
std::string_view why_not(const base::Error& pcsc_problem) {
  constexpr std::uint64_t no_service = 0x8010001D, service_stopped = 0x8010001E, security_violation = 0x8010006A;
  if (pcsc_problem.origin == no_service || pcsc_problem.origin == service_stopped) return "not_running";
  return pcsc_problem.origin == security_violation ? "denied" : "other";
}

}  // namespace

json::object explained(const DeviceModules& devices, const pkcs11::Modules& modules,
                       const std::vector<pkcs11::TokenPlace>& tokens) {
  json::array rows, problems, all;
  for (const ServedDevice& device : devices.devices()) rows.push_back(row_of(device, devices, modules, tokens));
  for (const base::Error& problem : devices.problems()) problems.push_back(json::value(problem.detail));
  for (const pkcs11::TokenPlace& place : tokens) {
    json::object row = row_of(place.token);
    row["module"] = modules.options()[place.module].name;
    row["device"] =
        std::ranges::any_of(devices.devices(), [&](const ServedDevice& served) { return is_of(place, served, devices); });
    all.push_back(std::move(row));
  }
  json::array configured;
  for (const pkcs11::ModuleState& state : modules.states())
    if (state.configured) configured.push_back(row_of(state));
  json::object out{{"automatic", devices.automatic()},
                   {"devices", std::move(rows)},
                   {"configured", std::move(configured)},
                   {"tokens", std::move(all)},
                   {"problems", std::move(problems)}};
  if (const auto problem = devices.pcsc_problem())
    out["pcsc"] = json::object{{"why", why_not(*problem)}, {"error", problem->detail}};
  return out;
}

base::Error untrusted(const Refusal& refusal) {
  const std::string at = refusal.where.string();
  const auto because = [&]() -> std::string {
    switch (refusal.why) {
      case Distrust::missing:
        return at + " is not there";
      case Distrust::unreadable:
        return at + ": " + std::strerror(refusal.error);
      case Distrust::outside_allowed_folders:
        return at + " is outside the allowed folders (devices.module_folders)";
      case Distrust::not_regular:
        return at + " is no regular file";
      case Distrust::file_owner:
      case Distrust::folder_owner:
        return at + " belongs neither to root nor to this user";
      case Distrust::file_writable_by_others:
      case Distrust::folder_writable_by_others:
        return "others than root and this user may write " + at;
      case Distrust::not_a_library:
        return at + " is no shared library";
      case Distrust::other_architecture:
        break;
    }
    return at + " is for another kind of processor";
  };
  return {base::ErrorCode::module_failed, because(), static_cast<std::uint64_t>(refusal.error), {}};
}

std::optional<base::Error> why_no_token(const DeviceModules& devices) {
  std::optional<base::Error> why;
  const auto tell = [&](base::ErrorCode code, std::string detail) {
    if (!why) why = base::Error{code, std::move(detail), 0, {}};
  };
  // What serves nothing for want of software says more than an empty reader beside it.
  for (const ServedDevice& device : devices.devices()) {
    const std::string name = title(device, devices.catalogue());
    if (device.choice.outcome == Outcome::not_installed) tell(base::ErrorCode::module_missing, name);
    if (device.choice.outcome == Outcome::refused) {
      for (const Candidate& candidate : device.choice.candidates)
        if (candidate.refusal) tell(base::ErrorCode::module_failed, name + ": " + untrusted(*candidate.refusal).detail);
    }
  }
  if (const auto problem = devices.pcsc_problem()) tell(base::ErrorCode::no_token, "cards are not seen: " + problem->detail);
  for (const ServedDevice& device : devices.devices()) {
    const std::string name = title(device, devices.catalogue());
    if (device.probing) tell(base::ErrorCode::no_token, name + ": an unknown card, which is being looked at");
    if (device.fruitless || device.choice.outcome == Outcome::nothing_known)
      tell(base::ErrorCode::no_token, name + ": a card that no installed software knows");
    if (device.choice.outcome == Outcome::not_shown || (device.choice.outcome == Outcome::chosen && !device.device.reader))
      tell(base::ErrorCode::no_token, name + ": PC/SC does not show it");
    if (device.choice.outcome == Outcome::card_mute) tell(base::ErrorCode::no_token, name + ": the card does not answer");
    if (device.choice.outcome == Outcome::no_card) tell(base::ErrorCode::no_token, name + ": no card is in the reader");
  }
  return why;
}

}  // namespace signet::agent
