#include "drivers/catalogue.hpp"

#include "base/text.hpp"
#include "property.hpp"

// A family of the device catalogue: an administrator's text, but what it names is loaded, and what it says is shown to people.

using namespace signet;
using fuzz::hold;

namespace {

void check_shown(const std::string& text) { hold(!text.empty() && text.size() <= 200 && base::shown(text, 200) == text); }

void check(const drivers::Module& module) {
  check_shown(module.name);
  hold(!module.files.empty());
  // Below the folders and nowhere else.
  for (const std::string& file : module.files) hold(!file.empty() && !file.contains('/') && file.front() != '.');
  for (const auto& folder : module.folders) hold(folder.is_absolute() && folder == folder.lexically_normal());
  const drivers::Quirks& quirks = module.quirks;
  hold(quirks.unblock != drivers::Unblock::vendor_tool || !quirks.vendor_tool.empty());
  hold(!quirks.pin_min || !quirks.pin_max || *quirks.pin_min <= *quirks.pin_max);
  hold(quirks.count() <= 6);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::BytesView input{data, size};
  const auto family = drivers::parse_family(base::as_text(input), "one.toml");
  if (!family) {
    hold(family.error().code == base::ErrorCode::configuration_invalid && family.error().detail.starts_with("one.toml, "));
    return 0;
  }
  check_shown(family->name);
  hold(!family->id.empty() && family->id.size() <= 64);
  hold(family->usb.size() <= 64 && family->atr.size() <= 64 && family->modules.size() <= 16);
  for (const drivers::UsbId id : family->usb) hold(drivers::UsbId::parse(id.text()) == id);
  for (const drivers::AtrMask& mask : family->atr) {
    hold(drivers::AtrMask::parse(mask.text()) == mask);
    hold(mask.fixed_bits() >= 32);  // it does not take every card
    mask.matches(input);
  }
  for (const drivers::Module& module : family->modules) check(module);
  return 0;
}
