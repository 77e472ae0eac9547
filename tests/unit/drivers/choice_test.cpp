#include "drivers/choice.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "elf.hpp"
#include "folder.hpp"

using namespace signet;
using namespace signet::drivers;
namespace fs = std::filesystem;

namespace {

constexpr auto known_atr = "3B11223344";
constexpr auto unknown_atr = "3BAABBCCDD";

// A machine with a token's family (two modules), a reader's, and software; which modules are installed is up to the test.
struct Machine {
  test::Folder folder;
  fs::path lib = fs::canonical(folder.path) / "lib";
  Catalogue catalogue;
  Registry registry;
  Configuration configuration{.modules = {}, .trust = {.allowed_folders = {folder.path}, .user = getuid()}};
  Remembered remembered;

  Machine() {
    family(R"(family = "token"
name = "Token"
usb = ["1111:2222"]
atr = ["3B 11 22 33 44"]
[[modules]]
name = "Vendor"
files = ["libvendor.so"]
folders = ["@"]
install = { page = "https://vendor.example/" }
[[modules]]
name = "General"
files = ["libgeneral.so.1", "libgeneral.so"]
folders = ["@"]
quirks = { some_layouts = true }
install = { debian = "general" })");
    family("family = \"reader\"\nname = \"Reader\"\nkind = \"reader\"\nusb = [\"3333:4444\"]");
    family(
        "family = \"software\"\nname = \"Software\"\nkind = \"software\"\n[[modules]]\nname = \"Soft\"\nfiles = "
        "[\"libsoft.so\"]");
  }

  void family(std::string toml) {
    for (std::size_t at = 0; (at = toml.find('@')) != std::string::npos;) toml.replace(at, 1, lib.string());
    auto read = parse_family(toml, "test.toml");
    INFO((read ? "" : read.error().detail));
    REQUIRE(read);
    catalogue.put(std::move(*read));
  }
  fs::path install(const std::string& name) const {
    folder.write(fs::path("lib") / name, test::elf());
    return lib / name;
  }
  void registered(const std::string& name, const fs::path& path, int priority = 0, bool enabled = true) {
    registry.modules.push_back({.name = name, .path = path, .priority = priority, .enabled = enabled});
  }
  Choice operator()(const Device& device) const { return choose(device, catalogue, registry, configuration, remembered); }
};

Device usb(std::uint16_t vendor, std::uint16_t product) {
  return {.usb = UsbDevice{.id = {vendor, product}, .address = {1, 2}, .port = "1-1", .serial = ""}, .reader = {}};
}
Device card(std::string_view atr) {
  Reader reader;
  reader.name = "Reader 00 00";
  reader.has_card = true;
  reader.atr = base::from_hex(atr).value();
  return {.usb = {}, .reader = reader};
}

std::string told(const Choice& choice) {
  static constexpr const char* verdicts[] = {"chosen", "usable", "to_be_probed", "not_installed", "refused", "disabled"};
  static constexpr const char* reasons[] = {"configured", "atr", "usb_id", "remembered", "probed", "p11_kit", "catalogue"};
  std::string out;
  for (const Candidate& one : choice.candidates)
    out += (out.empty() ? "" : "; ") + one.name + " " + reasons[static_cast<int>(one.because)] + " " +
           verdicts[static_cast<int>(one.verdict)];
  return out;
}

}  // namespace

