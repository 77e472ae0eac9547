#include "web_bridge/message.hpp"

#include <catch2/catch.hpp>
#include <random>

using namespace signet;
using namespace signet::web_bridge;
using base::ErrorCode;

namespace {

base::Result<RequestMessage> read(std::string_view text) { return read_message(text, NativeLimits{}); }

std::string with_items(const std::string& items) { return R"({"id":1,"method":"batch.items","params":{"items":)" + items + "}}"; }
const std::string digest = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";

}  // namespace

TEST_CASE("a request is read whatever the order of its members") {
  const auto text =
      GENERATE(R"({"id":7,"method":"batch.begin","params":{"purpose":"Ș","level":"t","together":true,"part":3}})",
               R"({"params":{"part":3,"together":true,"level":"t","purpose":"\u0218"},"method":"batch.begin","id":7})",
               " {\n\t\"id\" : 7 , "
               "\"method\":\"batch.begin\",\"unknown\":[{\"a\":[1,{}]}],\"params\":{\"purpose\":\"Ș\",\"level\":\"t\",\"part\":3,"
               "\"together\":true,\"new\":{\"id\":\"x\",\"items\":[1]}}} \r\n");
  const auto message = read(text);
  REQUIRE(message);
  CHECK(message->id == 7);
  CHECK(message->method == "batch.begin");
  CHECK(message->parameters.text("purpose", 256).value() == "Ș");
  CHECK(message->parameters.text_or_empty("level", 2).value() == "t");
  CHECK(message->parameters.flag("together").value());
  CHECK(message->parameters.number("part").value() == 3);
  CHECK_FALSE(message->items.items());
}

TEST_CASE("params may be missing, and the largest id is 2^53-1") {
  CHECK(read(R"({"id":9007199254740991,"method":"status"})")->id == 9007199254740991U);
}

TEST_CASE("what is no request is invalid as a whole") {
  const auto text =
      GENERATE("", " ", "null", "[]", "\"x\"", "1", "{", "{}", "{}{}", R"({"id":1})", R"({"method":"hello"})",
               R"({"id":1,"method":""})", R"({"id":0,"method":"hello"})", R"({"id":-1,"method":"hello"})",
               R"({"id":1.0,"method":"hello"})", R"({"id":1e0,"method":"hello"})", R"({"id":9007199254740992,"method":"hello"})",
               R"({"id":18446744073709551616,"method":"hello"})", R"({"id":"1","method":"hello"})",
               R"({"id":null,"method":"hello"})", R"({"id":[1],"method":"hello"})", R"({"id":1,"method":2})",
               R"({"id":1,"method":{}})", R"({"id":1,"method":"hello","params":[]})", R"({"id":1,"method":"hello","params":"x"})",
               R"({"id":1,"method":"hello","params":null})", R"({"id":1,"method":"hello"} x)", R"({"id":1,"method":"hello",})",
               R"({"id":01,"method":"hello"})", R"({'id':1,"method":"hello"})", R"({"id":1,"method":"hello"/**/})",
               R"({"id":NaN,"method":"hello"})", "{\"id\":1,\"method\":\"he\nllo\"}", R"({"id":1,"method":"\ud800"})",
               "{\"id\":1,\"method\":\"\xC3\x28\"}", "\xEF\xBB\xBF{\"id\":1,\"method\":\"hello\"}");
  const auto message = read(text);
  INFO(text);
  REQUIRE_FALSE(message);
  CHECK(message.error().code == ErrorCode::message_invalid);
}

TEST_CASE("a member that stands twice makes a message invalid, wherever it stands") {
  const auto text = GENERATE(R"({"id":1,"id":1,"method":"hello"})", R"({"id":1,"method":"hello","params":{"a":1,"a":1}})",
                             R"({"id":1,"method":"hello","params":{"x":{"a":1,"\u0061":1}}})",
                             R"({"id":1,"method":"hello","params":{},"params":{}})",
                             R"({"id":1,"method":"x","params":{"items":[{"id":"1","id":"2"}]}})");
  CHECK_FALSE(read(text));
  CHECK(read(R"({"id":1,"method":"hello","params":{"a":{"a":{"a":1}},"b":{"a":1}}})"));
}

