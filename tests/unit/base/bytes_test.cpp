#include "base/bytes.hpp"

#include <openssl/evp.h>

#include <catch2/catch.hpp>

using namespace signet::base;

TEST_CASE("base64 gives the vectors of RFC 4648 section 10, both ways") {
  const auto [plain, encoded] = GENERATE(table<std::string, std::string>({{"", ""},
                                                                          {"f", "Zg=="},
                                                                          {"fo", "Zm8="},
                                                                          {"foo", "Zm9v"},
                                                                          {"foob", "Zm9vYg=="},
                                                                          {"fooba", "Zm9vYmE="},
                                                                          {"foobar", "Zm9vYmFy"}}));
  CHECK(base64(as_bytes(plain)) == encoded);
  CHECK(as_text(from_base64(encoded).value()) == plain);
}

TEST_CASE("base64 of any length and value is OpenSSL's, and is read back, folded too") {
  Bytes bytes;
  for (std::size_t size = 0; size < 400; ++size) {
    std::string expected(size / 3 * 4 + 5, '\0');
    expected.resize(static_cast<std::size_t>(
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(expected.data()), bytes.data(), static_cast<int>(size))));
    const std::string encoded = base64(bytes);
    REQUIRE(encoded == expected);
    REQUIRE(from_base64(encoded).value() == bytes);
    for (std::size_t at = size % 70; at <= expected.size(); at += 71) expected.insert(at, "\n");
    REQUIRE(from_base64(expected).value() == bytes);
    if (encoded.size() > 4) {
      expected = encoded;
      expected[size % (encoded.size() - 4)] = '-';
      REQUIRE_FALSE(from_base64(expected));
    }
    bytes.push_back(static_cast<std::uint8_t>(size * 151 + 7));
  }
}

TEST_CASE("base64 may be folded into lines") { CHECK(as_text(from_base64("Zm9v\r\n YmFy\t").value()) == "foobar"); }

TEST_CASE("what is not base64 is refused") {
  const auto text = GENERATE("Z", "Zg", "Zg=", "Zg===", "Z===", "====", "Zg==Zg==", "Zm9v!", "Zm=v", "Zm9v\xC3\xA9");
  CHECK(from_base64(text).error().code == ErrorCode::parameter_invalid);
}

TEST_CASE("hexadecimal text is read in either case and written in lower case") {
  CHECK(hex(from_hex("00fFaB").value()) == "00ffab");
  CHECK_FALSE(from_hex("0"));
  CHECK_FALSE(from_hex("0g"));
}

TEST_CASE("every error code has a name and somebody who must act") {
  CHECK(name(ErrorCode::user_cancelled) == "user_cancelled");
  CHECK(name(ErrorCode::internal) == "internal");
  CHECK(who_acts(ErrorCode::pin_incorrect) == WhoActs::person);
  CHECK(who_acts(ErrorCode::id_duplicate) == WhoActs::caller);
  CHECK(who_acts(ErrorCode::disk_full) == WhoActs::machine);
}