TEST_CASE("a known device gets the module of its family that has the fewest quirks") {
  Machine machine;
  machine.install("libgeneral.so");
  const fs::path vendor = machine.install("libvendor.so");
  const Choice by_usb = machine(usb(0x1111, 0x2222));
  CHECK(by_usb.outcome == Outcome::chosen);
  CHECK(told(by_usb) == "Vendor usb_id chosen; General usb_id usable");
  CHECK(by_usb.families == std::vector<std::string>{"token"});
  REQUIRE(by_usb.chosen() != nullptr);
  CHECK(by_usb.chosen()->path == vendor);
  CHECK(by_usb.chosen()->family == "token");
  CHECK(told(machine(card(known_atr))) == "Vendor atr chosen; General atr usable");

  machine.family(R"(family = "token"
name = "Token"
usb = ["1111:2222"]
[[modules]]
name = "Vendor"
files = ["libvendor.so"]
folders = ["@"]
quirks = { waits_for_events = false, mechanisms = ["CKM_RSA_PKCS"] }
[[modules]]
name = "General"
files = ["libgeneral.so"]
folders = ["@"]
quirks = { some_layouts = true })");
  CHECK(told(machine(usb(0x1111, 0x2222))) == "General usb_id chosen; Vendor usb_id usable");
}

TEST_CASE("where the best module is missing the next one serves, and it is told what to install") {
  Machine machine;
  const Choice none = machine(card(known_atr));
  CHECK(none.outcome == Outcome::not_installed);
  CHECK(told(none) == "Vendor atr not_installed; General atr not_installed");
  CHECK(none.candidates[0].install.page == "https://vendor.example/");
  CHECK(none.candidates[1].install.debian == "general");
  CHECK(none.candidates[0].path.empty());
  CHECK(none.chosen() == nullptr);
  machine.install("libgeneral.so");
  CHECK(told(machine(card(known_atr))) == "Vendor atr not_installed; General atr chosen");
  const fs::path first = machine.install("libgeneral.so.1");
  CHECK(machine(card(known_atr)).chosen()->path == first);
}

TEST_CASE("the card says more than the device that it is in") {
  Machine machine;
  machine.family(
      "family = \"card\"\nname = \"Card\"\natr = [\"3B 55 66 77 88\"]\n[[modules]]\nname = \"Card's\"\nfiles = "
      "[\"libcard.so\"]\nfolders = [\"@\"]");
  machine.install("libcard.so");
  machine.install("libvendor.so");
  Device device = card("3B55667788");
  device.usb = usb(0x1111, 0x2222).usb;
  const Choice choice = machine(device);
  CHECK(choice.families == std::vector<std::string>{"card", "token"});
  CHECK(told(choice) == "Card's atr chosen; Vendor usb_id usable; General usb_id not_installed");
}

TEST_CASE("a module that is not trusted is not chosen, and it is told why") {
  Machine machine;
  const fs::path vendor = machine.install("libvendor.so");
  REQUIRE(::chmod(vendor.c_str(), 0666) == 0);
  const Choice refused = machine(card(known_atr));
  CHECK(refused.outcome == Outcome::refused);
  CHECK(told(refused) == "Vendor atr refused; General atr not_installed");
  CHECK(refused.candidates[0].refusal == Refusal{Distrust::file_writable_by_others, vendor, 0});
  machine.install("libgeneral.so");
  CHECK(told(machine(card(known_atr))) == "Vendor atr refused; General atr chosen");
}

TEST_CASE("what the configuration names for a family comes first; what it names for others does not") {
  Machine machine;
  machine.install("libvendor.so");
  const fs::path mine = machine.install("mine.so");
  machine.configuration.modules = {{.name = "mine", .path = mine, .families = {"token"}}};
  CHECK(told(machine(card(known_atr))) == "mine configured chosen; Vendor atr usable; General atr not_installed");
  machine.configuration.modules = {{.name = "mine", .path = mine, .families = {"other"}}};
  CHECK(told(machine(card(known_atr))) == "Vendor atr chosen; General atr not_installed");
  machine.configuration.modules = {{.name = "mine", .path = mine, .families = {}}};
  CHECK(told(machine(card(known_atr))) == "Vendor atr chosen; General atr not_installed");
  // Without families: those whose catalogue names its file, wherever it is.
  machine.folder.write("elsewhere/libgeneral.so", test::elf());
  machine.configuration.modules = {
      {.name = "mine", .path = machine.lib.parent_path() / "elsewhere" / "libgeneral.so", .families = {}}};
  CHECK(told(machine(card(known_atr))) == "mine configured chosen; Vendor atr usable; General atr not_installed");
}

