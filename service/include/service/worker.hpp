#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <type_traits>

namespace signet::service {

// Runs a blocking call on a worker and comes back to the coroutine's own thread with what it returned. Cancelling does not
// shorten it: the call must be bounded by itself.
template <class Call, class T = std::invoke_result_t<Call>>
boost::asio::awaitable<T> on_worker(boost::asio::thread_pool& pool, Call call) {
  co_return co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void(T)>(
      [&pool](auto handler, Call work) {
        auto home = boost::asio::make_work_guard(boost::asio::get_associated_executor(handler));
        boost::asio::post(pool, [handler = std::move(handler), work = std::move(work), home = std::move(home)]() mutable {
          boost::asio::post(home.get_executor(),
                            [handler = std::move(handler), result = work()]() mutable { std::move(handler)(std::move(result)); });
        });
      },
      boost::asio::use_awaitable, std::move(call));
}

}  // namespace signet::service
