#include "drivers/catalogue.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <set>

#include "folder.hpp"

using namespace signet;
using namespace signet::drivers;

namespace {

base::Bytes bytes(std::string_view hex) { return base::from_hex(hex).value(); }

const CatalogueRead& shipped() {
  static const CatalogueRead read = read_catalogue({SIGNET_CATALOGUE});
  return read;
}

std::string family_of_atr(std::string_view hex) {
  const auto found = shipped().catalogue.by_atr(bytes(hex));
  return found.empty() ? "" : found.front()->id;
}

constexpr std::string_view good = R"(
family = "one"
name = "One"
usb = ["096e:0807"]
atr = ["3B 9F 95 81 *"]
[[modules]]
name = "First"
files = ["libone.so.1", "libone.so"]
folders = ["/opt/one/lib"]
quirks = { mechanisms = ["CKM_RSA_PKCS"], always_authenticate = true, pin_min = 4, pin_max = 8, unblock = "vendor_tool", vendor_tool = "onetool", waits_for_events = false, some_layouts = true }
install = { debian = "one", fedora = "one-libs", arch = "one", page = "https://one.example/" }
[[modules]]
name = "Second"
files = ["libtwo.so"]
)";

std::string replaced(std::string_view what, std::string_view by) {
  std::string text(good);
  const std::size_t at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), by);
}

std::string refusal(const std::string& toml) {
  const auto family = parse_family(toml, "one.toml");
  REQUIRE_FALSE(family);
  CHECK(family.error().code == base::ErrorCode::configuration_invalid);
  return family.error().detail;
}

}  // namespace

TEST_CASE("the project's catalogue is read whole") {
  for (const auto& problem : shipped().problems) FAIL_CHECK(problem.detail);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SIGNET_CATALOGUE)) {
    if (entry.path().extension() != ".toml") continue;
    ++files;
    INFO(entry.path());
    CHECK(shipped().catalogue.find(entry.path().stem().string()) != nullptr);  // a family is in the file of its name
  }
  CHECK(files == shipped().catalogue.families().size());
  CHECK(files >= 17);
}

TEST_CASE("no USB id belongs to two families") {
  std::set<UsbId> seen;
  for (const Family& family : shipped().catalogue.families()) {
    for (const UsbId id : family.usb) {
      INFO(family.id << " " << id.text());
      CHECK(seen.insert(id).second);
    }
  }
}

// Answers to reset that others have seen: pcsc-tools 1.6.2, smartcard_list.txt.
TEST_CASE("cards are known by their answers to reset") {
  CHECK(family_of_atr("3B9F958131FE9F006646530510043171DF000000000026") == "feitian-epass2003");
  CHECK(family_of_atr("3BD518008131FE7D8073C82110F4") == "safenet-etoken");
  CHECK(family_of_atr("3BFF9600008131FE4380318065B0845651101201788290006A") == "safenet-idprime");
  CHECK(family_of_atr("3B7F96000080318065B0850300EF120FFE829000") == "safenet-idprime");
  CHECK(family_of_atr("3B9F118131FE9F006B42495434494420332E30009000CF") == "bit4id");
  CHECK(family_of_atr("3B9E96800141054300000000000000000090001E") == "acs-cryptomate");
  CHECK(family_of_atr("3B8B015275746F6B656E20454350A0") == "rutoken");
  CHECK(family_of_atr("3BDC18FF8191FE1FC38073C821136601061159000128") == "jacarta");
  CHECK(family_of_atr("3BDC18FF8191FE1FC38073C821136601060130040155") == "athena-idprotect");
  CHECK(family_of_atr("3BFD1300008131FE158073C021C057597562694B657940") == "yubikey");
  CHECK(family_of_atr("3BDA18FF81B1FE751F030031F573C001600090001C") == "nitrokey");
  CHECK(family_of_atr("3BFE1800008131FE458031815448534D31738021408107FA") == "nitrokey-hsm");
  CHECK(family_of_atr("3BF99600008131FE4553434537200E00202028") == "safesign-starsign");
  CHECK(family_of_atr("3B9F118131FE9F006A6D546F6B656E2D46000081900079") == "longmai-mtoken");
  CHECK(family_of_atr("3BDB960080B1FE451F830031C164084022300F90000A") == "idemia-oberthur");
  CHECK(family_of_atr("3BD996FF8191FE1FC343323330302D4B4559BA") == "hid-crescendo");
  CHECK(family_of_atr("3BD6970081B1FE451F078031C1521118F9") == "piv");
  CHECK(family_of_atr("3B6500002063CB6300").empty());  // a bank's
  CHECK(family_of_atr("3B800101").empty());
}

