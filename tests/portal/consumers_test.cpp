#include "portal/consumers.hpp"

#include <catch2/catch.hpp>

using namespace signet;
using namespace signet::portal;

namespace {

Consumer with_prefixes(std::vector<std::string> prefixes, Environment environment = Environment::production) {
  Consumer consumer;
  consumer.id = "shop";
  consumer.name = "The shop";
  consumer.environment = environment;
  consumer.return_urls = std::move(prefixes);
  return consumer;
}

boost::asio::ip::address address(const char* text) { return boost::asio::ip::make_address(text); }

}  // namespace

TEST_CASE("a prefix allows its path and what is below") {
  const Consumer consumer = with_prefixes({"https://good.example/b"});
  for (const char* url :
       {"https://good.example/b", "https://good.example/b/", "https://good.example/b/c", "https://good.example/b?c",
        "https://good.example/b#c", "https://good.example/b/c?u=https://evil.example/../", "HTTPS://Good.EXAMPLE/b",
        "https://good.example:443/b", "https://good.example:/b", "https://good.example/b/a%20b"}) {
    INFO(url);
    CHECK(return_url_allowed(consumer, url));
  }
  for (const char* url : {"https://good.example/bc", "https://good.example/", "https://good.example", "https://good.example/B",
                          "https://good.example:8443/b", "https://good.example./b", "https://www.good.example/b",
                          "https://good.example/%62", "http://good.example/b"}) {
    INFO(url);
    CHECK(!return_url_allowed(consumer, url));
  }
}

TEST_CASE("a prefix that ends in a slash, and one of a whole host") {
  CHECK(return_url_allowed(with_prefixes({"https://good.example/b/"}), "https://good.example/b/c"));
  CHECK(!return_url_allowed(with_prefixes({"https://good.example/b/"}), "https://good.example/b"));
  for (const char* prefix : {"https://good.example", "https://good.example/"}) {
    CHECK(return_url_allowed(with_prefixes({prefix}), "https://good.example"));
    CHECK(return_url_allowed(with_prefixes({prefix}), "https://good.example?a=b"));
    CHECK(return_url_allowed(with_prefixes({prefix}), "https://good.example/any/thing"));
    CHECK(!return_url_allowed(with_prefixes({prefix}), "https://good.example.evil/"));
  }
}

TEST_CASE("URLs that look like an allowed one are refused") {
  const Consumer consumer = with_prefixes({"https://good.example/b", "https://good.example:8443/b"});
  for (const std::string url : {"https://good.example@evil.example/b",
                                "https://good.example:443@evil.example/b",
                                "https://good.example%40evil.example/b",
                                "https://user@good.example/b",
                                "https://user:password@good.example/b",
                                "https://@good.example/b",
                                "https://good.example.evil/b",
                                "https://evil.example/https://good.example/b",
                                "https://evil.example\\@good.example/b",
                                "https://good.example\\.evil.example/b",
                                "https:\\\\good.example\\b",
                                "https://good.example/b\\..\\admin",
                                "//good.example/b",
                                "/b",
                                "good.example/b",
                                "https:good.example/b",
                                "https:/good.example/b",
                                "https:///good.example/b",
                                "https://",
                                "https:///b",
                                "",
                                "javascript:alert(1)//https://good.example/b",
                                "data:text/html,x",
                                "ftp://good.example/b",
                                "https://good.example/b/../admin",
                                "https://good.example/b/..",
                                "https://good.example/b/.",
                                "https://good.example/b/%2e%2e/admin",
                                "https://good.example/b/.%2E/admin",
                                "https://good.example/b/%252e%252e/admin",
                                "https://good.example/b/..%2fadmin",
                                "https://good.example/b/x%2f..%2f..%2fadmin",
                                "https://good.example/b/%5c..%5cadmin",
                                "https://good.example/b/..;/admin",
                                "https://good.example/b/..;a=b/admin",
                                "https://good.example/b/%00",
                                "https://good.example/b/%0d%0aX:1",
                                "https://good.example/b\r\nLocation: https://evil.example",
                                "https://good.example/b\t",
                                " https://good.example/b",
                                "https://good.example/b ",
                                "https://good.example /b",
                                "https://good.example\t/b",
                                "https://good.example/b/%zz",
                                "https://good.example/b/%",
                                "https://good.example:99999/b",
                                "https://good.example:0/b",
                                "https://good.example:-1/b",
                                "https://good.example:443a/b",
                                "https://good.example:8443x/b",
                                "https://good.example:65979/b",
                                "https://[good.example]/b",
                                "https://[::1/b",
                                "https://g%6fod.example/b",
                                "https://good.example,evil.example/b",
                                "https://good.example;evil.example/b",
                                "https://good\u00ADexample/b",
                                "https://good.example\uFF0F/b",
                                "https://good\u3002example/b",
                                "https://good.example/b/\u00E9",
                                "https://good.example/<b>",
                                "https://good.example#@evil.example/b",
                                "https://good.example?@evil.example/b"}) {
    INFO(url);
    CHECK(!return_url_allowed(consumer, url));
  }
  CHECK(!return_url_allowed(consumer, std::string("https://good.example/b\0", 23)));
  CHECK(!return_url_allowed(consumer, "https://good.example/b/" + std::string(3000, 'a')));
  CHECK(!return_url_allowed(consumer, "https://good.example/b/" + std::string(3'000'000, '/')));
  CHECK(return_url_allowed(consumer, "https://good.example:8443/b"));
}

