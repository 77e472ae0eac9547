#include "drivers/choice.hpp"

#include <algorithm>
#include <tuple>

namespace signet::drivers {
namespace {

struct Ranked {
  Candidate candidate;
  int priority = 0;  // p11-kit's
};

// What is known when candidates are looked for.
struct Search {
  const Catalogue& catalogue;
  const Registry& registry;
  const Configuration& configuration;
  std::vector<Ranked> found;
};

Quirks in_both(const Quirks& one, const Quirks& other) {
  Quirks both;
  if (one.mechanisms == other.mechanisms) both.mechanisms = one.mechanisms;
  if (one.always_authenticate == other.always_authenticate) both.always_authenticate = one.always_authenticate;
  if (one.pin_min == other.pin_min) both.pin_min = one.pin_min;
  if (one.pin_max == other.pin_max) both.pin_max = one.pin_max;
  if (one.unblock == other.unblock && one.vendor_tool == other.vendor_tool) {
    both.unblock = one.unblock;
    both.vendor_tool = one.vendor_tool;
  }
  if (one.waits_for_events == other.waits_for_events) both.waits_for_events = one.waits_for_events;
  both.some_layouts = one.some_layouts && other.some_layouts;
  return both;
}

bool names(const Module& module, const std::string& file) { return std::ranges::find(module.files, file) != module.files.end(); }

// Of a file that no family brought here: what the catalogue tells of it in every family that has it. What one family's tokens are
// like says nothing of another's.
Quirks quirks_of(const std::filesystem::path& file, const Catalogue& catalogue) {
  std::optional<Quirks> common;
  for (const Family& family : catalogue.families()) {
    for (const Module& module : family.modules) {
      if (names(module, file.filename().string())) common = common ? in_both(*common, module.quirks) : module.quirks;
    }
  }
  return common.value_or(Quirks{});
}

// Fills in path, verdict and refusal from the first of the places that can be used; else from the first that is there.
void look_at(Candidate& candidate, const std::vector<std::filesystem::path>& places, const TrustPolicy& policy) {
  candidate.verdict = Verdict::not_installed;
  for (const std::filesystem::path& place : places) {
    auto path = trusted_module(place, policy);
    if (path) {
      candidate.path = std::move(*path);
      candidate.verdict = Verdict::usable;
      candidate.refusal.reset();
      return;
    }
    if (path.error().why == Distrust::missing || candidate.refusal) continue;
    candidate.path = place;
    candidate.verdict = Verdict::refused;
    candidate.refusal = std::move(path.error());
  }
}

Candidate of_configuration(const ConfiguredModule& module, const Search& search) {
  Candidate candidate;
  candidate.name = module.name;
  candidate.path = module.path;
  candidate.because = Because::configured;
  candidate.quirks = quirks_of(module.path, search.catalogue);
  look_at(candidate, {module.path}, search.configuration.trust);
  return candidate;
}

// p11-kit's file says where the module is on this machine, and so comes before where the catalogue believes it to be.
Candidate of_family(const Family& family, const Module& module, Because because, const Search& search) {
  Candidate candidate;
  candidate.name = module.name;
  candidate.family = family.id;
  candidate.because = because;
  candidate.quirks = module.quirks;
  candidate.install = module.install;
  std::vector<std::filesystem::path> places;
  bool disabled = false;
  for (const RegisteredModule& registered : search.registry.modules) {
    if (!names(module, registered.path.filename().string())) continue;
    candidate.by_p11_kit = true;
    places.push_back(registered.path);
    disabled = disabled || !registered.enabled;
  }
  for (const std::string& file : module.files) {
    for (const auto* const folders : {&library_folders(), &module.folders}) {
      for (const std::filesystem::path& folder : *folders) places.push_back(folder / file);
    }
  }
  look_at(candidate, places, search.configuration.trust);
  if (disabled && candidate.verdict == Verdict::usable) candidate.verdict = Verdict::disabled;
  return candidate;
}

Candidate of_p11_kit(const RegisteredModule& module, const Search& search) {
  Candidate candidate;
  candidate.name = module.name;
  candidate.because = Because::p11_kit;
  candidate.by_p11_kit = true;
  candidate.quirks = quirks_of(module.path, search.catalogue);
  look_at(candidate, {module.path}, search.configuration.trust);
  if (!module.enabled && candidate.verdict == Verdict::usable) candidate.verdict = Verdict::disabled;
  return candidate;
}

bool is_for(const ConfiguredModule& module, const Family& family) {
  if (!module.families.empty()) return std::ranges::find(module.families, family.id) != module.families.end();
  const std::string file = module.path.filename().string();
  return std::ranges::any_of(family.modules, [&](const Module& one) { return names(one, file); });
}

void find_for_known(Search& search, const std::vector<std::pair<const Family*, Because>>& families) {
  for (const ConfiguredModule& module : search.configuration.modules) {
    const auto family = std::ranges::find_if(families, [&](const auto& one) { return is_for(module, *one.first); });
    if (family == families.end()) continue;
    Candidate candidate = of_configuration(module, search);
    candidate.family = family->first->id;
    const std::string file = module.path.filename().string();
    if (const auto its = std::ranges::find_if(family->first->modules, [&](const Module& one) { return names(one, file); });
        its != family->first->modules.end())
      candidate.quirks = its->quirks;
    search.found.push_back({std::move(candidate)});
  }
  for (const auto& [family, because] : families) {
    for (const Module& module : family->modules) search.found.push_back({of_family(*family, module, because, search)});
  }
}

void find_for_unknown(Search& search, base::BytesView atr, const Remembered& remembered) {
  std::filesystem::path remembered_path;
  if (const auto known = remembered.find(base::hex(atr)); known != remembered.end()) {
    Candidate candidate;
    candidate.name = known->second.stem().string();
    candidate.because = Because::remembered;
    candidate.quirks = quirks_of(known->second, search.catalogue);
    look_at(candidate, {known->second}, search.configuration.trust);
    remembered_path = candidate.path;
    search.found.push_back({std::move(candidate)});
  }
  for (const ConfiguredModule& module : search.configuration.modules) {
    // It shows a token with any card, and with none.
    if (search.catalogue.is_software(module.path)) continue;
    Candidate candidate = of_configuration(module, search);
    if (module.families.empty() && candidate.path != remembered_path) search.found.push_back({std::move(candidate)});
  }
  for (const RegisteredModule& module : search.registry.modules) {
    if (module.trust || search.catalogue.is_software(module.path)) continue;
    search.found.push_back({of_p11_kit(module, search), module.priority});
  }
  for (const Family& family : search.catalogue.families()) {
    if (family.kind != Kind::token) continue;
    for (const Module& module : family.modules) {
      Candidate candidate = of_family(family, module, Because::catalogue, search);
      if (candidate.verdict != Verdict::not_installed) search.found.push_back({std::move(candidate)});
    }
  }
}

// The order of preference, each file once.
std::vector<Candidate> ordered(std::vector<Ranked> found) {
  std::multimap<std::tuple<Because, long, unsigned>, Candidate> sorted;  // equals stay in the order in which they were found
  for (Ranked& one : found) {
    const std::tuple rank(one.candidate.because, -long{one.priority}, one.candidate.quirks.count());
    sorted.emplace(rank, std::move(one.candidate));
  }
  std::vector<Candidate> out;
  for (auto& [rank, candidate] : sorted) {
    const bool known = candidate.verdict != Verdict::not_installed && std::ranges::any_of(out, [&](const Candidate& before) {
                         return before.verdict != Verdict::not_installed && before.path == candidate.path;
                       });
    if (!known) out.push_back(std::move(candidate));
  }
  return out;
}

bool has(const std::vector<Candidate>& candidates, Verdict verdict) {
  return std::ranges::find(candidates, verdict, &Candidate::verdict) != candidates.end();
}

// The first that can be used, if any.
bool choose_first(std::vector<Candidate>& candidates) {
  const auto first = std::ranges::find(candidates, Verdict::usable, &Candidate::verdict);
  if (first == candidates.end()) return false;
  first->verdict = Verdict::chosen;
  return true;
}

Outcome of_known(std::vector<Candidate>& candidates) {
  if (choose_first(candidates)) return Outcome::chosen;
  return has(candidates, Verdict::refused) || has(candidates, Verdict::disabled) ? Outcome::refused : Outcome::not_installed;
}

Outcome of_unknown(std::vector<Candidate>& candidates) {
  // What was remembered has been seen to serve such a card: nothing else is tried.
  for (Candidate& candidate : candidates) {
    if (candidate.because != Because::remembered || candidate.verdict != Verdict::usable) continue;
    candidate.verdict = Verdict::chosen;
    return Outcome::chosen;
  }
  for (Candidate& candidate : candidates) {
    if (candidate.verdict == Verdict::usable) candidate.verdict = Verdict::to_be_probed;
  }
  if (has(candidates, Verdict::to_be_probed)) return Outcome::probe;
  return candidates.empty() ? Outcome::nothing_known : Outcome::refused;
}

}  // namespace

std::vector<Device> joined(const Devices& devices) {
  std::vector<Device> out;
  std::vector<UsbAddress> readers;
  for (const Reader& reader : devices.readers) {
    Device device{.usb = {}, .reader = reader};
    if (reader.usb) {
      const auto usb = std::ranges::find(devices.usb, *reader.usb, &UsbDevice::address);
      if (usb != devices.usb.end()) device.usb = *usb;
      readers.push_back(*reader.usb);
    }
    out.push_back(std::move(device));
  }
  for (const UsbDevice& usb : devices.usb) {
    if (std::ranges::find(readers, usb.address) == readers.end()) out.push_back({.usb = usb, .reader = {}});
  }
  return out;
}

const Candidate* Choice::chosen() const {
  const auto found = std::ranges::find(candidates, Verdict::chosen, &Candidate::verdict);
  return found == candidates.end() ? nullptr : &*found;
}

Choice choose(const Device& device, const Catalogue& catalogue, const Registry& registry, const Configuration& configuration,
              const Remembered& remembered) {
  Choice choice;
  std::vector<std::pair<const Family*, Because>> known;  // of tokens
  const auto take = [&](const std::vector<const Family*>& families, Because because) {
    for (const Family* const family : families) {
      if (std::ranges::find(choice.families, family->id) != choice.families.end()) continue;
      choice.families.push_back(family->id);
      if (family->kind == Kind::token) known.emplace_back(family, because);
    }
  };
  const base::BytesView atr =
      device.reader && is_atr(device.reader->atr) ? base::BytesView(device.reader->atr) : base::BytesView{};
  if (!atr.empty()) take(catalogue.by_atr(atr), Because::atr);
  if (device.usb) take(catalogue.by_usb(device.usb->id), Because::usb_id);

  if (device.reader && !device.reader->has_card) {
    choice.outcome = Outcome::no_card;
    return choice;
  }
  Search search{catalogue, registry, configuration, {}};
  if (!known.empty()) {
    find_for_known(search, known);
    choice.candidates = ordered(std::move(search.found));
    choice.outcome = of_known(choice.candidates);
  } else if (!atr.empty()) {
    find_for_unknown(search, atr, remembered);
    choice.candidates = ordered(std::move(search.found));
    choice.outcome = of_unknown(choice.candidates);
  } else if (device.reader) {
    choice.outcome = Outcome::card_mute;
  } else {
    choice.outcome = choice.families.empty() && !device.usb->smart_card ? Outcome::no_token : Outcome::not_shown;
  }
  return choice;
}

std::vector<Candidate> configured(const Catalogue& catalogue, const Configuration& configuration) {
  const Registry none;
  const Search search{catalogue, none, configuration, {}};
  std::vector<Candidate> out;
  for (const ConfiguredModule& module : configuration.modules) {
    out.push_back(of_configuration(module, search));
    if (out.back().verdict == Verdict::usable) out.back().verdict = Verdict::chosen;
  }
  return out;
}

}  // namespace signet::drivers
