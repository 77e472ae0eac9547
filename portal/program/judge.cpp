#include "portal/program/judge.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "service/worker.hpp"

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
struct Judge::Stamping {
  Stamping(const asio::any_io_executor& executor, std::vector<Unstamped> given)
      : unstamped(std::move(given)), done(executor, Clock::time_point::max()) {}

  std::vector<Unstamped> unstamped;
  std::size_t next = 0, asking = 0;
  Clock::time_point until = Clock::now() + asks_for;
  asio::steady_timer done;  // ended by the last one
};

awaitable<std::vector<Judge::Verdict>> Judge::judge(std::vector<Question> questions) {
  struct Judged {
    std::vector<Verdict> verdicts;
    std::vector<Unstamped> unstamped;
  };
  const auto shared = std::make_shared<const std::vector<Question>>(std::move(questions));
  const Trust trust = ports_.trust();
  auto judged = co_await service::on_worker(workers_, [shared, trust, now = ports_.now, stamps = stamps()] {
    Judged made;
    for (const auto& [signature, wanted] : *shared) {
      made.verdicts.push_back(accept(signature, wanted, *trust, now()));
      if (!stamps || made.verdicts.back() || made.verdicts.back().error() != Refusal::time_stamp_missing) continue;
      if (auto plan = plan_time_stamp(signature))
        made.unstamped.push_back({.question = made.verdicts.size() - 1, .plan = std::move(*plan)});
    }
    return made;
  });
  if (judged.unstamped.empty()) co_return std::move(judged.verdicts);

  auto unstamped = co_await stamp(std::move(judged.unstamped));
  const auto stamped = std::make_shared<const std::vector<Unstamped>>(std::move(unstamped));
  auto again = co_await service::on_worker(workers_, [shared, stamped, trust, now = ports_.now] {
    std::vector<Verdict> verdicts;
    for (const Unstamped& one : *stamped) {
      const auto& [signature, wanted] = (*shared)[one.question];
      verdicts.push_back(one.token ? accept_stamped(signature, one.plan, one.token->der, wanted, *trust, now())
                                   : std::unexpected(Refusal::time_stamp_failed));
    }
    return verdicts;
  });
  std::size_t failed = 0;
  std::string error;
  for (std::size_t i = 0; i < again.size(); ++i) {
    if (!again[i]) {
      ++failed;
      const auto& token = (*stamped)[i].token;
      error = token ? "a time stamp that does not hold by signers.trust" : token.error().detail;
    }
    judged.verdicts[(*stamped)[i].question] = std::move(again[i]);
  }
  ports_.on_stamped(again.size() - failed, failed, error);
  co_return std::move(judged.verdicts);
}

awaitable<std::vector<Judge::Unstamped>> Judge::stamp(std::vector<Unstamped> unstamped) {
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

awaitable<void> Judge::ask(std::shared_ptr<Stamping> stamping) {
  while (stamping->next < stamping->unstamped.size() && Clock::now() < stamping->until) {
    Unstamped& one = stamping->unstamped[stamping->next++];
    one.token = co_await time_stamps_.token(one.plan.imprint);
  }
  if (--stamping->asking == 0) stamping->done.expires_at(Clock::now());  // also one that nobody waits for yet
}

}  // namespace signet::portal
