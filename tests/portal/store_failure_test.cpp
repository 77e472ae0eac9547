#include <catch2/catch.hpp>

#include "test_database.hpp"

using namespace signet;
using namespace signet::portal;
using base::ErrorCode;
using test::new_request;

namespace {

using Answers = std::vector<base::Result<std::string>>;

// Posts of which every tenth says "bad", all at once.
Answers posts_with_bad_ones(test::OpenStore& at_work) {
  std::vector<boost::asio::awaitable<base::Result<std::string>>> posts;
  for (int i = 0; i < 50; ++i) {
    NewRequest request = new_request();
    if (i % 10 == 5) request.description = "bad";
    posts.push_back(at_work.store->post(request));
  }
  return at_work.together(std::move(posts));
}

}  // namespace

TEST_CASE("of what is committed together only what the database refuses fails") {
  test::OpenStore at_work;
  if (test::TestDatabase::is_postgresql()) {
    at_work.database.run("ALTER TABLE requests ADD CONSTRAINT no_bad CHECK (description <> 'bad')");
  } else {
    at_work.database.run(
        "CREATE TRIGGER no_bad BEFORE INSERT ON requests WHEN NEW.description = 'bad' BEGIN SELECT RAISE(ABORT, 'no_bad'); END");
  }
  int told = 0;
  at_work.store->on_failure([&told](const base::Error&) { ++told; });
  const auto answers = posts_with_bad_ones(at_work);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    INFO(i);
    REQUIRE(answers[i].has_value() == (i % 10 != 5));
    if (answers[i]) continue;
    CHECK(answers[i].error().code == ErrorCode::file_failed);
    CHECK(answers[i].error().detail.find("no_bad") != std::string::npos);
    // The reason is the database's, not what was in the row.
    CHECK(answers[i].error().detail.find("Contract") == std::string::npos);
  }
  CHECK(told == 5);
  CHECK(at_work.database.number("SELECT count(*) FROM requests") == 45);
  CHECK(at_work.database.number("SELECT count(*) FROM contents") == 45);
}

TEST_CASE("what failed at the commit is never given as done, and the store goes on") {
  test::OpenStore at_work;
  // A reference that is looked at by COMMIT.
  at_work.database.run("CREATE TABLE trap (consumer_id " +
                       std::string(test::TestDatabase::is_postgresql() ? "TEXT COLLATE \"C\"" : "TEXT") +
                       " REFERENCES consumers (id) DEFERRABLE INITIALLY DEFERRED)");
  if (test::TestDatabase::is_postgresql()) {
    at_work.database.run(
        "CREATE FUNCTION spring() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO trap VALUES ('nobody'); RETURN NEW; "
        "END $$");
    at_work.database.run(
        "CREATE TRIGGER spring AFTER INSERT ON requests FOR EACH ROW WHEN (NEW.description = 'bad') EXECUTE FUNCTION spring()");
  } else {
    at_work.database.run(
        "CREATE TRIGGER spring AFTER INSERT ON requests WHEN NEW.description = 'bad' BEGIN INSERT INTO trap VALUES ('nobody'); "
        "END");
  }
  const auto answers = posts_with_bad_ones(at_work);
  long long done = 0;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (i % 10 == 5) REQUIRE(!answers[i]);
    if (answers[i]) {
      ++done;
    } else {
      CHECK(answers[i].error().code == ErrorCode::file_failed);
      CHECK(answers[i].error().detail.find("not known") != std::string::npos);
    }
  }
  CHECK(at_work.database.number("SELECT count(*) FROM requests") == done);
  CHECK(at_work.answer(at_work.store->post(new_request())).size() == 32);
}

TEST_CASE("callers beyond what may wait are told at once") {
  test::OpenStore at_work;
  at_work.answer(at_work.store->post(new_request()));
  std::vector<boost::asio::awaitable<base::Result<std::string>>> posts;
  for (int i = 0; i < 10'600; ++i) posts.push_back(at_work.store->post(new_request()));
  std::vector<base::Result<std::string>> answers;
  {
    const auto locked = at_work.database.locked();
    std::vector<std::future<base::Result<std::string>>> futures;
    for (auto& post : posts)
      futures.push_back(boost::asio::co_spawn(at_work.context.io(), std::move(post), boost::asio::use_future));
    // The last has been refused before any has been done: all that is before it is in front of the lock.
    answers.push_back(futures.back().get());
    futures.pop_back();
    CHECK(answers.front().error().code == ErrorCode::too_many);
    locked->end();
    for (auto& future : futures) answers.push_back(future.get());
  }
  long long done = 0;
  for (const auto& answer : answers) {
    if (answer) ++done;
    if (!answer) REQUIRE(answer.error().code == ErrorCode::too_many);
  }
  CHECK(done >= 10'000);
  CHECK(done < 10'600);
  CHECK(at_work.database.number("SELECT count(*) FROM requests") == done + 1);
}

TEST_CASE("destroying a store waits for what it was given, and all of it is done") {
  test::TestDatabase database;
  std::vector<std::future<base::Result<std::string>>> futures;
  {
    test::RunningContext context;
    auto store = database.open();
    for (int i = 0; i < 300; ++i)
      futures.push_back(boost::asio::co_spawn(context.io(), store->post(new_request()), boost::asio::use_future));
    boost::asio::post(context.io(), [&] { store.reset(); });  // after all of them have begun
    context.start();
    for (auto& future : futures) CHECK(future.get().has_value());
    context.join();
  }
  CHECK(database.number("SELECT count(*) FROM requests") == 300);
}
