#include "public_address.hpp"

#include <algorithm>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <cstdlib>
#include <optional>

#include "base/text.hpp"

namespace signet::net {
namespace {

using boost::asio::ip::address;
using boost::asio::ip::address_v4;
using boost::asio::ip::address_v6;

bool is_public_v4(const address_v4& one) {
  const std::uint32_t bits = one.to_uint();
  const auto within = [bits](std::uint32_t network, unsigned prefix) { return (bits ^ network) >> (32 - prefix) == 0; };
  return !(within(0x00000000, 8) || within(0x0A000000, 8) || within(0x64400000, 10) || within(0x7F000000, 8) ||
           within(0xA9FE0000, 16) || within(0xAC100000, 12) || within(0xC0000000, 24) || within(0xC0A80000, 16) ||
           within(0xC6120000, 15) || within(0xE0000000, 3));
}

bool is_public_v6(const address_v6& one) {
  if (one.is_v4_mapped()) return is_public_v4(boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, one));
  const auto bytes = one.to_bytes();
  if (bytes[0] == 0x20 && bytes[1] == 0x02)  // 6to4
    return is_public_v4(address_v4({bytes[2], bytes[3], bytes[4], bytes[5]}));
  // Teredo: within, the client's address and the server's, which nobody should need.
  if (bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] == 0 && bytes[3] == 0) return false;
  return (bytes[0] & 0xE0) == 0x20;  // 2000::/3, all that is given out; what translates to IPv4 (64:ff9b::) is outside it
}

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string{} : std::string(value);
}

// One word of no_proxy: a network, an address, or a domain with all below it.
bool is_named(std::string_view word, const std::string& name, const std::optional<address>& literal) {
  boost::system::error_code none;
  if (literal) {
    if (literal->is_v4()) {
      const auto network = boost::asio::ip::make_network_v4(word, none);
      if (!none && network.canonical() == boost::asio::ip::network_v4(literal->to_v4(), network.prefix_length()).canonical())
        return true;
    } else {
      const auto network = boost::asio::ip::make_network_v6(word, none);
      if (!none && network.canonical() == boost::asio::ip::network_v6(literal->to_v6(), network.prefix_length()).canonical())
        return true;
    }
    const address same = boost::asio::ip::make_address(word, none);
    return !none && same == *literal;
  }
  std::string domain = base::lower(word);
  if (domain.starts_with('.')) domain.erase(0, 1);
  while (domain.ends_with('.')) domain.pop_back();
  return !domain.empty() && (name == domain || name.ends_with("." + domain));
}

bool needs_no_proxy(const std::string& name, const std::optional<address>& literal) {
  std::string listed = variable("no_proxy");
  if (listed.empty()) listed = variable("NO_PROXY");
  if (listed == "*") return true;
  constexpr std::string_view between = ", \t";
  for (std::size_t at = listed.find_first_not_of(between); at != listed.npos; at = listed.find_first_not_of(between, at)) {
    const std::size_t end = std::min(listed.find_first_of(between, at), listed.size());
    if (is_named(std::string_view(listed).substr(at, end - at), name, literal)) return true;
    at = end;
  }
  return false;
}

// Without the dot of the root, and without brackets.
std::string plain(std::string_view host) {
  std::string name = base::lower(host);
  while (name.ends_with('.')) name.pop_back();
  if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
  return name;
}

std::optional<address> literal_of(const std::string& name) {
  boost::system::error_code none;
  const address literal = boost::asio::ip::make_address(name, none);
  return none ? std::nullopt : std::optional(literal);
}

}  // namespace

bool is_public(const address& one) { return one.is_v4() ? is_public_v4(one.to_v4()) : is_public_v6(one.to_v6()); }

bool may_be_public(std::string_view host) {
  if (std::ranges::any_of(host,
                          [](char c) { return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7F; }))
    return false;
  const std::string name = plain(host);
  if (name.empty() || name == "localhost" || name.ends_with(".localhost")) return false;  // RFC 6761 6.3
  if (const auto literal = literal_of(name)) return is_public(*literal);
  // What ends as an address and is none is for whoever resolves it to read as he likes.
  const std::size_t last = name.rfind('.') == name.npos ? 0 : name.rfind('.') + 1;
  return name.find(':') == name.npos && !std::ranges::all_of(name.substr(last), [](char c) { return c >= '0' && c <= '9'; }) &&
         !name.substr(last).starts_with("0x");
}

std::string proxy_for(std::string_view scheme, std::string_view host) {
  const std::string name = plain(host);
  if (needs_no_proxy(name, literal_of(name))) return {};
  // HTTP_PROXY is what a caller of a CGI program may set.
  std::string proxy = scheme == "https" ? variable("https_proxy") : variable("http_proxy");
  if (proxy.empty() && scheme == "https") proxy = variable("HTTPS_PROXY");
  if (proxy.empty()) proxy = variable("all_proxy");
  return proxy.empty() ? variable("ALL_PROXY") : proxy;
}

}  // namespace signet::net
