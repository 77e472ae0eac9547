#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <optional>
#include <type_traits>

namespace signet::service {

// Runs a blocking call on a worker and comes back to the coroutine's own thread with what it returned or threw. Cancelling does
// not shorten it: the call must be bounded by itself.
template <class Call, class T = std::invoke_result_t<Call>>
boost::asio::awaitable<T> on_worker(boost::asio::thread_pool& pool, Call call) {
  using Outcome = std::pair<std::optional<T>, std::exception_ptr>;
  auto [result, thrown] = co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void(Outcome)>(
      [&pool](auto handler, Call work) {
        auto home = boost::asio::make_work_guard(boost::asio::get_associated_executor(handler));
        boost::asio::post(pool, [handler = std::move(handler), work = std::move(work), home = std::move(home)]() mutable {
          Outcome outcome;
          try {
            outcome.first.emplace(work());
          } catch (...) {
            outcome.second = std::current_exception();
          }
          boost::asio::post(home.get_executor(), [handler = std::move(handler), outcome = std::move(outcome)]() mutable {
            std::move(handler)(std::move(outcome));
          });
        });
      },
      boost::asio::use_awaitable, std::move(call));
  if (thrown) std::rethrow_exception(thrown);
  co_return std::move(*result);
}

}  // namespace signet::service