TEST_CASE("http is for this machine in the test environment") {
  for (const char* local : {"http://localhost:8080/back", "http://127.0.0.1/back", "http://127.8.9.1:90/back",
                            "http://[::1]:8080/back", "http://[::ffff:127.0.0.1]/back"}) {
    {
      INFO(local);
      CHECK(return_url_prefix_error(local, Environment::test).empty());
    }
    CHECK(!return_url_prefix_error(local, Environment::production).empty());
    CHECK(return_url_allowed(with_prefixes({local}, Environment::test), std::string(local) + "/x"));
    CHECK(!return_url_allowed(with_prefixes({local}, Environment::production), std::string(local) + "/x"));
  }
  for (const char* remote : {"http://good.example/", "http://localhost.example/", "http://10.0.0.1/", "http://127.0.0.1.example/",
                             "http://[::2]/", "http://0.0.0.0/", "http://2130706433/", "http://0x7f.1/"}) {
    INFO(remote);
    CHECK(!return_url_prefix_error(remote, Environment::test).empty());
  }
}

TEST_CASE("where a way back leads is told where all who read it find the same") {
  CHECK(return_url_host("https://EVIL.example/signed/../x") == "evil.example");
  CHECK(return_url_host("http://localhost:8090/signed?a=b") == "localhost:8090");
  CHECK(return_url_host("https://shop.example:443/signed") == "shop.example");
  CHECK(return_url_host("http://[::1]:80") == "[::1]");
  CHECK(return_url_host("https://a.example/%2e%2e/b") == "a.example");
  for (const std::string& url :
       {std::string{}, std::string("javascript:alert(1)//https://shop.example/"), std::string("//shop.example/"),
        std::string("https://shop.example@evil.example/"), std::string("https://evil.example\\@shop.example/"),
        std::string("https://evil.example%00.shop.example/"), std::string("https:///shop.example/"),
        std::string("https://a b.example/"), std::string("https://<b>.example/"), std::string("https://call me now/"),
        "https://" + std::string(300, 'a') + ".example/"})
    CHECK(return_url_host(url).empty());
}

TEST_CASE("why a text is no prefix is said") {
  for (const char* good : {"https://good.example", "https://good.example/", "https://good.example:8443/a/b",
                           "https://xn--80ak6aa92e.example/", "https://192.0.2.1/a", "https://[2001:db8::1]:8443/a"})
    CHECK(return_url_prefix_error(good, Environment::production) == "");
  for (const char* bad : {"", "good.example", "https://good.example/?a", "https://good.example/#a", "https://good.example?",
                          "https://u@good.example/", "https://*.good.example/", "https://good.example/a/../b",
                          "ftp://good.example/", "https:///a"}) {
    INFO(bad);
    CHECK(!return_url_prefix_error(bad, Environment::production).empty());
  }
}

