#include <catch2/catch.hpp>

#include "portal/form.hpp"
#include "portal/page_token.hpp"

using namespace signet;
using namespace signet::portal;

namespace {

const base::Bytes secret(32, 0x11);
const base::Bytes other_secret(32, 0x12);

PageToken token(std::optional<std::string> relay_state) {
  return {.request_id = std::string(32, 'a'),
          .return_url = "https://shop.example/back?x=1&y=.",
          .relay_state = std::move(relay_state),
          .made_at = base::Time(std::chrono::seconds(1'700'000'000))};
}

}  // namespace

TEST_CASE("a page token brings back what it was made of, to the byte") {
  const auto relay_state =
      GENERATE(values<std::optional<std::string>>({std::nullopt, "", "a=b&c", "ț\n\t \"<>.-+/=", std::string(10'000, '.')}));
  const auto made = token(relay_state);
  const auto back = opened(sealed(made, secret), secret);
  REQUIRE(back);
  CHECK(back->request_id == made.request_id);
  CHECK(back->return_url == made.return_url);
  CHECK(back->relay_state == made.relay_state);
  CHECK(back->made_at == made.made_at);
}

TEST_CASE("a page token that was changed anywhere, cut, or made with another secret is none") {
  const std::string good = sealed(token("state"), secret);
  CHECK_FALSE(opened(good, other_secret));
  CHECK_FALSE(opened("", secret));
  CHECK_FALSE(opened("....", secret));
  CHECK_FALSE(opened(std::string(100'000, '.'), secret));
  for (std::size_t i = 0; i < good.size(); ++i) {
    CAPTURE(i);
    std::string changed = good;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    CHECK_FALSE(opened(changed, secret));
    CHECK_FALSE(opened(good.substr(0, i), secret));
  }
}

TEST_CASE("what is sealed for one request is not what is sealed for another") {
  auto first = token("x"), second = token("x");
  second.request_id = std::string(32, 'b');
  CHECK(sealed(first, secret) != sealed(second, secret));
  // Parts cannot flow into each other.
  first.return_url = "https://a.example/";
  first.relay_state = "b";
  second = first;
  second.return_url = "https://a.example/.b";
  second.relay_state = std::nullopt;
  CHECK(sealed(first, secret) != sealed(second, secret));
}

TEST_CASE("parameters are found in any letter case, decoded, the first of a name first") {
  Form form;
  form.add("ReturnURL=https%3A%2F%2Fa.example%2F%3Fx%3D1&relaystate=a+b%26%C8%9B&LANG=ru&lang=en&&empty=&flag");
  CHECK(form.value("returnurl") == "https://a.example/?x=1");
  CHECK(form.value("relaystate") == "a b&ț");
  CHECK(form.value("lang") == "ru");
  CHECK(form.value("empty") == "");
  CHECK(form.value("flag") == "");
  CHECK_FALSE(form.value("msisdn"));
  CHECK_FALSE(form.value(""));
}

TEST_CASE("broken encodings and floods of parameters do no harm") {
  Form form;
  form.add("a=%&b=%4&c=%zz&=x&%3D=y");
  CHECK(form.value("b"));
  std::string flood;
  for (int i = 0; i < 10'000; ++i) flood += "p" + std::to_string(i) + "=1&";
  Form flooded;
  flooded.add(flood);
  CHECK(flooded.value("p0") == "1");
  CHECK_FALSE(flooded.value("p9999"));
}
