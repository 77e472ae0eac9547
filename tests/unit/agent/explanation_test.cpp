#include "agent/command/explanation.hpp"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "service/text.hpp"
#include "temporary_folder.hpp"

using namespace signet;
using namespace signet::agent;

namespace {

const Machine debian{.distribution = "debian", .pcscd = true, .ccid_driver = true};

std::string explained(std::string_view json, const Machine& machine = debian) {
  std::ostringstream out;
  show_explanation(boost::json::parse(json).as_object(), machine, out);
  return out.str();
}

bool in_order(const std::string& text, const std::vector<std::string>& parts) {
  std::size_t at = 0;
  for (const std::string& part : parts) {
    at = text.find(part, at);
    if (at == std::string::npos) return false;
    at += part.size();
  }
  return true;
}

std::string device(const std::string& members) { return R"({"automatic":true,"devices":[{)" + members + "}]}"; }

const std::string usb_token =
    R"("name":"Feitian ePass2003","kind":"token","outcome":"chosen","usb":{"id":"096E:0807","port":"1-3"},"module":{"name":"Castle"},)"
    R"("candidates":[{"name":"Castle","path":"/usr/lib/libcastle.so","because":"usb_id","verdict":"chosen","install":{"page":"https://www.ftsafe.com/download"}}])";

std::string with_token(const std::string& flags) {
  return device(
      R"("name":"PIV card","kind":"token","outcome":"chosen","reader":{"name":"R","card":true,"atr":"3B"},"candidates":[],)"
      R"("tokens":[{"label":"Ana","serial":"77",)" +
      flags + "}]");
}

}  // namespace

TEST_CASE("a service that does not run is said first, with the command that starts it; no reader is called empty then") {
  const std::string reader =
      R"("name":"card reader","kind":"reader","outcome":"not_shown","usb":{"id":"072F:B100","port":"1-2"})";
  const std::string result = R"({"automatic":true,"pcsc":{"why":"not_running","error":"PC/SC: Service not available."},)"
                             R"("problems":["PC/SC: Service not available.","libusb: LIBUSB_ERROR_OTHER"],"devices":[{)" +
                             reader + "}]}";
  const std::string stopped = explained(result);
  CHECK(in_order(stopped, {"pcscd is not running", "sudo systemctl enable --now pcscd.socket", "run this again", "1. card reader",
                           "get pcscd going first", "Trouble: libusb"}));
  CHECK_FALSE(stopped.contains("empty"));
  CHECK_FALSE(stopped.contains("Trouble: PC/SC"));
  CHECK(in_order(explained(result, {.distribution = "debian", .pcscd = false}),
                 {"pcscd is not installed", "sudo apt install pcscd", "sudo systemctl enable --now pcscd.socket"}));
  CHECK(explained(result, {.distribution = "arch", .pcscd = false}).contains("sudo pacman -S pcsclite"));
  CHECK(explained(result, {.distribution = "", .pcscd = false}).contains("the package pcscd"));
  const std::string denied = explained(R"({"automatic":true,"pcsc":{"why":"denied","error":"PC/SC: Access denied."}})");
  CHECK(in_order(denied, {"does not let you", "sign in at the computer itself", "polkit"}));
}

TEST_CASE("what is at USB and not in pcscd's list: its driver, the program that has taken it, or the vendor's page") {
  const Machine bare{.distribution = "fedora", .pcscd = true, .ccid_driver = false};
  const std::string no_driver = explained(device(usb_token), bare);
  CHECK(in_order(no_driver, {"Served by:", "What to do:", "sudo dnf install pcsc-lite-ccid", "systemctl restart pcscd"}));
  CHECK(in_order(explained(device(usb_token)),
                 {"pcscd does not show it", "gpgconf --kill scdaemon", "https://www.ftsafe.com/download"}));
  const std::string unknown =
      explained(device(R"("name":"","kind":"","outcome":"not_shown","usb":{"id":"1234:5678","port":"1-3"})"));
  CHECK(in_order(unknown, {"1. a card reader, or a token", "USB 1234:5678", "its maker may offer one"}));
  // One without a reader that works.
  const std::string served = explained(device(usb_token + R"(,"tokens":[{"label":"Ana","serial":"77"}])"));
  CHECK(in_order(served, {"Token:", "Ana, serial number 77", "it answers"}));
  CHECK_FALSE(served.contains("What to do"));
}

