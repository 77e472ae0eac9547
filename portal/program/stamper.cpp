#include "portal/program/stamper.hpp"

#include <algorithm>

#include "service/side_by_side.hpp"
#include "service/worker.hpp"

namespace signet::portal {

using boost::asio::awaitable;

namespace {

constexpr std::size_t asked_at_once = 8;
// No TSA is asked anew after that: with what is asked then, the page that waits still hears of it.
constexpr std::chrono::seconds asks_for{20};

}  // namespace

awaitable<std::vector<Stamper::Verdict>> Stamper::accept(std::vector<Question> questions) {
  std::vector<Verdict> verdicts = co_await judges_.accept(questions);
  if (!time_stamps_.configured()) co_return verdicts;
  std::vector<std::pair<std::size_t, std::string>> bare;
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    if (!verdicts[i] && verdicts[i].error() == Refusal::time_stamp_missing) bare.emplace_back(i, questions[i].first);
  }
  if (bare.empty()) co_return verdicts;
  std::vector<Unstamped> unstamped = co_await planned(std::move(bare));

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

// Parsing takes a while: a batch of large signatures would hold up all others.
awaitable<std::vector<Stamper::Unstamped>> Stamper::planned(std::vector<std::pair<std::size_t, std::string>> signatures) {
  return service::on_worker(planners_, [signatures = std::move(signatures)] {
    std::vector<Unstamped> unstamped;
    for (const auto& [question, signature] : signatures)
      if (auto plan = plan_time_stamp(signature)) unstamped.push_back({.question = question, .plan = std::move(*plan)});
    return unstamped;
  });
}

awaitable<std::vector<Stamper::Unstamped>> Stamper::stamp(std::vector<Unstamped> unstamped) {
  const auto all = std::make_shared<std::vector<Unstamped>>(std::move(unstamped));
  const auto until = Clock::now() + asks_for;
  co_await service::side_by_side(all->size(), asked_at_once, [this, all, until](std::size_t i) { return ask(all, i, until); });
  co_return std::move(*all);
}

awaitable<void> Stamper::ask(std::shared_ptr<std::vector<Unstamped>> unstamped, std::size_t which, Clock::time_point until) {
  if (Clock::now() < until) (*unstamped)[which].token = co_await time_stamps_.token((*unstamped)[which].plan.imprint);
}

}  // namespace signet::portal