TEST_CASE("what a family says is what was written") {
  const auto family = parse_family(good, "one.toml").value();
  CHECK(family.id == "one");
  CHECK(family.kind == Kind::token);
  CHECK(family.source == "one.toml");
  CHECK(family.usb == std::vector{UsbId{0x096E, 0x0807}});
  CHECK(family.usb[0].text() == "096E:0807");
  REQUIRE(family.modules.size() == 2);
  const Module& module = family.modules[0];
  CHECK(module.files == std::vector<std::string>{"libone.so.1", "libone.so"});
  CHECK(module.folders == std::vector<std::filesystem::path>{"/opt/one/lib"});
  CHECK(module.quirks.mechanisms == std::vector<std::string>{"CKM_RSA_PKCS"});
  CHECK(module.quirks.always_authenticate == true);
  CHECK(module.quirks.pin_min == 4u);
  CHECK(module.quirks.pin_max == 8u);
  CHECK(module.quirks.unblock == Unblock::vendor_tool);
  CHECK(module.quirks.vendor_tool == "onetool");
  CHECK(module.quirks.waits_for_events == false);
  CHECK(module.quirks.count() == 6);
  CHECK(module.install.debian == "one");
  CHECK(module.install.page == "https://one.example/");
  CHECK(family.modules[1].quirks == Quirks{});
  CHECK(family.modules[1].quirks.count() == 0);
}

TEST_CASE("docs/tokens.md tells of every family: its name, its USB ids, the file of each of its modules") {
  std::ifstream in(std::filesystem::path(SIGNET_CATALOGUE) / "../../docs/tokens.md");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  REQUIRE_FALSE(text.empty());
  for (const Family& family : shipped().catalogue.families()) {
    if (family.kind == Kind::software) continue;
    CAPTURE(family.id);
    CHECK(text.contains("`" + family.id + "`"));
    if (family.kind == Kind::reader) continue;
    CHECK(text.contains("| " + family.name + " |"));
    for (const UsbId& id : family.usb) CHECK(text.contains(id.text()));
    for (const Module& module : family.modules) CHECK(text.contains("`" + module.files.front() + "`"));
  }
}

TEST_CASE("what is wrong with a family is told with its file, its line and its key") {
  CHECK(refusal("family = ").starts_with("one.toml, line 1: "));
  CHECK(refusal(replaced("096e:0807", "096e0807")) == "one.toml, line 4: usb must hold ids such as \"096E:0807\"");
  CHECK(refusal(replaced("096e:0807", "+96e:0807")) == "one.toml, line 4: usb must hold ids such as \"096E:0807\"");
  CHECK(refusal(replaced("[\"096e:0807\"]", "1")) == "one.toml, line 4: usb must be a list");
  CHECK(refusal(replaced("[\"096e:0807\"]", "[1]")) == "one.toml, line 4: usb must hold texts");
  CHECK(refusal(replaced("3B 9F 95 81 *", "3B *")) == "one.toml, line 5: atr is wrong: an ATR needs four bytes without a dot");
  CHECK(refusal(replaced("family = \"one\"", "family = \"One\"")).contains("line 2: family must be of lower case letters"));
  CHECK(refusal(replaced("name = \"One\"", "name = \"\"")) == "one.toml, line 3: name must have 1 to 200 bytes");
  CHECK(refusal(replaced("name = \"One\"", "name = \"O\\u202Ene\"")) ==
        "one.toml, line 3: name must be a text without control characters");
  CHECK(refusal(replaced("name = \"One\"", "name = \"One\"\nkind = \"card\"")) ==
        "one.toml, line 4: kind must be one of \"reader\", \"software\", \"token\"");
  CHECK(refusal(replaced("name = \"One\"", "name = \"One\"\nmodule = 1")) == "one.toml, line 4: unknown key \"module\"");
  CHECK(refusal(replaced("folders = [\"/opt/one/lib\"]", "folders = [\"lib\"]")) ==
        "one.toml, line 9: modules.folders must hold absolute paths without . and ..");
  CHECK(refusal(replaced("/opt/one/lib", "/opt/../tmp")).contains("modules.folders must hold absolute paths"));
  for (const char* const file : {"../libone.so", "/tmp/libone.so", ".so", "libone", "", "lib one.so"})
    CHECK(refusal(replaced("libone.so.1", file)).contains("line 8: modules.files must hold names of shared libraries"));
  CHECK(refusal(replaced("files = [\"libtwo.so\"]", "")).contains("modules need name and files"));
  CHECK(refusal(replaced("CKM_RSA_PKCS", "CKM_MD5")) ==
        "one.toml, line 10: modules.quirks.mechanisms must hold CKM_RSA_PKCS, CKM_RSA_PKCS_PSS or CKM_ECDSA");
  CHECK(refusal(replaced("pin_min = 4", "pin_min = 0")).contains("modules.quirks.pin_min must be a whole number from 1 to 255"));
  CHECK(refusal(replaced("pin_min = 4", "pin_min = 9")) == "one.toml, modules.quirks.pin_min is over pin_max");
  CHECK(refusal(replaced("unblock = \"vendor_tool\"", "unblock = \"magic\"")).contains("modules.quirks.unblock must be one of"));
  CHECK(refusal(replaced(", vendor_tool = \"onetool\"", "")).contains("needs the tool's name"));
  // A program that people are told of, though nobody knows whether Signet could unblock as well.
  CHECK(parse_family(replaced("unblock = \"vendor_tool\", ", ""), "one.toml")->modules.front().quirks.vendor_tool == "onetool");
  CHECK(
      refusal(replaced("https://one.example/", "http://one.example/")).contains("modules.install.page must begin with https://"));
  CHECK(refusal(replaced("debian = \"one\"", "debian = \"one; rm\""))
            .contains("modules.install.debian must be the name of a package"));
}

