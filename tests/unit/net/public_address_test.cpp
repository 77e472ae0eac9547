#include "net/public_address.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>

using namespace signet::net;
using boost::asio::ip::make_address;

TEST_CASE("an address that only this machine or its network can reach is not public") {
  // First and last of each network, with what stands before and behind it.
  struct Network {
    const char *before, *first, *last, *behind;
  };
  for (const Network& network : {
           Network{nullptr, "0.0.0.0", "0.255.255.255", "1.0.0.0"},
           Network{"9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
           Network{"100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
           Network{"126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
           Network{"169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
           Network{"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
           Network{"191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"},
           Network{"192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
           Network{"198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
           Network{"223.255.255.255", "224.0.0.0", "255.255.255.255", nullptr},  // multicast, reserved, broadcast
           Network{nullptr, "::", "::1", nullptr},
           Network{nullptr, "64:ff9b::", "64:ff9b::ffff:ffff", nullptr},  // translated to IPv4
           Network{nullptr, "64:ff9b::8.8.8.8", "64:ff9b:1::a00:1", nullptr},
           Network{"2000:ffff:ffff:ffff::", "2001::", "2001:0:ffff::", "2001:1::"},  // Teredo
           Network{"3fff:ffff::", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nullptr},
           Network{nullptr, "fe80::1", "febf::1", nullptr},
           Network{nullptr, "fec0::1", "ff02::1", nullptr},
           Network{nullptr, "::ffff:0.0.0.0", "::ffff:0.255.255.255", "::ffff:1.0.0.0"},
           Network{"::ffff:8.8.8.8", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:128.0.0.0"},
           Network{nullptr, "::ffff:169.254.169.254", "::ffff:192.168.1.1", nullptr},
           Network{"2002:808:808::1", "2002:a00:1::1", "2002:7f00:1::1", "2002:8000::1"},  // 6to4
           Network{nullptr, "2002:a9fe:a9fe::", "2002:c0a8:101::", "2003::"},
       }) {
    INFO(network.first);
    CHECK_FALSE(is_public(make_address(network.first)));
    CHECK_FALSE(is_public(make_address(network.last)));
    if (network.before != nullptr) CHECK(is_public(make_address(network.before)));
    if (network.behind != nullptr) CHECK(is_public(make_address(network.behind)));
  }
}

TEST_CASE("a host's text is refused where it names no public address, and else left to who resolves it") {
  for (const char* const host : {"",
                                 ".",
                                 "localhost",
                                 "LocalHost.",
                                 "x.localhost",
                                 "127.0.0.1",
                                 "127.0.0.1.",
                                 "10.1.2.3",
                                 "[::1]",
                                 "[fe80::1]",
                                 "[fe80::1%25eth0]",
                                 "[::ffff:7f00:1]",
                                 "127.1",
                                 "2130706433",
                                 "0x7f000001",
                                 "a.0x1",
                                 "1.2.3.4.5",
                                 "a b",
                                 "\xEF\xBC\x91.example",
                                 "[::1"}) {
    INFO(host);
    CHECK_FALSE(may_be_public(host));
  }
  for (const char* const host :
       {"8.8.8.8", "8.8.8.8.", "[2a00::1]", "crl.example", "crl.example.", "10.example", "localhost.example", "1a"}) {
    INFO(host);
    CHECK(may_be_public(host));
  }
}

TEST_CASE("the proxy is the environment's, but for hosts that want none") {
  const auto set = [](const char* name, const char* value) { ::setenv(name, value, 1); };
  for (const char* const name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"})
    ::unsetenv(name);
  CHECK(proxy_for("http", "a.example").empty());
  set("HTTP_PROXY", "http://bad");
  CHECK(proxy_for("http", "a.example").empty());
  set("ALL_PROXY", "http://all");
  CHECK(proxy_for("http", "a.example") == "http://all");
  set("http_proxy", "http://one");
  set("HTTPS_PROXY", "http://two");
  CHECK(proxy_for("http", "a.example") == "http://one");
  CHECK(proxy_for("https", "a.example") == "http://two");
  set("no_proxy", ".a.example,10.0.0.0/8 b.example.,2a00::/16,192.0.2.7");
  for (const char* const host : {"a.example", "x.A.example.", "b.example", "10.1.1.1", "[2a00::1]", "192.0.2.7"}) {
    INFO(host);
    CHECK(proxy_for("http", host).empty());
  }
  for (const char* const host : {"xa.example", "example", "11.1.1.1", "[2b00::1]", "192.0.2.8", "10.example"}) {
    INFO(host);
    CHECK(proxy_for("http", host) == "http://one");
  }
  set("no_proxy", "*");
  CHECK(proxy_for("http", "a.example").empty());
  for (const char* const name : {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "no_proxy"}) ::unsetenv(name);
}
