#include "service/side_by_side.hpp"

#include <catch2/catch.hpp>
#include <vector>

#include "../net/running.hpp"

using namespace signet;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

struct Counted {
  test::RunningContext context;
  std::size_t working = 0, most = 0;
  std::vector<std::size_t> begun, done;

  asio::awaitable<void> work(std::size_t which) {
    begun.push_back(which);
    most = std::max(most, ++working);
    asio::steady_timer timer(context.io(), 1ms);
    co_await timer.async_wait(asio::use_awaitable);
    --working;
    if (which % 3 == 1) throw std::runtime_error("failed");
    done.push_back(which);
  }
  // Whether it came to its end.
  bool all(std::size_t count) {
    context.start();
    auto ended = asio::co_spawn(context.io(), service::side_by_side(count, 4, [this](std::size_t i) { return work(i); }),
                                asio::use_future);
    const bool came = ended.wait_for(10s) == std::future_status::ready;
    context.join();
    return came;
  }
};

}  // namespace

TEST_CASE("what is done side by side is begun in its order, and never more at once than was said") {
  Counted counted;
  REQUIRE(counted.all(10));
  CHECK(counted.begun == std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(counted.most == 4);
}

TEST_CASE("one that throws ends neither the others nor the process, and nobody waits for it") {
  Counted counted;
  REQUIRE(counted.all(12));
  CHECK(counted.done.size() == 8);
}

TEST_CASE("of nothing there is nothing to wait for") {
  Counted counted;
  CHECK(counted.all(0));
}