TEST_CASE("a family that could not be known, or would serve nothing, is refused") {
  CHECK(refusal("name = \"One\"") == "one.toml, needs family and name");
  CHECK(refusal("family = \"one\"\nname = \"One\"\nusb = [\"0000:0000\"]") == "one.toml, a token needs usb or atr, and modules");
  CHECK(refusal("family = \"one\"\nname = \"One\"\n[[modules]]\nname = \"m\"\nfiles = [\"m.so\"]") ==
        "one.toml, a token needs usb or atr, and modules");
  CHECK(refusal(replaced("name = \"One\"", "name = \"One\"\nkind = \"reader\"")).contains("a reader has usb, and neither"));
  CHECK(refusal(replaced("name = \"One\"", "name = \"One\"\nkind = \"software\"")).contains("software has modules, and neither"));
}

TEST_CASE("lists of a family have ends") {
  std::string ids;
  for (int i = 0; i < 65; ++i) ids += "\"0000:0000\",";
  CHECK(refusal(replaced("\"096e:0807\"", ids)) == "one.toml, line 4: usb has more than 64");
  std::string modules(good);
  for (int i = 0; i < 15; ++i) modules += "[[modules]]\nname = \"m\"\nfiles = [\"m.so\"]\n";
  CHECK(refusal(modules).contains("modules has more than 16"));
  CHECK(refusal(replaced("One", std::string(201, 'x'))).contains("name must have 1 to 200 bytes"));
}

TEST_CASE("a later folder overrides families and adds others; what is wrong is left out and told") {
  const test::Folder first, second;
  first.write("one.toml", good);
  first.write("note.txt", "no catalogue");
  second.write("a.toml", "family = \"one\"\nname = \"Mine\"\nkind = \"reader\"\nusb = [\"1111:2222\"]");
  second.write("b.toml", replaced("family = \"one\"", "family = \"two\""));
  second.write("c.toml", "family = 1");
  const auto big = second.write("d.toml", std::string(64 * 1024 + 1, '#'));
  REQUIRE(mkfifo((second.path / "e.toml").c_str(), 0600) == 0);  // would never be read to its end
  const auto read = read_catalogue({first.path, second.path, "/nowhere"});
  REQUIRE(read.catalogue.families().size() == 2);
  CHECK(read.catalogue.find("one")->name == "Mine");
  CHECK(read.catalogue.find("one")->modules.empty());
  CHECK(read.catalogue.find("two") != nullptr);
  REQUIRE(read.problems.size() == 2);
  CHECK(read.problems[0].detail == (second.path / "c.toml").string() + ", line 1: family must be a text");
  CHECK(read.problems[1].detail.starts_with(big.string()));
}

TEST_CASE("of masks that match, the one that says more comes first") {
  Catalogue catalogue;
  for (const char* const atr : {"3B DC 18 FF *", "3B DC 18 FF 81 00 00", "3B DC 18 FF 81 *"}) {
    Family family{.id = atr, .name = atr, .usb = {}, .atr = {AtrMask::parse(atr).value()}, .modules = {}, .source = {}};
    catalogue.put(family);
  }
  const auto found = catalogue.by_atr(bytes("3BDC18FF810000"));
  REQUIRE(found.size() == 3);
  CHECK(found[0]->id == "3B DC 18 FF 81 00 00");
  CHECK(found[1]->id == "3B DC 18 FF 81 *");
}

TEST_CASE("software modules are known by the names of their files") {
  CHECK(shipped().catalogue.is_software("/usr/lib/softhsm/libsofthsm2.so"));
  CHECK_FALSE(shipped().catalogue.is_software("/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so"));
}