TEST_CASE("a PIN that is locked, or nearly, is said with what to do about it") {
  const std::string locked = R"("pin_locked":true)";
  CHECK(in_order(explained(with_token(locked + R"(,"unblock":"puk")")),
                 {"77, PIN LOCKED", "signet pin unblock (asks for the PUK", "issued"}));
  CHECK(explained(with_token(locked + R"(,"unblock":"so_pin")")).contains("asks for the SO PIN"));
  const std::string by_tool = explained(with_token(locked + R"(,"unblock":"vendor_tool","vendor_tool":"yubico-piv-tool")"));
  CHECK(by_tool.contains("only the vendor's program sets a new PIN: yubico-piv-tool"));
  CHECK_FALSE(by_tool.contains("signet pin unblock"));
  const std::string unknown = explained(with_token(locked + R"(,"unblock":"unknown","vendor_tool":"Maker's Manager")"));
  CHECK(in_order(unknown, {"ask whoever issued the token", "not known here", "Maker's Manager"}));
  CHECK_FALSE(unknown.contains("signet pin unblock"));
  const std::string for_good = explained(with_token(locked + R"(,"puk_locked":true,"unblock":"puk")"));
  CHECK(for_good.contains("only whoever issued the token can help"));
  CHECK_FALSE(for_good.contains("signet pin unblock"));
  CHECK(in_order(explained(with_token(R"("pin_final_try":true,"unblock":"puk")")),
                 {"LAST PIN TRY", "do not guess", "signet pin unblock"}));
  CHECK(explained(with_token(R"("pin_count_low":true)")).contains("few tries are left"));
  CHECK(explained(with_token(R"("pin_locked":false)")).contains("it answers"));
}

TEST_CASE("of two tokens the command names the one whose PIN is locked") {
  const std::string both =
      R"({"automatic":true,"devices":[],"tokens":[)"
      R"({"label":"Ana","serial":"77","module":"m","pin_locked":true,"unblock":"puk"},{"label":"Ion","serial":"78","module":"m"}]})";
  CHECK(explained(both).contains("signet pin unblock --token 77"));
}

TEST_CASE("a module that shows nothing: what else serves the family comes first, and only then that the token may be blank") {
  const std::string begin =
      R"("name":"Feitian ePass2003","kind":"token","outcome":"chosen","reader":{"name":"R","card":true,"atr":"3B"},)"
      R"("module":{"name":"OpenSC"},"candidates":[)";
  const std::string opensc = R"({"name":"OpenSC","path":"/o.so","because":"atr","verdict":"chosen"})";
  const std::string castle =
      R"({"name":"Castle","path":"","because":"atr","verdict":"not_installed","install":{"page":"https://www.ftsafe.com/download"}})";
  CHECK(in_order(
      explained(device(begin + opensc + "," + castle + "]")),
      {"made with other software", "install Castle: https://www.ftsafe.com/download", "then take the token or card out"}));
  const std::string alone = explained(device(begin + opensc + "]"));
  CHECK(alone.contains("it may be blank"));
}

TEST_CASE("a module that is refused is said with the command that mends it") {
  const auto refused = [](const std::string& why) {
    return explained(
        device(R"("name":"Card","kind":"token","outcome":"refused","reader":{"name":"R","card":true,"atr":"3B"},)"
               R"("candidates":[{"name":"Loose","path":"/x/l.so","because":"atr","verdict":"refused","refusal":{"why":")" +
               why + R"(","where":"/x"}}])"));
  };
  CHECK(
      in_order(refused("folder_writable_by_others"), {"What to do:", "others may write /x", "sudo chmod go-w /x", "then take"}));
  CHECK(refused("file_owner").contains("sudo chown root /x"));
  CHECK(in_order(refused("outside_allowed_folders"), {"module_folders", "systemctl --user restart signetd"}));
  CHECK(refused("other_architecture").contains("this kind of computer"));
}

