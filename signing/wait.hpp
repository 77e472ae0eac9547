#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

namespace signet::signing {

// Wakes coroutines of one thread when something changed; each looks again for itself. Timers only serve as something to wait
// on that can be cancelled.
class Signal {
 public:
  explicit Signal(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}
  ~Signal() { notify(); }
  Signal(const Signal&) = delete;  // one thing that changes, one signal
  Signal& operator=(const Signal&) = delete;

  void notify() {
    for (const auto& timer : std::exchange(*waiting_, {})) timer->cancel();
  }

  // Until notified, or until `longest` has passed. The signal may be gone when this returns.
  boost::asio::awaitable<void> wait(std::chrono::steady_clock::duration longest) {
    const auto waiting = waiting_;
    const auto timer = std::make_shared<boost::asio::steady_timer>(executor_, longest);
    waiting->push_back(timer);
    boost::system::error_code ignored;
    co_await timer->async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    std::erase(*waiting, timer);
  }

 private:
  using Timers = std::vector<std::shared_ptr<boost::asio::steady_timer>>;
  boost::asio::any_io_executor executor_;
  std::shared_ptr<Timers> waiting_ = std::make_shared<Timers>();
};

}  // namespace signet::signing