TEST_CASE("modules that the configuration names are loaded without any device") {
  Machine machine;
  const fs::path soft = machine.install("libsoft.so");
  machine.configuration.modules = {{.name = "soft", .path = soft, .families = {}},
                                   {.name = "gone", .path = machine.lib / "gone.so", .families = {}},
                                   {.name = "strange", .path = "/proc/self/exe", .families = {}}};
  const auto all = configured(machine.catalogue, machine.configuration);
  REQUIRE(all.size() == 3);
  CHECK(all[0].verdict == Verdict::chosen);
  CHECK(all[0].path == soft);
  CHECK(all[1].verdict == Verdict::not_installed);
  CHECK(all[2].verdict == Verdict::refused);
  CHECK(all[2].refusal->why == Distrust::outside_allowed_folders);
}

TEST_CASE("p11-kit says where a module is, and whether this program may use it") {
  Machine machine;
  machine.folder.write("odd/libvendor.so", test::elf());
  const fs::path odd = machine.lib.parent_path() / "odd" / "libvendor.so";
  machine.registered("vendor", odd);
  machine.install("libvendor.so");
  const Choice choice = machine(card(known_atr));
  REQUIRE(choice.chosen() != nullptr);
  CHECK(choice.chosen()->path == odd);
  CHECK(choice.chosen()->by_p11_kit);
  machine.registry.modules[0].enabled = false;
  const Choice disabled = machine(card(known_atr));
  CHECK(told(disabled) == "Vendor atr disabled; General atr not_installed");
  CHECK(disabled.outcome == Outcome::refused);
}

TEST_CASE("an unknown card: everything that is installed for cards is to be probed, each file once") {
  Machine machine;
  CHECK(machine(card(unknown_atr)).outcome == Outcome::nothing_known);
  const fs::path general = machine.install("libgeneral.so");
  machine.install("libvendor.so");
  machine.registered("b", machine.install("libb.so"), 5);
  machine.registered("a", machine.install("liba.so"), 1);
  machine.registered("general", general, 0);
  machine.registered("soft", machine.install("libsoft.so"), 9);
  machine.registry.modules.push_back({.name = "anchors", .path = machine.install("libanchors.so"), .trust = true});
  machine.registered("off", machine.install("liboff.so"), -1, false);
  machine.configuration.modules = {{.name = "mine", .path = machine.install("mine.so"), .families = {}},
                                   {.name = "others", .path = machine.install("others.so"), .families = {"token"}},
                                   {.name = "soft", .path = machine.lib / "libsoft.so", .families = {}}};
  const Choice choice = machine(card(unknown_atr));
  CHECK(choice.outcome == Outcome::probe);
  CHECK(choice.families.empty());
  CHECK(told(choice) ==
        "mine configured to_be_probed; b p11_kit to_be_probed; a p11_kit to_be_probed; general p11_kit to_be_probed; "
        "off p11_kit disabled; Vendor catalogue to_be_probed");
}

TEST_CASE("what was found by probing is remembered by the answer to reset") {
  Machine machine;
  const fs::path vendor = machine.install("libvendor.so");
  machine.install("libgeneral.so");
  machine.remembered[base::hex(base::from_hex(unknown_atr).value())] = machine.lib / "libgeneral.so";
  CHECK(told(machine(card(unknown_atr))) == "libgeneral remembered chosen; Vendor catalogue usable");
  CHECK(machine(card("3BAABBCCDE")).outcome == Outcome::probe);
  CHECK(told(machine(card(known_atr))) == "Vendor atr chosen; General atr usable");  // the catalogue knows it
  machine.configuration.modules = {{.name = "mine", .path = machine.lib / "libgeneral.so", .families = {}}};
  CHECK(machine(card(unknown_atr)).chosen()->because == Because::remembered);
  REQUIRE(::chmod((machine.lib / "libgeneral.so").c_str(), 0666) == 0);
  CHECK(machine(card(unknown_atr)).outcome == Outcome::probe);  // not trusted any more
}

