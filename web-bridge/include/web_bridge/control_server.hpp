#pragma once

#include <filesystem>

#include "web_bridge/native_face.hpp"

namespace signet::web_bridge {

struct ControlServerOptions {
  std::filesystem::path socket;  // its folder is made (0700) if need be, and must belong to this user alone
  net::Descriptor inherited;     // a listening socket: then no path is bound
};

// The control socket: the same protocol, one JSON object a line, for processes of the agent's own user (SO_PEERCRED). One thread;
// `face` must outlive it. Stop it before destroying it.
class ControlServer {
 public:
  ControlServer(boost::asio::any_io_executor executor, NativeFace& face, ControlServerOptions options);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;  // owns sockets
  ControlServer& operator=(const ControlServer&) = delete;

  // file_failed; also where another agent answers on that path.
  base::Result<void> start();
  void stop_accepting();
  // Ends all connections; what they asked for goes on or is stopped by the batches.
  boost::asio::awaitable<void> stop();

 private:
  class Implementation;
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace signet::web_bridge