TEST_CASE("too deep and too many members are invalid") {
  const auto nested = [](int depth) {
    return R"({"id":1,"method":"x","params":{"a":)" + std::string(depth, '[') + std::string(depth, ']') + "}}";
  };
  CHECK(read(nested(14)));
  CHECK_FALSE(read(nested(15)));
  CHECK_FALSE(read(std::string(1'000'000, '[')));
  const auto members = [](int count) {
    std::string text = R"({"id":1,"method":"x","params":{)";
    for (int i = 0; i < count; ++i) text += (i == 0 ? "\"a" : ",\"a") + std::to_string(i) + "\":0";
    return text + "}}";
  };
  CHECK(read(members(64)));
  CHECK_FALSE(read(members(65)));
}

TEST_CASE("a wrong parameter is named") {
  const auto message = read(
      R"({"id":1,"method":"x","params":{"n":null,"f":1.5,"s":"abc","e":"","i":-1,"b":true,"a":[],"o":{},"big":18446744073709551615}})");
  REQUIRE(message);
  const Parameters& given = message->parameters;
  const auto says = [](const auto& result, std::string_view text) {
    REQUIRE_FALSE(result);
    CHECK(result.error().code == ErrorCode::parameter_invalid);
    CHECK(result.error().detail == text);
  };
  says(given.text("absent", 9), "absent: missing");
  says(given.text("e", 9), "e: empty");
  says(given.text("s", 2), "s: at most 2 bytes");
  for (const char* name : {"n", "f", "i", "b", "a", "o", "big"}) says(given.text(name, 9), std::string(name) + ": not a string");
  for (const char* name : {"n", "f", "s", "i", "b", "a", "o", "big"})
    says(given.number(name), std::string(name) + ": not a whole number");
  says(given.number("absent"), "absent: missing");
  for (const char* name : {"n", "f", "s", "i", "a", "o"}) says(given.flag(name), std::string(name) + ": not true or false");
  CHECK(given.text_or_empty("absent", 1).value().empty());
  CHECK_FALSE(given.flag("absent").value());
}

TEST_CASE("lists of texts and the members of an object are parameters, and what stands deeper is none") {
  const auto message = read(
      R"({"id":1,"method":"x","params":{"l":["a","ș"],"none":[],"m":["a",1],"n":["a",["b"]],"p":[{"q":"a"},"b"],"o":{"t":"x","n":5,"d":{"t":"y"},"l":["z"]},"o.u":"forged","f.g":{"h":"i"}}})");
  REQUIRE(message);
  const Parameters& given = message->parameters;
  CHECK(given.texts("l", 2, 2).value() == Parameters::Texts{"a", "ș"});
  CHECK(given.texts("none", 0, 9).value().empty());
  CHECK(given.texts("absent", 0, 9).value().empty());
  CHECK(given.texts("l", 1, 2).error().detail == "l: at most 1");
  CHECK(given.texts("l", 2, 1).error().detail == "l: each 1 to 1 bytes");
  for (const char* name : {"m", "n", "p", "o"})
    CHECK(given.texts(name, 9, 9).error().detail == std::string(name) + ": not a list of strings");
  CHECK(given.object("o").value());
  CHECK_FALSE(given.object("absent").value());
  CHECK(given.object("l").error().detail == "l: not an object");
  CHECK(given.text("o.t", 9).value() == "x");
  CHECK(given.number("o.n").value() == 5);
  for (const char* name : {"o.u", "o.d.t", "o.d.d", "f.g.h", "f.g"})
    CHECK(given.text(name, 9).error().detail == std::string(name) + ": missing");
  CHECK_FALSE(given.text("o.d", 9));
  CHECK_FALSE(given.texts("o.l", 9, 9));

  std::string many = R"({"id":1,"method":"x","params":{"l":["a")";
  for (int i = 0; i < 100'000; ++i) many += R"(,"a")";
  CHECK(read(many + "]}}")->parameters.texts("l", 1'000'000, 9).error().detail == "l: not a list of strings");
}

TEST_CASE("items are read in their order with all three digests") {
  const std::string long_digest = base::base64(base::Bytes(64, 7));
  const auto message = read(with_items(
      R"([{"id":"1","digest":")" + digest +
      R"(","name":"a.pdf"},{"alg":"sha512","new":[{"id":5}],"name":"ș \"b\"","id":"2","digest":")" + long_digest + R"("}])"));
  REQUIRE(message);
  const auto items = message->items.items();
  REQUIRE(items);
  REQUIRE(items->size() == 2);
  CHECK(items->at(0).id == "1");
  CHECK(items->at(0).name == "a.pdf");
  CHECK(items->at(0).digest.algorithm() == base::DigestAlgorithm::sha256);
  CHECK(base::base64(items->at(0).digest.bytes()) == digest);
  CHECK(items->at(1).id == "2");
  CHECK(items->at(1).name == "ș \"b\"");
  CHECK(base::base64(items->at(1).digest.bytes()) == long_digest);
  CHECK(read(with_items("[]"))->items.items()->empty());
}

