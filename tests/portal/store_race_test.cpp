#include <catch2/catch.hpp>
#include <deque>
#include <thread>

#include "test_database.hpp"

using namespace signet;
using namespace signet::portal;
using boost::asio::awaitable;
using test::at;
using test::new_request;
using test::result_of;

// Two stores on one database are two instances of the portal.
namespace {

constexpr int rounds = 60;

struct TwoInstances : test::OpenStore {
  std::deque<test::RunningContext> others;  // of other threads: they outlive the stores
  std::unique_ptr<Store> other = database.open();

  Store& one_of(int i) { return i % 2 == 0 ? *store : *other; }
  ~TwoInstances() {
    store.reset();
    other.reset();
  }
};

Claim claim_of(const std::string& id, const std::string& key, long long now = 1100, long long until = 1200) {
  return {id, key, at(now), at(until)};
}

template <class T, class Wanted>
long count(const std::vector<base::Result<T>>& answers, const Wanted& wanted) {
  return std::count_if(answers.begin(), answers.end(), [&](const auto& answer) { return answer.value() == wanted; });
}

}  // namespace

TEST_CASE("of many pages on two instances one holds the request") {
  TwoInstances two;
  for (int round = 0; round < rounds; ++round) {
    const std::string id = two.answer(two.store->post(new_request()));
    std::vector<awaitable<base::Result<ClaimOutcome>>> claims;
    for (int i = 0; i < 8; ++i) claims.push_back(two.one_of(i).claim(claim_of(id, "key" + std::to_string(i)), "t"));
    const auto answers = two.together(std::move(claims));
    CHECK(count(answers, ClaimOutcome::claimed) == 1);
    CHECK(count(answers, ClaimOutcome::held) == 7);
  }
}

TEST_CASE("savers of one key on two instances never make a second result") {
  TwoInstances two;
  constexpr std::uint32_t contents = 7;
  for (int round = 0; round < rounds; ++round) {
    const std::string id = two.answer(two.store->post(new_request(contents)));
    std::vector<awaitable<base::Result<SavedResults>>> saves;
    for (int i = 0; i < 8; ++i) {
      std::vector<StoredResult> results;
      for (std::uint32_t n = 0; n < contents; ++n)
        if (n % 4 != static_cast<std::uint32_t>(i) % 4) results.push_back(result_of(n, "of " + std::to_string(i)));
      saves.push_back(two.one_of(i).save(claim_of(id, "the same"), std::move(results)));
    }
    const auto answers = two.together(std::move(saves));
    std::uint32_t saved = 0, finished = 0;
    for (const auto& answer : answers) {
      saved += answer.value().saved;
      if (answer.value().claim == ClaimOutcome::claimed && answer.value().missing == 0) ++finished;
      if (answer.value().claim != ClaimOutcome::claimed) CHECK(answer.value().claim == ClaimOutcome::ended);
    }
    CHECK(saved == contents);
    CHECK(finished == 1);
    const auto stored = two.answer(two.store->request(id, at(1150)));
    CHECK(stored->status == SignStatus::success);
    CHECK(stored->results == contents);
    CHECK(two.answer(two.other->results(id)).size() == contents);
  }
}

TEST_CASE("a request is signed or given up, never both") {
  TwoInstances two;
  for (int round = 0; round < rounds; ++round) {
    const std::string id = two.answer(two.store->post(new_request()));
    auto saving =
        boost::asio::co_spawn(two.context.io(), two.store->save(claim_of(id, "a"), {result_of(0)}), boost::asio::use_future);
    auto giving_up =
        boost::asio::co_spawn(two.context.io(), two.other->give_up(claim_of(id, "b"), "user_cancelled"), boost::asio::use_future);
    const auto saved = saving.get();
    const auto given_up = giving_up.get();
    const bool signed_ = saved.value().claim == ClaimOutcome::claimed;
    CHECK(signed_ != (given_up.value() == ClaimOutcome::claimed));
    CHECK(two.answer(two.store->request(id, at(1150)))->status == (signed_ ? SignStatus::success : SignStatus::failure));
    CHECK(two.answer(two.store->results(id)).size() == (signed_ ? 1U : 0U));
  }
}

TEST_CASE("a request expires or is claimed, never both") {
  TwoInstances two;
  for (int round = 0; round < rounds; ++round) {
    const std::string id = two.answer(two.store->post(new_request()));
    // A page that is in time by its clock, and a sweep that is past it by its own.
    auto claiming =
        boost::asio::co_spawn(two.context.io(), two.store->claim(claim_of(id, "a", 1999, 2100), "t"), boost::asio::use_future);
    auto sweeping = boost::asio::co_spawn(two.context.io(), two.other->sweep(at(2000), at(0)), boost::asio::use_future);
    const bool claimed = claiming.get().value() == ClaimOutcome::claimed;
    const auto expired = sweeping.get().value().expired;
    // A sweep leaves to the next one what is being changed.
    CHECK(claimed + expired == 1);
    CHECK(two.answer(two.store->request(id, at(2050)))->status == (claimed ? SignStatus::pending : SignStatus::expired));
    if (claimed) two.answer(two.store->give_up(claim_of(id, "a", 2050, 2100), "user_cancelled"));
  }
}

TEST_CASE("many threads on two instances bring all requests to one end") {
  TwoInstances two;
  constexpr int requests = 40, threads = 6;
  std::vector<std::string> ids;
  for (int i = 0; i < requests; ++i) ids.push_back(two.answer(two.store->post(new_request(2))));
  std::atomic<int> results = 0, failures = 0, errors = 0;
  std::vector<std::thread> pages;
  for (int t = 0; t < threads; ++t) {
    auto& own = two.others.emplace_back();
    own.start();
    pages.emplace_back([&, t] {
      for (int i = 0; i < requests; ++i) {
        // In opposite orders, so that transactions meet that lock the same rows.
        const std::string& id = ids[static_cast<std::size_t>(t % 2 == 0 ? i : requests - 1 - i)];
        const std::string key = "page " + std::to_string(t);
        std::vector<std::future<base::Result<SavedResults>>> saves;
        for (std::uint32_t n = 0; n < 2; ++n)
          saves.push_back(
              boost::asio::co_spawn(own.io(), two.one_of(t).save(claim_of(id, key), {result_of(n)}), boost::asio::use_future));
        auto failed = boost::asio::co_spawn(own.io(), two.one_of(t + 1).give_up(claim_of(id, key), "user_cancelled"),
                                            boost::asio::use_future);
        for (auto& save : saves) {
          const auto saved = save.get();
          saved ? results += static_cast<int>(saved->saved) : ++errors;
        }
        const auto given_up = failed.get();
        if (!given_up) ++errors;
        if (given_up && *given_up == ClaimOutcome::claimed) ++failures;
      }
    });
  }
  for (auto& page : pages) page.join();
  CHECK(errors == 0);
  CHECK(two.database.number("SELECT count(*) FROM requests WHERE status = 0") == 0);
  CHECK(two.database.number("SELECT count(*) FROM requests WHERE status = 2") == failures);
  CHECK(two.database.number("SELECT count(*) FROM results") == results);
  CHECK(two.database.number(
            "SELECT count(*) FROM requests q WHERE results <> (SELECT count(*) FROM results r WHERE r.request_id = q.id)") == 0);
  CHECK(two.database.number("SELECT count(*) FROM requests WHERE (status = 1) <> (results = contents)") == 0);
}
