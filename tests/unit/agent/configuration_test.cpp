#include "agent/configuration.hpp"

#include <catch2/catch.hpp>

using namespace signet;
using namespace signet::agent;

TEST_CASE("a configuration that is no TOML is refused with the line, whatever it is") {
  const auto text = GENERATE("[!", "[[[", "[[[a", "[/web]", "[\x01", "\"b\\u5i", "a = {", "a = [", "[web", "a", "\xC2\xAB",
                             "limb\xC4\x83 = 1", "a = \xD0\xB0", "[\xC8\x99]", "a = 1 \xC4\x83");
  const auto read = parse_configuration(std::string("language = \"ro\"\n") + text, "signet.toml");
  REQUIRE_FALSE(read);
  CHECK(read.error().code == base::ErrorCode::configuration_invalid);
  CHECK_THAT(read.error().detail, Catch::StartsWith("signet.toml, line 2: "));
}

TEST_CASE("an unknown key is refused with its line") {
  const auto read = parse_configuration("[web]\norigin = []\n", "signet.toml");
  REQUIRE_FALSE(read);
  CHECK(read.error().detail == "signet.toml, line 2: unknown key \"web.origin\"");
}

TEST_CASE("an origin with a path is refused") {
  CHECK_FALSE(parse_configuration("[web]\norigins = [\"https://sign.example/\"]\n", "signet.toml"));
  const auto read = parse_configuration("[web]\norigins = [\"https://sign.example\"]\n", "signet.toml");
  REQUIRE(read);
  CHECK(read->web.origins == std::vector<std::string>{"https://sign.example"});
}

TEST_CASE("texts and comments may have any letters, also after a line that ends in a backslash") {
  const auto read = parse_configuration(
      "# \xD0\xB0\n[[modules]]\npath = \"/lib/m.so\"\nname = \"\"\"\xC8\x99\\\n  \xC4\x83\"\"\"\n", "signet.toml");
  REQUIRE(read);
  CHECK(read->modules.at(0).name == "\xC8\x99\xC4\x83");
}

TEST_CASE("a module has limits of its own, and no network unless it is told so") {
  const auto read = parse_configuration(
      "[[modules]]\npath = \"/a.so\"\n[[modules]]\npath = \"/b.so\"\nnetwork = true\nload_timeout_s = 1\nlist_timeout_s = "
      "3\nlogin_timeout_s = 2\n"
      "pin_pad_timeout_s = 600\nsign_timeout_s = 4\n",
      "signet.toml");
  REQUIRE(read);
  CHECK_FALSE(read->modules.at(0).network);
  CHECK_FALSE(read->modules.at(0).pin_pad_timeout);
  CHECK(read->modules.at(1).network);
  CHECK(read->modules.at(1).load_timeout == std::chrono::seconds{1});
  CHECK(read->modules.at(1).list_timeout == std::chrono::seconds{3});
  CHECK(read->modules.at(1).login_timeout == std::chrono::seconds{2});
  CHECK(read->modules.at(1).pin_pad_timeout == std::chrono::seconds{600});
  CHECK(read->modules.at(1).sign_timeout == std::chrono::seconds{4});
  CHECK_FALSE(parse_configuration("[[modules]]\npath = \"/a.so\"\npin_pad_timeout_s = 5\n", "signet.toml"));
}

TEST_CASE("a locked screen pauses what runs, unless it may finish") {
  CHECK(parse_configuration("", "signet.toml")->on_lock == signing::OnLock::pause);
  CHECK(parse_configuration("[pin_cache]\non_lock = \"pause\"\n", "signet.toml")->on_lock == signing::OnLock::pause);
  CHECK(parse_configuration("[pin_cache]\non_lock = \"finish\"\n", "signet.toml")->on_lock == signing::OnLock::finish);
  const auto read = parse_configuration("[pin_cache]\non_lock = \"ignore\"\n", "signet.toml");
  REQUIRE_FALSE(read);
  CHECK(read.error().detail == "signet.toml, line 2: pin_cache.on_lock must be \"pause\" or \"finish\"");
}

TEST_CASE("a trusted list has a place and signers, and both are absolute or an address") {
  const std::string start = "[verification]\ntrust = \"/anchors\"\n[[verification.trusted_lists]]\n";
  const auto read = parse_configuration(start + "place = \"https://tl.example/\"\nsigners = \"/tl.pem\"\n", "signet.toml");
  REQUIRE(read);
  CHECK(read->verification.trust == "/anchors");
  REQUIRE(read->verification.trusted_lists.size() == 1);
  CHECK(read->verification.trusted_lists[0].place == "https://tl.example/");
  CHECK(read->verification.trusted_lists[0].signers == "/tl.pem");
  CHECK_FALSE(parse_configuration(start + "place = \"/tl.xml\"\n", "signet.toml"));
  CHECK_FALSE(parse_configuration(start + "signers = \"/tl.pem\"\n", "signet.toml"));
  CHECK_FALSE(parse_configuration(start + "place = \"tl.xml\"\nsigners = \"/tl.pem\"\n", "signet.toml"));
  CHECK_FALSE(parse_configuration(start + "place = \"ftp://tl.example/\"\nsigners = \"/tl.pem\"\n", "signet.toml"));
  CHECK_FALSE(parse_configuration("[verification]\ntrust = \"anchors\"\n", "signet.toml"));
}
