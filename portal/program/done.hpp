#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>

#include "base/result.hpp"

namespace signet::portal {

// Waits for the answer of a call to the store. The main thread.
template <class T>
base::Result<T> done(boost::asio::awaitable<base::Result<T>> call) {
  // To the end of the program: the thread that answers may still be at it after its answer was heard.
  static boost::asio::io_context io;
  io.restart();
  std::optional<base::Result<T>> result;
  const auto run = [](boost::asio::awaitable<base::Result<T>> made,
                      std::optional<base::Result<T>>& to) -> boost::asio::awaitable<void> { to = co_await std::move(made); };
  boost::asio::co_spawn(io, run(std::move(call), result), [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  io.run();
  return std::move(*result);
}

}  // namespace signet::portal
