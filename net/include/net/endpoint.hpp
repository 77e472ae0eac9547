#pragma once

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cstdint>

namespace signet::net {

// One end of a TCP connection.
struct Endpoint {
  boost::asio::ip::address address;
  std::uint16_t port = 0;

  bool operator==(const Endpoint&) const = default;
};

// What counts as one caller: an address, of IPv6 the network that one household or office has (64 bits).
inline boost::asio::ip::address caller_of(const boost::asio::ip::address& address) {
  namespace ip = boost::asio::ip;
  if (!address.is_v6()) return address;
  if (address.to_v6().is_v4_mapped()) return ip::make_address_v4(ip::v4_mapped, address.to_v6());
  auto bytes = address.to_v6().to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
  return ip::address_v6(bytes);
}

}  // namespace signet::net
