#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "base/result.hpp"
#include "net/descriptor.hpp"

namespace signet::web_bridge {

// A connection that carries messages, one JSON text each: a WebSocket, or a line of the control socket. One read and one
// write may be pending at once. One thread.
class Channel {
 public:
  virtual ~Channel() = default;

  // message_too_large is answered before the connection ends; any other error is its end.
  virtual boost::asio::awaitable<base::Result<std::string>> read() = 0;
  virtual boost::asio::awaitable<base::Result<void>> write(std::string text) = 0;
  virtual boost::asio::awaitable<void> close(std::uint16_t code, std::string reason) = 0;
  virtual void cut() = 0;

  // Asked before each request acts: does the peer (still) belong to a user who is served?
  virtual base::Result<void> still_served() = 0;
  // The oldest descriptor that was passed along and not yet taken; empty if there is none.
  virtual net::Descriptor take_descriptor() = 0;
};

}  // namespace signet::web_bridge