TEST_CASE(
    "a configured module has the quirks that its device's family gives its file, and elsewhere those that all families give") {
  Machine machine;
  const auto family = [&](const std::string& id, const std::string& usb_id, const std::string& quirks) {
    machine.family("family = \"" + id + "\"\nname = \"" + id + "\"\nusb = [\"" + usb_id +
                   "\"]\n[[modules]]\nname = \"Both\"\nfiles = [\"libboth.so\"]\nquirks = { " + quirks + " }");
  };
  family("with-puk", "5555:0001", "unblock = \"puk\", pin_min = 6, some_layouts = true");
  family("with-so-pin", "5555:0002", "unblock = \"so_pin\", pin_min = 6");
  machine.configuration.modules = {{.name = "both", .path = machine.install("libboth.so"), .families = {}}};
  const auto of_device = [&](std::uint16_t product) { return machine(usb(0x5555, product)).chosen()->quirks; };
  CHECK(of_device(1).unblock == Unblock::puk);
  CHECK(of_device(2).unblock == Unblock::so_pin);
  const Quirks elsewhere = configured(machine.catalogue, machine.configuration).front().quirks;
  CHECK(elsewhere.unblock == Unblock::unknown);
  CHECK(elsewhere.pin_min == 6u);
  CHECK_FALSE(elsewhere.some_layouts);
}

TEST_CASE("what is no token gets no module") {
  Machine machine;
  machine.install("libvendor.so");
  machine.registered("general", machine.install("libgeneral.so"));
  const Choice mouse = machine(usb(0xAAAA, 0xBBBB));
  CHECK(mouse.outcome == Outcome::no_token);
  CHECK(mouse.candidates.empty());
  const Choice reader = machine(usb(0x3333, 0x4444));
  CHECK(reader.outcome == Outcome::not_shown);  // whether it has a card nobody knows
  Device unknown = usb(0xAAAA, 0xBBBB);
  unknown.usb->smart_card = true;
  CHECK(machine(unknown).outcome == Outcome::not_shown);
  CHECK(reader.families == std::vector<std::string>{"reader"});
  CHECK(reader.candidates.empty());
  Device empty = card(known_atr);
  empty.reader->has_card = false;
  empty.reader->atr.clear();
  CHECK(machine(empty).outcome == Outcome::no_card);
  Device mute = card(known_atr);
  mute.reader->mute = true;
  mute.reader->atr.clear();
  CHECK(machine(mute).outcome == Outcome::card_mute);
  CHECK(machine(mute).candidates.empty());
}

TEST_CASE("a reader's card is chosen for, not the reader") {
  Machine machine;
  machine.install("libvendor.so");
  Device device = card(known_atr);
  device.usb = usb(0x3333, 0x4444).usb;
  const Choice choice = machine(device);
  CHECK(choice.families == std::vector<std::string>{"token", "reader"});
  CHECK(told(choice) == "Vendor atr chosen; General atr not_installed");
}

TEST_CASE("a reader and the USB device that it is are one device") {
  Devices devices;
  devices.usb = {*usb(0x1111, 0x2222).usb, *usb(0x3333, 0x4444).usb};
  devices.usb[1].address = {1, 3};
  Reader reader = *card(known_atr).reader;
  Reader far = reader;
  far.name = "Far";
  reader.usb = UsbAddress{1, 2};
  devices.readers = {reader, far};
  const auto all = joined(devices);
  REQUIRE(all.size() == 3);
  CHECK(all[0].usb == devices.usb[0]);
  CHECK(all[0].reader == reader);
  CHECK_FALSE(all[1].usb);
  CHECK(all[2].usb == devices.usb[1]);
  CHECK_FALSE(all[2].reader);
}
