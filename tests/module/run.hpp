#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>

namespace signet::test {

// Runs a coroutine to its end; what it left behind (hosts that are ending) runs on at the next call, or ends with the context.
template <class T>
T run(boost::asio::io_context& io, boost::asio::awaitable<T> coroutine) {
  std::optional<T> value;
  std::exception_ptr error;
  bool done = false;
  boost::asio::co_spawn(
      io,
      // No captures: the closure is gone before the coroutine first runs.
      [](boost::asio::awaitable<T> inner, std::optional<T>& out) -> boost::asio::awaitable<void> {
        out.emplace(co_await std::move(inner));
      }(std::move(coroutine), value),
      [&](std::exception_ptr thrown) {
        error = thrown;
        done = true;
      });
  io.restart();
  while (!done && io.run_one() > 0) {
  }
  if (error) std::rethrow_exception(error);
  if (!done) throw std::logic_error("the coroutine never ended");
  return std::move(*value);
}

inline void run(boost::asio::io_context& io, boost::asio::awaitable<void> coroutine) {
  run(io, [](boost::asio::awaitable<void> inner) -> boost::asio::awaitable<bool> {
    co_await std::move(inner);
    co_return true;
  }(std::move(coroutine)));
}

// Serves the context until the condition holds; false after ten seconds.
inline bool until(boost::asio::io_context& io, const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  io.restart();
  while (!condition() && std::chrono::steady_clock::now() < deadline) io.run_one_for(std::chrono::milliseconds(20));
  return condition();
}

}  // namespace signet::test
