#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <deque>
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

// One at a time, in the order of asking.
class Turns : public std::enable_shared_from_this<Turns> {
 public:
  explicit Turns(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

  class Turn {
   public:
    Turn() = default;
    explicit Turn(std::shared_ptr<Turns> turns) : turns_(std::move(turns)) {}
    Turn(Turn&& other) noexcept : turns_(std::move(other.turns_)) {}
    Turn& operator=(Turn&& other) noexcept {
      std::swap(turns_, other.turns_);
      return *this;
    }
    ~Turn() {
      if (turns_) turns_->leave();
    }

   private:
    std::shared_ptr<Turns> turns_;
  };

  boost::asio::awaitable<Turn> take() {
    const auto self = shared_from_this();
    if (taken_) {
      const auto place = std::make_shared<boost::asio::steady_timer>(executor_, boost::asio::steady_timer::time_point::max());
      waiting_.push_back(place);
      boost::system::error_code ignored;
      co_await place->async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    }
    taken_ = true;
    co_return Turn(self);
  }

 private:
  void leave() {
    if (waiting_.empty()) {
      taken_ = false;
      return;
    }
    waiting_.front()->cancel();  // stays taken: it passes on to the next
    waiting_.pop_front();
  }

  boost::asio::any_io_executor executor_;
  std::deque<std::shared_ptr<boost::asio::steady_timer>> waiting_;
  bool taken_ = false;
};

}  // namespace signet::signing
