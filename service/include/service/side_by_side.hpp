#pragma once

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstddef>
#include <memory>

namespace signet::service {

// call(0) to call(count - 1), awaitables, at most `at_once` of them side by side and begun in their order; comes back when all
// have ended. One that throws ends without a word, and the others go on. One thread.
template <class Call>
boost::asio::awaitable<void> side_by_side(std::size_t count, std::size_t at_once, Call call) {
  namespace asio = boost::asio;
  struct State {
    Call call;
    std::size_t count, next = 0, working = 0;
    asio::steady_timer ended;
  };
  const auto executor = co_await asio::this_coro::executor;
  const auto state = std::make_shared<State>(State{std::move(call), count, 0, 0, asio::steady_timer(executor)});
  state->ended.expires_at(asio::steady_timer::time_point::max());
  static constexpr auto work = [](std::shared_ptr<State> shared) -> asio::awaitable<void> {
    while (shared->next < shared->count) {
      const std::size_t mine = shared->next++;
      try {
        co_await shared->call(mine);
      } catch (const std::exception&) {  // what it was to make is missing: its caller sees that
      }
    }
  };
  state->working = std::min(at_once, count);
  for (std::size_t i = state->working; i > 0; --i)
    asio::co_spawn(executor, work(state), [state](std::exception_ptr) {
      if (--state->working == 0) state->ended.cancel();
    });
  boost::system::error_code ignored;
  while (state->working > 0) co_await state->ended.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

}  // namespace signet::service
