#pragma once

#include "net/http_server.hpp"
#include "web_bridge/native_face.hpp"
#include "web_bridge/origin_policy.hpp"

namespace signet::web_bridge {

struct NativeServerOptions {
  OriginPolicy policy;
  // Tried in order until one is free on both loopback addresses; 0: any.
  std::vector<std::uint16_t> ports{18580, 18581, 18582, 18583, 18584};
  std::vector<net::Descriptor> inherited;     // listening sockets: then no port is tried
  net::HttpLimits http{.body_bytes = 4'096};  // nothing takes a body
};

// The native protocol's WebSocket on the loopback, and GET /health. Checks Host, Origin, user, limits and subprotocol before
// anything is done, as docs/PROTOCOL.md's table has them. One thread; `face` must outlive it. Stop it before destroying it.
class NativeServer {
 public:
  NativeServer(boost::asio::any_io_executor executor, NativeFace& face, NativeServerOptions options);
  ~NativeServer();
  NativeServer(const NativeServer&) = delete;  // owns sockets
  NativeServer& operator=(const NativeServer&) = delete;

  // Gives the port. network_failed if none is free. Without IPv6 on this machine 127.0.0.1 alone is served.
  base::Result<std::uint16_t> start();
  void stop_accepting();
  boost::asio::awaitable<void> stop();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace signet::web_bridge
