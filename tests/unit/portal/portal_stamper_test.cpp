#include <ctime>

#include "../net/running.hpp"
#include "portal/program/stamper.hpp"
#include "signing_bench.hpp"

using namespace signet;
using namespace signet::portal;
using namespace signet::portal::test;

namespace {

std::chrono::nanoseconds used(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

TEST_CASE("what a batch of large signatures takes is not taken from the thread that all others wait for") {
  Bench bench;
  signet::test::RunningContext context;
  service::RevocationServices lists(context.io().get_executor(), {.fetch = false}, [](auto, const auto&) {});
  Judges judges(lists);
  judges.trust(bench.trust());
  service::TimeStamping nobody;
  nobody.urls = {"http://127.0.0.1:1/"};
  nobody.tries = 1;
  std::size_t failed = 0;
  Stamper stamper(judges, nobody, [&](std::size_t, std::size_t how_many, const std::string&) { failed = how_many; });
  context.start();
  std::string bare = bench.sign(bench.signer, {.time_stamp = false});
  std::string comments;
  for (int i = 0; i < 20'000; ++i) comments += "<!-- a -->";
  bare.insert(bare.rfind("</"), comments);
  const std::vector<Stamper::Question> questions(60, {bare, bench.wanted()});

  const auto on_thread = [&] { return context.on_thread([] { return used(CLOCK_THREAD_CPUTIME_ID); }); };
  const auto all_before = used(CLOCK_PROCESS_CPUTIME_ID), before = on_thread();
  const auto verdicts = context.await(stamper.accept(questions));
  const auto taken = on_thread() - before, all_taken = used(CLOCK_PROCESS_CPUTIME_ID) - all_before;
  REQUIRE(verdicts.size() == questions.size());
  for (const auto& verdict : verdicts) CHECK(verdict.error() == Refusal::time_stamp_failed);
  CHECK(failed == questions.size());
  CHECK(taken < all_taken / 8);
  context.join();
}
