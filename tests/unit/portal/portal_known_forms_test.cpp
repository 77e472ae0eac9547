#include <catch2/catch.hpp>

#include "known_forms.hpp"
#include "portal/soap.hpp"

using namespace signet::portal;

namespace {

constexpr std::string_view action = "\"https://msign.gov.md/IMSign/GetSignResponse\"";
const std::string one = "0123456789abcdef0123456789abcdef", other = "00000000000000000000000000000001";

std::string asking(std::string_view id, std::string_view around = "") {
  return std::string(R"(<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>)"
                     R"(<GetSignResponse xmlns="https://msign.gov.md">)")
      .append(around)
      .append("<requestID>")
      .append(id)
      .append("</requestID><language>ru</language></GetSignResponse></s:Body></s:Envelope>");
}

std::optional<GetSignResponse> parse(std::string_view message) {
  const auto call = read_call(message, action, {});
  return call ? std::optional(std::get<GetSignResponse>(*call)) : std::nullopt;
}

// What it knows of a message, once it was shown another.
std::optional<GetSignResponse> known_after(const std::string& shown, const std::string& message) {
  KnownForms forms;
  const auto asked = parse(shown);
  REQUIRE(asked);
  forms.learn(shown, action, *asked, parse);
  return forms.read(message, action);
}

}  // namespace

TEST_CASE("a message that differs from one that was read in its id alone is known, and is what the parser reads") {
  const auto known = known_after(asking(one), asking(other));
  REQUIRE(known);
  const auto read = parse(asking(other));
  REQUIRE(read);
  CHECK(known->request_id == read->request_id);
  CHECK(known->language == read->language);
}

TEST_CASE("a message that differs in anything else is not known") {
  KnownForms forms;
  forms.learn(asking(one), action, *parse(asking(one)), parse);
  CHECK(forms.read(asking(other), action));
  CHECK_FALSE(forms.read(asking(other), "\"https://msign.gov.md/IMSign/PostSignRequest\""));
  CHECK_FALSE(forms.read(asking(other), ""));
  CHECK_FALSE(forms.read(asking(other) + " ", action));
  CHECK_FALSE(forms.read(asking("0000000000000000000000000000000G"), action));
  CHECK_FALSE(forms.read(asking("<!--"), action));
  CHECK_FALSE(forms.read(asking("</requestID><requestID>000000000"), action));
  CHECK_FALSE(forms.read("", action));
  auto changed = asking(other);
  changed.replace(changed.find("ru"), 2, "en");
  CHECK_FALSE(forms.read(changed, action));
}

TEST_CASE("an id that the parser reads elsewhere than where it stands makes no form") {
  std::string by_number;  // the parser's id, in a way that a search does not find
  for (const char c : one) by_number += "&#" + std::to_string(int{c}) + ";";
  const auto commented = [&](const std::string& id) { return asking(by_number, "<!--" + id + "-->"); };
  REQUIRE(parse(commented(one))->request_id == one);
  CHECK_FALSE(known_after(commented(one), commented(other)));
  // Twice: which of them is it?
  CHECK_FALSE(known_after(asking(one, "<!--" + one + "-->"), asking(other, "<!--" + other + "-->")));
  CHECK_FALSE(known_after(asking(one, "<!--" + one + "-->"), asking(other, "<!--" + one + "-->")));
  CHECK_FALSE(known_after(asking("ABCDEF00000000000000000000000000"), asking("ABCDEF00000000000000000000000001")));
}

TEST_CASE("few forms are kept, and none of those who write each message otherwise") {
  KnownForms forms;
  int parsed = 0;
  const auto counted = [&](std::string_view message) {
    ++parsed;
    return parse(message);
  };
  const auto numbered = [&](int number) { return asking(one, "<!--" + std::to_string(number) + "-->"); };
  for (int i = 0; i < 1000; ++i) {
    CHECK_FALSE(forms.read(numbered(i), action));
    forms.learn(numbered(i), action, {one, "ru"}, counted);
  }
  CHECK(parsed == 32);
  int known = 0;
  for (int i = 0; i < 1000; ++i) known += forms.read(numbered(i), action).has_value() ? 1 : 0;
  CHECK(known == 8);
  // Which was of use: there is room for others again.
  forms.learn(numbered(2000), action, {one, "ru"}, counted);
  CHECK(forms.read(numbered(2000), action));
}
