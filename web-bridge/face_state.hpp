#pragma once

#include "web_bridge/native_face.hpp"

namespace signet::web_bridge {

class BatchFeed;
class Session;

// What the connections of a face share; it lives as long as the last request.
struct NativeFace::State {
  boost::asio::any_io_executor executor;
  signing::Batches& batches;
  ControlPorts control;
  NativeOptions options;
  std::map<std::string, std::weak_ptr<BatchFeed>> feeds;  // by handle: whose connection gets the events
  std::map<signing::Origin, std::size_t> connections;
  std::uint64_t last_connection = 0;
  std::map<std::uint64_t, std::weak_ptr<Session>> sessions;

  void event(std::string_view name, const EventFields& fields) const {
    if (options.on_event) options.on_event(name, fields);
  }
};

}  // namespace signet::web_bridge
