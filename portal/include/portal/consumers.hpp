#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace signet::portal {

enum class Environment : std::uint8_t { test, production };
std::string_view name(Environment environment);  // "test"
std::optional<Environment> environment(std::string_view name);

// A range of addresses, "192.0.2.0/24", or one, "192.0.2.1". IPv4-mapped IPv6 addresses count as the IPv4 ones that they are.
// An address within a range ("192.0.2.7/24") is none: whoever writes it means one or the other.
struct AddressRange {
  boost::asio::ip::address address;
  unsigned prefix = 0;

  bool contains(const boost::asio::ip::address& address) const;
  std::string text() const;
};
std::optional<AddressRange> address_range(std::string_view text);

// A certificate that a consumer may come with: the number alone lets nobody in, it must have been issued by that CA.
struct ConsumerCertificate {
  std::string serial_hex;               // lower case, no leading zeros
  std::string issuer_sha256;            // hexadecimal fingerprint of the CA certificate that issued it
  std::optional<base::Time> not_after;  // where the certificate itself was given
};

// An e-service that may use the API.
struct Consumer {
  std::string id;    // a short name for operators: [a-z0-9-]{1,40}
  std::string name;  // what people read on the Sign Page
  Environment environment = Environment::test;
  bool active = false;
  std::vector<ConsumerCertificate> certificates;  // several while one is being rotated
  std::vector<AddressRange> addresses;
  std::vector<std::string> return_urls;  // prefixes: https://host[:port]/path…
};

// Why a consumer cannot be registered; empty if it can.
std::string consumer_error(const Consumer& consumer);

// Whether a page may send the person there: https (http only to loopback in the test environment), no user name, the same
// origin as one of the prefixes, and its path below that prefix's: "https://a/b" allows /b, /b/c and /b?c, not /bc. What
// browsers and servers may read in several ways is refused, not resolved: "..", %2e, %2f, back slashes, control characters.
bool return_url_allowed(const Consumer& consumer, std::string_view url);
// Where it leads, for people to read: "shop.example", with a port that is not the scheme's own. Empty where that is not told alike
// by all who read it, as in a URL with a user name.
std::string return_url_host(std::string_view url);
// Why a text cannot be a prefix; empty if it can.
std::string return_url_prefix_error(std::string_view prefix, Environment environment);

}  // namespace signet::portal
