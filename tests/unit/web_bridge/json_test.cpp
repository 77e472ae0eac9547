#include "web_bridge/json.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <random>

using namespace signet::web_bridge;

namespace {

std::string as_json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

}  // namespace

TEST_CASE("a JSON string is escaped as RFC 8259 wants it and no more") {
  CHECK(as_json("") == "\"\"");
  CHECK(as_json("Ștefan / 'a' <b>") == "\"Ștefan / 'a' <b>\"");
  CHECK(as_json("a\"b\\c") == R"("a\"b\\c")");
  CHECK(as_json("\n\r\t\b\x1f") == R"("\n\r\t\u0008\u001f")");
  CHECK(as_json(std::string_view("\0", 1)) == R"("\u0000")");
  CHECK(as_json("\x7f\x20") == "\"\x7f\x20\"");
}

TEST_CASE("wherever a character stands that is escaped, the text comes back whole") {
  for (const char special : {'"', '\\', '\n', '\x01', '\x1f'}) {
    for (std::size_t size = 1; size < 40; ++size) {
      for (std::size_t at = 0; at < size; ++at) {
        std::string text(size, 'x');
        text[at] = special;
        CHECK(boost::json::parse(as_json(text)).as_string() == text);
      }
    }
  }
}

TEST_CASE("texts of all kinds of bytes come back whole") {
  std::mt19937 random(1);  // NOLINT: the same each time
  constexpr std::string_view pieces[] = {"\"",   "\\",      "\n", "\x1f", " ", "!", "#", "[", "]", "ș", "契", "\xF0\x9F\x96\x8B",
                                         "\x7f", "abcdefgh"};
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (std::size_t n = random() % 30; n > 0; --n) text += pieces[random() % 14];
    CHECK(boost::json::parse(as_json(text)).as_string() == text);
  }
}

TEST_CASE("an object is written member by member, and ends once") {
  std::string out = "x";
  {
    JsonObject object(out);
    object.text("a", "1\"").number("b", std::int64_t{-2}).flag("c", true).json("d", "[]");
    JsonObject(object.member("e")).number("f", std::size_t{3});
    object.end();
    object.end();
  }
  CHECK(out == R"(x{"a":"1\"","b":-2,"c":true,"d":[],"e":{"f":3}})");
  out.clear();
  {
    JsonObject empty(out);
  }
  CHECK(out == "{}");
}
