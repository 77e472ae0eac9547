#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/atr.hpp"
#include "service/settings.hpp"

namespace signet::drivers {

// What USB calls idVendor and idProduct.
struct UsbId {
  std::uint16_t vendor = 0;
  std::uint16_t product = 0;

  static std::optional<UsbId> parse(std::string_view text);  // "096E:0807", either case
  std::string text() const;                                  // upper case
  auto operator<=>(const UsbId&) const = default;
};

// How a locked PIN becomes a PIN again.
enum class Unblock : std::uint8_t { unknown, so_pin, puk, vendor_tool };

// What is to be known about a module that it does not say, or says wrongly. Nothing set: it does as PKCS#11 says.
struct Quirks {
  std::vector<std::string> mechanisms;       // the only ones that work, such as "CKM_RSA_PKCS"; none: as the module says
  std::optional<bool> always_authenticate;   // instead of CKA_ALWAYS_AUTHENTICATE
  std::optional<unsigned> pin_min, pin_max;  // characters, instead of CK_TOKEN_INFO
  Unblock unblock = Unblock::unknown;        // so_pin: C_Login as CKU_SO, then C_InitPIN
  std::string vendor_tool;                   // the vendor's program for PINs, for people; needed where unblock is vendor_tool
  std::optional<bool> waits_for_events;      // a blocking C_WaitForSlotEvent; nothing: it has to be tried
  bool some_layouts = false;                 // it reads some of the family's tokens and finds nothing on others

  // How many ways there are in which it differs from a module without quirks. How a PIN is unblocked is one if it cannot be done
  // here.
  unsigned count() const;
  bool operator==(const Quirks&) const = default;
};

// What to install where a module is missing: packages of the distribution's own, or the vendor's page. Empty: there is none.
struct Install {
  std::string debian, fedora, arch;
  std::string page;
  bool operator==(const Install&) const = default;
};

struct Module {
  std::string name;                            // for people
  std::vector<std::string> files;              // names without folders, the best first
  std::vector<std::filesystem::path> folders;  // of the vendor's; library_folders() come before
  Quirks quirks;
  Install install;
  bool operator==(const Module&) const = default;
};

enum class Kind : std::uint8_t {
  token,    // has a module of its own, known by USB id or ATR
  reader,   // says nothing: its card does
  software  // modules that serve no device: used where the configuration names them, never tried on a card
};

// Tokens that are served alike.
struct Family {
  std::string id;    // lower case, digits and hyphens; what overrides it has the same
  std::string name;  // for people
  Kind kind = Kind::token;
  std::vector<UsbId> usb;
  std::vector<AtrMask> atr;
  std::vector<Module> modules;  // in order of preference
  std::string source;           // the file that it was read from
};

// Families, each id once. A value; reading it: any thread.
class Catalogue {
 public:
  // Takes the place of the family that has the same id, wholly.
  void put(Family family);
  const std::vector<Family>& families() const { return families_; }
  const Family* find(std::string_view id) const;
  std::vector<const Family*> by_usb(UsbId id) const;
  // Of the masks that match, families of those that fix the most bits come first.
  std::vector<const Family*> by_atr(base::BytesView atr) const;
  // Whether a module of kind software has this file name.
  bool is_software(const std::filesystem::path& module) const;

 private:
  std::vector<Family> families_;
};

// The keys of one family (docs/device-catalogue.md), from a file of the catalogue or a table of the configuration. What is wrong
// goes to `problems` with its line; the family is then not to be used.
void read_family(service::SettingsTable& table, service::SettingsTable::Problems& problems, Family& family);
// configuration_invalid names file, line, key and reason.
base::Result<Family> parse_family(std::string_view toml, const std::string& file_name);

struct CatalogueRead {
  Catalogue catalogue;
  std::vector<base::Error> problems;  // files that were left out, each with its reason
};
// All *.toml of the folders, by name; later folders override. A folder that is not there is empty.
CatalogueRead read_catalogue(const std::vector<std::filesystem::path>& folders);

// Where distributions keep PKCS#11 modules for this machine's architecture: Debian, Fedora, Arch, then /usr/local.
const std::vector<std::filesystem::path>& library_folders();

}  // namespace signet::drivers
