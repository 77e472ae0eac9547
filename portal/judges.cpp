#include "portal/judges.hpp"

#include <algorithm>
#include <iterator>

#include "service/worker.hpp"

namespace signet::portal {

using boost::asio::awaitable;

namespace {

base::Time now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

using Verdicts = std::vector<std::expected<Accepted, Refusal>>;

template <class Result>
struct Judged {
  Result result;
  std::vector<pki::ListWanted> without;  // what it may have failed for alone, or what newer data could tell of
};

Judged<Verdicts> judged(const std::vector<std::pair<std::string, Wanted>>& questions, const pki::TrustMaterial& trust) {
  Judged<Verdicts> answers;
  answers.result.reserve(questions.size());
  for (const auto& [signature, wanted] : questions) {
    std::vector<pki::ListWanted> without;
    answers.result.push_back(accept(signature, wanted, trust, now(), &without));
    if (answers.result.back()) continue;
    std::ranges::move(without, std::back_inserter(answers.without));
  }
  return answers;
}

}  // namespace

void Judges::trust(pki::TrustMaterial trust) {
  given_ = std::make_shared<const pki::TrustMaterial>(std::move(trust));
  with_lists_.reset();
}

std::shared_ptr<const pki::TrustMaterial> Judges::current() {
  auto known = services_.known(now());
  if (with_lists_ && lists_in_it_ == known) return with_lists_;
  auto all = std::make_shared<pki::TrustMaterial>(*given_);
  lists_in_it_ = std::move(known);
  all->crls.insert(all->crls.end(), lists_in_it_->begin(), lists_in_it_->end());
  return with_lists_ = std::move(all);
}

template <class Judge>
awaitable<decltype(std::declval<Judge>()(std::declval<const pki::TrustMaterial&>()).result)> Judges::with_revocation_data(
    boost::asio::thread_pool& pool, Judge judge) {
  std::vector<pki::OcspResponse> responses;
  const auto judged = [&] {
    auto trust = current();
    if (!responses.empty()) {
      auto all = std::make_shared<pki::TrustMaterial>(*trust);
      all->ocsp.insert(all->ocsp.end(), responses.begin(), responses.end());
      trust = std::move(all);
    }
    return service::on_worker(pool, [judge, trust = std::move(trust)] { return judge(*trust); });
  };
  auto made = co_await judged();
  using enum service::RevocationServices::Ask;
  for (const auto ask : {lists_after_ocsp, both}) {
    if (made.without.empty()) break;
    auto came = co_await services_.fetch(std::move(made.without), now(), ask);
    if (!came.any()) break;
    std::ranges::move(came.responses, std::back_inserter(responses));
    made = co_await judged();
  }
  co_return std::move(made.result);
}

awaitable<Verdicts> Judges::accept(std::vector<std::pair<std::string, Wanted>> questions) {
  const auto shared = std::make_shared<const std::vector<std::pair<std::string, Wanted>>>(std::move(questions));
  co_return co_await with_revocation_data(acceptors_,
                                          [shared](const pki::TrustMaterial& trust) { return judged(*shared, trust); });
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
  const auto shared = std::make_shared<const VerificationContent>(std::move(content));
  co_return co_await with_revocation_data(bench.worker, [shared, language](const pki::TrustMaterial& trust) {
    Judged<VerificationResult> made;
    made.result = verify_content(*shared, trust, now(), language, &made.without);
    return made;
  });
}

void Judges::join() {
  for (boost::asio::thread_pool* const pool : {&acceptors_, &of_consumers_.worker, &of_strangers_.worker}) {
    pool->stop();
    pool->join();
  }
}

}  // namespace signet::portal
