#include "agent/token_news.hpp"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <vector>

using namespace signet::agent;
using namespace std::chrono_literals;

namespace {

constexpr auto gathered = 250ms;  // longer than events are gathered
constexpr auto gathering = 50ms;

struct Bench {
  boost::asio::io_context io;
  bool runs = false, listens = true;
  std::string tokens = "one";
  unsigned lists = 0;
  std::vector<std::string> told;
  TokenNews news{io.get_executor(),
                 {.batch_runs = [this] { return runs; },
                  .somebody_listens = [this] { return listens; },
                  .list = [this]() -> boost::asio::awaitable<TokenNews::List> {
                    ++lists;
                    co_return TokenNews::List{!tokens.empty(), tokens};
                  },
                  .tell = [this](TokenNews::List now) { told.push_back(now.text); }}};

  void pass(std::chrono::milliseconds time) {
    io.restart();
    io.run_for(time);
  }
};
using Told = std::vector<std::string>;

}  // namespace

TEST_CASE("what comes and goes is told once all of it has happened, and only what differs") {
  Bench bench;
  bench.news.may_have_changed();
  bench.pass(gathering);
  bench.news.may_have_changed();
  CHECK(bench.told.empty());
  bench.pass(gathered);
  CHECK(bench.told == Told{"one"});
  CHECK(bench.lists == 1);
  bench.news.may_have_changed();
  bench.pass(gathered);
  CHECK(bench.told == Told{"one"});
  bench.tokens = "two";
  bench.news.may_have_changed();
  bench.pass(gathered);
  CHECK(bench.told == Told{"one", "two"});
}

TEST_CASE("what changes while a batch runs, or just before it, is told when it has ended") {
  Bench bench;
  const bool just_before = GENERATE(false, true);
  CAPTURE(just_before);
  if (just_before) {
    bench.news.may_have_changed();
    bench.pass(gathering);
  }
  bench.runs = true;
  if (!just_before) bench.news.may_have_changed();
  bench.pass(gathered);
  CHECK(bench.told.empty());
  CHECK(bench.lists == 0);  // the token is the batch's
  bench.runs = false;
  bench.news.batches_ended();
  bench.pass(gathered);
  CHECK(bench.told == Told{"one"});
}

TEST_CASE("a batch during which nothing changed is followed by no list") {
  Bench bench;
  bench.news.batches_ended();
  bench.pass(gathered);
  CHECK(bench.lists == 0);
}

TEST_CASE("where nobody listens no token is asked for, and who comes then hears of the next change") {
  Bench bench;
  bench.news.may_have_changed();
  bench.pass(gathered);
  bench.listens = false;
  bench.news.may_have_changed();
  bench.pass(gathered);
  CHECK(bench.lists == 1);
  bench.listens = true;
  bench.news.may_have_changed();
  bench.pass(gathered);
  CHECK(bench.told == Told{"one", "one"});
}

TEST_CASE("after a stop nothing is told") {
  Bench bench;
  bench.news.may_have_changed();
  bench.news.stop();
  bench.pass(gathered);
  CHECK(bench.lists == 0);
}
