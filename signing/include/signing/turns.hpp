#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <deque>
#include <memory>
#include <optional>
#include <utility>

namespace signet::signing {

// One at a time, in the order of asking: a token, a dialog. One thread; held by shared_ptr.
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

  // The turn if nobody has it or waits for it.
  std::optional<Turn> try_take() {
    if (taken_ || !waiting_.empty()) return std::nullopt;
    taken_ = true;
    return Turn(shared_from_this());
  }

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
