#pragma once

#include <boost/asio/steady_timer.hpp>
#include <deque>

#include "web_bridge/channel.hpp"

namespace signet::web_bridge {

// What a connection still has to send, in order; one coroutine writes it. Answers and rare events are put; results wait
// until the socket took them, so that a client that does not read stops the signing and not our memory. One thread.
class Outbox {
 public:
  Outbox(const boost::asio::any_io_executor& executor, std::shared_ptr<Channel> channel);

  void put(std::string text);
  // True once the socket has taken it, false if the connection ended before.
  boost::asio::awaitable<bool> send(std::string text);
  // Waits until less than that is unsent; false if the connection ended.
  boost::asio::awaitable<bool> below(std::size_t bytes);
  void end();

  // Writes until the end; runs once, as a coroutine of its own.
  boost::asio::awaitable<void> run();

 private:
  boost::asio::awaitable<void> change();

  std::shared_ptr<Channel> channel_;
  boost::asio::steady_timer changed_;  // never expires: cancelled to wake all who wait
  std::deque<std::string> texts_;
  std::size_t bytes_ = 0;
  std::uint64_t put_ = 0, written_ = 0;
  bool ended_ = false;
};

}  // namespace signet::web_bridge