TEST_CASE("the first wrong item is named with what is wrong") {
  const std::string good = R"({"id":"1","digest":")" + digest + R"(","name":"a"})";
  const auto [item, code, detail] = GENERATE_REF(table<std::string, ErrorCode, std::string>({
      {R"({"digest":")" + digest + R"(","name":"a"})", ErrorCode::parameter_invalid, "items[1].id: missing"},
      {R"({"id":"2","name":"a"})", ErrorCode::parameter_invalid, "items[1].digest: missing"},
      {R"({"id":"2","digest":")" + digest + R"("})", ErrorCode::parameter_invalid, "items[1].name: missing"},
      {R"({"id":2,"digest":")" + digest + R"(","name":"a"})", ErrorCode::parameter_invalid, "items[1].id: not a string"},
      {R"({"id":"2","digest":[],"name":"a"})", ErrorCode::parameter_invalid, "items[1].digest: not a string"},
      {R"({"id":"2","digest":")" + digest + R"(","name":"a","alg":null})", ErrorCode::parameter_invalid,
       "items[1].alg: not a string"},
      {R"({"id":"2","digest":"%%%%","name":"a"})", ErrorCode::parameter_invalid, "items[1].digest: not base64"},
      {R"({"id":"2","digest":"AAAA","name":"a"})", ErrorCode::digest_length, "items[1].digest"},
      {R"({"id":"2","digest":")" + digest + R"(","name":"a","alg":"sha512"})", ErrorCode::digest_length, "items[1].digest"},
      {R"({"id":"2","digest":")" + digest + R"(","name":"a","alg":"sha1"})", ErrorCode::algorithm_unknown, "items[1].alg"},
      {R"({"id":"2","digest":")" + digest + R"(","name":"a","alg":"SHA256"})", ErrorCode::algorithm_unknown, "items[1].alg"},
      {"7", ErrorCode::parameter_invalid, "items[1]: not an object"},
      {"[]", ErrorCode::parameter_invalid, "items[1]: not an object"},
  }));
  const auto message = read(with_items("[" + good + "," + item + ",null]"));
  REQUIRE(message);
  const auto items = message->items.items();
  REQUIRE_FALSE(items);
  CHECK(items.error().code == code);
  CHECK(items.error().detail == detail);
}

TEST_CASE("items that are no list are wrong only for who wants items") {
  const auto text = GENERATE("7", "{}", "\"x\"", "null", "true");
  const auto message = read(with_items(text));
  REQUIRE(message);
  CHECK(message->items.items().error().code == ErrorCode::parameter_invalid);
  CHECK(read(R"({"id":1,"method":"x"})")->items.items().error().detail == "items: missing");
}

TEST_CASE("a part has 5 000 items and no more") {
  const auto list = [](std::size_t count) {
    std::string text = "[";
    for (std::size_t i = 0; i < count; ++i)
      text += (i == 0 ? "" : ",") + (R"({"id":")" + std::to_string(i) + R"(","digest":")" + digest + R"(","name":"a"})");
    return with_items(text + "]");
  };
  CHECK(read(list(5000))->items.items()->size() == 5000);
  CHECK(read(list(5001))->items.items().error().code == ErrorCode::batch_too_large);
}

TEST_CASE("a message that is damaged anywhere is read or refused, never more") {
  const std::string good =
      R"({"id":12,"method":"batch.items","params":{"batch":"m\u0043","part":0,"items":[{"id":"1","digest":")" + digest +
      R"(","name":"a\"\\ș.pdf","alg":"sha256"},{"x":[1.5e3,true,null]}]}})";
  for (std::size_t cut = 0; cut < good.size(); ++cut) CHECK_FALSE(read(std::string_view(good).substr(0, cut)));
  std::mt19937 random(2);  // NOLINT: the same each time
  for (int i = 0; i < 20'000; ++i) {
    std::string bad = good;
    for (auto n = random() % 4 + 1; n > 0; --n) {
      const std::size_t at = random() % bad.size();
      switch (random() % 3) {
        case 0:
          bad[at] = static_cast<char>(random());
          break;
        case 1:
          bad.erase(at, random() % 5);
          break;
        default:
          bad.insert(at, bad.substr(random() % bad.size(), random() % 20));
      }
    }
    if (const auto message = read(bad)) (void)message->items.items();
  }
}
