#include "agent/token_news.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

namespace signet::agent {

namespace asio = boost::asio;

namespace {

// A token that is plugged in shows by several events; one that is plugged in again and again is told of at most so often.
constexpr auto gather = std::chrono::milliseconds{150};

}  // namespace

TokenNews::TokenNews(asio::any_io_executor executor, Ports ports) : executor_(std::move(executor)), ports_(std::move(ports)) {}

void TokenNews::may_have_changed() {
  changed_ = true;
  if (telling_ || stopping_) return;
  telling_ = true;
  asio::co_spawn(executor_, tell(), asio::detached);
}

void TokenNews::batches_ended() {
  if (changed_) may_have_changed();
}

asio::awaitable<void> TokenNews::tell() {
  while (changed_ && !stopping_ && !ports_.batch_runs()) {
    asio::steady_timer gathering(executor_, gather);
    co_await gathering.async_wait(asio::use_awaitable);
    // One that began meanwhile: what has changed is still to be told.
    if (stopping_ || ports_.batch_runs()) break;
    changed_ = false;
    if (!ports_.somebody_listens()) {
      told_.reset();
      continue;
    }
    List now = co_await ports_.list();
    if (told_ == now.text) continue;
    told_ = now.text;
    ports_.tell(std::move(now));
  }
  telling_ = false;
}

}  // namespace signet::agent
