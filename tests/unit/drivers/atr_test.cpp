#include "drivers/atr.hpp"

#include <catch2/catch.hpp>

using namespace signet;
using drivers::AtrMask;

namespace {

base::Bytes bytes(std::string_view hex) { return base::from_hex(hex).value(); }
constexpr auto epass2003 = "3B9F958131FE9F006646530510043171DF000000000026";

}  // namespace

TEST_CASE("a mask takes the answers to reset that it was written for, and no others") {
  const auto mask = AtrMask::parse("3B 9F 95 81 31 FE 9F 00 66 46 53 05 *").value();
  CHECK(mask.matches(bytes(epass2003)));
  CHECK(mask.matches(bytes("3B9F958131FE9F0066465305")));
  CHECK_FALSE(mask.matches(bytes("3B9F958131FE9F00664653")));
  CHECK_FALSE(mask.matches(bytes("3B9F958131FE9F006546530510043171DF000000000026")));
  CHECK_FALSE(mask.matches({}));
}

TEST_CASE("a mask without a final star has the length of its answer to reset") {
  const auto mask = AtrMask::parse("3BD518008131FE7D8073C82110F4").value();
  CHECK(mask.matches(bytes("3BD518008131FE7D8073C82110F4")));
  CHECK_FALSE(mask.matches(bytes("3BD518008131FE7D8073C82110F400")));
  CHECK_FALSE(mask.matches(bytes("3BD518008131FE7D8073C82110")));
}

TEST_CASE("a dot is any four bits") {
  const auto mask = AtrMask::parse("3b d. 96 .. 81 91 fe").value();
  CHECK(mask.matches(bytes("3BD596FF8191FE")));
  CHECK(mask.matches(bytes("3BDA96008191FE")));
  CHECK_FALSE(mask.matches(bytes("3BE596FF8191FE")));
  CHECK(mask.text() == "3B D. 96 .. 81 91 FE");
  CHECK(AtrMask::parse(mask.text()).value() == mask);
}

TEST_CASE("what is no mask is refused with its reason") {
  const auto reason = [](std::string_view text) {
    const auto mask = AtrMask::parse(text);
    REQUIRE_FALSE(mask);
    CHECK(mask.error().code == base::ErrorCode::parameter_invalid);
    return mask.error().detail;
  };
  CHECK(reason("") == "an ATR needs four bytes without a dot");
  CHECK(reason("3B 9F 95 *") == "an ATR needs four bytes without a dot");
  CHECK(reason("3B .. .. .. .. .. 9. 00 01") == "an ATR needs four bytes without a dot");
  CHECK(reason("00 9F 95 81 31") == "an ATR begins with 3B or 3F");
  CHECK(reason(".. 9F 95 81 31 FE") == "an ATR begins with 3B or 3F");
  for (const char* const form : {"3B 9F 95 81 3", "3B 9F 95 81 3G", "3B * 9F 95 81 31", "3B 9F 95 81 **", "3 B9 F9 58 13"})
    CHECK(reason(form) == "an ATR is pairs of hexadecimal digits or dots, with at most a final *");
  std::string long_one = "3B";
  for (int i = 0; i < 32; ++i) long_one += "00";
  CHECK(AtrMask::parse(long_one));
  CHECK(reason(long_one + "00") == "an ATR has at most 33 bytes");
}

TEST_CASE("an answer to reset has two to 33 bytes, of which the first is 3B or 3F") {
  CHECK(drivers::is_atr(bytes("3B00")));
  CHECK(drivers::is_atr(bytes("3F00")));
  CHECK_FALSE(drivers::is_atr(bytes("3B")));
  CHECK_FALSE(drivers::is_atr(bytes("0000")));
  CHECK_FALSE(drivers::is_atr(base::Bytes(34, 0x3B)));
  CHECK_FALSE(drivers::is_atr({}));
}
