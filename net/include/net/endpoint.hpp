#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>

namespace signet::net {

// One end of a TCP connection.
struct Endpoint {
  boost::asio::ip::address address;
  std::uint16_t port = 0;

  bool operator==(const Endpoint&) const = default;
};

}  // namespace signet::net
