#include "outbox.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace signet::web_bridge {

using boost::asio::awaitable;

Outbox::Outbox(const boost::asio::any_io_executor& executor, std::shared_ptr<Channel> channel)
    : channel_(std::move(channel)), changed_(executor, boost::asio::steady_timer::time_point::max()) {}

void Outbox::put(std::string text) {
  if (ended_) return;
  bytes_ += text.size();
  ++put_;
  texts_.push_back(std::move(text));
  changed_.cancel();
}

awaitable<bool> Outbox::send(std::string text) {
  put(std::move(text));
  const std::uint64_t mine = put_;
  while (!ended_ && written_ < mine) co_await change();
  co_return !ended_;
}

awaitable<bool> Outbox::below(std::size_t bytes) {
  while (!ended_ && bytes_ > bytes) co_await change();
  co_return !ended_;
}

void Outbox::end() {
  ended_ = true;
  texts_.clear();
  changed_.cancel();
}

awaitable<void> Outbox::run() {
  while (!ended_) {
    if (texts_.empty()) {
      co_await change();
      continue;
    }
    std::string text = std::move(texts_.front());
    texts_.pop_front();
    const std::size_t size = text.size();
    const auto done = co_await channel_->write(std::move(text));
    if (!done) {
      end();
      channel_->cut();  // what reads sees it too
      break;
    }
    bytes_ -= size;
    ++written_;
    changed_.cancel();
  }
}

awaitable<void> Outbox::change() { co_await changed_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable)); }

}  // namespace signet::web_bridge
