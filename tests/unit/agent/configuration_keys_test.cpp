#include <catch2/catch.hpp>
#include <fstream>
#include <regex>
#include <sstream>

#include "agent/configuration.hpp"

using namespace signet;
using namespace signet::agent;

namespace {

std::string detail_of(const std::string& toml) {
  const auto read = parse_configuration(toml, "signet.toml");
  REQUIRE_FALSE(read);
  CHECK(read.error().code == base::ErrorCode::configuration_invalid);
  return read.error().detail;
}

std::string text_of(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(SIGNET_SOURCE_DIR "/" + file, std::ios::binary).rdbuf();
  return text.str();
}

std::set<std::string> all(const std::string& text, const char* pattern) {
  std::set<std::string> found;
  const std::regex expression(pattern);
  for (std::sregex_iterator at(text.begin(), text.end(), expression), end; at != end; ++at) found.insert((*at)[1].str());
  return found;
}

}  // namespace

TEST_CASE("an unknown key is refused with its line, wherever it is") {
  CHECK(detail_of("language = \"ro\"\nlanguages = 1\n") == "signet.toml, line 2: unknown key \"languages\"");
  CHECK(detail_of("\n[wep]\norigins = []\n") == "signet.toml, line 2: unknown key \"wep\"");
  CHECK(detail_of("[dialog]\n\ntimeout = 5\n") == "signet.toml, line 3: unknown key \"dialog.timeout\"");
  CHECK(detail_of("[web.tls]\n") == "signet.toml, line 1: unknown key \"web.tls\"");
  CHECK(detail_of("[[modules]]\npath = \"/a.so\"\n[[modules]]\npath = \"/b.so\"\npin = \"1234\"\n") ==
        "signet.toml, line 5: unknown key \"modules.pin\"");
  CHECK(detail_of("clients.groups = []\n") == "signet.toml, line 1: unknown key \"clients.groups\"");
}

TEST_CASE("a user of clients.users is a name, or a number that a user can have") {
  const std::string refused = "signet.toml, line 2: clients.users must hold names or numbers of users";
  for (const std::string user :
       {R"("")", R"("123456789012345678901234567890")", R"("4294967296")", R"("4294967295")", "4294967296", "4294967295", "-1",
        "9223372036854775807", "-9223372036854775808", "1.5", "true", "[]", "1979-05-27"}) {
    CAPTURE(user);
    CHECK(detail_of("[clients]\nusers = [" + user + "]\n") == refused);
  }
  const auto read = parse_configuration("[clients]\nusers = [\"ana\", \"1000\", 1001, 0, \"4294967294\"]\n", "signet.toml");
  REQUIRE(read);
  CHECK(read->client_users == std::vector<std::string>{"ana", "1000", "1001", "0", "4294967294"});
}

TEST_CASE("docs/configuration.md has each key that is read, and none besides") {
  const std::string text = text_of("docs/configuration.md");
  const std::set<std::string> documented = all(text, R"re(\n\| `\[{0,2}([a-z_.]+)\]{0,2}` \|)re");
  REQUIRE(documented.size() > 20);
  for (const std::string& key : documented) {
    CAPTURE(key);
    // Whatever is wrong with this value, the key itself is known.
    const std::string whole =
        key == "modules" || key.starts_with("modules.") ? "[[modules]]\n" + key.substr(key.find('.') + 1) : key;
    const auto read = parse_configuration(whole + " = 1979-05-27\n", "signet.toml");
    REQUIRE_FALSE(read);
    CHECK((key == "modules" || read.error().detail.find("unknown key") == std::string::npos));
  }
  for (const std::string& last :
       all(text_of("agent/configuration.cpp"), R"re([.>](?:text|number|boolean|list|table)\("([a-z_]+)")re")) {
    CAPTURE(last);
    CHECK(std::ranges::any_of(documented, [&](const std::string& key) { return key == last || key.ends_with("." + last); }));
  }
}

TEST_CASE("the example of docs/configuration.md is a configuration") {
  const std::string text = text_of("docs/configuration.md");
  const std::size_t begin = text.find("```toml\n") + 8;
  const auto read = parse_configuration(text.substr(begin, text.find("```", begin) - begin), "signet.toml");
  REQUIRE(read);
  CHECK(read->modules.at(0).name == "opensc");
  CHECK(read->time_stamping.urls.size() == 2);
}
