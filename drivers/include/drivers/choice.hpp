#pragma once

#include <map>

#include "drivers/devices.hpp"
#include "drivers/module_registry.hpp"
#include "drivers/trusted_file.hpp"

namespace signet::drivers {

// A module that the configuration names. It is loaded whether a device is there or not.
struct ConfiguredModule {
  std::string name;
  std::filesystem::path path;
  std::vector<std::string> families;  // for which it is to be used; none: those whose catalogue names its file
};

struct Configuration {
  std::vector<ConfiguredModule> modules;
  TrustPolicy trust;
};

// ATR (base::hex of it) to the path of the module that found a token when it was probed.
using Remembered = std::map<std::string, std::filesystem::path>;

// Why a module is considered for a device, the stronger the earlier.
enum class Because : std::uint8_t {
  configured,  // the configuration names it
  atr,         // the catalogue knows the card
  usb_id,      // the catalogue knows the device
  remembered,  // it found a token on such a card when it was probed
  probed,      // the same, of this very card as it is in its reader now; choose() does not tell that
  p11_kit,     // of an unknown card: p11-kit has it registered
  catalogue,   // of an unknown card: it is installed, for other families
};

enum class Verdict : std::uint8_t {
  chosen,
  usable,         // but another one was chosen
  to_be_probed,   // of an unknown card
  not_installed,  // none of its files is in any of its folders; see `install`
  refused,        // see `refusal`
  disabled,       // p11-kit's configuration disables it for this program
};

struct Candidate {
  std::string name;            // for people
  std::string family;          // id; empty: of none
  std::filesystem::path path;  // without symbolic links where it is usable; empty: not installed
  Because because = Because::catalogue;
  bool by_p11_kit = false;     // its path is one that p11-kit knows
  Verdict verdict = Verdict::usable;
  std::optional<Refusal> refusal;
  Quirks quirks;
  Install install;
};

enum class Outcome : std::uint8_t {
  chosen,
  probe,          // an unknown card: those to_be_probed, in this order
  not_installed,  // known, but nothing that serves it is here
  refused,        // what would serve it is not trusted, or disabled
  nothing_known,  // an unknown card, and no module to probe
  no_card,        // a reader without a card
  not_shown,      // a reader at USB that PC/SC does not show, so that nobody knows its card
  card_mute,      // it does not answer, or not yet
  no_token,       // a USB device that the catalogue does not know: nothing to be said of it
};

struct Choice {
  Outcome outcome = Outcome::no_token;
  std::vector<std::string> families;  // ids of those that know the device or its card, the surest first
  std::vector<Candidate> candidates;  // what was considered, in the order of preference

  const Candidate* chosen() const;
};

// Which module serves this device, and why. A known device gets a module of its family or none: a stranger's module could spend
// its PIN tries. Among those that could serve it: the configured, then by the card, then by the USB id, then remembered; of
// these the module with the fewest quirks, then as the catalogue prefers. Looks at the modules' files and loads none. Any thread;
// reads the disk.
Choice choose(const Device& device, const Catalogue& catalogue, const Registry& registry, const Configuration& configuration,
              const Remembered& remembered);

// The modules that are loaded because the configuration names them, in its order: chosen, not_installed or refused.
std::vector<Candidate> configured(const Catalogue& catalogue, const Configuration& configuration);

}  // namespace signet::drivers