TEST_CASE("a range holds its addresses and no others") {
  const auto range = address_range("192.0.2.128/25").value();
  CHECK(range.contains(address("192.0.2.128")));
  CHECK(range.contains(address("192.0.2.255")));
  CHECK(range.contains(address("::ffff:192.0.2.200")));
  CHECK(!range.contains(address("192.0.2.127")));
  CHECK(!range.contains(address("192.0.3.128")));
  CHECK(!range.contains(address("::192.0.2.200")));
  CHECK(!range.contains(address("2001:db8::1")));
  const auto wide = address_range("2001:db8:8000::/33").value();
  CHECK(wide.contains(address("2001:db8:ffff::1")));
  CHECK(!wide.contains(address("2001:db8:7fff::1")));
  CHECK(address_range("0.0.0.0/0").value().contains(address("203.0.113.9")));
  CHECK(!address_range("0.0.0.0/0").value().contains(address("2001:db8::1")));
  CHECK(!address_range("::/0").value().contains(address("203.0.113.9")));
  CHECK(address_range("::ffff:192.0.2.0/120").value().text() == "192.0.2.0/24");
  CHECK(address_range("192.0.2.1").value().text() == "192.0.2.1");
  CHECK(address_range("192.0.2.1/32").value().text() == "192.0.2.1");
  CHECK(address_range("2001:DB8::/32").value().text() == "2001:db8::/32");
}

TEST_CASE("what is no range is none") {
  for (const char* text : {"",
                           "/",
                           "192.0.2",
                           "192.0.2.0/",
                           "192.0.2.0/33",
                           "192.0.2.0/-1",
                           "192.0.2.0/+8",
                           "192.0.2.0/024",
                           "192.0.2.0/24x",
                           "192.0.2.0 /24",
                           "192.0.2.1/24",
                           "192.0.2.256",
                           "0300.0.2.1",
                           "3221225985",
                           "2001:db8::/129",
                           "2001:db8::1/64",
                           "fe80::1%eth0",
                           "[::1]",
                           "good.example",
                           "192.0.2.0/99999999999999999999",
                           "::ffff:0:0/90",
                           "192.0.2.0/24/24"}) {
    INFO(text);
    CHECK(!address_range(text));
  }
}

TEST_CASE("a consumer is checked as a whole") {
  const auto error = [](auto change) {
    Consumer consumer = with_prefixes({"https://good.example/b"});
    consumer.certificates = {{"1a", std::string(64, 'b'), {}}};
    consumer.addresses = {*address_range("192.0.2.0/24")};
    change(consumer);
    return consumer_error(consumer);
  };
  CHECK(error([](Consumer&) {}) == "");
  for (const std::string id : {"", "Shop", "a b", "a_b", "a/b", "a\nb", "\xC3\xA9"})
    CHECK(error([&](Consumer& c) { c.id = id; }) != "");
  CHECK(error([](Consumer& c) { c.id = std::string(40, 'a'); }) == "");
  CHECK(error([](Consumer& c) { c.id = std::string(41, 'a'); }) != "");
  for (const std::string& name :
       {std::string(), std::string("a\0b", 3), std::string("\xFF"), std::string("\u202Eabc"), std::string(201, 'a')})
    CHECK(error([&](Consumer& c) { c.name = name; }) != "");
  for (const std::string serial : {"", "0", "01", "1A", "0x1a", "1a ", "g"})
    CHECK(error([&](Consumer& c) { c.certificates[0].serial_hex = serial; }) != "");
  CHECK(error([](Consumer& c) { c.certificates[0].serial_hex = std::string(41, '1'); }) != "");
  CHECK(error([](Consumer& c) { c.certificates[0].issuer_sha256 = std::string(63, 'b'); }) != "");
  CHECK(error([](Consumer& c) { c.certificates[0].issuer_sha256 = std::string(64, 'B'); }) != "");
  CHECK(error([](Consumer& c) { c.certificates.push_back(c.certificates[0]); }) != "");
  CHECK(error([](Consumer& c) { c.certificates.resize(21, {"1", std::string(64, 'b'), {}}); }) != "");
  CHECK(error([](Consumer& c) { c.addresses[0].prefix = 33; }) != "");
  CHECK(error([](Consumer& c) { c.addresses[0].prefix = 8; }) != "");
  CHECK(error([](Consumer& c) { c.return_urls[0] = "https://user@good.example/"; }) != "");
}

TEST_CASE("environments have names") {
  CHECK(name(Environment::test) == "test");
  CHECK(name(Environment::production) == "production");
  CHECK(environment("production") == Environment::production);
  CHECK(!environment("Production"));
  CHECK(!environment(""));
}
