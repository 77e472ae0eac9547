#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <thread>
#include <vector>

namespace signet::portal {

// What waits on one context may hold timers and sockets of another: all are shut down before any is destroyed.
struct IoContext : boost::asio::io_context {
  IoContext() : io_context(1) {}
  using execution_context::shutdown;  // destroys what waits, and leaves what it has to be destroyed later
};

// Threads with an io_context each, for net::HttpServer's lanes. An exception that leaves one of their handlers ends the process.
class Lanes {
 public:
  explicit Lanes(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) lanes_.push_back(std::make_unique<Lane>());
    for (const auto& lane : lanes_) lane->thread = std::thread([&io = lane->io] { io.run(); });
  }
  Lanes(const Lanes&) = delete;  // owns threads
  Lanes& operator=(const Lanes&) = delete;
  ~Lanes() { stop(); }

  std::vector<boost::asio::any_io_executor> executors() const {
    std::vector<boost::asio::any_io_executor> all;
    for (const auto& lane : lanes_) all.emplace_back(lane->io.get_executor());
    return all;
  }
  // Ends the threads; what waits on them is not gone on with.
  void stop() {
    for (const auto& lane : lanes_) lane->io.stop();
    for (const auto& lane : lanes_)
      if (lane->thread.joinable()) lane->thread.join();
  }

  // After stop(): destroys what waits.
  void shutdown() {
    for (const auto& lane : lanes_) lane->io.shutdown();
  }

 private:
  struct Lane {
    IoContext io;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
    std::thread thread;
  };
  std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace signet::portal
