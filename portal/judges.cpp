#include "portal/judges.hpp"

#include <algorithm>

#include "service/worker.hpp"

namespace signet::portal {

using boost::asio::awaitable;

namespace {

base::Time now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

struct Answers {
  std::vector<std::expected<Accepted, Refusal>> verdicts;
  std::vector<pki::ListWanted> without_lists;
};

Answers judged(const std::vector<std::pair<std::string, Wanted>>& questions, const pki::TrustMaterial& trust) {
  Answers answers;
  answers.verdicts.reserve(questions.size());
  for (const auto& [signature, wanted] : questions) {
    std::vector<pki::ListWanted> without;
    answers.verdicts.push_back(accept(signature, wanted, trust, now(), &without));
    if (answers.verdicts.back()) continue;
    // One batch is one signer's: as a rule one certificate and its TSA's.
    for (pki::ListWanted& wanted_list : without) {
      if (std::ranges::find(answers.without_lists, wanted_list) == answers.without_lists.end())
        answers.without_lists.push_back(std::move(wanted_list));
    }
  }
  return answers;
}

}  // namespace

void Judges::trust(pki::TrustMaterial trust) {
  given_ = std::make_shared<const pki::TrustMaterial>(std::move(trust));
  with_lists_.reset();
}

std::shared_ptr<const pki::TrustMaterial> Judges::current() {
  auto known = lists_.known(now());
  if (with_lists_ && lists_in_it_ == known) return with_lists_;
  auto all = std::make_shared<pki::TrustMaterial>(*given_);
  lists_in_it_ = std::move(known);
  all->crls.insert(all->crls.end(), lists_in_it_->begin(), lists_in_it_->end());
  return with_lists_ = std::move(all);
}

awaitable<std::vector<std::expected<Accepted, Refusal>>> Judges::accept(std::vector<std::pair<std::string, Wanted>> questions) {
  const auto shared = std::make_shared<const std::vector<std::pair<std::string, Wanted>>>(std::move(questions));
  auto answers = co_await service::on_worker(acceptors_, [shared, trust = current()] { return judged(*shared, *trust); });
  if (!answers.without_lists.empty() && co_await lists_.fetch(std::move(answers.without_lists), now()))
    answers = co_await service::on_worker(acceptors_, [shared, trust = current()] { return judged(*shared, *trust); });
  co_return std::move(answers.verdicts);
}

awaitable<std::optional<std::vector<VerificationResult>>> Judges::verify(std::vector<VerificationContent> contents,
                                                                         Language language, Asker asker) {
  Bench& bench = asker == Asker::consumer ? of_consumers_ : of_strangers_;
  const auto place = bench.places.take();
  if (!place) co_return std::nullopt;
  std::vector<VerificationResult> results;
  for (VerificationContent& content : contents) results.push_back(co_await verify_one(std::move(content), language, bench));
  co_return results;
}

awaitable<VerificationResult> Judges::verify_one(VerificationContent content, Language language, Bench& bench) {
  struct Verified {
    VerificationResult result;
    std::vector<pki::ListWanted> without_lists;
  };
  const auto shared = std::make_shared<const VerificationContent>(std::move(content));
  const auto verified = [&] {
    return service::on_worker(bench.worker, [shared, trust = current(), language] {
      Verified made;
      made.result = verify_content(*shared, *trust, now(), language, &made.without_lists);
      return made;
    });
  };
  Verified made = co_await verified();
  if (!made.result.signatures_valid && !made.without_lists.empty() && co_await lists_.fetch(std::move(made.without_lists), now()))
    made = co_await verified();
  co_return std::move(made.result);
}

void Judges::join() {
  for (boost::asio::thread_pool* const pool : {&acceptors_, &of_consumers_.worker, &of_strangers_.worker}) {
    pool->stop();
    pool->join();
  }
}

}  // namespace signet::portal
