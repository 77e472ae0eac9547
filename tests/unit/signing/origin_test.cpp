#include "signing/origin.hpp"

#include <catch2/catch.hpp>

using signet::signing::Origin;

TEST_CASE("an origin is what a browser writes: scheme, host and a port that is not the scheme's own") {
  const auto text = GENERATE("https://sign.example", "http://localhost:8080", "https://127.0.0.1:8443", "http://[::1]:3000",
                             "https://xn--e1afmkfd.example:444");
  REQUIRE(Origin::parse(text));
  CHECK(Origin::parse(text)->text() == text);
}

TEST_CASE("what no browser writes as an origin is refused") {
  const auto text =
      GENERATE("", "null", "sign.example", "https://", "https://Sign.Example", "https://sign.example/",
               "https://sign.example:443", "http://sign.example:80", "https://sign.example:0443", "https://sign.example:65536",
               "https://sign.example:", "https://user@sign.example", "ftp://sign.example", "file:///etc/passwd",
               "https://*.example", "https://sign.example https://other.example", "chrome-extension://abc", "https://[::1",
               "https://[]:1", "https://sign.example:1x", "command-line");
  CHECK_FALSE(Origin::parse(text));
}

TEST_CASE("the command line is an origin that no page can name") {
  CHECK(Origin::command_line().is_command_line());
  CHECK_FALSE(Origin::parse(Origin::command_line().text()));
}
