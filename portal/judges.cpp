#include "portal/judges.hpp"

#include "service/worker.hpp"

namespace signet::portal {

using boost::asio::awaitable;

namespace {

base::Time now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

struct Answers {
  std::vector<std::expected<Accepted, Refusal>> verdicts;
  std::vector<pki::Certificate> without_lists;
};

Answers judged(const std::vector<std::pair<std::string, Wanted>>& questions, const pki::TrustMaterial& trust) {
  Answers answers;
  answers.verdicts.reserve(questions.size());
  for (const auto& [signature, wanted] : questions) {
    std::vector<pki::Certificate> without;
    answers.verdicts.push_back(accept(signature, wanted, trust, now(), &without));
    if (answers.verdicts.back()) continue;
    // One batch is one signer's: as a rule one certificate and its TSA's.
    for (pki::Certificate& certificate : without) {
      if (std::ranges::find(answers.without_lists, certificate) == answers.without_lists.end())
        answers.without_lists.push_back(std::move(certificate));
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
  if (with_lists_ && lists_in_it_ == lists_.known()) return with_lists_;
  auto all = std::make_shared<pki::TrustMaterial>(*given_);
  lists_in_it_ = lists_.known();
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

awaitable<VerificationResult> Judges::verify(VerificationContent content, Language language) {
  struct Verified {
    VerificationResult result;
    std::vector<pki::Certificate> without_lists;
  };
  const auto shared = std::make_shared<const VerificationContent>(std::move(content));
  const auto verified = [&] {
    return service::on_worker(verifiers_, [shared, trust = current(), language] {
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
  acceptors_.join();
  verifiers_.join();
}

}  // namespace signet::portal
