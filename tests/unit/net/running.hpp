#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <thread>

namespace signet::test {

// An io_context that runs on a thread of its own, so that a test can block as a client does.
class RunningContext {
 public:
  boost::asio::io_context& io() { return io_; }
  void start() {
    thread_ = std::thread([this] { io_.run(); });
  }
  // Runs it on the thread and waits for what it gives.
  template <class Work>
  auto on_thread(Work work) {
    return boost::asio::post(io_, std::packaged_task<decltype(work())()>(std::move(work))).get();
  }
  template <class T>
  T await(boost::asio::awaitable<T> coroutine) {
    return boost::asio::co_spawn(io_, std::move(coroutine), boost::asio::use_future).get();
  }
  void join() {
    work_.reset();
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }
  ~RunningContext() { join(); }

 private:
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  std::thread thread_;
};

}  // namespace signet::test
