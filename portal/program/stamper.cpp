#include "portal/program/stamper.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace signet::portal {

namespace asio = boost::asio;
using asio::awaitable;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t asked_at_once = 8;
// No TSA is asked anew after that: with what is asked then, the page that waits still hears of it.
constexpr std::chrono::seconds asks_for{20};

}  // namespace

// What coroutines that ask side by side share. One thread.
struct Stamper::Stamping {
  Stamping(const asio::any_io_executor& executor, std::vector<Unstamped> given)
      : unstamped(std::move(given)), done(executor, Clock::time_point::max()) {}

  std::vector<Unstamped> unstamped;
  std::size_t next = 0, asking = 0;
  Clock::time_point until = Clock::now() + asks_for;
  asio::steady_timer done;  // ended by the last one
};

awaitable<std::vector<Stamper::Verdict>> Stamper::accept(std::vector<Question> questions) {
  std::vector<Verdict> verdicts = co_await judges_.accept(questions);
  if (!time_stamps_.configured()) co_return verdicts;
  std::vector<Unstamped> unstamped;
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    if (verdicts[i] || verdicts[i].error() != Refusal::time_stamp_missing) continue;
    if (auto plan = plan_time_stamp(questions[i].first)) unstamped.push_back({.question = i, .plan = std::move(*plan)});
  }
  if (unstamped.empty()) co_return verdicts;

  const std::size_t asked = unstamped.size();
  unstamped = co_await stamp(std::move(unstamped));
  std::vector<Question> stamped;
  std::size_t failed = 0;
  std::string error;
  for (const Unstamped& one : unstamped) {
    const auto& [signature, wanted] = questions[one.question];
    if (one.token) {
      stamped.emplace_back(xades::stamped(signature, one.plan, one.token->der), wanted);
    } else {
      verdicts[one.question] = std::unexpected(Refusal::time_stamp_failed);
      ++failed;
      error = one.token.error().detail;
    }
  }
  std::erase_if(unstamped, [](const Unstamped& one) { return !one.token; });
  std::vector<Verdict> again = co_await judges_.accept(stamped);
  for (std::size_t i = 0; i < again.size(); ++i) {
    if (again[i]) {
      again[i]->stamped = std::move(stamped[i].first);
    } else {
      again[i] = std::unexpected(Refusal::time_stamp_failed);  // the signature itself was in order
      ++failed;
      error = "a time stamp that does not hold by signers.trust";
    }
    verdicts[unstamped[i].question] = std::move(again[i]);
  }
  on_stamped_(asked - failed, failed, error);
  co_return verdicts;
}

awaitable<std::vector<Stamper::Unstamped>> Stamper::stamp(std::vector<Unstamped> unstamped) {
  const auto executor = co_await asio::this_coro::executor;
  const auto stamping = std::make_shared<Stamping>(executor, std::move(unstamped));
  stamping->asking = std::min(asked_at_once, stamping->unstamped.size());
  for (std::size_t i = stamping->asking; i > 0; --i)
    asio::co_spawn(executor, ask(stamping), [](std::exception_ptr thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
  boost::system::error_code cancelled;
  co_await stamping->done.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  co_return std::move(stamping->unstamped);
}

awaitable<void> Stamper::ask(std::shared_ptr<Stamping> stamping) {
  while (stamping->next < stamping->unstamped.size() && Clock::now() < stamping->until) {
    Unstamped& one = stamping->unstamped[stamping->next++];
    one.token = co_await time_stamps_.token(one.plan.imprint);
  }
  if (--stamping->asking == 0) stamping->done.expires_at(Clock::now());  // also one that nobody waits for yet
}

}  // namespace signet::portal