TEST_CASE("a module that crashes, or cannot be loaded, is said in words, with what the program said behind it") {
  const auto failed = [](const std::string& module) {
    return explained(
        device(R"("name":"Card","kind":"token","outcome":"chosen","reader":{"name":"R","card":true,"atr":"3B"},"candidates":[],)"
               R"("module":{"name":"Bad",)" +
               module + "}"));
  };
  CHECK(in_order(failed(R"("stopped":true,"code":"token_host_died","error":"token_host_died: killed in C_Sign")"),
                 {"Trouble:", "again and again", "(token_host_died: killed in C_Sign)", "What to do:", "signet restart “Bad”"}));
  CHECK(in_order(failed(R"("stopped":false,"code":"module_failed","error":"module_failed: no symbol")"),
                 {"cannot be loaded", "no symbol", "install"}));
  CHECK(in_order(failed(R"("stopped":false,"code":"token_host_timeout","error":"token_host_timeout: C_Login")"),
                 {"crashed or did not answer", "in a moment"}));
  CHECK(in_order(failed(R"("stopped":false,"code":"token_failed","error":"token_failed: CKR_DEVICE_ERROR")"),
                 {"answered with an error", "close other programs"}));
}

TEST_CASE("an unknown card: that it was tried, what might read it, and that the first find was just now") {
  const std::string card = R"("name":"R","kind":"","outcome":"probe","reader":{"name":"R","card":true,"atr":"3B"},)";
  const std::string tried = explained(device(
      card + R"("fruitless":true,"candidates":[{"name":"X","path":"/x.so","because":"p11_kit","verdict":"to_be_probed"}])"));
  CHECK(in_order(tried, {"install the software of the card's issuer", "sudo apt install opensc-pkcs11",
                         "X (/x.so): was tried without a PIN"}));
  CHECK(explained(device(card + R"("probing":true,"candidates":[])")).contains("run this again in a moment"));
  const std::string found =
      R"("name":"R","kind":"","outcome":"chosen","reader":{"name":"R","card":true,"atr":"3B"},"tokens":[],"candidates":[{"name":"o","path":"/o.so","verdict":"chosen","because":")";
  CHECK_FALSE(explained(device(found + R"(probed"}])")).contains("before"));
  CHECK(explained(device(found + R"(remembered"}])")).contains("before"));
}

TEST_CASE("a reader that is empty, a token whose reader is, and a card that does not answer are three things") {
  CHECK(explained(device(R"("name":"r","kind":"reader","outcome":"no_card","reader":{"name":"R"})")).contains("put the card in"));
  CHECK(explained(device(R"("name":"t","kind":"token","outcome":"no_card","reader":{"name":"R"})"))
            .contains("plug the token in again"));
  CHECK(explained(device(R"("name":"r","kind":"reader","outcome":"card_mute","reader":{"name":"R"})"))
            .contains("turn the card over"));
  CHECK(explained(R"({"automatic":true,"devices":[]})").contains("Nothing that looks like a token"));
  // Beside a token that works an empty reader is no task.
  const std::string beside = explained(
      R"({"automatic":true,"devices":[{"name":"t","kind":"token","outcome":"chosen","reader":{"name":"R"},"tokens":[{"label":"Ana"}]},)"
      R"({"name":"r","kind":"reader","outcome":"no_card","reader":{"name":"S"}}]})");
  CHECK(beside.contains("the reader is empty"));
  CHECK_FALSE(beside.contains("What to do"));
}

TEST_CASE("what the machine is like is read from its files") {
  const test::TemporaryFolder folder;
  const std::filesystem::path root = folder / "";
  std::filesystem::create_directories(root / "etc");
  CHECK(Machine::look(root).distribution.empty());
  std::ofstream(root / "etc/os-release") << "NAME=\"Some\"\nID=mint\nID_LIKE=\"ubuntu debian\"\n";
  CHECK(Machine::look(root).distribution == "debian");
  CHECK_FALSE(Machine::look(root).pcscd);
  CHECK_FALSE(Machine::look(root).ccid_driver);
  const auto bundle = root / "usr/lib/pcsc/drivers/ifd-ccid.bundle/Contents";
  std::filesystem::create_directories(bundle);
  std::filesystem::create_directories(root / "usr/sbin");
  std::ofstream(bundle / "Info.plist") << "x";
  std::ofstream(root / "usr/sbin/pcscd") << "x";
  CHECK_FALSE(Machine::look(root).pcscd);
  std::filesystem::permissions(root / "usr/sbin/pcscd", std::filesystem::perms::owner_all);
  CHECK(Machine::look(root).pcscd);
  CHECK(Machine::look(root).ccid_driver);
}
