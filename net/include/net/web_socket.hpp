#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace signet::net {

// RFC 6455 7.4.1, those that we send ourselves.
namespace close_code {
inline constexpr std::uint16_t going_away = 1001;
inline constexpr std::uint16_t unsupported_data = 1003;
}  // namespace close_code

// The server's end of a WebSocket of text messages. One read and one write may be pending at once, and beside them a close.
// One thread. Any error ends it; ping, pong, fragments and closing on protocol errors (1002), invalid UTF-8 (1007) and
// messages over the limit (1009) are dealt with inside.
class WebSocket {
 public:
  class Implementation;
  explicit WebSocket(std::unique_ptr<Implementation> implementation);
  ~WebSocket();
  WebSocket(const WebSocket&) = delete;  // owns a connection
  WebSocket& operator=(const WebSocket&) = delete;

  // The next message. network_failed when the connection ended, however it did; message_invalid for a binary one, after
  // having closed with 1003.
  boost::asio::awaitable<base::Result<std::string>> read();
  // Done when the kernel has taken it all: a peer that does not read makes this wait.
  boost::asio::awaitable<base::Result<void>> write(std::string text);
  // The closing handshake, within a few seconds.
  boost::asio::awaitable<void> close(std::uint16_t code, std::string reason);
  // Ends the connection without a word.
  void cut();

 private:
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace signet::net
